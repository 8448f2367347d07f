/*-------------------------------------------------------------------------
 *
 * recordcheck.h
 *	  Checks whether a server can have written a WAL record.
 *
 * A record whose CRC is right need not come from a server.  Recovery trusts
 * such a record; a forged one makes it crash or write anywhere.  Ingest runs in
 * a backend, so it checks everything.  Block references are checked before the
 * record is handled.  The handler of a record checks its main data: that it has
 * all bytes that are read, and that the numbers in it are possible.
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
 * bb_recordcheck_heap - check that all block references belong to the main fork
 * and visibility map of one relation, and "main_id" to the main fork.
 */
extern void bb_recordcheck_heap(BbIngest *ingest, uint8 main_id);

/*
 * bb_recordcheck_items - check that the main data has "count" items after its
 * first "fixed" bytes.
 */
extern void bb_recordcheck_items(BbIngest *ingest, size_t fixed, int64 count,
								 size_t item_size);

/* Check that such a relation, database directory or tablespace is possible. */
extern void bb_recordcheck_relation(BbIngest *ingest, Oid spc, Oid db,
									Oid rel);
extern void bb_recordcheck_database(BbIngest *ingest, Oid spc, Oid db);
extern void bb_recordcheck_tablespace(BbIngest *ingest, Oid spc);

#endif /* BB_RECORDCHECK_H */
