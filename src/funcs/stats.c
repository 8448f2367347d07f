/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  Statistics, for users who may see them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "stats/calls.h"
#include "stats/progress.h"
#include "stats/shared.h"
#include "upkeep/upkeep.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_stat_scope);
BB_SQL_FUNCTION(bb_sql_stat_reset);
BB_SQL_FUNCTION(bb_sql_get_access_stats);
BB_SQL_FUNCTION(bb_sql_get_stat_totals);
BB_SQL_FUNCTION(bb_sql_get_stat_progress_import);
BB_SQL_FUNCTION(bb_sql_get_stat_progress_ingest);
BB_SQL_FUNCTION(bb_sql_get_stat_progress_upkeep);

/* The columns for BbCounters, in their order in all views. */
#define COUNTER_COLUMNS 14

static Datum
milliseconds(uint64 us)
{
	return Float8GetDatum(us / 1000.0);
}

static void
counter_columns(const BbCounters *counters, Datum *values)
{
	int			n = 0;

	values[n++] = Int64GetDatum(counters->keys_requested);
	values[n++] = Int64GetDatum(counters->pages_requested);
	values[n++] = Int64GetDatum(counters->layers_visited);
	values[n++] = Int64GetDatum(counters->blocks_read);
	values[n++] = Int64GetDatum(counters->blocks_cached);
	values[n++] = Int64GetDatum(counters->images_used);
	values[n++] = Int64GetDatum(counters->records_applied);
	values[n++] = milliseconds(counters->redo_us);
	values[n++] = Int64GetDatum(counters->layers_downloaded);
	values[n++] = Int64GetDatum(counters->bytes_downloaded);
	values[n++] = milliseconds(counters->download_wait_us);
	values[n++] = Int64GetDatum(counters->downloads_warned);
	values[n++] = Int64GetDatum(counters->downloads_refused);
	values[n++] = Int64GetDatum(counters->bytes_out);
	Assert(n == COUNTER_COLUMNS);
}

/* bb_stat_scope() */
static Datum
bb_sql_stat_scope_body(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(
		cstring_to_text(bb_stats_shared() ? "shared" : "session"));
}

/* bb_stat_reset() */
static Datum
bb_sql_stat_reset_body(PG_FUNCTION_ARGS)
{
	bb_stats_reset();
	PG_RETURN_VOID();
}

static const char *const link_names[] = {
	[BB_LINK_ROOT] = NULL,
	[BB_LINK_ATTACHED] = "attached",
	[BB_LINK_DETACHED] = "detached",
};

static Datum
name_or_null(const char *name, bool *null)
{
	*null = name == NULL || name[0] == '\0';
	return *null
		? (Datum) 0
		: DirectFunctionCall1(namein, CStringGetDatum(bb_text_valid(name)));
}

static void
call_row(FunctionCallInfo fcinfo, const BbCall *call, TimestampTz now)
{
	TimestampTz until = call->state == BB_CALL_RUNNING ? now : call->ended_at;
	bool		nulls[18 + COUNTER_COLUMNS + 1] = {0};
	Datum		values[lengthof(nulls)] = {
		[0] = Int64GetDatum((int64) call->call_id),
		[1] = Int32GetDatum(call->pid),
		[2] = ObjectIdGetDatum(call->user),
		[3] = bb_result_text(call->function, &nulls[3]),
		[4] = CStringGetTextDatum(bb_task_kind_name(call->task_kind)),
		[5] = CStringGetTextDatum(
			bb_download_behavior_name(call->download_behavior)),
		[6] = Int64GetDatum((int64) call->parent_call_id),
		[7] = bb_result_text(link_names[call->parent_link], &nulls[7]),
		[8] = name_or_null(call->store, &nulls[8]),
		[9] = bb_result_text(call->timeline, &nulls[9]),
		[10] = bb_result_lsn(call->lsn, &nulls[10]),
		[11] = bb_result_lsn(call->start_lsn, &nulls[11]),
		[12] = bb_result_lsn(call->end_lsn, &nulls[12]),
		[13] = TimestampTzGetDatum(call->started_at),
		[14] = milliseconds(Max(until - call->started_at, 0)),
		[15] = CStringGetTextDatum(bb_call_state_name(call->state)),
		[16] = CStringGetTextDatum(unpack_sql_state(call->sqlstate)),
		[17] = bb_result_text(call->message, &nulls[17]),
		[18 + COUNTER_COLUMNS] = Int64GetDatum((int64) call->bytes_total),
	};

	nulls[6] = call->parent_link == BB_LINK_ROOT;
	nulls[16] = call->sqlstate == 0;
	nulls[18 + COUNTER_COLUMNS] = call->bytes_total == 0;
	counter_columns(&call->counters, &values[18]);
	bb_result_row(fcinfo, values, nulls);
}

/*
 * bb_get_access_stats()
 *
 * Returns the calls that the user may see: see bb_call_visible().
 */
static Datum
bb_sql_get_access_stats_body(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	MemoryContext row_context = bb_result_begin(fcinfo);
	ListCell   *cell;

	foreach(cell, bb_calls_fetch())
	{
		const BbCall *call = lfirst(cell);
		MemoryContext old;

		if (!bb_call_visible(call->user))
			continue;
		old = MemoryContextSwitchTo(row_context);
		call_row(fcinfo, call, now);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	return (Datum) 0;
}

/* bb_get_stat_totals() */
static Datum
bb_sql_get_stat_totals_body(PG_FUNCTION_ARGS)
{
	BbAllTotals *all = palloc(sizeof(BbAllTotals));

	bb_calls_totals(all);
	(void) bb_result_begin(fcinfo);
	for (int kind = 0; kind < BB_TASK_KIND_COUNT; kind++)
		for (int behavior = 0; behavior < BB_DOWNLOAD_BEHAVIOR_COUNT;
			 behavior++)
		{
			const BbCallTotals *totals = &all->totals[kind][behavior];
			Datum		values[6 + COUNTER_COLUMNS + 1];

			if (totals->calls == 0)
				continue;
			values[0] = CStringGetTextDatum(
				bb_task_kind_name((BbTaskKind) kind));
			values[1] = CStringGetTextDatum(
				bb_download_behavior_name((BbDownloadBehavior) behavior));
			values[2] = Int64GetDatum((int64) totals->calls);
			values[3] = Int64GetDatum((int64) totals->errors);
			values[4] = Int64GetDatum((int64) totals->cancelled);
			values[5] = milliseconds(totals->duration_us);
			counter_columns(&totals->counters, &values[6]);
			values[6 + COUNTER_COLUMNS] = TimestampTzGetDatum(all->since);
			bb_result_row(fcinfo, values, NULL);
		}
	return (Datum) 0;
}

/*
 * Every user sees that an import or ingest runs.  Seeing its progress requires
 * what seeing the query requires (as pg_stat_get_progress_info).
 */
static Datum
progress_rows(FunctionCallInfo fcinfo, List *all)
{
	ListCell   *cell;

	(void) bb_result_begin(fcinfo);
	foreach(cell, all)
	{
		const BbProgress *progress = lfirst(cell);
		bool		visible = bb_call_visible(progress->user);
		Datum		values[8];
		bool		nulls[8] = {0};

		values[0] = Int32GetDatum(progress->pid);
		values[1] = ObjectIdGetDatum(progress->database);
		values[2] = ObjectIdGetDatum(progress->user);
		values[3] = CStringGetTextDatum(progress->phase);
		for (int i = 0; i < lengthof(progress->values); i++)
			values[4 + i] = Int64GetDatum(progress->values[i]);
		for (int i = 3; i < lengthof(nulls); i++)
			nulls[i] = !visible;
		bb_result_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

/* bb_get_stat_progress_import() */
static Datum
bb_sql_get_stat_progress_import_body(PG_FUNCTION_ARGS)
{
	return progress_rows(fcinfo, bb_progress_fetch_imports());
}

/* bb_get_stat_progress_ingest(); LSNs are stored like integers of 64 bits. */
static Datum
bb_sql_get_stat_progress_ingest_body(PG_FUNCTION_ARGS)
{
	return progress_rows(fcinfo, bb_progress_fetch_ingests());
}

/* bb_get_stat_progress_upkeep(); the fourth value isn't used. */
static Datum
bb_sql_get_stat_progress_upkeep_body(PG_FUNCTION_ARGS)
{
	return progress_rows(fcinfo,
						 bb_progress_fetch_upkeep(bb_upkeep_kind_names,
												  BB_UPKEEP_KIND_COUNT));
}
