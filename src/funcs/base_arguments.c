/*-------------------------------------------------------------------------
 *
 * base_arguments.c
 *	  Arguments of the functions that store a base.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "funcs/base_arguments.h"
#include "intake/serverwal.h"
#include "stores/source_access.h"
#include "stores/store_access.h"

BbFetcher *
bb_arg_fetcher(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return NULL;
	bb_call_need_role(ROLE_PG_EXECUTE_SERVER_PROGRAM,
					  "pg_execute_server_program", "run restore_command");
	return bb_fetcher_new(bb_arg_text(fcinfo, n, "restore_command"));
}

BbBaseDirectory
bb_arg_base_directory(FunctionCallInfo fcinfo, const BbReqCtx *ctx)
{
	BbBaseDirectory base = {.directory = bb_arg_text(fcinfo, 0, "directory")};
	const char *server = bb_arg_name(fcinfo, 1, "store");

	base.timeline = bb_arg_text(fcinfo, 2, "timeline");
	if (!PG_ARGISNULL(3))
		base.wal_directory = bb_arg_text(fcinfo, 3, "wal_directory");
	base.fetcher = bb_arg_fetcher(fcinfo, 4);
	base.objects = bb_store_open(ctx, server, base.timeline);
	bb_call_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files",
					  "import a data directory");
	return base;
}

BbBaseCopy
bb_arg_base_copy(FunctionCallInfo fcinfo, const BbReqCtx *ctx)
{
	BbBaseCopy	base = {0};
	const char *server = bb_arg_name(fcinfo, 0, "store");

	base.timeline = bb_arg_text(fcinfo, 1, "timeline");
	if (!PG_ARGISNULL(2))
	{
		bb_call_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files",
						  "read WAL from a directory of the server");
		base.wal_directory = bb_arg_text(fcinfo, 2, "wal_directory");
	}
	base.fetcher = bb_arg_fetcher(fcinfo, 3);
	base.objects = bb_store_open(ctx, server, base.timeline);
	return base;
}

BbBaseServer
bb_arg_base_server(FunctionCallInfo fcinfo, const BbReqCtx *ctx)
{
	BbBaseServer base = {0};
	const char *name = bb_arg_name(fcinfo, 0, "source");
	const char *server = bb_arg_name(fcinfo, 1, "store");

	base.timeline = bb_arg_text(fcinfo, 2, "timeline");
	base.options = bb_arg_server_backup(fcinfo, 3);
	base.objects = bb_store_open(ctx, server, base.timeline);
	base.connection = bb_repl_connect(ctx, &bb_source_access(name)->target);
	base.wal = bb_serverwal_session(ctx, name);
	return base;
}
