/*-------------------------------------------------------------------------
 *
 * copies.c
 *	  Copies of timelines in other page stores, and moves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/caught.h"
#include "base/foreigntext.h"
#include "base/settings.h"
#include "foreign/foreign.h"
#include "funcs/arguments.h"
#include "intake/follow.h"
#include "keeper/keeper.h"
#include "miscadmin.h"
#include "stats/jobs.h"
#include "stats/shared.h"
#include "stores/replicating.h"
#include "stores/store_access.h"
#include "upkeep/move.h"
#include "upkeep/pace.h"
#include "upkeep/replicate.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_replicate);
BB_SQL_FUNCTION(bb_sql_move);
BB_SQL_FUNCTION(bb_sql_detach_copy);
BB_SQL_FUNCTION(bb_sql_stop_replicating);
BB_SQL_FUNCTION(bb_sql_get_stat_copies);

/* Return the rows of a copy or a move. */
static void
return_rows(FunctionCallInfo fcinfo, List *done)
{
	MemoryContext row_context = bb_result_begin(fcinfo);
	ListCell   *cell;

	foreach(cell, done)
	{
		const BbReplicated *one = lfirst(cell);
		MemoryContext old = MemoryContextSwitchTo(row_context);

		bb_result_row(fcinfo,
					  (Datum[]){CStringGetTextDatum(one->timeline),
								Int64GetDatum((int64) one->layers_copied),
								Int64GetDatum((int64) one->bytes_copied),
								Int64GetDatum((int64) one->layers_found),
								Int64GetDatum((int64) one->layers_retired),
								LSNGetDatum(one->end_lsn),
								TimestampTzGetDatum(
									time_t_to_timestamptz(one->end_time))},
					  NULL);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
}

/* Leave the copy to the worker from now on, too. */
static void
replicate_continuously(const char *timeline, const char *from, const char *to)
{
	const BbReplicating row = {.timeline = timeline,
							   .from_store = from,
							   .to_store = to,
							   .owner = GetUserId()};

	if (bb_replicating_find(timeline, from, to) != NULL)
		return;
	bb_replicating_add(&row);
	if (!bb_stats_shared())
		ereport(NOTICE,
				(errmsg("the copy is not updated by itself, because bbackup is not preloaded"),
				 errhint("Add it to shared_preload_libraries, or call bb_replicate() regularly.")));
	else if (!bb_setting_upkeep)
		ereport(NOTICE,
				(errmsg("the copy is not updated by itself, because bbackup.upkeep is off"),
				 errhint("Turn it on, or call bb_replicate() regularly.")));
}

/*
 * bb_replicate(timeline text, from_store name, to_store name,
 *				continuously boolean)
 */
static Datum
bb_sql_replicate_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_COPY);
	char	   *timeline = bb_arg_text(fcinfo, 0, "timeline");
	char	   *from = bb_arg_name(fcinfo, 1, "from_store");
	char	   *to = bb_arg_name(fcinfo, 2, "to_store");
	bool		continuously = bb_arg_bool(fcinfo, 3, "continuously");
	BbObjectStore *source = bb_store_open(ctx, from, timeline);
	BbObjectStore *target = bb_store_open(ctx, to, timeline);

	if (continuously)
		PreventCommandIfReadOnly("bb_replicate()");
	bb_upkeeppace_begin(ctx, NULL);
	return_rows(fcinfo, bb_replication_run(ctx, source, target, timeline));
	if (continuously)
		replicate_continuously(timeline, from, to);
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

/* A follower would go on to write the timeline where it was. */
static void
check_not_followed(const char *store, const char *timeline)
{
	if (bb_following_find(store, timeline) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("timeline \"%s\" of page store \"%s\" follows a server, and cannot be moved",
						timeline, store),
				 errhint("Call bb_unfollow() first, and bb_follow() for the other page store afterwards.")));
}

/* A copy that is kept up to date has lost its source. */
static void
check_not_replicated(const char *store, const char *timeline)
{
	if (bb_replicating_from(store, timeline) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("timeline \"%s\" of page store \"%s\" is copied continuously, and cannot be moved",
						timeline, store),
				 errhint("Call bb_stop_replicating() first.")));
}

/* bb_move(timeline text, from_store name, to_store name) */
static Datum
bb_sql_move_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_COPY);
	char	   *timeline = bb_arg_text(fcinfo, 0, "timeline");
	char	   *from = bb_arg_name(fcinfo, 1, "from_store");
	char	   *to = bb_arg_name(fcinfo, 2, "to_store");
	BbObjectStore *source = bb_store_open(ctx, from, timeline);
	BbObjectStore *target = bb_store_open(ctx, to, timeline);

	check_not_followed(from, timeline);
	check_not_replicated(from, timeline);
	bb_upkeeppace_begin(ctx, NULL);
	return_rows(fcinfo, bb_moving_run(ctx, source, target, timeline));
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

/* Those who may act as the role that asked for it may end it. */
static void
check_owner(const BbReplicating *row)
{
	if (!has_privs_of_role(GetUserId(), row->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("copies of timeline \"%s\" were asked for by another role",
						row->timeline)));
}

/* bb_detach_copy(timeline text, store name) */
static Datum
bb_sql_detach_copy_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	char	   *timeline = bb_arg_text(fcinfo, 0, "timeline");
	char	   *store = bb_arg_name(fcinfo, 1, "store");
	BbObjectStore *objects = bb_store_open(ctx, store, timeline);
	List	   *rows = bb_replicating_to(store, timeline);
	ListCell   *cell;

	if (rows != NIL)
		PreventCommandIfReadOnly("bb_detach_copy()");
	foreach(cell, rows)
		check_owner(lfirst(cell));
	bb_replication_detach(ctx, objects, timeline);
	foreach(cell, rows)
	{
		const BbReplicating *row = lfirst(cell);

		bb_replicating_remove(row);
		ereport(NOTICE,
				(errmsg("timeline \"%s\" of page store \"%s\" is not copied to \"%s\" continuously any more",
						timeline, row->from_store, store)));
	}
	bb_reqctx_end(ctx);
	PG_RETURN_VOID();
}

/*
 * bb_stop_replicating(timeline text, from_store name, to_store name)
 */
static Datum
bb_sql_stop_replicating_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	char	   *timeline = bb_arg_text(fcinfo, 0, "timeline");
	char	   *from = bb_arg_name(fcinfo, 1, "from_store");
	char	   *to = bb_arg_name(fcinfo, 2, "to_store");
	BbReplicating *row;

	PreventCommandIfReadOnly("bb_stop_replicating()");
	row = bb_replicating_find(timeline, from, to);
	if (row == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("timeline \"%s\" of page store \"%s\" is not copied to \"%s\" continuously",
						timeline, from, to),
				 errhint("bb_stat_copies lists those that are.")));
	check_owner(row);
	bb_replicating_remove(row);
	bb_reqctx_end(ctx);
	PG_RETURN_VOID();
}

/* ---- bb_stat_copies ---- */

#define STAT_COLUMNS 14

/* The manifest of a timeline; NULL, with the reason in *problem. */
static BbManifest *
manifest_of(const BbReqCtx *ctx, const char *store, const char *timeline,
			const char **problem)
{
	MemoryContext context = CurrentMemoryContext;
	BbManifest *volatile manifest = NULL;

	PG_TRY();
	{
		manifest = bb_manifest_find(ctx, bb_store_open(ctx, store, timeline),
									timeline);
	}
	PG_CATCH();
	{
		*problem = bb_caught(context)->message;
	}
	PG_END_TRY();
	if (manifest == NULL && *problem == NULL)
		*problem =
			psprintf("timeline \"%s\" does not exist in page store \"%s\"",
					 timeline, store);
	return manifest;
}

/* What the worker notes of its last failure with the copies of a timeline. */
static const BbJobTimeline *
failure_of(const BbReplicating *row)
{
	BbJobPlace	place = bb_jobplace(row->from_store, row->timeline);
	ListCell   *cell;

	foreach(cell, bb_jobs_fetch_timelines())
	{
		const BbJobTimeline *one = lfirst(cell);

		if (memcmp(&one->place, &place, sizeof(place)) == 0 &&
			one->failed_at != 0 &&
			strcmp(bb_keeper_job_name(one->failed_kind), "copy") == 0)
			return one;
	}
	return NULL;
}

static void
stat_row(const BbReqCtx *ctx, FunctionCallInfo fcinfo,
		 const BbReplicating *row)
{
	const char *problem = NULL;
	BbManifest *source = manifest_of(ctx, row->from_store, row->timeline,
									 &problem);
	BbManifest *copy = manifest_of(ctx, row->to_store, row->timeline,
								   &problem);
	const BbJobTimeline *failure = failure_of(row);
	bool		both = source != NULL && copy != NULL;
	const char *owner;
	Datum		values[STAT_COLUMNS] = {0};
	bool		nulls[STAT_COLUMNS];

	memset(nulls, true, sizeof(nulls));
#define SET(column, value) (values[column] = (value), nulls[column] = false)
	SET(0, CStringGetTextDatum(row->timeline));
	SET(1, DirectFunctionCall1(namein, CStringGetDatum(row->from_store)));
	SET(2, DirectFunctionCall1(namein, CStringGetDatum(row->to_store)));
	owner = GetUserNameFromId(row->owner, true);
	if (owner != NULL)
		SET(3, CStringGetTextDatum(owner));
	if (source != NULL)
		SET(4, LSNGetDatum(source->end_lsn));
	if (copy != NULL)
	{
		SET(5, LSNGetDatum(copy->end_lsn));
		SET(6, TimestampTzGetDatum(time_t_to_timestamptz(copy->end_time)));
		if (copy->keeps.copy.source != NULL)
			SET(7,
				TimestampTzGetDatum(
					time_t_to_timestamptz(copy->keeps.copy.copied_at)));
	}
	if (both)
	{
		int64		behind_s = Max(source->end_time - copy->end_time, 0);

		SET(8, Int64GetDatum((int64) (source->end_lsn - copy->end_lsn)));
		SET(9,
			DirectFunctionCall2(timestamp_mi,
								TimestampTzGetDatum(time_t_to_timestamptz(
									copy->end_time + behind_s)),
								TimestampTzGetDatum(
									time_t_to_timestamptz(copy->end_time))));
		SET(10, Int64GetDatum((int64) bb_replication_behind(source, copy)));
	}
	if (problem != NULL)
		SET(11, CStringGetTextDatum(problem));
	if (failure != NULL)
	{
		SET(12, CStringGetTextDatum(failure->message));
		SET(13, TimestampTzGetDatum(failure->failed_at));
	}
#undef SET
	bb_result_row(fcinfo, values, nulls);
}

/* bb_get_stat_copies() */
static Datum
bb_sql_get_stat_copies_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	MemoryContext row_context = bb_result_begin(fcinfo);
	ListCell   *cell;

	foreach(cell, bb_replicating_all())
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);

		stat_row(ctx, fcinfo, lfirst(cell));
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	bb_reqctx_end(ctx);
	return (Datum) 0;
}
