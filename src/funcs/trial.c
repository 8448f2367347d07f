/*-------------------------------------------------------------------------
 *
 * trial.c
 *	  Restore tests: bb_test_restore(), and what stores remember of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "catalog/pg_authid.h"
#include "funcs/arguments.h"
#include "funcs/backup_arguments.h"
#include "miscadmin.h"
#include "stores/store_access.h"
#include "stores/store_list.h"
#include "stores/store_timelines.h"
#include "trial/trial_record.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_test_restore);
BB_SQL_FUNCTION(bb_sql_get_restore_tests);

/* ---- bb_test_restore ---- */

typedef struct TestCall
{
	BbBackupRequest request;
	BbTrialOptions options;
} TestCall;

static BbTrialResult
make(const BbReqCtx *ctx, void *arg)
{
	TestCall   *test = arg;
	BbBackupCall call = bb_backup_call_begin(ctx, &test->request);

	return bb_trial_run(ctx, call.plan, &call.task, call.ahead,
						&test->options);
}

/* An argument that may be NULL. */
static char *
text_or_null(FunctionCallInfo fcinfo, const char *name)
{
	int			n = bb_arg_number(fcinfo, name);

	return PG_ARGISNULL(n) ? NULL : bb_arg_text(fcinfo, n, name);
}

static BbTrialOptions
arg_trial(FunctionCallInfo fcinfo)
{
	BbTrialOptions options = {
		.start = bb_arg_bool(fcinfo, bb_arg_number(fcinfo, "start_server"),
							 "start_server"),
		.query = text_or_null(fcinfo, "query"),
		.database = text_or_null(fcinfo, "dbname"),
	};
	char	   *role = text_or_null(fcinfo, "role");

	if (!options.start &&
		(options.query != NULL || options.database != NULL || role != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arguments \"query\", \"dbname\" and \"role\" require start_server => true")));
	options.roles = role ? list_make1(role) : bb_trial_usual_roles();
	return options;
}

/* bb_test_restore(lsn, store, timeline, start_server, query, dbname, role, jobs) */
static Datum
bb_sql_test_restore_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_BASEBACKUP);
	TestCall	test = {.request = bb_arg_backup(fcinfo),
						.options = arg_trial(fcinfo)};
	bool		nulls[6] = {0};
	Datum		values[lengthof(nulls)];
	BbTrialResult result;
	BbObjectStore *objects;

	if (test.options.start)
		bb_call_need_role(ROLE_PG_EXECUTE_SERVER_PROGRAM,
						  "pg_execute_server_program",
						  "start a restored server");
	bb_trial_prepare(&test.request.options);
	objects = bb_store_open(ctx, test.request.server, test.request.timeline);
	result = bb_trial_recorded(ctx, objects, test.request.timeline,
							   test.options.start, make, &test);
	bb_reqctx_end(ctx);

	values[0] = LSNGetDatum(result.lsn);
	values[1] = Int64GetDatum((int64) result.files);
	values[2] = Int64GetDatum((int64) result.bytes);
	values[3] = Int64GetDatum((int64) result.pages);
	values[4] = bb_result_text(result.answer, &nulls[4]);
	values[5] = bb_result_elapsed(ctx->started_at);
	(void) bb_result_begin(fcinfo);
	bb_result_row(fcinfo, values, nulls);
	return (Datum) 0;
}

/* ---- what stores remember ---- */

typedef struct ListCall
{
	const BbReqCtx *ctx;
	FunctionCallInfo fcinfo;
} ListCall;

static Datum
time_of(const BbTrialRecord *record, bool *null)
{
	*null = record == NULL;
	return TimestampTzGetDatum(record ? record->tested_at : 0);
}

static Datum
lsn_of(const BbTrialRecord *record, bool *null)
{
	return bb_result_lsn(record ? record->lsn : InvalidXLogRecPtr, null);
}

static void
records_row(const ListCall *call, const char *server, const char *timeline,
			const BbTrialRecords *records)
{
	static const BbTrialRecord none = {0};
	const BbTrialRecord *last = records->last ? records->last : &none;
	Interval	duration = {.time = (TimeOffset) last->duration_us};
	NameData	store;
	bool		nulls[13] = {0};
	Datum		values[lengthof(nulls)];

	namestrcpy(&store, server);
	values[0] = NameGetDatum(&store);
	values[1] = CStringGetTextDatum(timeline);
	values[2] = time_of(records->last, &nulls[2]);
	values[3] = BoolGetDatum(last->start);
	values[4] = lsn_of(records->last, &nulls[4]);
	values[5] = Int64GetDatum((int64) last->bytes);
	values[6] = IntervalPGetDatum(&duration);
	values[7] = bb_result_text(last->answer, &nulls[7]);
	values[8] = bb_result_text(last->error ? bb_text_valid(last->error) : NULL,
							   &nulls[8]);
	values[9] = time_of(records->good, &nulls[9]);
	values[10] = lsn_of(records->good, &nulls[10]);
	values[11] = time_of(records->started, &nulls[11]);
	values[12] = lsn_of(records->started, &nulls[12]);
	nulls[3] = nulls[5] = nulls[6] = records->last == NULL;
	bb_result_row(call->fcinfo, values, nulls);
}

static void
records_of_store(const char *server, void *arg)
{
	const ListCall *call = arg;
	BbObjectStore *objects = bb_store_open(call->ctx, server, NULL);
	ListCell   *cell;

	foreach(cell, bb_manifest_list(call->ctx, objects))
	{
		BbTrialRecords records;

		if (!bb_store_has_timeline(call->ctx, objects, lfirst(cell)))
			continue;
		records = bb_trial_records_read(call->ctx, objects, lfirst(cell));
		records_row(call, server, lfirst(cell), &records);
	}
}

/* bb_get_restore_tests(store name); NULL: all stores */
static Datum
bb_sql_get_restore_tests_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	ListCall	call = {.ctx = ctx, .fcinfo = fcinfo};

	(void) bb_result_begin(fcinfo);
	bb_store_each(PG_ARGISNULL(0) ? NULL : bb_arg_name(fcinfo, 0, "store"),
				  records_of_store, &call);
	bb_reqctx_end(ctx);
	return (Datum) 0;
}
