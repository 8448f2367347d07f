/*-------------------------------------------------------------------------
 *
 * filling.c
 *	  Filling a store: bb_import_directory(), bb_import_server(), bb_ingest().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "catalog/pg_authid.h"
#include "funcs/base_arguments.h"
#include "import/import.h"
#include "ingest/ingest.h"
#include "stats/calls.h"
#include "stores/store_access.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"
#include "wal/directory_source.h"

BB_SQL_FUNCTION(bb_sql_import_directory);
BB_SQL_FUNCTION(bb_sql_import_server);
BB_SQL_FUNCTION(bb_sql_ingest);

/* End the call of an import, and return its row. */
static Datum
import_result(FunctionCallInfo fcinfo, const BbReqCtx *ctx,
			  const char *timeline, const BbImportResult *result)
{
	bb_calls_describe(ctx, &(BbCallAbout){.lsn = result->lsn});
	bb_reqctx_end(ctx);
	return bb_result_record(fcinfo,
							(Datum[]){CStringGetTextDatum(timeline),
									  LSNGetDatum(result->lsn),
									  Int64GetDatum(result->databases),
									  Int64GetDatum(result->relations),
									  Int64GetDatum(result->pages),
									  Int64GetDatum(result->bytes_read),
									  Int64GetDatum(result->bytes_stored),
									  bb_result_elapsed(ctx->started_at)});
}

/*
 * bb_import_directory(directory text, store name, timeline text,
 *						  wal_directory text); wal_directory NULL: its pg_wal
 */
static Datum
bb_sql_import_directory_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_IMPORT);
	BbBaseDirectory base = bb_arg_base_directory(fcinfo, ctx);
	BbImportResult result = bb_import_directory(ctx, base.objects,
												base.timeline, base.directory,
												base.wal_directory);

	return import_result(fcinfo, ctx, base.timeline, &result);
}

/*
 * bb_import_server(source name, store name, timeline text, checkpoint text,
 *					max_rate integer); max_rate NULL: no limit
 */
static Datum
bb_sql_import_server_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_IMPORT);
	BbBaseServer base = bb_arg_base_server(fcinfo, ctx);
	BbImportResult result = bb_import_server(ctx, base.objects, base.timeline,
											 base.connection, &base.options,
											 base.wal);

	bb_repl_close(base.connection);
	return import_result(fcinfo, ctx, base.timeline, &result);
}

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
	BbObjectStore *objects = bb_store_open(ctx, server, timeline);
	BbIngestResult result;

	bb_call_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files",
					  "ingest WAL");

	result = bb_ingest(ctx, objects, timeline, bb_waldirectory_origin(&place),
					   until);
	bb_calls_describe(ctx, &(BbCallAbout){.lsn = result.end_lsn});
	bb_reqctx_end(ctx);
	return bb_result_record(fcinfo,
							(Datum[]){CStringGetTextDatum(timeline),
									  LSNGetDatum(result.start_lsn),
									  LSNGetDatum(result.end_lsn),
									  Int32GetDatum((int32) result.tli),
									  Int64GetDatum(result.records),
									  Int64GetDatum(result.pages),
									  Int64GetDatum(result.layers),
									  Int64GetDatum(result.bytes_stored),
									  bb_result_elapsed(ctx->started_at)});
}
