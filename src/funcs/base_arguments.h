/*-------------------------------------------------------------------------
 *
 * base_arguments.h
 *	  Arguments of the functions that store a base: bb_import_directory(),
 *	  bb_import_copy(), bb_import_server(), bb_rebase_directory(), bb_rebase_server().
 *
 * The privileges for them are checked, too.  What is opened belongs to
 * CurrentMemoryContext.
 *
 * Errors: those of arguments.h, store_access.h, and source_access.h;
 * INSUFFICIENT_PRIVILEGE.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BASE_ARGUMENTS_H
#define BB_BASE_ARGUMENTS_H

#include "archive/fetch.h"
#include "funcs/arguments.h"
#include "import/server_import.h"
#include "objstore/objstore.h"

/*
 * (directory text, store name, timeline text, wal_directory text,
 * restore_command text)
 */
typedef struct BbBaseDirectory
{
	BbObjectStore *objects;
	const char *timeline;
	const char *directory;
	const char *wal_directory; /* NULL: its pg_wal */
	BbFetcher  *fetcher;	   /* NULL: no restore_command */
} BbBaseDirectory;

/*
 * Returns a fetcher for argument n, "restore_command"; NULL: it is NULL.
 */
extern BbFetcher *bb_arg_fetcher(FunctionCallInfo fcinfo, int n);

extern BbBaseDirectory bb_arg_base_directory(FunctionCallInfo fcinfo,
											 const BbReqCtx *ctx);

/*
 * (store name, timeline text, wal_directory text, restore_command text)
 */
typedef struct BbBaseCopy
{
	BbObjectStore *objects;
	const char *timeline;
	const char *wal_directory; /* NULL: the stream's */
	BbFetcher  *fetcher;	   /* NULL: no restore_command */
} BbBaseCopy;

extern BbBaseCopy bb_arg_base_copy(FunctionCallInfo fcinfo,
								   const BbReqCtx *ctx);

/*
 * (source name, store name, timeline text, checkpoint text, max_rate integer)
 *
 * The source is connected to, and a receiver of its WAL is started.
 */
typedef struct BbBaseServer
{
	BbObjectStore *objects;
	const char *timeline;
	BbServerBackupOptions options;
	BbReplConnection *connection;
	BbServerWal *wal;
} BbBaseServer;

extern BbBaseServer bb_arg_base_server(FunctionCallInfo fcinfo,
									   const BbReqCtx *ctx);

#endif /* BB_BASE_ARGUMENTS_H */
