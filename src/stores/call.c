/*-------------------------------------------------------------------------
 *
 * call.c
 *	  The request context of an SQL function.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "stores/call.h"
#include "utils/acl.h"

const BbReqCtx *
bb_call_begin(const char *function, BbTaskKind kind)
{
	/* a listing doesn't count as use of a layer */
	const BbReqCtx *ctx = kind == BB_TASK_LISTING
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
