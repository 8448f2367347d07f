/*-------------------------------------------------------------------------
 *
 * invalidpages.h
 *	  Records that refer to pages which do not exist.
 *
 * Before the consistent LSN of a fuzzy backup that is possible: the relation
 * is dropped or truncated later in WAL, and was no longer copied.  Such pages
 * are remembered, and forgotten when the drop is seen.  What is left at the
 * consistent LSN, and any such reference after it, is an error.
 *
 * (As log_invalid_page in PostgreSQL's xlogutils.c.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INVALIDPAGES_H
#define BB_INVALIDPAGES_H

#include "ingest/handler.h"

typedef struct BbInvalidPages BbInvalidPages;

/*
 * bb_invalidpages_add - the record refers to this block, which isn't there.
 *
 * Errors: DATA_CORRUPTED, once the timeline is consistent;
 * PROGRAM_LIMIT_EXCEEDED (more of them than memory should hold).
 */
extern void bb_invalidpages_add(BbIngest *ingest, const BbFork *fork,
								BlockNumber block);

/* Blocks from "from" on are dropped; all of a database. */
extern void bb_invalidpages_forget(BbIngest *ingest, const BbFork *fork,
								   BlockNumber from);
extern void bb_invalidpages_forget_database(BbIngest *ingest, Oid db);

/*
 * bb_invalidpages_check - all must be forgotten now.
 *
 * Errors: DATA_CORRUPTED.
 */
extern void bb_invalidpages_check(BbIngest *ingest);

#endif /* BB_INVALIDPAGES_H */
