/*-------------------------------------------------------------------------
 *
 * relsizes.c
 *	  Forks of relations: which exist, and how long they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ingest/invalidpages.h"
#include "ingest/relgaps.h"
#include "ingest/relsizes.h"

BbKeyRange
bb_relsizes_range(BbKeyKind kind, Oid spc, Oid db)
{
	BbKeyRange	range;

	range.start = bb_key_make(kind, spc, db, 0, 0, 0);
	if (db != InvalidOid && db != PG_UINT32_MAX)
		range.end = bb_key_make(kind, spc, db + 1, 0, 0, 0);
	else if (spc != PG_UINT32_MAX)
		range.end = bb_key_make(kind, spc + 1, 0, 0, 0, 0);
	else
		range.end = bb_key_make((BbKeyKind) (kind + 1), 0, 0, 0, 0, 0);
	return range;
}

bool
bb_relsizes_get(BbIngest *ingest, const BbFork *fork, BlockNumber *blocks)
{
	BbKey		key = bb_fork_size_key(fork);

	return bb_knownkeys_get_u32(ingest->ctx, ingest->known, &key, blocks);
}

static void
set_size(BbIngest *ingest, const BbFork *fork, BlockNumber blocks)
{
	BbKey		key = bb_fork_size_key(fork);

	bb_knownkeys_put_u32(ingest->known, &key, ingest->lsn, blocks);
}

void
bb_relsizes_create(BbIngest *ingest, const BbFork *fork)
{
	BbKey		database = bb_key_make(BB_KEY_DATABASE, fork->spc, fork->db, 0,
									   0, 0);
	BlockNumber blocks;

	if (bb_relsizes_get(ingest, fork, &blocks))
		return;
	set_size(ingest, fork, 0);

	/* the first relation in a tablespace creates the directory */
	if (!bb_knownkeys_exists(ingest->ctx, ingest->known, &database))
	{
		uint8		flags = 0;

		bb_knownkeys_put(ingest->known, &database, ingest->lsn, &flags,
						 sizeof(flags));
	}
}

bool
bb_relsizes_reach(BbIngest *ingest, const BbFork *fork, BlockNumber block)
{
	BlockNumber blocks;

	if (!bb_relsizes_get(ingest, fork, &blocks))
	{
		bb_relsizes_create(ingest, fork);
		blocks = 0;
	}
	if (block < blocks)
		return false;

	bb_relgaps_add(ingest, fork, blocks, block);
	set_size(ingest, fork, block + 1);
	return true;
}

void
bb_relsizes_truncate(BbIngest *ingest, const BbFork *fork, BlockNumber blocks)
{
	BlockNumber before;

	bb_invalidpages_forget(ingest, fork, blocks);
	if (bb_relsizes_get(ingest, fork, &before) && blocks < before)
	{
		set_size(ingest, fork, blocks);
		bb_relgaps_truncate(ingest, fork, blocks);
	}
}

void
bb_relsizes_drop(BbIngest *ingest, const BbWalLocator *locator)
{
	for (ForkNumber number = MAIN_FORKNUM; number <= MAX_FORKNUM; number++)
	{
		BbFork		fork = bb_walcompat_fork(locator, number);
		BbKey		key = bb_fork_size_key(&fork);

		bb_invalidpages_forget(ingest, &fork, 0);
		if (!bb_knownkeys_exists(ingest->ctx, ingest->known, &key))
			continue;
		bb_knownkeys_remove(ingest->ctx, ingest->known, &key, ingest->lsn);
		bb_relgaps_drop(ingest, &fork);
	}
}

void
bb_relsizes_drop_all(BbIngest *ingest, Oid spc, Oid db)
{
	static const BbKeyKind kinds[] = {BB_KEY_REL_SIZE, BB_KEY_REL_ZEROS};

	for (int i = 0; i < lengthof(kinds); i++)
	{
		BbKeyRange	range = bb_relsizes_range(kinds[i], spc, db);
		ListCell   *cell;

		foreach(cell, bb_knownkeys_list(ingest->ctx, ingest->known, &range))
			bb_knownkeys_remove(ingest->ctx, ingest->known, lfirst(cell),
								ingest->lsn);
	}
}
