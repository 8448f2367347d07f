/*-------------------------------------------------------------------------
 *
 * kept.h
 *	  What a session keeps of the past: open stores, databases and their pages.
 *
 *	  store, timeline ──┬── database at an LSN ── catalogs, pages
 *						└── database at another LSN
 *
 * A statement borrows a database and gives it back at its end.  Without that, an
 * error has come in between, and what it may have left half done is closed and not
 * used again.  A few that nobody uses stay open for the next statement.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FDW_KEPT_H
#define BB_FDW_KEPT_H

#include "heap/past.h"
#include "stores/table_options.h"

typedef struct BbBorrowed BbBorrowed;

/*
 * bb_past_borrow - open what a table with these options needs, as the role
 * "owner".
 *
 * It is given back by bb_past_return, or when "query" is reset, the context of the
 * query that needs it.  The permission of the owner and the options of the store
 * are checked each time.
 *
 * Errors: those of bb_store_timeline, bb_asof_lsn and bb_past_open.
 */
extern BbBorrowed *bb_past_borrow(const BbReqCtx *ctx,
								  const BbTableOptions *options, Oid owner,
								  MemoryContext query);
extern BbPast *bb_past_of(const BbBorrowed *borrowed);

/* bb_past_return - the statement has ended without an error. */
extern void bb_past_return(BbBorrowed *borrowed);

#endif /* BB_FDW_KEPT_H */
