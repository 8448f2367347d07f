/*-------------------------------------------------------------------------
 *
 * sources.c
 *	  Sources, servers that are imported and followed: bb_identify_source().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "stores/source_access.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"

BB_SQL_FUNCTION(bb_sql_identify_source);

/* bb_identify_source(source name) */
static Datum
bb_sql_identify_source_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	const BbSource *source = bb_source_access(
		bb_arg_name(fcinfo, 0, "source"));
	BbReplConnection *connection = bb_repl_connect(ctx, &source->target);
	const BbReplServer *server = bb_repl_server(connection);
	Datum		row;

	row = bb_result_record(fcinfo,
						   (Datum[]){bb_text_datum(server->host),
									 bb_text_datum(server->user),
									 BoolGetDatum(server->encrypted),
									 BoolGetDatum(server->in_recovery),
									 Int32GetDatum(server->version_num),
									 Int64GetDatum(
										 (int64) server->system_identifier),
									 Int32GetDatum((int32) server->tli),
									 LSNGetDatum(server->lsn),
									 Int32GetDatum(server->segment_size)});
	bb_repl_close(connection);
	bb_reqctx_end(ctx);
	return row;
}
