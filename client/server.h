/*-------------------------------------------------------------------------
 *
 * server.h
 *	  The server with the page store: its functions, and a backup from it.
 *
 * The extension is looked up in the catalogs, since it may be in any schema, and
 * its version may differ from the program's.  An error names an option that the
 * server doesn't support.
 *
 * A role needs EXECUTE on the function that makes the backup.  --time,
 * --progress, --verbose and --tablespace-mapping call further functions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_SERVER_H
#define BB_CLIENT_SERVER_H

#include "copy_decoder.h"
#include "options.h"

typedef struct BbServer BbServer;

/* bb_server_connect - connect; reads a password from the terminal if needed. */
extern BbServer *bb_server_connect(const ConnParams *params);

/*
 * bb_server_find_lsn - set options->lsn to the LSN of the backup, if an option
 * has a time or needs the LSN.
 */
extern void bb_server_find_lsn(BbServer *server, BbOptions *options);

/*
 * bb_server_find_tablespaces - set the directories of tablespaces in the
 * mappings, and return the number of tablespaces.
 */
extern int bb_server_find_tablespaces(BbServer *server, BbOptions *options);

/*
 * bb_server_find_size - return the bytes of the backup before compression, if
 * it has "archives" archives.
 */
extern uint64 bb_server_find_size(BbServer *server, const BbOptions *options,
								  int archives);

/* bb_server_splits - does each tablespace get an archive? */
extern bool bb_server_splits(const BbServer *server, const BbOptions *options);

/* bb_server_backup - pass the whole backup to the decoder. */
extern void bb_server_backup(BbServer *server, const BbOptions *options,
							 BbCopyDecoder *decoder);

extern void bb_server_close(BbServer *server);

#endif /* BB_CLIENT_SERVER_H */
