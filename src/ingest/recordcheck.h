/*-------------------------------------------------------------------------
 *
 * recordcheck.h
 *	  Is a WAL record one that a server can have written?
 *
 * A record whose CRC is right need not come from a server.  Recovery trusts
 * such a record; a forged one makes it crash or write anywhere.  Ingest runs in
 * a backend, so it checks everything.  Block references are checked before any
 * handler sees the record.  The main data of a record is for its handler to
 * check: that it has all bytes that are read, and that the numbers in it are
 * possible.
 *
 * Errors of all functions: DATA_CORRUPTED, with the record's LSN, its resource
 * manager and what is wrong.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RECORDCHECK_H
#define BB_RECORDCHECK_H

#include "ingest/handler.h"

/* Check all block references; see wal/blocks.h. */
extern void bb_recordcheck_blocks(BbIngest *ingest);

/*
 * bb_recordcheck_heap - all block references are of one relation's main fork
 * and visibility map; block "main_id" is of the main fork.
 */
extern void bb_recordcheck_heap(BbIngest *ingest, uint8 main_id);

/*
 * bb_recordcheck_items - the main data has "count" items behind its first
 * "fixed" bytes.
 */
extern void bb_recordcheck_items(BbIngest *ingest, size_t fixed, int64 count,
								 size_t item_size);

/* Can there be such a relation, database directory or tablespace? */
extern void bb_recordcheck_relation(BbIngest *ingest, Oid spc, Oid db,
									Oid rel);
extern void bb_recordcheck_database(BbIngest *ingest, Oid spc, Oid db);
extern void bb_recordcheck_tablespace(BbIngest *ingest, Oid spc);

#endif /* BB_RECORDCHECK_H */
