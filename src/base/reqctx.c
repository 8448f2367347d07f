/*-------------------------------------------------------------------------
 *
 * reqctx.c
 *	  Request contexts: made, checked, named.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/reqctx.h"
#include "base/settings.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

static uint64 last_call_id = 0;

static BbReqCtx *
make_context(BbTaskKind kind, BbDownloadBehavior behavior)
{
	BbReqCtx   *ctx = palloc0(sizeof(BbReqCtx));

	ctx->call_id = ++last_call_id;
	ctx->task_kind = kind;
	ctx->download_behavior = behavior;
	ctx->parent_link = BB_LINK_ROOT;
	ctx->started_at = GetCurrentTimestamp();
	ctx->counters = palloc0(sizeof(BbCounters));
	return ctx;
}

static TimestampTz
deadline_from(TimestampTz start)
{
	if (bb_setting_call_timeout_ms <= 0)
		return 0;
	return TimestampTzPlusMilliseconds(start, bb_setting_call_timeout_ms);
}

const BbReqCtx *
bb_reqctx_root(BbTaskKind kind, BbDownloadBehavior behavior)
{
	BbReqCtx   *ctx = make_context(kind, behavior);

	ctx->deadline = deadline_from(ctx->started_at);
	return ctx;
}

const BbReqCtx *
bb_reqctx_attached_child(const BbReqCtx *parent, BbTaskKind kind)
{
	BbReqCtx   *ctx = make_context(kind, parent->download_behavior);

	ctx->parent = parent;
	ctx->parent_call_id = parent->call_id;
	ctx->parent_link = BB_LINK_ATTACHED;
	ctx->deadline = parent->deadline;
	return ctx;
}

const BbReqCtx *
bb_reqctx_detached_child(const BbReqCtx *parent, BbTaskKind kind,
						 BbDownloadBehavior behavior)
{
	BbReqCtx   *ctx = make_context(kind, behavior);

	ctx->parent_call_id = parent->call_id;
	ctx->parent_link = BB_LINK_DETACHED;
	ctx->deadline = deadline_from(ctx->started_at);
	return ctx;
}

void
bb_reqctx_check(const BbReqCtx *ctx)
{
	CHECK_FOR_INTERRUPTS();

	if (ctx->deadline != 0 && GetCurrentTimestamp() >= ctx->deadline)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("canceling %s due to bbackup.call_timeout",
						bb_task_kind_name(ctx->task_kind)),
				 errhint("Raise bbackup.call_timeout, or set it to 0 to wait "
						 "without limit.")));
}

const char *
bb_task_kind_name(BbTaskKind kind)
{
	switch (kind)
	{
		case BB_TASK_BASEBACKUP:
			return "basebackup";
		case BB_TASK_PAGE_READ:
			return "page read";
		case BB_TASK_LISTING:
			return "listing";
		case BB_TASK_IMPORT:
			return "import";
		case BB_TASK_INGEST:
			return "ingest";
		case BB_TASK_MANAGEMENT:
			return "management";
		case BB_TASK_UNIT_TEST:
			return "unit test";
	}
	return "unknown task";
}
