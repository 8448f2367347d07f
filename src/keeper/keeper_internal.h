/*-------------------------------------------------------------------------
 *
 * keeper_internal.h
 *	  Parts of a pass: the stores of a database, a visit to one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_KEEPER_INTERNAL_H
#define BB_KEEPER_INTERNAL_H

#include "keeper/chores.h"

/* A foreign server, as the catalog had it when the pass began. */
typedef struct BbKeeperStore
{
	Oid			server;
	char	   *name;
} BbKeeperStore;

/* bb_keeper_stores - return the stores (BbKeeperStore *) of this database. */
extern List *bb_keeper_stores(void);

/*
 * bb_visit_store - do at most one job and one piece of each chore for each
 * timeline of a store, and make room in its cache.
 *
 * Returns whether something was done, so that there may be more.  Errors are
 * noted in the statistics, and logged if they are others than the last ones.
 *
 * REQUIRES: outside of a transaction.
 *
 * Errors: QUERY_CANCELED (also if bbackup.upkeep was switched off).
 */
extern bool bb_visit_store(const BbKeeperStore *store);

#endif /* BB_KEEPER_INTERNAL_H */
