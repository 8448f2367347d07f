/*-------------------------------------------------------------------------
 *
 * rm_smgr.c
 *	  Records of the storage manager, which create and truncate forks.
 *
 * (smgr_redo in PostgreSQL's storage.c; FreeSpaceMapPrepareTruncateRel in
 * freespace.c; visibilitymap_prepare_truncate in visibilitymap.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/storage_xlog.h"
#include "ingest/recordcheck.h"
#include "ingest/relgaps.h"
#include "ingest/relsizes.h"
#include "layer/native.h"
#include "storage/fsm_internals.h"

/* Heap blocks in a page of the lowest level of a free space map. */
#define FSM_PER_PAGE LeafNodesPerPage

/* Levels of the map's tree (freespace.c). */
#define FSM_LEVELS ((FSM_PER_PAGE >= 1626) ? 3 : 4)

static void
create(BbIngest *ingest)
{
	const xl_smgr_create *create = (const xl_smgr_create *)
		bb_ingest_data(ingest, sizeof(*create));
	BbFork		fork = bb_walcompat_fork(&BB_WAL_LOCATOR(create),
										 create->forkNum);

	bb_recordcheck_relation(ingest, fork.spc, fork.db, fork.rel);
	if (create->forkNum < MAIN_FORKNUM || create->forkNum > MAX_FORKNUM)
		bb_ingest_refuse(ingest, "There cannot be a fork %d.",
						 (int) create->forkNum);
	bb_relsizes_create(ingest, &fork);
}

/* Return the block of the map that has page "leaf" of the lowest level. */
static BlockNumber
fsm_block(BlockNumber leaf)
{
	BlockNumber pages = 0;

	/* pages of the higher levels are among those of the lowest */
	for (int level = 0; level < FSM_LEVELS; level++)
	{
		pages += leaf + 1;
		leaf /= FSM_PER_PAGE;
	}
	return pages - 1;
}

/* Truncate a map before entry "entry" of "block", which "native" clears from. */
static void
truncate_map(BbIngest *ingest, const BbFork *fork, BlockNumber block,
			 uint32 entry, void (*native) (StringInfo record, uint32 entry))
{
	BlockNumber blocks;

	if (!bb_relsizes_get(ingest, fork, &blocks))
		return;
	if (entry > 0)
	{
		BbKey		key = bb_fork_block_key(fork, block);

		if (block >= blocks)
			return;
		native(bb_ingest_native_begin(ingest), entry);
		bb_ingest_native(ingest, &key, bb_relgaps_take(ingest, fork, block));
		block++;
	}
	bb_relsizes_truncate(ingest, fork, block);
}

static void
truncate_forks(BbIngest *ingest)
{
	const xl_smgr_truncate *truncate = (const xl_smgr_truncate *)
		bb_ingest_data(ingest, sizeof(*truncate));
	BbFork		fork = bb_walcompat_fork(&BB_WAL_LOCATOR(truncate),
										 MAIN_FORKNUM);

	bb_recordcheck_relation(ingest, fork.spc, fork.db, fork.rel);
	bb_relsizes_create(ingest, &fork);
	if (truncate->flags & SMGR_TRUNCATE_HEAP)
		bb_relsizes_truncate(ingest, &fork, truncate->blkno);
	if (truncate->flags & SMGR_TRUNCATE_FSM)
	{
		fork.fork = FSM_FORKNUM;
		truncate_map(ingest, &fork, fsm_block(truncate->blkno / FSM_PER_PAGE),
					 truncate->blkno % FSM_PER_PAGE, bb_native_fsm_truncate);
	}
	if (truncate->flags & SMGR_TRUNCATE_VM)
	{
		fork.fork = VISIBILITYMAP_FORKNUM;
		truncate_map(ingest, &fork, truncate->blkno / BB_VM_PER_PAGE,
					 truncate->blkno % BB_VM_PER_PAGE, bb_native_vm_truncate);
	}
}

void
bb_rm_smgr(BbIngest *ingest)
{
	switch (XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK)
	{
		case XLOG_SMGR_CREATE:
			create(ingest);
			break;
		case XLOG_SMGR_TRUNCATE:
			truncate_forks(ingest);
			break;
		default:
			bb_ingest_unknown(ingest);
	}
}
