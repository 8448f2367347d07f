/*-------------------------------------------------------------------------
 *
 * source_server.h
 *	  A source that reads blocks of a backup from the server with the page store.
 *
 * It has several connections, each used by one thread at a time.  A connection
 * that breaks, and errors that may pass (the server restarts, has no connection
 * left, is out of resources), are retried until the timeout; others are final.
 * Background reads leave one connection to the others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOUNT_SOURCE_SERVER_H
#define BB_MOUNT_SOURCE_SERVER_H

#include "libpq-fe.h"
#include "source.h"

typedef struct BbServerSourceOptions
{
	PGconn	   *model;		/* its parameters are those of all connections */
	const char *read_query; /* $1 path, $2 block, $3 count; as arrays */
	int			connections;
	int			timeout; /* seconds */
} BbServerSourceOptions;

extern BbSource *bb_source_server(const BbServerSourceOptions *options);

/*
 * bb_source_server_ask - run a statement without a result on a connection.
 *
 * Returns false, and the message, which the caller frees, if it fails.
 */
extern bool bb_source_server_ask(BbSource *source, const char *query,
								 char **message);

/* bb_source_server_stop - let reads fail instead of being retried. */
extern void bb_source_server_stop(BbSource *source);

#endif /* BB_MOUNT_SOURCE_SERVER_H */
