/*-------------------------------------------------------------------------
 *
 * relsizes.h
 *	  Forks of relations: which exist, and how long they are.
 *
 * Recovery creates a fork when a record needs it, and extends it up to the
 * block that a record creates (XLogReadBufferExtended).  Blocks in between are
 * zeros.  The store may keep values of blocks beyond the size, from before a
 * truncation.  They are never read: a block that is created again gets a new
 * value.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RELSIZES_H
#define BB_RELSIZES_H

#include "ingest/handler.h"

/* Get the number of blocks of a fork.  Return false if there is no such fork. */
extern bool bb_relsizes_get(BbIngest *ingest, const BbFork *fork,
							BlockNumber *blocks);
/* Create a fork, and its database's directory, unless they exist. */
extern void bb_relsizes_create(BbIngest *ingest, const BbFork *fork);

/*
 * bb_relsizes_reach - extend a fork up to a block, if it is shorter.
 *
 * Returns true if the fork was extended.  Then the caller writes the block.
 */
extern bool bb_relsizes_reach(BbIngest *ingest, const BbFork *fork,
							  BlockNumber block);

/* Truncate a fork to "blocks", if it is longer. */
extern void bb_relsizes_truncate(BbIngest *ingest, const BbFork *fork,
								 BlockNumber blocks);
/* Drop all forks of a relation. */
extern void bb_relsizes_drop(BbIngest *ingest, const BbWalLocator *locator);
/* Drop all forks of a database in a tablespace; db 0: of all databases. */
extern void bb_relsizes_drop_all(BbIngest *ingest, Oid spc, Oid db);

/*
 * bb_relsizes_range - returns the range of the keys of a kind that belong to a
 * database in a tablespace; db 0: to any database.
 */
extern BbKeyRange bb_relsizes_range(BbKeyKind kind, Oid spc, Oid db);

#endif /* BB_RELSIZES_H */
