/*-------------------------------------------------------------------------
 *
 * rebase.c
 *	  A new base of a timeline: bb_rebase_directory(), bb_rebase_server().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "catalog/pg_authid.h"
#include "funcs/arguments.h"
#include "import/rebase.h"
#include "intake/serverwal.h"
#include "stats/calls.h"
#include "stores/source_access.h"
#include "stores/store_access.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"

BB_SQL_FUNCTION(bb_sql_rebase_directory);
BB_SQL_FUNCTION(bb_sql_rebase_server);

/* End the call of a rebase, and return its row. */
static Datum
rebase_result(FunctionCallInfo fcinfo, const BbReqCtx *ctx,
			  const char *timeline, const BbRebaseResult *result)
{
	bb_calls_describe(ctx, &(BbCallAbout){.lsn = result->gap_end});
	bb_reqctx_end(ctx);
	return bb_result_record(fcinfo,
							(Datum[]){CStringGetTextDatum(timeline),
									  LSNGetDatum(result->gap_start),
									  LSNGetDatum(result->gap_end),
									  Int64GetDatum(result->pages),
									  Int64GetDatum(result->pages_stored),
									  Int64GetDatum(result->bytes_read),
									  Int64GetDatum(result->bytes_stored),
									  bb_result_elapsed(ctx->started_at)});
}

/*
 * bb_rebase_directory(directory text, store name, timeline text,
 *						  wal_directory text); wal_directory NULL: its pg_wal
 */
static Datum
bb_sql_rebase_directory_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_IMPORT);
	char	   *directory = bb_arg_text(fcinfo, 0, "directory");
	char	   *server = bb_arg_name(fcinfo, 1, "store");
	char	   *timeline = bb_arg_text(fcinfo, 2, "timeline");
	char	   *wal_directory = PG_ARGISNULL(3)
		? NULL
		: bb_arg_text(fcinfo, 3, "wal_directory");
	BbObjectStore *objects = bb_store_open(ctx, server, timeline);
	BbRebaseResult result;

	bb_call_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files",
					  "import a data directory");

	result = bb_rebase_from_directory(ctx, objects, timeline, directory,
									  wal_directory);
	return rebase_result(fcinfo, ctx, timeline, &result);
}

/*
 * bb_rebase_server(source name, store name, timeline text, checkpoint text,
 *					max_rate integer); max_rate NULL: no limit
 */
static Datum
bb_sql_rebase_server_body(PG_FUNCTION_ARGS)
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
	BbRebaseResult result;

	result = bb_rebase_from_server(ctx, objects, timeline, connection,
								   &options, wal);
	bb_repl_close(connection);
	return rebase_result(fcinfo, ctx, timeline, &result);
}
