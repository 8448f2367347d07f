/*-------------------------------------------------------------------------
 *
 * call.c
 *	  A call of an SQL function: its request context, what its user may do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "stats/calls.h"
#include "stores/call.h"
#include "utils/acl.h"

/* Does opening a layer for that count as use of it? */
static bool
counts(BbTaskKind kind)
{
	return kind != BB_TASK_LISTING && kind != BB_TASK_UPKEEP &&
		kind != BB_TASK_VERIFY && kind != BB_TASK_COPY;
}

const BbReqCtx *
bb_call_begin(const char *function, BbTaskKind kind)
{
	/* a listing doesn't count as use of a layer */
	const BbReqCtx *ctx = !counts(kind)
		? bb_reqctx_uncounted_root(kind, bb_setting_download_behavior)
		: bb_reqctx_root(kind, bb_setting_download_behavior);

	bb_calls_describe(ctx, &(BbCallAbout){.function = function});
	return ctx;
}

bool
bb_call_visible(Oid owner)
{
	return has_privs_of_role(GetUserId(), owner) ||
		has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

void
bb_call_need_role(Oid role, const char *role_name, const char *what)
{
	if (!has_privs_of_role(GetUserId(), role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s", what),
				 errdetail("Only members of the role \"%s\" may do that.",
						   role_name)));
}
