/*-------------------------------------------------------------------------
 *
 * server.h
 *	  The server with the page store: what it can do, and a backup from it.
 *
 * The extension is looked up in the catalogs, since it may be in any schema,
 * and of another version than this program: an option that it doesn't know is
 * an error that says so.
 *
 * A role needs EXECUTE on the function that makes the backup alone; --time,
 * --progress, --verbose and --tablespace-mapping ask others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_SERVER_H
#define BB_CLIENT_SERVER_H

#include "copy_decoder.h"
#include "options.h"

typedef struct BbServer BbServer;

/* bb_server_connect - with a password from the terminal, if it's wanted. */
extern BbServer *bb_server_connect(const ConnParams *params);

/*
 * bb_server_find_lsn - the LSN to back up at goes to options->lsn, if somebody
 * asks for a time, or needs to know it.
 */
extern void bb_server_find_lsn(BbServer *server, BbOptions *options);

/*
 * bb_server_find_tablespaces - tells the mappings where tablespaces are, and
 * returns how many there are.
 */
extern int bb_server_find_tablespaces(BbServer *server, BbOptions *options);

/*
 * bb_server_find_size - the bytes of the backup, before compression, in so many
 * archives.
 */
extern uint64 bb_server_find_size(BbServer *server, const BbOptions *options,
								  int archives);

/* bb_server_splits - is there an archive for each tablespace? */
extern bool bb_server_splits(const BbServer *server, const BbOptions *options);

/* bb_server_backup - all of the backup to the decoder. */
extern void bb_server_backup(BbServer *server, const BbOptions *options,
							 BbCopyDecoder *decoder);

extern void bb_server_close(BbServer *server);

#endif /* BB_CLIENT_SERVER_H */
