/*-------------------------------------------------------------------------
 *
 * partial.c
 *	  A backup that has the relations of some databases only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "members/partial.h"

const uint8 *
bb_partial_block(const BbPartial *partial, const BbKey *key)
{
	ListCell   *cell;

	foreach(cell, partial->blocks)
	{
		const BbPartialBlock *block = lfirst(cell);

		if (bb_key_compare(&block->key, key) == 0)
			return block->page;
	}
	return NULL;
}
