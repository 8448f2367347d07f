/*-------------------------------------------------------------------------
 *
 * retention.c
 *	  How long history is kept: bb_set_retention(), pins, and what they hold.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "funcs/timeline_rows.h"
#include "miscadmin.h"
#include "stats/calls.h"
#include "stores/store_access.h"
#include "stores/store_timelines.h"
#include "upkeep/keeps.h"
#include "upkeep/points.h"
#include "upkeep/window.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_set_retention);
BB_SQL_FUNCTION(bb_sql_pin);
BB_SQL_FUNCTION(bb_sql_unpin);
BB_SQL_FUNCTION(bb_sql_keeps);

/* Returns an interval's seconds, rounded up; months count 30 days. */
static int64
interval_s(const Interval *interval)
{
	int64		s = interval->time / USECS_PER_SEC +
		(interval->time % USECS_PER_SEC > 0);

	return s +
		((int64) interval->month * DAYS_PER_MONTH + interval->day) *
		SECS_PER_DAY;
}

/*
 * bb_set_retention(window interval, floor interval, keep text, store name,
 * timeline text)
 */
static Datum
bb_sql_set_retention_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	BbRetentionChange change = {0};
	char	   *server = bb_arg_name(fcinfo, 3, "store");
	char	   *timeline = bb_arg_text(fcinfo, 4, "timeline");

	if (!PG_ARGISNULL(0))
	{
		change.window = true;
		change.window_s = interval_s(PG_GETARG_INTERVAL_P(0));
	}
	if (!PG_ARGISNULL(1))
	{
		change.floor = true;
		change.floor_s = interval_s(PG_GETARG_INTERVAL_P(1));
	}
	if (!PG_ARGISNULL(2))
		change.points = bb_arg_text(fcinfo, 2, "keep");
	bb_keeps_set(ctx, bb_store_open(ctx, server, timeline), timeline, &change);
	bb_reqctx_end(ctx);
	PG_RETURN_VOID();
}

/*
 * The LSN to be pinned: the end of a record, in the window or of a point.
 */
static XLogRecPtr
lsn_to_pin(const BbReqCtx *ctx, const char *server, const char *timeline,
		   BbObjectStore *objects, XLogRecPtr lsn)
{
	BbManifest *manifest = bb_manifest_read(ctx, objects, timeline);

	if (bb_keeps_has_point(&manifest->keeps, lsn))
		return lsn;
	return bb_store_snapshot(ctx, bb_store_timeline(ctx, server, timeline),
							 lsn)
		.lsn;
}

/* The time_t at which a pin expires; 0: never. */
static int64
expiry_of(FunctionCallInfo fcinfo, int n)
{
	TimestampTz expires;

	if (PG_ARGISNULL(n))
		return 0;
	expires = PG_GETARG_TIMESTAMPTZ(n);
	if (TIMESTAMP_IS_NOEND(expires))
		return 0;
	if (TIMESTAMP_IS_NOBEGIN(expires))
		return 1;
	return Max((int64) timestamptz_to_time_t(expires), 1);
}

/*
 * bb_pin(lsn pg_lsn, name text, reason text, expires timestamptz, store name,
 * timeline text); lsn NULL: the end
 */
static Datum
bb_sql_pin_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	char	   *server = bb_arg_name(fcinfo, 4, "store");
	char	   *timeline = bb_arg_text(fcinfo, 5, "timeline");
	BbObjectStore *objects = bb_store_open(ctx, server, timeline);
	BbPin		pin = {.name = bb_arg_text(fcinfo, 1, "name"),
					   .reason = PG_ARGISNULL(2)
						   ? ""
						   : bb_arg_text(fcinfo, 2, "reason"),
					   .owner = GetUserNameFromId(GetUserId(), false),
					   .created_at = (int64) timestamptz_to_time_t(
						   GetCurrentTimestamp()),
					   .expires_at = expiry_of(fcinfo, 3)};

	pin.lsn = lsn_to_pin(ctx, server, timeline, objects,
						 bb_arg_lsn(fcinfo, 0, "lsn"));
	bb_keeps_pin(ctx, objects, timeline, &pin);
	bb_reqctx_end(ctx);
	PG_RETURN_LSN(pin.lsn);
}

/* bb_unpin(name text, store name, timeline text) */
static Datum
bb_sql_unpin_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	char	   *name = bb_arg_text(fcinfo, 0, "name");
	char	   *server = bb_arg_name(fcinfo, 1, "store");
	char	   *timeline = bb_arg_text(fcinfo, 2, "timeline");

	bb_keeps_unpin(ctx, bb_store_open(ctx, server, timeline), timeline, name);
	bb_reqctx_end(ctx);
	PG_RETURN_VOID();
}

/* ---- what is held ---- */

/* A row of bb_keeps(); an empty text is NULL, and so is a time below 0. */
typedef struct KeepsRow
{
	const char *kind;
	const char *name;
	XLogRecPtr	lsn;
	int64		time;
	const char *reason;
	int64		since;
	const char *owner;
	int64		expires;
	bool		holds;
} KeepsRow;

static Datum
time_datum(int64 time, bool *null)
{
	*null = time < 0;
	return TimestampTzGetDatum(
		time_t_to_timestamptz((pg_time_t) Max(time, 0)));
}

static void
put_row(FunctionCallInfo fcinfo, const char *timeline, const KeepsRow *row)
{
	bool		nulls[10] = {0};
	Datum		values[lengthof(nulls)] =
		{CStringGetTextDatum(timeline),
		 CStringGetTextDatum(row->kind),
		 bb_result_text(row->name, &nulls[2]),
		 bb_result_lsn(row->lsn, &nulls[3]),
		 time_datum(row->time, &nulls[4]),
		 bb_result_text(row->reason, &nulls[5]),
		 time_datum(row->since, &nulls[6]),
		 bb_result_text(row->owner, &nulls[7]),
		 time_datum(row->expires, &nulls[8]),
		 BoolGetDatum(row->holds)};

	bb_result_row(fcinfo, values, nulls);
}

static void
keeps_of(const BbReqCtx *ctx, FunctionCallInfo fcinfo, BbObjectStore *objects,
		 const BbManifest *manifest, void *arg)
{
	const BbKeeps *keeps = &manifest->keeps;
	const char *timeline = manifest->timeline;
	int64		now = (int64) timestamptz_to_time_t(GetCurrentTimestamp());
	List	   *branches = bb_points_known_branches(ctx, objects, timeline);
	bool		consistent = bb_manifest_consistent(manifest);
	int64		start_time = consistent
		? bb_window_time(ctx, objects, manifest, manifest->start_lsn)
		: -1;
	const char **why = bb_window_points(manifest, branches, start_time, now);
	ListCell   *cell;

	put_row(fcinfo, timeline,
			&(KeepsRow){"window", NULL,
						consistent ? manifest->start_lsn : InvalidXLogRecPtr,
						start_time, bb_keeps_text(&keeps->retention), -1, NULL,
						-1, true});
	for (int i = 0; i < keeps->npoints; i++)
		put_row(fcinfo, timeline,
				&(KeepsRow){"point", NULL, keeps->points[i].lsn,
							keeps->points[i].time, why[i], -1, NULL, -1,
							true});
	for (int i = 0; i < keeps->npins; i++)
	{
		const BbPin *pin = &keeps->pins[i];

		put_row(fcinfo, timeline,
				&(KeepsRow){bb_pin_is_lease(pin) ? "lease" : "pin", pin->name,
							pin->lsn,
							bb_window_time(ctx, objects, manifest, pin->lsn),
							pin->reason, pin->created_at, pin->owner,
							pin->expires_at ? pin->expires_at : -1,
							bb_pin_holds(pin, now)});
	}
	foreach(cell, branches)
	{
		const BbBranch *branch = lfirst(cell);

		put_row(fcinfo, timeline,
				&(KeepsRow){"branch", branch->name, branch->lsn,
							bb_window_time(ctx, objects, manifest,
										   branch->lsn),
							NULL, -1, NULL, -1, true});
	}
}

/* bb_keeps(store name, timeline text); timeline NULL: of all timelines */
static Datum
bb_sql_keeps_body(PG_FUNCTION_ARGS)
{
	bb_timeline_rows(fcinfo, keeps_of, NULL);
	return (Datum) 0;
}
