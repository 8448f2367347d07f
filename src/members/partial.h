/*-------------------------------------------------------------------------
 *
 * partial.h
 *	  A backup that has the relations of some databases only.
 *
 * The other databases have their directories, PG_VERSION and pg_filenode.map, but no
 * relations.  Their rows in pg_database say that they are invalid, as after a DROP
 * DATABASE that was interrupted: no server connects to them, autovacuum and the
 * horizon of pg_xact leave them out, and DROP DATABASE removes them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PARTIAL_H
#define BB_PARTIAL_H

#include "base/key.h"
#include "nodes/pg_list.h"

/* A block of a relation that is not what the page store has. */
typedef struct BbPartialBlock
{
	BbKey		key;
	const uint8 *page;
} BbPartialBlock;

typedef struct BbPartial
{
	List	   *left_out; /* OIDs of databases */
	List	   *blocks;	  /* BbPartialBlock *: of pg_database */
} BbPartial;

/* bb_partial_block - return the page that a block has instead; NULL: none. */
extern const uint8 *bb_partial_block(const BbPartial *partial,
									 const BbKey *key);

#endif /* BB_PARTIAL_H */
