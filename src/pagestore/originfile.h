/*-------------------------------------------------------------------------
 *
 * originfile.h
 *	  pg_logical/replorigin_checkpoint: the file of replication origins.
 *
 *	  magic u32 | id u16, padding, remote LSN u64 | ... | crc u32
 *
 * The values have the byte order and alignment of the server.  (Source:
 * CheckPointReplicationOrigin in PostgreSQL's replication/logical/origin.c.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_ORIGINFILE_H
#define BB_ORIGINFILE_H

#include "nodes/pg_list.h"
#include "pagestore/catalog.h"

/* Its path, relative to the data directory. */
#define BB_ORIGIN_FILE "pg_logical/replorigin_checkpoint"

/* Writing a file: begin, add for each origin, end. */
extern void bb_originfile_begin(StringInfo file);
extern void bb_originfile_add(StringInfo file, const BbOrigin *origin);
extern void bb_originfile_end(StringInfo file);

/*
 * bb_originfile_decode - get the origins (BbOrigin *) in a file, in the order
 * of their ids; returns false if the bytes are no such file.
 */
extern bool bb_originfile_decode(const char *data, size_t length,
								 List **origins);

#endif /* BB_ORIGINFILE_H */
