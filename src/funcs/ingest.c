/*-------------------------------------------------------------------------
 *
 * ingest.c
 *	  bb_ingest().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "catalog/pg_authid.h"
#include "funcs/arguments.h"
#include "ingest/ingest.h"
#include "stats/calls.h"
#include "stats/progress.h"
#include "stores/store_access.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"
#include "wal/directory_source.h"

BB_SQL_FUNCTION(bb_sql_ingest);

/*
 * bb_ingest(wal_directory text, store name, timeline text, until pg_lsn,
 * tli text)
 */
static Datum
bb_sql_ingest_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_INGEST);
	char	   *wal_directory = bb_arg_text(fcinfo, 0, "wal_directory");
	char	   *server = bb_arg_name(fcinfo, 1, "store");
	char	   *timeline = bb_arg_text(fcinfo, 2, "timeline");
	XLogRecPtr	until = PG_ARGISNULL(3) ? InvalidXLogRecPtr : PG_GETARG_LSN(3);
	BbWalPlace	place = {.directory = wal_directory,
						 .target = bb_waltarget_parse(
							 bb_arg_text(fcinfo, 4, "tli"))};
	BbObjectStore *objects = bb_store_open(ctx, server);
	BbIngestResult result;
	Datum		values[9];
	bool		nulls[9] = {0};

	bb_calls_describe(ctx, &(BbCallAbout){.timeline = timeline});
	bb_call_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files",
					  "ingest WAL");

	result = bb_ingest(ctx, objects, timeline, bb_waldirectory_origin(&place),
					   until);
	bb_calls_describe(ctx, &(BbCallAbout){.lsn = result.end_lsn});
	bb_reqctx_end(ctx);

	values[0] = CStringGetTextDatum(timeline);
	values[1] = LSNGetDatum(result.start_lsn);
	values[2] = LSNGetDatum(result.end_lsn);
	values[3] = Int32GetDatum((int32) result.tli);
	values[4] = Int64GetDatum(result.records);
	values[5] = Int64GetDatum(result.pages);
	values[6] = Int64GetDatum(result.layers);
	values[7] = Int64GetDatum(result.bytes_stored);
	values[8] = bb_result_elapsed(ctx->started_at);
	return bb_result_record(fcinfo, values, nulls);
}
