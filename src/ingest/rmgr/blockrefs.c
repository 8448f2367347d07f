/*-------------------------------------------------------------------------
 *
 * blockrefs.c
 *	  Entries for the block references of WAL records.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlogrecord.h"
#include "ingest/invalidpages.h"
#include "ingest/recordcheck.h"
#include "ingest/relgaps.h"
#include "ingest/relsizes.h"
#include "ingest/rmgr/blockrefs.h"
#include "storage/bufpage.h"
#include "wal/blocks.h"

/* (As the first half of XLogReadBufferForRedoExtended in xlogutils.c.) */
static void
add_image(BbIngest *ingest, uint8 id, const BbFork *fork, BlockNumber block)
{
	BbKey		key = bb_fork_block_key(fork, block);
	uint8	   *stored = bb_openlayer_reserve(ingest->layer, BLCKSZ);
	Page		page = (Page) stored;
	const char *complaint = bb_walblocks_restore(ingest->record, id, page);

	if (complaint != NULL)
		bb_ingest_refuse(ingest, "%s", complaint);
	if (!PageIsNew(page))
		PageSetLSN(page, ingest->lsn);

	if (!bb_relsizes_reach(ingest, fork, block))
		(void) bb_relgaps_take(ingest, fork, block);
	bb_openlayer_add(ingest->layer, &key, ingest->lsn, BB_ENTRY_IMAGE, stored,
					 BLCKSZ);
}

static void
add_record(BbIngest *ingest, const BbFork *fork, BlockNumber block,
		   BbEntryType type)
{
	BbKey		key = bb_fork_block_key(fork, block);
	uint32		length = XLogRecGetTotalLen(ingest->record);

	if (ingest->bytes == NULL)
		ingest->bytes = bb_openlayer_store(ingest->layer,
										   bb_wal_record_bytes(ingest->record),
										   length);
	bb_openlayer_add(ingest->layer, &key, ingest->lsn, type, ingest->bytes,
					 length);
}

void
bb_blockrefs_ingest_one(BbIngest *ingest, uint8 id)
{
	XLogReaderState *record = ingest->record;
	BbFork		fork;
	BlockNumber block;
	BlockNumber blocks;

	if (!bb_walcompat_block(record, id, &fork, &block))
		return;

	if (XLogRecBlockImageApply(record, id))
		add_image(ingest, id, &fork, block);
	else if (fork.fork == FSM_FORKNUM || fork.fork == VISIBILITYMAP_FORKNUM)
		return;
	else if (XLogRecGetBlock(record, id)->flags & BKPBLOCK_WILL_INIT)
	{
		(void) bb_relsizes_reach(ingest, &fork, block);
		add_record(ingest, &fork, block, BB_ENTRY_RECORD_INIT);
	}
	else if (bb_relsizes_get(ingest, &fork, &blocks) && block < blocks)
		add_record(ingest, &fork, block, BB_ENTRY_RECORD);
	else
	{
		bb_relsizes_create(ingest, &fork);
		bb_invalidpages_add(ingest, &fork, block);
	}
}

void
bb_blockrefs_ingest(BbIngest *ingest)
{
	for (int id = 0; id <= XLogRecMaxBlockId(ingest->record); id++)
		bb_blockrefs_ingest_one(ingest, (uint8) id);
}
