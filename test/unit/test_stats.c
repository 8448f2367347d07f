/*-------------------------------------------------------------------------
 *
 * test_stats.c
 *	  Statistics of calls and layers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "stats/calls.h"
#include "stats/layerstats.h"
#include "stats/shared.h"
#include "unit.h"

/* The call of a context, as other sessions see it. */
static const BbCall *
seen(const BbReqCtx *ctx)
{
	ListCell   *cell;

	foreach(cell, bb_calls_fetch())
	{
		const BbCall *call = lfirst(cell);

		if (call->call_id == ctx->call_id)
			return call;
	}
	elog(ERROR, "call " UINT64_FORMAT " has no row", ctx->call_id);
}

UNIT_TEST(calls_count_for_their_attached_parents)
{
	const BbReqCtx *root = bb_reqctx_root(BB_TASK_BASEBACKUP,
										  BB_DOWNLOAD_WARN);
	const BbReqCtx *attached;
	const BbReqCtx *detached;
	BbAllTotals *totals = palloc(sizeof(BbAllTotals));
	BbCallTotals *of_kind;

	bb_stats_reset();
	bb_calls_describe(root,
					  &(BbCallAbout){.function = "f",
									 .store = "s",
									 .timeline = "t",
									 .lsn = 0x1234,
									 .bytes_total = 99});
	attached = bb_reqctx_attached_child(root, BB_TASK_PAGE_READ);
	detached = bb_reqctx_detached_child(root, BB_TASK_LISTING,
										BB_DOWNLOAD_ERROR);

	/* a child has its parent's description, except bytes_total */
	CHECK(strcmp(seen(attached)->function, "f") == 0);
	CHECK(strcmp(seen(attached)->store, "s") == 0);
	CHECK(strcmp(seen(detached)->timeline, "t") == 0);
	CHECK(seen(detached)->lsn == 0x1234);
	CHECK(seen(detached)->bytes_total == 0);
	CHECK(seen(root)->bytes_total == 99);
	CHECK(seen(root)->pid == MyProcPid);
	CHECK(seen(attached)->parent_call_id == root->call_id);
	CHECK(seen(attached)->parent_link == BB_LINK_ATTACHED);
	CHECK(seen(detached)->parent_link == BB_LINK_DETACHED);
	bb_calls_describe(attached, &(BbCallAbout){.timeline = "other"});
	CHECK(strcmp(seen(root)->timeline, "t") == 0);

	BB_COUNT(root, layers_downloaded, 1);
	BB_COUNT(attached, layers_downloaded, 10);
	BB_COUNT(detached, layers_downloaded, 100);
	CHECK(seen(root)->counters.layers_downloaded == 0);
	bb_reqctx_publish(attached); /* also publishes its parent */
	CHECK(seen(root)->counters.layers_downloaded == 11);
	CHECK(seen(attached)->counters.layers_downloaded == 10);
	CHECK(seen(detached)->counters.layers_downloaded == 0);

	/* the attached child ends with its parent, the detached one doesn't */
	bb_reqctx_end(root);
	CHECK(seen(root)->state == BB_CALL_DONE);
	CHECK(seen(attached)->state == BB_CALL_DONE);
	CHECK(seen(detached)->state == BB_CALL_RUNNING);
	BB_COUNT(attached, layers_downloaded, 1000);
	bb_reqctx_publish(attached);
	bb_reqctx_end(attached);
	bb_reqctx_end(root);
	CHECK(seen(root)->counters.layers_downloaded == 11);
	bb_reqctx_end(detached);

	bb_calls_totals(totals);
	of_kind = &totals->totals[BB_TASK_BASEBACKUP][BB_DOWNLOAD_WARN];
	CHECK(of_kind->calls == 1);
	CHECK(of_kind->counters.layers_downloaded == 11);
	of_kind = &totals->totals[BB_TASK_PAGE_READ][BB_DOWNLOAD_WARN];
	CHECK(of_kind->calls == 1);
	CHECK(of_kind->counters.layers_downloaded == 10);
	of_kind = &totals->totals[BB_TASK_LISTING][BB_DOWNLOAD_ERROR];
	CHECK(of_kind->calls == 1);
	CHECK(of_kind->counters.layers_downloaded == 100);
}

UNIT_TEST(calls_end_with_their_memory)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "call",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbReqCtx	root = *bb_reqctx_root(BB_TASK_LISTING, BB_DOWNLOAD_ALLOW);
	BbReqCtx	late = *bb_reqctx_root(BB_TASK_LISTING, BB_DOWNLOAD_ALLOW);

	MemoryContextSwitchTo(old);
	CHECK(seen(&root)->state == BB_CALL_RUNNING);
	CHECK(seen(&root)->ended_at == 0);
	MemoryContextDelete(context);
	CHECK(seen(&root)->state == BB_CALL_DONE);
	CHECK(seen(&root)->ended_at >= root.started_at);
	CHECK(seen(&late)->state == BB_CALL_DONE);
}

UNIT_TEST(layer_accesses_count_unless_uncounted)
{
	const BbReqCtx *root = bb_reqctx_root(BB_TASK_BASEBACKUP,
										  BB_DOWNLOAD_ALLOW);
	const BbReqCtx *uncounted = bb_reqctx_uncounted_root(BB_TASK_MANAGEMENT,
														 BB_DOWNLOAD_ALLOW);
	const BbReqCtx *child = bb_reqctx_attached_child(uncounted,
													 BB_TASK_PAGE_READ);
	const uint64 layer = 0x4711000000000001;
	BbLayerStats stats = bb_layerstats_of(layer);
	TimestampTz first;

	CHECK(stats.file_id == layer);
	CHECK(stats.first_access == 0 && stats.last_access == 0);
	bb_layerstats_access(uncounted, layer);
	bb_layerstats_access(child, layer);
	CHECK(bb_layerstats_of(layer).last_access == 0);

	bb_layerstats_access(root, layer);
	first = bb_layerstats_of(layer).first_access;
	CHECK(first >= root->started_at);
	pg_usleep(2000);
	bb_layerstats_access(bb_reqctx_attached_child(root, BB_TASK_PAGE_READ),
						 layer);
	stats = bb_layerstats_of(layer);
	CHECK(stats.accesses[BB_TASK_BASEBACKUP] == 1);
	CHECK(stats.accesses[BB_TASK_PAGE_READ] == 1);
	CHECK(stats.accesses[BB_TASK_MANAGEMENT] == 0);
	CHECK(stats.first_access == first && stats.last_access > first);
	bb_layerstats_access(uncounted, layer);
	CHECK(bb_layerstats_of(layer).last_access == stats.last_access);

	bb_layerstats_downloaded(layer);
	CHECK(bb_layerstats_of(layer).downloads == 1);
	CHECK(bb_layerstats_of(layer).resident_since >= stats.last_access);
	CHECK(bb_layerstats_of(layer).last_access == stats.last_access);
	bb_layerstats_evicted(layer);
	CHECK(bb_layerstats_of(layer).resident_since == 0);
	CHECK(bb_layerstats_of(layer).evictions == 1);

	bb_stats_reset();
	CHECK(bb_layerstats_of(layer).downloads == 0);
	CHECK(bb_layerstats_of(layer).evictions == 0);
	CHECK(bb_layerstats_of(layer).accesses[BB_TASK_BASEBACKUP] == 0);
	CHECK(bb_layerstats_of(layer).last_access == stats.last_access);
}

UNIT_TEST(layers_used_last_are_those_known)
{
	const BbReqCtx *root = bb_reqctx_root(BB_TASK_LISTING, BB_DOWNLOAD_ALLOW);
	const uint64 many = 100000;
	uint64		known = 0;

	for (uint64 i = 1; i <= many; i++)
		bb_layerstats_access(root, i);
	for (uint64 i = 1; i <= many; i++)
	{
		bool		is_known = bb_layerstats_of(i).last_access != 0;

		known += is_known;
		/* consecutive numbers fill all sets alike */
		if (i > many - 1024)
			CHECK(is_known);
	}
	CHECK(known == 1024);
}

UNIT_TEST(calls_publish_by_checking)
{
	const BbReqCtx *call = bb_reqctx_root(BB_TASK_LISTING, BB_DOWNLOAD_ALLOW);

	BB_COUNT(call, keys_requested, 7);
	CHECK(seen(call)->counters.keys_requested == 0);
	for (int i = 0; i < 100; i++)
		bb_reqctx_check(call);
	CHECK(seen(call)->counters.keys_requested == 7);
}
