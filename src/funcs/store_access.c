/*-------------------------------------------------------------------------
 *
 * store_access.c
 *	  Page stores by the name of their foreign server, for those who may.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/settings.h"
#include "catalog/pg_authid.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "funcs/store_access.h"
#include "miscadmin.h"
#include "pagestore/walposition.h"
#include "stats/calls.h"
#include "utils/acl.h"

void
bb_store_need_role(Oid role, const char *role_name, const char *what)
{
	if (!has_privs_of_role(GetUserId(), role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s", what),
				 errdetail("Only members of the role \"%s\" may do that.",
						   role_name)));
}

static char *
default_url(void)
{
	if (bb_setting_store_directory[0] != '\0')
		return psprintf("file://%s", bb_setting_store_directory);
	return psprintf("file://%s.bbackup", DataDir);
}

static char *
url_of(const ForeignServer *server)
{
	ListCell   *cell;

	foreach (cell, server->options)
	{
		DefElem    *option = lfirst(cell);

		if (strcmp(option->defname, BB_OPTION_URL) == 0)
			return defGetString(option);
	}

	if (strcmp(server->servername, BB_DEFAULT_SERVER) == 0)
		return default_url();
	ereport(ERROR,
			(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
			 errmsg("page store \"%s\" has no URL", server->servername),
			 errhint("ALTER SERVER %s OPTIONS (ADD " BB_OPTION_URL
					 " 'file:///directory').",
					 server->servername)));
}

BbObjectStore *
bb_store_open(const BbReqCtx *ctx, const char *name, BbStoreAccess access)
{
	ForeignServer *server = GetForeignServerByName(name, true);
	BbObjectStore *store;
	AclResult	allowed;

	bb_calls_describe(ctx, &(BbCallAbout){.store = name});
	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("page store \"%s\" does not exist", name),
				 errhint("Page stores are foreign servers of the wrapper \""
						 BB_WRAPPER_NAME "\".")));
	if (strcmp(GetForeignDataWrapper(server->fdwid)->fdwname,
			   BB_WRAPPER_NAME) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not a page store", name),
				 errhint("Page stores are foreign servers of the wrapper \""
						 BB_WRAPPER_NAME "\".")));
	allowed = bb_compat_server_usage(server->serverid, GetUserId());
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_FOREIGN_SERVER, name);

	store = bb_objstore_open(ctx, url_of(server));
	if (access == BB_STORE_WRITE &&
		bb_objstore_local_directory(store) != NULL)
		bb_store_need_role(ROLE_PG_WRITE_SERVER_FILES,
						   "pg_write_server_files",
						   "write to a page store in a local directory");
	return store;
}

BbPageStore *
bb_store_timeline(const BbReqCtx *ctx, const char *server,
				  const char *timeline)
{
	bb_calls_describe(ctx, &(BbCallAbout){.timeline = timeline});
	return bb_pagestore_timeline(ctx,
								 bb_store_open(ctx, server, BB_STORE_READ),
								 timeline);
}

XLogRecPtr
bb_store_lsn(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn)
{
	XLogRecPtr	used;

	lsn = bb_pagestore_check_lsn(store, lsn);
	used = bb_pagestore_round_lsn(ctx, store, lsn, NULL);
	if (used != lsn)
		ereport(NOTICE,
				(errmsg("using LSN %X/%X, where the last record ends that is complete at %X/%X",
						LSN_FORMAT_ARGS(used), LSN_FORMAT_ARGS(lsn))));
	bb_calls_describe(ctx, &(BbCallAbout){.lsn = used});
	return used;
}
