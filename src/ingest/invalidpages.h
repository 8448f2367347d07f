/*-------------------------------------------------------------------------
 *
 * invalidpages.h
 *	  Invalid pages: records refer to them, but they do not exist.
 *
 * Before the consistent LSN of a fuzzy backup that is possible: the relation
 * is dropped or truncated later in WAL, and its files were gone when they would
 * have been copied.  Such pages are remembered, and forgotten at the drop.  Any
 * page that is left at the consistent LSN is an error, and so is any such
 * reference after it.
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
 * bb_invalidpages_add - remember that the record refers to a missing block.
 *
 * Errors: DATA_CORRUPTED (the timeline is already consistent);
 * PROGRAM_LIMIT_EXCEEDED (more such pages than memory should hold).
 */
extern void bb_invalidpages_add(BbIngest *ingest, const BbFork *fork,
								BlockNumber block);

/* Forget the blocks of a fork from "from" on, or all of a database. */
extern void bb_invalidpages_forget(BbIngest *ingest, const BbFork *fork,
								   BlockNumber from);
extern void bb_invalidpages_forget_database(BbIngest *ingest, Oid db);

/*
 * bb_invalidpages_check - check that all invalid pages are forgotten.
 *
 * Errors: DATA_CORRUPTED (one is left).
 */
extern void bb_invalidpages_check(BbIngest *ingest);

#endif /* BB_INVALIDPAGES_H */
