/*-------------------------------------------------------------------------
 *
 * store_access.c
 *	  Opening page stores by the name of their foreign server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "stats/calls.h"
#include "stores/own_server.h"
#include "stores/store_access.h"
#include "stores/store_options.h"
#include "utils/acl.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

BbStoreAccess
bb_store_access(const BbReqCtx *ctx, const char *name, const char *timeline)
{
	ForeignServer *server = GetForeignServerByName(name, true);
	BbStoreAccess access;
	AclResult	allowed;

	bb_calls_describe(ctx,
					  &(BbCallAbout){.store = name, .timeline = timeline});
	if (server == NULL ||
		strcmp(GetForeignDataWrapper(server->fdwid)->fdwname,
			   BB_WRAPPER_NAME) != 0)
		ereport(ERROR,
				(errcode(server == NULL ? ERRCODE_UNDEFINED_OBJECT
										: ERRCODE_WRONG_OBJECT_TYPE),
				 server == NULL
				 ? errmsg("page store \"%s\" does not exist", name)
				 : errmsg("server \"%s\" is not a page store", name),
				 errhint("Page stores are foreign servers of the wrapper \""
						 BB_WRAPPER_NAME "\".")));
	allowed = bb_compat_server_usage(server->serverid, GetUserId());
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_FOREIGN_SERVER, name);

	access.url = bb_storeoptions_of(server, &access.options);
	access.identity = bb_storeoptions_identity(access.url, &access.options);
	access.options_hash = hash_bytes_extended((const unsigned char *)
												  access.identity,
											  (int) strlen(access.identity),
											  0);
	return access;
}

BbObjectStore *
bb_store_open(const BbReqCtx *ctx, const char *server, const char *timeline)
{
	BbStoreAccess access = bb_store_access(ctx, server, timeline);

	return bb_objstore_open(ctx, access.url, &access.options);
}

BbPageStore *
bb_store_timeline_of(const BbReqCtx *ctx, const BbStoreAccess *access,
					 const char *timeline)
{
	return bb_pagestore_open(ctx, access->url, &access->options, timeline);
}

BbPageStore *
bb_store_timeline(const BbReqCtx *ctx, const char *server,
				  const char *timeline)
{
	BbStoreAccess access = bb_store_access(ctx, server, timeline);

	return bb_store_timeline_of(ctx, &access, timeline);
}

BbPageStore *
bb_store_timeline_same(const BbReqCtx *ctx, const char *server,
					   const char *timeline, uint64 options_hash)
{
	BbStoreAccess access = bb_store_access(ctx, server, timeline);

	if (access.options_hash != options_hash)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("options of page store \"%s\" have changed", server),
				 errdetail("A background worker only sees committed options, "
						   "and they differ from those that its starter sees."),
				 errhint("Try again, in a transaction that doesn't change "
						 "them itself.")));
	return bb_store_timeline_of(ctx, &access, timeline);
}

/* ---- kept stores ---- */

struct BbKeptStore
{
	MemoryContext context; /* holds this struct and the store */
	bool		in_use;	   /* by a call that hasn't released it */
	const char *identity;
	BbPageStore *store;
	TimestampTz looked_at; /* when it was current */
};

/* Is the store what it would be if it were opened now, or up to max_age_ms ago? */
static bool
is_current(const BbReqCtx *ctx, BbKeptStore *kept, int max_age_ms)
{
	TimestampTz now = GetCurrentTimestamp();

	/* a clock may have been set back */
	if (max_age_ms > 0 && now >= kept->looked_at &&
		!TimestampDifferenceExceeds(kept->looked_at, now, max_age_ms))
		return true;
	if (!bb_pagestore_is_current(ctx, kept->store))
		return false;
	kept->looked_at = now;
	return true;
}

static bool
may_use(const BbReqCtx *ctx, BbKeptStore *kept, const char *identity,
		const char *timeline, int max_age_ms)
{
	return !kept->in_use && strcmp(kept->identity, identity) == 0 &&
		strcmp(bb_pagestore_info(kept->store)->timeline, timeline) == 0 &&
		is_current(ctx, kept, max_age_ms);
}

/* An error leaves nothing in "parent", which may outlive many failed calls. */
static BbKeptStore *
keep(const BbReqCtx *ctx, MemoryContext parent, const char *server,
	 const char *timeline)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup kept page store",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbKeptStore *kept = palloc0(sizeof(BbKeptStore));
	BbStoreAccess access = bb_store_access(ctx, server, timeline);

	kept->context = context;
	kept->identity = access.identity;
	kept->looked_at = GetCurrentTimestamp();
	kept->store = bb_store_timeline_of(ctx, &access, timeline);
	MemoryContextSetParent(context, parent);
	MemoryContextSwitchTo(old);
	return kept;
}

BbPageStore *
bb_keptstore_open(const BbReqCtx *ctx, BbKeptStore **kept,
				  MemoryContext context, const char *server,
				  const char *timeline)
{
	bool		opened;

	return bb_keptstore_open_for(ctx, kept, context, server, timeline, 0,
								 &opened);
}

BbPageStore *
bb_keptstore_open_for(const BbReqCtx *ctx, BbKeptStore **kept,
					  MemoryContext context, const char *server,
					  const char *timeline, int max_age_ms, bool *opened)
{
	const char *identity = bb_store_access(ctx, server, timeline).identity;

	if (*kept != NULL && !may_use(ctx, *kept, identity, timeline, max_age_ms))
	{
		MemoryContextDelete((*kept)->context);
		*kept = NULL;
	}
	*opened = *kept == NULL;
	if (*opened)
		*kept = keep(ctx, context, server, timeline);
	(*kept)->in_use = true;
	return (*kept)->store;
}

void
bb_keptstore_release(BbKeptStore *kept)
{
	kept->in_use = false;
}
