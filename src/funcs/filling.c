/*-------------------------------------------------------------------------
 *
 * filling.c
 *	  Filling a store: bb_import_directory(), bb_import_copy(),
 *	  bb_import_server(), bb_ingest().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "archive/archive.h"
#include "base/foreigntext.h"
#include "catalog/pg_authid.h"
#include "funcs/base_arguments.h"
#include "funcs/client_call.h"
#include "import/copyinput.h"
#include "ingest/ingest.h"
#include "stats/calls.h"
#include "stores/store_access.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"
#include "wal/directory_source.h"

BB_SQL_FUNCTION(bb_sql_import_directory);
BB_SQL_FUNCTION(bb_sql_import_copy);
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
 *						  wal_directory text, restore_command text);
 * wal_directory NULL: its pg_wal
 */
static Datum
bb_sql_import_directory_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_IMPORT);
	BbBaseDirectory base = bb_arg_base_directory(fcinfo, ctx);
	BbImportResult result = bb_import_directory(ctx, base.objects,
												base.timeline, base.directory,
												base.wal_directory,
												base.fetcher);

	return import_result(fcinfo, ctx, base.timeline, &result);
}

/*
 * CALL bb_import_copy(store name, timeline text, wal_directory text,
 *					   restore_command text); wal_directory NULL: the stream's
 */
static Datum
bb_sql_import_copy_body(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	MemoryContext caller;
	const BbReqCtx *ctx;
	BbBaseCopy	base;
	BbImportResult result;
	Datum		row;

	bb_client_call_check(fcinfo, "bb_import_copy", "bb_import_directory");
	context = bb_client_call_context();
	caller = MemoryContextSwitchTo(context);
	ctx = bb_call_of(fcinfo, BB_TASK_IMPORT);
	base = bb_arg_base_copy(fcinfo, ctx);
	bb_client_call_release_snapshot();
	result = bb_import_stream(ctx, base.objects, base.timeline,
							  bb_copyinput_new(), base.wal_directory,
							  base.fetcher);
	MemoryContextSwitchTo(caller);
	row = import_result(fcinfo, ctx, base.timeline, &result);
	MemoryContextDelete(context);
	return row;
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
 * tli text, restore_command text)
 */
static Datum
bb_sql_ingest_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_INGEST);
	char	   *server = bb_arg_name(fcinfo, 1, "store");
	char	   *timeline = bb_arg_text(fcinfo, 2, "timeline");
	XLogRecPtr	until = PG_ARGISNULL(3) ? InvalidXLogRecPtr : PG_GETARG_LSN(3);
	BbWalPlace	place = {
		.target = bb_waltarget_parse(bb_arg_text(fcinfo, 4, "tli"))};
	BbFetcher  *fetcher = bb_arg_fetcher(fcinfo, 5);
	const char *wal_directory = PG_ARGISNULL(0) && fetcher != NULL
		? NULL
		: bb_arg_text(fcinfo, 0, "wal_directory");
	BbObjectStore *objects = bb_store_open(ctx, server, timeline);
	BbIngestResult result;

	bb_call_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files",
					  "ingest WAL");

	place.files = bb_archive_files(wal_directory, fetcher);
	result = bb_ingest(ctx, objects, timeline, bb_waldirectory_origin(&place),
					   until);
	if (wal_directory == NULL)
		bb_fetcher_report_nothing(fetcher);
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
