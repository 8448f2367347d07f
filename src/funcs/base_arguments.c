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

BbBaseDirectory
bb_arg_base_directory(FunctionCallInfo fcinfo, const BbReqCtx *ctx)
{
	BbBaseDirectory base = {.directory = bb_arg_text(fcinfo, 0, "directory")};
	const char *server = bb_arg_name(fcinfo, 1, "store");

	base.timeline = bb_arg_text(fcinfo, 2, "timeline");
	if (!PG_ARGISNULL(3))
		base.wal_directory = bb_arg_text(fcinfo, 3, "wal_directory");
	base.objects = bb_store_open(ctx, server, base.timeline);
	bb_call_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files",
					  "import a data directory");
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
