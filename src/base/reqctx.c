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

/*
 * Counters are published at every so many checks.  Enough to cost nothing:
 * what is published is copied, with a call from here to there.
 */
#define CHECKS_PER_PUBLISH 32

static const BbReqCtxObserver *observer = NULL;
static uint64 last_call_id = 0; /* while there is no observer */
static uint32 checks = 0;

void
bb_reqctx_observe(const BbReqCtxObserver *new_observer)
{
	observer = new_observer;
}

static TimestampTz
deadline_from(TimestampTz start)
{
	if (bb_setting_call_timeout_ms <= 0)
		return 0;
	return TimestampTzPlusMilliseconds(start, bb_setting_call_timeout_ms);
}

static const BbReqCtx *
make_context(BbTaskKind kind, BbDownloadBehavior behavior,
			 const BbReqCtx *parent, BbParentLink link)
{
	BbReqCtx   *ctx = palloc0(sizeof(BbReqCtx));

	ctx->task_kind = kind;
	ctx->download_behavior = behavior;
	ctx->parent = link == BB_LINK_ATTACHED ? parent : NULL;
	ctx->parent_call_id = parent != NULL ? parent->call_id : 0;
	ctx->parent_link = link;
	ctx->uncounted = link == BB_LINK_ATTACHED && parent->uncounted;
	ctx->started_at = GetCurrentTimestamp();
	ctx->deadline = link == BB_LINK_ATTACHED ? parent->deadline
											 : deadline_from(ctx->started_at);
	ctx->counters = palloc0(sizeof(BbCounters));
	if (observer != NULL)
		observer->begin(ctx, parent);
	else
		ctx->call_id = ++last_call_id;
	return ctx;
}

const BbReqCtx *
bb_reqctx_root(BbTaskKind kind, BbDownloadBehavior behavior)
{
	return make_context(kind, behavior, NULL, BB_LINK_ROOT);
}

const BbReqCtx *
bb_reqctx_attached_child(const BbReqCtx *parent, BbTaskKind kind)
{
	return make_context(kind, parent->download_behavior, parent,
						BB_LINK_ATTACHED);
}

const BbReqCtx *
bb_reqctx_uncounted_child(const BbReqCtx *parent, BbTaskKind kind)
{
	/* nobody else has seen it yet */
	BbReqCtx   *ctx = unconstify(BbReqCtx *,
								 bb_reqctx_attached_child(parent, kind));

	ctx->uncounted = true;
	return ctx;
}

const BbReqCtx *
bb_reqctx_detached_child(const BbReqCtx *parent, BbTaskKind kind,
						 BbDownloadBehavior behavior)
{
	return make_context(kind, behavior, parent, BB_LINK_DETACHED);
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

	if (++checks % CHECKS_PER_PUBLISH == 0)
		bb_reqctx_publish(ctx);
}

long
bb_reqctx_wait_ms(const BbReqCtx *ctx)
{
	if (ctx->deadline == 0)
		return -1;
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
										   ctx->deadline);
}

void
bb_reqctx_publish(const BbReqCtx *ctx)
{
	for (; ctx != NULL && ctx->account != NULL; ctx = ctx->parent)
		observer->publish(ctx);
}

void
bb_reqctx_end(const BbReqCtx *ctx)
{
	if (ctx->account != NULL)
		observer->end(ctx);
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

const char *
bb_download_behavior_name(BbDownloadBehavior behavior)
{
	switch (behavior)
	{
		case BB_DOWNLOAD_ALLOW:
			return "download";
		case BB_DOWNLOAD_WARN:
			return "warn";
		case BB_DOWNLOAD_ERROR:
			return "error";
	}
	return "unknown";
}
