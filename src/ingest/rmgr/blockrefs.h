/*-------------------------------------------------------------------------
 *
 * blockrefs.h
 *	  Block references of WAL records into entries.
 *
 *	  a full-page image that recovery would restore	 ──► IMAGE
 *	  a block that the record makes anew			 ──► RECORD_INIT
 *	  any other										 ──► RECORD
 *
 * This is all that most resource managers need, custom ones among them.
 *
 * Maps have no records in the store: a visibility map's changes are derived
 * (rm_heap.c), and of a free space map only images count.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BLOCKREFS_H
#define BB_BLOCKREFS_H

#include "ingest/handler.h"

/* The handler of resource managers that change nothing but their blocks. */
extern void bb_blockrefs_ingest(BbIngest *ingest);

/* The same for one block reference; none of that number is no error. */
extern void bb_blockrefs_ingest_one(BbIngest *ingest, uint8 id);

#endif /* BB_BLOCKREFS_H */
