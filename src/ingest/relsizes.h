/*-------------------------------------------------------------------------
 *
 * relsizes.h
 *	  Forks of relations: which exist, and how long they are.
 *
 * Recovery creates a fork where a record needs it, and extends it up to the
 * block that a record makes (XLogReadBufferExtended); blocks in between come
 * as zeros.  Blocks beyond the size may be left in the store from before a
 * truncation: nobody looks at them, and a block that is there again always
 * begins anew.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RELSIZES_H
#define BB_RELSIZES_H

#include "ingest/forkkeys.h"
#include "ingest/handler.h"

/* The blocks of a fork.  False: there is no such fork. */
extern bool bb_relsizes_get(BbIngest *ingest, const BbFork *fork,
							BlockNumber *blocks);
/* Create a fork unless it is there, and the database's directory. */
extern void bb_relsizes_create(BbIngest *ingest, const BbFork *fork);

/*
 * bb_relsizes_reach - make a fork so long that it has the block.
 *
 * True: it hadn't, and the caller has to write it now.
 */
extern bool bb_relsizes_reach(BbIngest *ingest, const BbFork *fork,
							  BlockNumber block);

/* Make a fork shorter; it isn't made longer. */
extern void bb_relsizes_truncate(BbIngest *ingest, const BbFork *fork,
								 BlockNumber blocks);
/* Drop all forks of a relation. */
extern void bb_relsizes_drop(BbIngest *ingest, const BbWalLocator *locator);
/* Drop all forks in a directory of a database; db 0: of all in the tablespace. */
extern void bb_relsizes_drop_all(BbIngest *ingest, Oid spc, Oid db);

/* Keys of a kind that are of a database in a tablespace; db 0: of any. */
extern BbKeyRange bb_relsizes_range(BbKeyKind kind, Oid spc, Oid db);

#endif /* BB_RELSIZES_H */
