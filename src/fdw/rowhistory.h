/*-------------------------------------------------------------------------
 *
 * rowhistory.h
 *	  The versions of the rows that have a key.
 *
 *	  changed blocks ── pages at "from", at "until", and just before tuples are
 *	  removed in between ── tuples with the key ── commits of those that inserted
 *	  and deleted them
 *
 * A tuple stays on its page until a record removes it, whatever became of its
 * transactions.  So all tuples that were ever there are on one of these pages.	 A page
 * before a removal is read only if it may have the key: it had it at the page before,
 * or records may have added it since.
 *
 * Errors: those of parts.h and rows.h; FEATURE_NOT_SUPPORTED (the table was rewritten
 * in between, or has other partitions); OBJECT_NOT_IN_PREREQUISITE_STATE (the store
 * lacks changes in between); those of xactends.h and commits.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FDW_ROWHISTORY_H
#define BB_FDW_ROWHISTORY_H

#include "base/events.h"
#include "heap/past.h"
#include "nodes/pg_list.h"
#include "stores/table_options.h"
#include "utils/rel.h"

/* The key: values of columns of the foreign table. */
typedef struct BbRowKey
{
	int			n;
	AttrNumber	columns[INDEX_MAX_KEYS]; /* from 1 on */
	Datum		values[INDEX_MAX_KEYS];
	FmgrInfo	equal[INDEX_MAX_KEYS];
	Oid			collations[INDEX_MAX_KEYS];
} BbRowKey;

/* A version that a commit made, or ended. */
typedef struct BbRowEvent
{
	XLogRecPtr	lsn;
	BbCommit	commit;
	bool		plus;
	Oid			part;  /* the relation there */
	HeapTuple	tuple; /* a copy */
} BbRowEvent;

/*
 * bb_rowhistory_read - return the events (BbRowEvent *), by LSN; those that end a
 * version first.
 */
extern List *bb_rowhistory_read(const BbReqCtx *ctx, BbPast *from,
								BbPast *until, const BbTableOptions *options,
								Relation local, BbRowKey *key);

#endif /* BB_FDW_ROWHISTORY_H */
