/*-------------------------------------------------------------------------
 *
 * slrupages.h
 *	  Changes to pages of SLRUs (pg_xact, pg_multixact, pg_commit_ts).
 *
 * Page numbers continue through all segments.  A page exists if its segment is
 * long enough.  Recovery reads a page that doesn't exist as zeros, and a change
 * creates it (SlruPhysicalReadPage in PostgreSQL's slru.c).
 *
 * Errors: DATA_CORRUPTED (no transaction or multixact can be on the page).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SLRUPAGES_H
#define BB_SLRUPAGES_H

#include "ingest/handler.h"

/* Is a page older than another?  Page numbers wrap around. */
typedef bool (*BbSlruPrecedes) (int64 page, int64 other);

/* Return the number of the page that a record of an SLRU zeroes. */
extern int64 bb_slrupages_of_record(BbIngest *ingest);

/* CLOGPagePrecedes and CommitTsPagePrecedes, of pages with so many xids. */
extern bool bb_slrupages_xids_precede(int64 page, int64 other,
									  uint32 per_page);

extern bool bb_slrupages_exists(BbIngest *ingest, BbSlru slru, int64 page);
/* Fill a page with zeros; create it if it doesn't exist. */
extern void bb_slrupages_zero(BbIngest *ingest, BbSlru slru, int64 page);
/* Apply the native record in ingest->native to a page. */
extern void bb_slrupages_change(BbIngest *ingest, BbSlru slru, int64 page);

/*
 * bb_slrupages_truncate - remove the segments before a page
 * (SimpleLruTruncate).
 */
extern void bb_slrupages_truncate(BbIngest *ingest, BbSlru slru, int64 cutoff,
								  BbSlruPrecedes precedes);
/* Remove segments from "first" to before "end", which may have wrapped around. */
extern void bb_slrupages_remove_range(BbIngest *ingest, BbSlru slru,
									  uint64 first, uint64 end);
extern void bb_slrupages_remove_all(BbIngest *ingest, BbSlru slru);

#endif /* BB_SLRUPAGES_H */
