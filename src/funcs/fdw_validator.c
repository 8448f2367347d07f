/*-------------------------------------------------------------------------
 *
 * fdw_validator.c
 *	  The options of the foreign-data wrapper "bbackup" and its servers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "base/compat.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "commands/defrem.h"
#include "funcs/store_access.h"

BB_SQL_FUNCTION(bb_sql_fdw_validator);

/*
 * bb_fdw_validator(options text[], catalog oid)
 *
 * A URL names a directory that the server process will read and write, so
 * setting one takes what reading and writing files of the server takes (as
 * file_fdw does with its file name).
 */
Datum
bb_sql_fdw_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	ListCell   *cell;

	foreach (cell, options)
	{
		DefElem    *option = lfirst(cell);

		if (catalog != ForeignServerRelationId ||
			strcmp(option->defname, BB_OPTION_URL) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("invalid option \"%s\"", option->defname),
					 catalog == ForeignServerRelationId
					 ? errhint("Valid options in this context are: "
							   BB_OPTION_URL)
					 : errhint("There are no valid options in this context.")));

		bb_objstore_check_url(defGetString(option));
		bb_store_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files",
						   "set the URL of a page store");
		bb_store_need_role(ROLE_PG_WRITE_SERVER_FILES,
						   "pg_write_server_files",
						   "set the URL of a page store");
	}
	PG_RETURN_VOID();
}
