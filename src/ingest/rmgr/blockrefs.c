/*-------------------------------------------------------------------------
 *
 * blockrefs.c
 *	  Entries for the block references of WAL records.
 *
 * An image hides what the record did to the page.  So an image that may be of a
 * heap has the record beside it, for those who look for changes of rows
 * (history/rowchanges.h); readers of the page stop at the image.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam_xlog.h"
#include "access/xlogrecord.h"
#include "ingest/invalidpages.h"
#include "ingest/recordcheck.h"
#include "ingest/relgaps.h"
#include "ingest/relsizes.h"
#include "ingest/rmgr/blockrefs.h"
#include "storage/bufpage.h"
#include "wal/blocks.h"
#include "wal/imageless.h"

static bool
has_image(XLogReaderState *record)
{
	for (int id = 0; id <= XLogRecMaxBlockId(record); id++)
		if (XLogRecHasBlockRef(record, id) && XLogRecHasBlockImage(record, id))
			return true;
	return false;
}

/* The record as it is kept, in the open layer's arena. */
static void
store_record(BbIngest *ingest)
{
	const uint8 *record = bb_wal_record_bytes(ingest->record);
	uint32		length = XLogRecGetTotalLen(ingest->record);
	uint8	   *copy = NULL;

	if (bb_wal_images_unread(XLogRecGetRmid(ingest->record)) &&
		has_image(ingest->record))
	{
		uint32		copied;

		copy = palloc_extended(length, MCXT_ALLOC_HUGE);
		copied = bb_wal_without_images(record, length, copy);
		if (copied != 0)
		{
			record = copy;
			length = copied;
		}
	}
	ingest->bytes = bb_openlayer_store(ingest->layer, record, length);
	ingest->bytes_length = length;
	if (copy != NULL)
		pfree(copy);
}

static void
add_record(BbIngest *ingest, const BbFork *fork, BlockNumber block,
		   BbEntryType type)
{
	BbKey		key = bb_fork_block_key(fork, block);

	if (ingest->bytes == NULL)
		store_record(ingest);
	bb_openlayer_add(ingest->layer, &key, ingest->lsn, type, ingest->bytes,
					 ingest->bytes_length);
}

/* Does the record change rows of a table? */
static bool
changes_rows(XLogReaderState *record)
{
	uint8		operation = XLogRecGetInfo(record) & XLOG_HEAP_OPMASK;

	if (XLogRecGetRmid(record) == RM_HEAP2_ID)
		return operation == XLOG_HEAP2_MULTI_INSERT;
	return XLogRecGetRmid(record) == RM_HEAP_ID &&
		(operation == XLOG_HEAP_INSERT || operation == XLOG_HEAP_DELETE ||
		 operation == XLOG_HEAP_UPDATE || operation == XLOG_HEAP_HOT_UPDATE);
}

/*
 * Add the record before its image, without the image: empty, if it changes no rows.
 * Images of records that are never of a heap need nothing.
 */
static void
add_record_of_image(BbIngest *ingest, const BbFork *fork, BlockNumber block)
{
	RmgrId		rmid = XLogRecGetRmid(ingest->record);

	if (fork->fork != MAIN_FORKNUM ||
		(rmid != RM_HEAP_ID && rmid != RM_HEAP2_ID && rmid != RM_XLOG_ID))
		return;
	if (changes_rows(ingest->record))
		add_record(ingest, fork, block, BB_ENTRY_RECORD);
	else
	{
		BbKey		key = bb_fork_block_key(fork, block);

		bb_openlayer_put(ingest->layer, &key, ingest->lsn, BB_ENTRY_RECORD,
						 NULL, 0);
	}
}

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
	add_record_of_image(ingest, fork, block);
	bb_openlayer_add(ingest->layer, &key, ingest->lsn, BB_ENTRY_IMAGE, stored,
					 BLCKSZ);
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
