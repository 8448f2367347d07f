/*-------------------------------------------------------------------------
 *
 * audit_crash.c
 *	  An object store in which the n-th write is the last one.
 *
 * A write is an object that is finished or replaced, a removal, or a sweep.  The
 * last one is done, or not, or half of it; then each call of the store fails, as
 * if the process had ended, until the test goes on as another one.  Or the last
 * one is a conditional put that is done, but whose answer says that another
 * session was faster: so object storage answers if a request is sent once more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit.h"
#include "objstore/objstore_driver.h"

static int	writes_left;
static AuditFault fault;
static bool crashed;
static bool armed;
static BbObjectStoreOps crashing;

static void
crash(void)
{
	crashed = true;
	ereport(ERROR, (errcode(ERRCODE_CRASH_SHUTDOWN), errmsg("crashed")));
}

static void
look(void)
{
	if (crashed)
		crash();
}

/* Is the next write the last one? */
static bool
is_last(void)
{
	look();
	return armed && --writes_left == 0;
}

static bool
crashing_get(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
			 size_t max_length, char **data, size_t *length, BbObjectTag *tag)
{
	look();
	return bb_objstore_local.get(ctx, objects, name, max_length, data, length,
								 tag);
}

static bool
crashing_put_if(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
				const void *data, size_t length, BbObjectTag expected,
				BbObjectTag *tag)
{
	bool		last = is_last();
	bool		put;

	if (last && fault == AUDIT_BEFORE)
		crash();
	put = bb_objstore_local.put_if(ctx, objects, name, data, length, expected,
								   tag);
	if (last && fault == AUDIT_LOST)
		return false;
	if (last)
		crash();
	return put;
}

static List *
crashing_list(const BbReqCtx *ctx, BbObjectStore *objects, const char *prefix)
{
	look();
	return bb_objstore_local.list(ctx, objects, prefix);
}

static List *
crashing_remove(const BbReqCtx *ctx, BbObjectStore *objects, List *names)
{
	bool		last = is_last();

	if (last && fault == AUDIT_BEFORE)
		names = list_truncate(list_copy(names), list_length(names) / 2);
	(void) bb_objstore_local.remove(ctx, objects, names);
	if (last && fault != AUDIT_LOST)
		crash();
	return NIL;
}

static void
crashing_sweep(const BbReqCtx *ctx, BbObjectStore *objects, const char *prefix)
{
	if (is_last() && fault != AUDIT_LOST)
		crash();
	bb_objstore_local.sweep(ctx, objects, prefix);
}

static BbObjectWriter *
crashing_create(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	look();
	return bb_objstore_local.create(ctx, objects, name);
}

static void
crashing_finish(const BbReqCtx *ctx, BbObjectWriter *writer)
{
	bool		last = is_last();

	if (last && fault == AUDIT_BEFORE)
		crash();
	bb_objstore_local.finish(ctx, writer);
	if (last && fault != AUDIT_LOST)
		crash();
}

static BbObjectReader *
crashing_open(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	look();
	return bb_objstore_local.open_object(ctx, objects, name);
}

void
audit_crash_arm(BbObjectStore *objects, int n, AuditFault of_last)
{
	crashing = bb_objstore_local;
	crashing.get = crashing_get;
	crashing.put_if = crashing_put_if;
	crashing.list = crashing_list;
	crashing.remove = crashing_remove;
	crashing.sweep = crashing_sweep;
	crashing.create = crashing_create;
	crashing.finish = crashing_finish;
	crashing.open_object = crashing_open;
	objects->ops = &crashing;
	writes_left = n;
	fault = of_last;
	crashed = false;
	armed = n > 0;
}

bool
audit_crash_disarm(void)
{
	bool		was = crashed;

	crashed = armed = false;
	return was;
}
