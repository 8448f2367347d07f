/*-------------------------------------------------------------------------
 *
 * import.c
 *	  bb_import_directory().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "catalog/pg_authid.h"
#include "funcs/arguments.h"
#include "import/import.h"
#include "stats/calls.h"
#include "stats/progress.h"
#include "stores/store_access.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_import_directory);

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
	BbObjectStore *objects = bb_store_open(ctx, server);
	BbImportResult result;
	Datum		values[8];
	bool		nulls[8] = {0};

	bb_calls_describe(ctx, &(BbCallAbout){.timeline = timeline});
	bb_call_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files",
					  "import a data directory");

	result = bb_import_directory(ctx, objects, timeline, directory,
								 wal_directory);
	bb_calls_describe(ctx, &(BbCallAbout){.lsn = result.lsn});

	values[0] = CStringGetTextDatum(timeline);
	values[1] = LSNGetDatum(result.lsn);
	values[2] = Int64GetDatum(result.databases);
	values[3] = Int64GetDatum(result.relations);
	values[4] = Int64GetDatum(result.pages);
	values[5] = Int64GetDatum(result.bytes_read);
	values[6] = Int64GetDatum(result.bytes_stored);
	values[7] = bb_result_elapsed(ctx->started_at);
	bb_reqctx_end(ctx);
	return bb_result_record(fcinfo, values, nulls);
}
