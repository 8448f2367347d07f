/*-------------------------------------------------------------------------
 *
 * replicating.h
 *	  The table bb_replicating: which timelines the background worker of upkeep
 *	  copies to other page stores.
 *
 * Who may change it is decided by bb_replicate and bb_stop_replicating.  Rows are
 * read as committed last, whatever the transaction's snapshot.
 *
 * REQUIRES, of all functions: a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REPLICATING_H
#define BB_REPLICATING_H

#include "nodes/pg_list.h"
#include "storage/itemptr.h"

/* A row of bb_replicating. */
typedef struct BbReplicating
{
	const char *timeline;
	const char *from_store; /* foreign servers */
	const char *to_store;
	Oid			owner; /* the role that asked for it */
	ItemPointerData row;
} BbReplicating;

/* bb_replicating_all - return all rows (BbReplicating *), palloc'd. */
extern List *bb_replicating_all(void);

/* bb_replicating_find - return a row; NULL: there is none. */
extern BbReplicating *bb_replicating_find(const char *timeline,
										  const char *from_store,
										  const char *to_store);

/*
 * bb_replicating_from, bb_replicating_to - return the rows (BbReplicating *) of
 * copies of a timeline that a page store has, or of those that are made in it.
 */
extern List *bb_replicating_from(const char *store, const char *timeline);
extern List *bb_replicating_to(const char *store, const char *timeline);

extern void bb_replicating_add(const BbReplicating *replicating);
extern void bb_replicating_remove(const BbReplicating *replicating);

#endif /* BB_REPLICATING_H */
