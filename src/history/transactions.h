/*-------------------------------------------------------------------------
 *
 * transactions.h
 *	  Which transactions changed tables, and how many rows.
 *
 *	  relfiles.h ── files ── rowchanges.h ── (xid, table): rows
 *										│ sorted by xid; xactends.h
 *				 events ────────────────┴── (commit, table): rows, actions ──► out
 *
 * The sums of a transaction are gathered in a hash table, and sorted beyond that, so
 * memory doesn't depend on the number of transactions.
 *
 * A transaction that ends in the range may have begun before it.	So changes are
 * read from where the oldest of these began, or from the start of the timeline.  What
 * a transaction did before that is not known; "complete" is false then.
 *
 * Errors: those of relfiles.h, rowchanges.h, xactends.h and commits.h;
 * OBJECT_NOT_IN_PREREQUISITE_STATE, INVALID_PARAMETER_VALUE (the range; the detail
 * says what can be read).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HISTORY_TRANSACTIONS_H
#define BB_HISTORY_TRANSACTIONS_H

#include "history/relfiles.h"

/* What is asked for. */
typedef struct BbTransactionsQuery
{
	BbPageStore *store;
	XLogRecPtr	from;  /* exclusive; Invalid: the start of the timeline */
	XLogRecPtr	until; /* Invalid: its end */
	const char *database;
	const char *schema; /* with "name"; NULL: all tables */
	const char *name;
} BbTransactionsQuery;

/* What one transaction did to one table. */
typedef struct BbTransactionRow
{
	XLogRecPtr	lsn; /* end of the commit record */
	TimestampTz time;
	uint64		xid;	/* full; 0: not known */
	const char *origin; /* NULL: none */
	const char *schema; /* as it was then */
	const char *name;
	Oid			oid;
	int64		inserted;
	int64		updated;
	int64		deleted;
	int			actions; /* BB_ACTION_* */
	bool		complete;
} BbTransactionRow;

/*
 * bb_transactions_list - call "take" for each row, in the order of commits.
 *
 * The row is valid during the call, which is in the context "row_context"; that is
 * reset after it.
 *
 * A WARNING names each gap in the range.
 */
extern void bb_transactions_list(
	const BbReqCtx *ctx, const BbTransactionsQuery *query,
	MemoryContext row_context,
	void		(*take) (void *arg, const BbTransactionRow *row), void *arg);

#endif /* BB_HISTORY_TRANSACTIONS_H */
