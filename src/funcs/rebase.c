/*-------------------------------------------------------------------------
 *
 * rebase.c
 *	  A new base of a timeline: bb_rebase_directory(), bb_rebase_server().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "funcs/base_arguments.h"
#include "import/rebase.h"
#include "stats/calls.h"
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
 *						  wal_directory text, restore_command text);
 * wal_directory NULL: its pg_wal
 */
static Datum
bb_sql_rebase_directory_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_IMPORT);
	BbBaseDirectory base = bb_arg_base_directory(fcinfo, ctx);
	BbRebaseResult result = bb_rebase_from_directory(ctx, base.objects,
													 base.timeline,
													 base.directory,
													 base.wal_directory,
													 base.fetcher, NIL);

	return rebase_result(fcinfo, ctx, base.timeline, &result);
}

/*
 * bb_rebase_server(source name, store name, timeline text, checkpoint text,
 *					max_rate integer); max_rate NULL: no limit
 */
static Datum
bb_sql_rebase_server_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_IMPORT);
	BbBaseServer base = bb_arg_base_server(fcinfo, ctx);
	BbRebaseResult result = bb_rebase_from_server(ctx, base.objects,
												  base.timeline,
												  base.connection,
												  &base.options, base.wal,
												  NIL);

	bb_repl_close(base.connection);
	return rebase_result(fcinfo, ctx, base.timeline, &result);
}
