/*-------------------------------------------------------------------------
 *
 * blockrefs.h
 *	  Entries for the block references of WAL records.
 *
 *	  a full-page image that recovery would restore	 ──► IMAGE
 *	  a block that the record initializes			 ──► RECORD_INIT
 *	  any other										 ──► RECORD
 *
 * Most resource managers, custom ones among them, need nothing else.
 *
 * The store has no records of maps: changes to a visibility map are derived
 * (rm_heap.c), and a free space map changes by images only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BLOCKREFS_H
#define BB_BLOCKREFS_H

#include "ingest/handler.h"

/* bb_blockrefs_ingest - handle a record that changes nothing but its blocks. */
extern void bb_blockrefs_ingest(BbIngest *ingest);

/* The same for one block reference; it is no error if there is no such one. */
extern void bb_blockrefs_ingest_one(BbIngest *ingest, uint8 id);

#endif /* BB_BLOCKREFS_H */
