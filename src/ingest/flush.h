/*-------------------------------------------------------------------------
 *
 * flush.h
 *	  A flush: the open layer becomes delta layers, and the manifest is
 *	  committed with them.
 *
 * After a flush the timeline can be read at the end of the last complete
 * record, known keys are looked up in the timeline as committed, and the open
 * layer is empty.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FLUSH_H
#define BB_FLUSH_H

#include "ingest/handler.h"

/*
 * bb_ingest_flush_begin - begin to collect what the next flush writes.
 *
 * Rebases the known keys on what is committed, and limits what the open layer
 * may hold.  bb_ingest_flush() does so itself.
 */
extern void bb_ingest_flush_begin(BbIngest *ingest);

/* Does the open layer hold bbackup.checkpoint_distance, or is there another
 * reason to flush? */
extern bool bb_ingest_flush_due(const BbIngest *ingest);

/*
 * bb_ingest_flush - write and commit all complete records.
 *
 * REQUIRES: the open layer has no entry of a record that isn't complete.
 *
 * Errors: those of bb_manifest_edit().
 */
extern void bb_ingest_flush(BbIngest *ingest);

#endif /* BB_FLUSH_H */
