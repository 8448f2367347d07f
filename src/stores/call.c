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
#include "utils/lsyscache.h"

const BbReqCtx *
bb_call_begin(FunctionCallInfo fcinfo, BbTaskKind kind)
{
	/* who only looks what there is doesn't use it */
	const BbReqCtx *ctx = kind == BB_TASK_LISTING
		? bb_reqctx_uncounted_root(kind, bb_setting_download_behavior)
		: bb_reqctx_root(kind, bb_setting_download_behavior);
	BbCallAbout about = {.function = get_func_name(fcinfo->flinfo->fn_oid)};

	bb_calls_describe(ctx, &about);
	return ctx;
}

bool
bb_call_visible(Oid owner)
{
	return has_privs_of_role(GetUserId(), owner) ||
		has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}
