/*-------------------------------------------------------------------------
 *
 * follow.c
 *	  Following servers: bb_follow(), bb_unfollow(), bb_wait(), and the view
 *	  bb_stat_follow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/foreigntext.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "funcs/arguments.h"
#include "intake/follow.h"
#include "stats/calls.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_follow);
BB_SQL_FUNCTION(bb_sql_unfollow);
BB_SQL_FUNCTION(bb_sql_wait);
BB_SQL_FUNCTION(bb_sql_get_stat_follow);

/*
 * bb_follow(source name, store name, timeline text, slot name, checkpoint text,
 * max_rate integer); slot NULL: a default, max_rate NULL: no limit
 */
static Datum
bb_sql_follow_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_FOLLOW);
	BbFollowing following = {.source = bb_arg_name(fcinfo, 0, "source"),
							 .store = bb_arg_name(fcinfo, 1, "store"),
							 .timeline = bb_arg_text(fcinfo, 2, "timeline")};
	BbServerBackupOptions options = bb_arg_server_backup(fcinfo, 4);

	if (!PG_ARGISNULL(3))
		following.slot = bb_arg_name(fcinfo, 3, "slot");
	following.checkpoint = options.fast_checkpoint ? "fast" : "spread";
	following.max_rate_kb = options.max_rate_kb;
	bb_follow_begin(ctx, &following);
	bb_reqctx_end(ctx);
	PG_RETURN_VOID();
}

/* bb_unfollow(timeline text, store name, drop_slot boolean) */
static Datum
bb_sql_unfollow_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_FOLLOW);
	char	   *timeline = bb_arg_text(fcinfo, 0, "timeline");
	char	   *store = bb_arg_name(fcinfo, 1, "store");

	bb_calls_describe(ctx,
					  &(BbCallAbout){.store = store, .timeline = timeline});
	bb_follow_end(ctx, store, timeline, bb_arg_bool(fcinfo, 2, "drop_slot"));
	bb_reqctx_end(ctx);
	PG_RETURN_VOID();
}

/* bb_wait(lsn pg_lsn, timeline text, timeout interval, store name) */
static Datum
bb_sql_wait_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_FOLLOW);
	XLogRecPtr	lsn = bb_arg_lsn(fcinfo, 0, "lsn");
	char	   *timeline = bb_arg_text(fcinfo, 1, "timeline");
	int64		timeout_ms = bb_arg_interval_ms(fcinfo, 2);
	char	   *store = bb_arg_name(fcinfo, 3, "store");

	bb_calls_describe(ctx, &(BbCallAbout){.lsn = lsn});
	lsn = bb_follow_wait(ctx, store, timeline, lsn, timeout_ms);
	bb_reqctx_end(ctx);
	PG_RETURN_LSN(lsn);
}

/* ---- the view ---- */

static Datum
time_datum(TimestampTz time, bool *null)
{
	*null = time == 0;
	return TimestampTzGetDatum(time);
}

static Datum
pid_datum(int pid, bool *null)
{
	*null = pid == 0;
	return Int32GetDatum(pid);
}

/* Returns the option "confirm" of a source. */
static const char *
confirm_of(const char *source)
{
	ForeignServer *server = GetForeignServerByName(source, true);
	ListCell   *cell;

	if (server == NULL)
		return NULL;
	foreach(cell, server->options)
	{
		DefElem	   *option = lfirst(cell);

		if (strcmp(option->defname, "confirm") == 0)
			return defGetString(option);
	}
	return "store";
}

static void
status_row(FunctionCallInfo fcinfo, const BbFollowing *following)
{
	BbFollowStatus status;
	int64		lag;
	bool		is_led = bb_follow_status(following, &status, &lag);
	bool		is_measured = is_led && status.covered_lsn != 0 &&
		status.source_lsn != 0;
	XLogRecPtr	behind = status.source_lsn -
		Min(status.source_lsn, status.covered_lsn);
	bool		nulls[23] = {0};
	Datum		values[lengthof(nulls)] =
		{CStringGetDatum(following->source),
		 CStringGetDatum(following->store),
		 CStringGetTextDatum(following->timeline),
		 CStringGetDatum(following->slot),
		 bb_result_text(status.host, &nulls[4]),
		 CStringGetTextDatum(bb_follow_state_name(status.state)),
		 bb_result_lsn(status.received_lsn, &nulls[6]),
		 time_datum(status.received_time, &nulls[7]),
		 bb_result_lsn(status.confirmed_lsn, &nulls[8]),
		 time_datum(status.confirmed_time, &nulls[9]),
		 bb_result_lsn(status.stored_lsn, &nulls[10]),
		 time_datum(status.stored_time, &nulls[11]),
		 bb_result_lsn(status.source_lsn, &nulls[12]),
		 Int64GetDatum((int64) behind),
		 Float8GetDatum((double) lag / USECS_PER_SEC),
		 Int64GetDatum((int64) status.spool_bytes),
		 bb_result_text(status.error, &nulls[16]),
		 time_datum(status.error_time, &nulls[17]),
		 Int64GetDatum((int64) status.restarts),
		 bb_result_text(confirm_of(following->source), &nulls[19]),
		 BoolGetDatum(status.is_synchronous),
		 pid_datum(status.leader_pid, &nulls[21]),
		 pid_datum(status.receiver_pid, &nulls[22])};
	NameData	names[3];

	namestrcpy(&names[0], following->source);
	namestrcpy(&names[1], following->store);
	namestrcpy(&names[2], following->slot);
	values[0] = NameGetDatum(&names[0]);
	values[1] = NameGetDatum(&names[1]);
	values[3] = NameGetDatum(&names[2]);
	nulls[13] = !is_measured;
	nulls[14] = !is_led || status.covered_lsn == 0;
	nulls[15] = nulls[18] = nulls[20] = !is_led;
	bb_result_row(fcinfo, values, nulls);
}

/* bb_get_stat_follow() */
static Datum
bb_sql_get_stat_follow_body(PG_FUNCTION_ARGS)
{
	MemoryContext row_context = bb_result_begin(fcinfo);
	ListCell   *cell;

	foreach(cell, bb_following_all())
	{
		const BbFollowing *following = lfirst(cell);
		MemoryContext old = MemoryContextSwitchTo(row_context);

		if (bb_call_visible(following->owner))
			status_row(fcinfo, following);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	return (Datum) 0;
}
