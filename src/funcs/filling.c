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
#include "funcs/arguments.h"
#include "import/import.h"
#include "ingest/ingest.h"
#include "intake/serverwal.h"
#include "stats/calls.h"
#include "stores/source_access.h"
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
	char	   *directory = bb_arg_text(fcinfo, 0, "directory");
	char	   *server = bb_arg_name(fcinfo, 1, "store");
	char	   *timeline = bb_arg_text(fcinfo, 2, "timeline");
	char	   *wal_directory = PG_ARGISNULL(3)
		? NULL
		: bb_arg_text(fcinfo, 3, "wal_directory");
	BbObjectStore *objects = bb_store_open(ctx, server, timeline);
	BbImportResult result;

	bb_call_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files",
					  "import a data directory");

	result = bb_import_directory(ctx, objects, timeline, directory,
								 wal_directory);
	return import_result(fcinfo, ctx, timeline, &result);
}

/*
 * bb_import_server(source name, store name, timeline text, checkpoint text,
 *					max_rate integer); max_rate NULL: no limit
 */
static Datum
bb_sql_import_server_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_IMPORT);
	char	   *name = bb_arg_name(fcinfo, 0, "source");
	char	   *server = bb_arg_name(fcinfo, 1, "store");
	char	   *timeline = bb_arg_text(fcinfo, 2, "timeline");
	BbServerBackupOptions options = bb_arg_server_backup(fcinfo, 3);
	BbObjectStore *objects = bb_store_open(ctx, server, timeline);
	BbSource   *source = bb_source_access(name);
	BbReplConnection *connection = bb_repl_connect(ctx, &source->target);
	BbServerWal *wal = bb_serverwal_session(ctx, name);
	BbImportResult result;

	result = bb_import_server(ctx, objects, timeline, connection, &options,
							  wal);
	bb_repl_close(connection);
	return import_result(fcinfo, ctx, timeline, &result);
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
