/*-------------------------------------------------------------------------
 *
 * reqctx.c
 *	  Creates, checks and ends request contexts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/reqctx.h"
#include "base/settings.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

/*
 * Counters are published at every 32nd check, since publishing copies a call's
 * statistics.
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

/* Create a context from "about", in which the caller has set its choices. */
static const BbReqCtx *
make_context(BbReqCtx about, const BbReqCtx *parent)
{
	BbReqCtx   *ctx = palloc(sizeof(BbReqCtx));

	*ctx = about;
	ctx->started_at = GetCurrentTimestamp();
	if (ctx->parent_link == BB_LINK_ATTACHED && parent != NULL)
	{
		ctx->parent = parent;
		ctx->uncounted = parent->uncounted;
		ctx->deadline = parent->deadline;
	}
	if (ctx->parent_link != BB_LINK_ATTACHED)
		ctx->deadline = deadline_from(ctx->started_at);
	if (parent != NULL)
		ctx->parent_call_id = parent->call_id;
	if (ctx->counters == NULL)
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
	return make_context((BbReqCtx){.task_kind = kind,
								   .download_behavior = behavior},
						NULL);
}

const BbReqCtx *
bb_reqctx_uncounted_root(BbTaskKind kind, BbDownloadBehavior behavior)
{
	return make_context((BbReqCtx){.task_kind = kind,
								   .download_behavior = behavior,
								   .uncounted = true},
						NULL);
}

const BbReqCtx *
bb_reqctx_attached_child(const BbReqCtx *parent, BbTaskKind kind)
{
	return make_context(
		(BbReqCtx){.task_kind = kind,
				   .download_behavior = parent->download_behavior,
				   .parent_link = BB_LINK_ATTACHED},
		parent);
}

const BbReqCtx *
bb_reqctx_detached_child(const BbReqCtx *parent, BbTaskKind kind,
						 BbDownloadBehavior behavior)
{
	return make_context((BbReqCtx){.task_kind = kind,
								   .download_behavior = behavior,
								   .parent_link = BB_LINK_DETACHED},
						parent);
}

const BbReqCtx *
bb_reqctx_detached_child_of(uint64 parent_call_id, BbTaskKind kind,
							BbDownloadBehavior behavior)
{
	return make_context((BbReqCtx){.task_kind = kind,
								   .download_behavior = behavior,
								   .parent_call_id = parent_call_id,
								   .parent_link = BB_LINK_DETACHED},
						NULL);
}

const BbReqCtx *
bb_reqctx_attached_child_of(const BbReqCtx *parent_copy, BbTaskKind kind,
							BbCounters *counters)
{
	return make_context(
		(BbReqCtx){.task_kind = kind,
				   .download_behavior = parent_copy->download_behavior,
				   .parent_call_id = parent_copy->call_id,
				   .parent_link = BB_LINK_ATTACHED,
				   .uncounted = parent_copy->uncounted,
				   .deadline = parent_copy->deadline,
				   .counters = counters},
		NULL);
}

/* The number of counters, which are used as an array. */
#define COUNTERS (sizeof(BbCounters) / sizeof(uint64))

StaticAssertDecl(sizeof(BbCounters) % sizeof(uint64) == 0,
				 "counters are all uint64");

void
bb_counters_add(BbCounters *to, const BbCounters *from)
{
	uint64	   *sums = (uint64 *) to;
	const uint64 *terms = (const uint64 *) from;

	for (int i = 0; i < COUNTERS; i++)
		sums[i] += terms[i];
}

BbCounters
bb_counters_since(BbCounters *before, const BbCounters *now)
{
	BbCounters	result = *now;
	uint64	   *differences = (uint64 *) &result;
	const uint64 *terms = (const uint64 *) before;

	for (int i = 0; i < COUNTERS; i++)
		differences[i] -= terms[i];
	*before = *now;
	return result;
}

void
bb_reqctx_add(const BbReqCtx *ctx, const BbCounters *counters)
{
	for (; ctx != NULL; ctx = ctx->parent)
		bb_counters_add(ctx->counters, counters);
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
	static const char *const names[BB_TASK_KIND_COUNT] =
		{[BB_TASK_BASEBACKUP] = "basebackup",
		 [BB_TASK_PAGE_READ] = "page read",
		 [BB_TASK_LISTING] = "listing",
		 [BB_TASK_IMPORT] = "import",
		 [BB_TASK_INGEST] = "ingest",
		 [BB_TASK_MANAGEMENT] = "management",
		 [BB_TASK_PREFETCH] = "prefetch",
		 [BB_TASK_EVICTION] = "eviction",
		 [BB_TASK_RECEIVE] = "receive",
		 [BB_TASK_FOLLOW] = "follow",
		 [BB_TASK_UPKEEP] = "upkeep",
		 [BB_TASK_VERIFY] = "verify",
		 [BB_TASK_COPY] = "copy",
		 [BB_TASK_TABLE_READ] = "table read",
		 [BB_TASK_BLOCK_READ] = "block read",
		 [BB_TASK_UNIT_TEST] = "unit test"};

	return names[kind];
}

const char *
bb_download_behavior_name(BbDownloadBehavior behavior)
{
	static const char *const names[BB_DOWNLOAD_BEHAVIOR_COUNT] =
		{[BB_DOWNLOAD_ALLOW] = "download",
		 [BB_DOWNLOAD_WARN] = "warn",
		 [BB_DOWNLOAD_ERROR] = "error"};

	return names[behavior];
}
