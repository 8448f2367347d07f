/*-------------------------------------------------------------------------
 *
 * leases.c
 *	  Leases: bb_lease(), bb_renew_lease(), bb_release_lease(), bb_leases().
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
#include "upkeep/leases.h"
#include "upkeep/points.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_lease);
BB_SQL_FUNCTION(bb_sql_renew_lease);
BB_SQL_FUNCTION(bb_sql_release_lease);
BB_SQL_FUNCTION(bb_sql_leases);

static int64
now_s(void)
{
	return (int64) timestamptz_to_time_t(GetCurrentTimestamp());
}

/* A duration in seconds, rounded up. */
static int64
duration_of(FunctionCallInfo fcinfo, int n)
{
	int64		ms = bb_arg_interval_ms(fcinfo, n);

	if (ms < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "duration")));
	return ms / 1000 + (ms % 1000 > 0);
}

static Datum
time_datum(int64 time)
{
	return TimestampTzGetDatum(time_t_to_timestamptz((pg_time_t) time));
}

static TimeLineID
tli_of(FunctionCallInfo fcinfo, int n)
{
	int32		tli;

	if (PG_ARGISNULL(n))
		return 0;
	tli = PG_GETARG_INT32(n);
	if (tli <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("new_tli must be positive, not %d", tli)));
	return (TimeLineID) tli;
}

/*
 * bb_lease(name text, lsn pg_lsn, duration interval, reason text, store name,
 * timeline text, new_tli integer)
 */
static Datum
bb_sql_lease_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	char	   *server = bb_arg_name(fcinfo, 4, "store");
	char	   *timeline = bb_arg_text(fcinfo, 5, "timeline");
	BbLeaseRequest request = {.name = bb_arg_text(fcinfo, 0, "name"),
							  .lsn = bb_arg_lsn(fcinfo, 1, "lsn"),
							  .duration_s = duration_of(fcinfo, 2),
							  .reason = PG_ARGISNULL(3)
								  ? ""
								  : bb_arg_text(fcinfo, 3, "reason"),
							  .new_tli = tli_of(fcinfo, 6),
							  .owner = GetUserNameFromId(GetUserId(), false),
							  .now = now_s()};
	BbPin		lease = bb_lease_take(ctx,
									  bb_store_open(ctx, server, timeline),
									  timeline, &request);

	bb_calls_describe(ctx, &(BbCallAbout){.lsn = lease.lsn});
	bb_reqctx_end(ctx);
	return bb_result_record(fcinfo,
							(Datum[]){LSNGetDatum(lease.lsn),
									  Int32GetDatum((int32) lease.new_tli),
									  time_datum(lease.expires_at)});
}

/* bb_renew_lease(name text, duration interval, store name, timeline text) */
static Datum
bb_sql_renew_lease_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	char	   *name = bb_arg_text(fcinfo, 0, "name");
	int64		duration = duration_of(fcinfo, 1);
	char	   *server = bb_arg_name(fcinfo, 2, "store");
	char	   *timeline = bb_arg_text(fcinfo, 3, "timeline");
	BbPin		lease = bb_lease_renew(ctx,
									   bb_store_open(ctx, server, timeline),
									   timeline, name, now_s(), duration);

	bb_reqctx_end(ctx);
	return time_datum(lease.expires_at);
}

/* bb_release_lease(name text, store name, timeline text) */
static Datum
bb_sql_release_lease_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	char	   *name = bb_arg_text(fcinfo, 0, "name");
	char	   *server = bb_arg_name(fcinfo, 1, "store");
	char	   *timeline = bb_arg_text(fcinfo, 2, "timeline");
	bool		released = bb_lease_release(ctx,
											bb_store_open(ctx, server,
														  timeline),
											timeline, name);

	bb_reqctx_end(ctx);
	PG_RETURN_BOOL(released);
}

static void
put_leases(const BbReqCtx *ctx, FunctionCallInfo fcinfo,
		   BbObjectStore *objects, const BbManifest *manifest, void *arg)
{
	int64		now = now_s();

	for (int i = 0; i < manifest->keeps.npins; i++)
	{
		const BbPin *lease = &manifest->keeps.pins[i];
		bool		nulls[9] = {0};

		if (bb_pin_is_lease(lease))
			bb_result_row(fcinfo,
						  (Datum[]){CStringGetTextDatum(manifest->timeline),
									CStringGetTextDatum(lease->name),
									LSNGetDatum(lease->lsn),
									Int32GetDatum((int32) lease->new_tli),
									bb_result_text(lease->reason, &nulls[4]),
									bb_result_text(lease->owner, &nulls[5]),
									time_datum(lease->created_at),
									time_datum(lease->expires_at),
									BoolGetDatum(bb_pin_holds(lease, now))},
						  nulls);
	}
}

/* bb_leases(store name, timeline text); timeline NULL: of all timelines */
static Datum
bb_sql_leases_body(PG_FUNCTION_ARGS)
{
	bb_timeline_rows(fcinfo, put_leases, NULL);
	return (Datum) 0;
}
