/*-------------------------------------------------------------------------
 *
 * helper_record.c
 *	  Applies one WAL record to one page.
 *
 * rm_redo() applies a record to all blocks that it refers to, but the helper has
 * only one of them.  So before rm_redo() each block reference of the decoded
 * record is redirected to a scratch relation.  Block numbers stay, since redo
 * functions write them into pages.
 *
 *	  block of the record				redirected to	redo gets
 *	  ------------------------------	-------------	------------
 *	  the target						the target		it
 *	  to be initialised, with an image,
 *	  or of a map						trash			a page to fill
 *	  any other, of heap or btree		the void		BLK_NOTFOUND
 *	  any other							a newer page	BLK_DONE
 *
 * Redo functions have to handle missing pages, since a later record may drop
 * them; but brin_xlog_insert_update() uses a buffer that it may not have got, and
 * others require BLK_RESTORED if there is an image.  All of them handle newer
 * pages, which occur in every recovery from a checkpoint.  For heap and btree,
 * nearly all of WAL, the void is faster, and images of other blocks need not be
 * restored.  So ingest keeps records of these without images
 * (wal/imageless.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "redo/helper.h"
#include "utils/memutils.h"
#include "wal/blocks.h"
#include "wal/imageless.h"

static XLogReaderState *reader;
static DecodedXLogRecord *decoded;
static size_t decoded_size;

void
bb_redo_record_init(void)
{
	reader = XLogReaderAllocate(wal_segment_size, NULL,
								XL_ROUTINE(.page_read = NULL), NULL);
	if (reader == NULL)
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	decoded_size = 128 * 1024;
	decoded = MemoryContextAlloc(TopMemoryContext, decoded_size);
}

static void
decode_record(XLogRecord *record, uint32 length, XLogRecPtr end_lsn)
{
	char	   *complaint = NULL;
	const char *invalid;
	size_t		needed;
	XLogRecPtr	lsn;

	if (length < SizeOfXLogRecord || record->xl_tot_len != length)
		elog(ERROR, "record of %u bytes has a wrong length", length);
	if (!RmgrIdExists(record->xl_rmid))
		ereport(ERROR,
				(errmsg("resource manager with ID %d is not loaded",
						record->xl_rmid)));

	needed = DecodeXLogRecordRequiredSpace(length);
	if (needed > decoded_size)
	{
		pfree(decoded);
		decoded = NULL;
		decoded_size = 0;
		decoded = MemoryContextAllocHuge(TopMemoryContext, needed);
		decoded_size = needed;
	}

	/* redo functions use the end; the start, for messages, is approximate */
	lsn = Max(end_lsn - Min(end_lsn, MAXALIGN(length)), SizeOfXLogLongPHD);
	XLogBeginRead(reader, lsn);
	if (!DecodeXLogRecord(reader, decoded, record, lsn, &complaint))
		elog(ERROR, "could not decode record: %s",
			 complaint ? complaint : "no reason given");
	decoded->next_lsn = end_lsn;
	reader->record = decoded;
	reader->ReadRecPtr = lsn;
	reader->EndRecPtr = end_lsn;

	/* ingest checks that, too, but a store is not trusted */
	invalid = bb_walblocks_error(reader);
	if (invalid != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("record is not valid"),
				 errdetail_internal("%s", invalid)));
}

/*
 * Which of the record's blocks is the target page?
 */
static int
find_target(const BbRelLocator *locator, ForkNumber fork, BlockNumber blkno)
{
	for (int i = 0; i <= decoded->max_block_id; i++)
	{
		const DecodedBkpBlock *block = &decoded->blocks[i];

		if (block->in_use && block->blkno == blkno && block->forknum == fork &&
			BB_LOCATOR_EQUALS(BB_DECODED_LOCATOR(block), *locator))
			return i;
	}
	elog(ERROR, "record does not refer to the page");
}

static void
place_other_block(DecodedBkpBlock *block)
{
	bool		to_void = bb_wal_images_unread(decoded->header.xl_rmid);
	bool		init = (block->flags & BKPBLOCK_WILL_INIT) != 0;
	bool		of_map = block->forknum == FSM_FORKNUM ||
		block->forknum == VISIBILITYMAP_FORKNUM;

	if (to_void && !init)
		block->apply_image = false;
	if (init || block->apply_image || of_map)
		bb_redo_block_to_trash(block);
	else if (to_void)
		bb_redo_block_to_void(block);
	else
		bb_redo_block_to_newer(block);
}

void
bb_redo_record_apply(const BbRelLocator *locator, ForkNumber fork,
					 BlockNumber blkno, XLogRecord *record, uint32 length,
					 XLogRecPtr end_lsn)
{
	int			target;
	bool		image;

	decode_record(record, length, end_lsn);
	target = find_target(locator, fork, blkno);
	bb_redo_pages_make_room();
	for (int i = 0; i <= decoded->max_block_id; i++)
	{
		DecodedBkpBlock *block = &decoded->blocks[i];

		if (!block->in_use)
			continue;
		if (i == target)
			bb_redo_block_to_target(block);
		else
			place_other_block(block);
	}
	bb_compat_forget_invalidations(reader);

	GetRmgr(XLogRecGetRmid(reader)).rm_redo(reader);

	/* redo silently skips a page of zeros, as if it were dropped later */
	image = XLogRecBlockImageApply(reader, target);
	if (bb_redo_pages_target_is_new(image) && !image)
		ereport(ERROR,
				(errmsg("page is still uninitialized after the record"),
				 errdetail("Its base image is missing.")));
}
