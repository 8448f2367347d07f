/*-------------------------------------------------------------------------
 *
 * slrupages.h
 *	  Pages of SLRUs (pg_xact, pg_multixact, pg_commit_ts) as WAL changes them.
 *
 * Pages are counted through all segments.	A page exists if its segment is
 * long enough; in recovery one that doesn't is read as zeros, and made by a
 * change (SlruPhysicalReadPage in PostgreSQL's slru.c).
 *
 * Errors: DATA_CORRUPTED (a page that no transaction or multixact can have).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SLRUPAGES_H
#define BB_SLRUPAGES_H

#include "ingest/handler.h"

/* Is a page older than another, in a space that wraps around? */
typedef bool (*BbSlruPrecedes) (int64 page, int64 other);

extern bool bb_slrupages_exists(BbIngest *ingest, BbSlru slru, int64 page);
/* Make a page of zeros, whether it was there or not. */
extern void bb_slrupages_zero(BbIngest *ingest, BbSlru slru, int64 page);
/* Change a page by the native record in ingest->native. */
extern void bb_slrupages_change(BbIngest *ingest, BbSlru slru, int64 page);

/*
 * bb_slrupages_truncate - remove the segments that lie before a page
 * (SimpleLruTruncate).
 */
extern void bb_slrupages_truncate(BbIngest *ingest, BbSlru slru, int64 cutoff,
								  BbSlruPrecedes precedes);
/* Remove segments from "first" up to "end", which may have wrapped around. */
extern void bb_slrupages_remove_range(BbIngest *ingest, BbSlru slru,
									  uint64 first, uint64 end);
extern void bb_slrupages_remove_all(BbIngest *ingest, BbSlru slru);

#endif /* BB_SLRUPAGES_H */
