/*-------------------------------------------------------------------------
 *
 * rowrecord.c
 *	  One record of a heap, as a change of rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam_xlog.h"
#include "access/htup_details.h"
#include "access/rmgr.h"
#include "access/xlog_internal.h"
#include "access/xlogreader.h"
#include "history/rowrecord.h"
#include "utils/memutils.h"
#include "wal/blocks.h"
#include "wal/compat.h"

struct BbRowRecord
{
	XLogReaderState *reader;
	DecodedXLogRecord *decoded;
	size_t		decoded_size;
	uint8	   *bytes; /* of the record, aligned */
	size_t		bytes_size;
	OffsetNumber offsets[MaxHeapTuplesPerPage];
};

BbRowRecord *
bb_rowrecord_new(const BbPageStoreInfo *info)
{
	BbRowRecord *record = palloc0(sizeof(BbRowRecord));

	record->reader = XLogReaderAllocate((int) info->wal_segment_size, NULL,
										XL_ROUTINE(.page_read = NULL), NULL);
	if (record->reader == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return record;
}

pg_noreturn static void
report_invalid(const BbEntry *entry, const char *complaint)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("record of %s that ends at " BB_LSN_FORMAT " is not valid",
					bb_key_text(&entry->key), LSN_FORMAT_ARGS(entry->lsn)),
			 errdetail_internal("%s", complaint)));
}

/* Make room for a record of that length. */
static void
make_room(BbRowRecord *record, uint32 length)
{
	size_t		needed = DecodeXLogRecordRequiredSpace(length);

	if (needed > record->decoded_size)
	{
		if (record->decoded != NULL)
			pfree(record->decoded);
		record->decoded = MemoryContextAlloc(GetMemoryChunkContext(record),
											 needed);
		record->decoded_size = needed;
	}
	if (length > record->bytes_size)
	{
		if (record->bytes != NULL)
			pfree(record->bytes);
		record->bytes = MemoryContextAlloc(GetMemoryChunkContext(record),
										   length);
		record->bytes_size = length;
	}
}

static void
decode(BbRowRecord *record, const BbEntry *entry)
{
	XLogReaderState *reader = record->reader;
	XLogRecord *header;
	XLogRecPtr	lsn;
	char	   *complaint = NULL;
	const char *invalid;

	if (entry->length < SizeOfXLogRecord)
		report_invalid(entry, "It is too short.");
	make_room(record, entry->length);
	memcpy(record->bytes, entry->value, entry->length);
	header = (XLogRecord *) record->bytes;
	if (header->xl_tot_len != entry->length)
		report_invalid(entry, "Its length is wrong.");
	lsn = Max(entry->lsn - Min(entry->lsn, MAXALIGN(entry->length)),
			  SizeOfXLogLongPHD);
	XLogBeginRead(reader, lsn);
	if (!DecodeXLogRecord(reader, record->decoded, header, lsn, &complaint))
		report_invalid(entry, complaint ? complaint : "It cannot be decoded.");
	record->decoded->next_lsn = entry->lsn;
	reader->record = record->decoded;
	reader->ReadRecPtr = lsn;
	reader->EndRecPtr = entry->lsn;
	invalid = bb_walblocks_error(reader);
	if (invalid != NULL)
		report_invalid(entry, invalid);
}

/* Return the main data, which has at least that size. */
static const char *
main_data(const BbRowRecord *record, const BbEntry *entry, size_t size)
{
	if (XLogRecGetDataLen(record->reader) < size)
		report_invalid(entry, "Its data are too short.");
	return XLogRecGetData(record->reader);
}

/* ---- the kinds of records ---- */

static void
take_insert(BbRowRecord *record, const BbEntry *entry, BbRowChange *change)
{
	xl_heap_insert insert;

	memcpy(&insert, main_data(record, entry, SizeOfHeapInsert),
		   SizeOfHeapInsert);
	change->action = BB_ROW_INSERT;
	change->offset = insert.offnum;
}

static void
take_delete(BbRowRecord *record, const BbEntry *entry, BbRowChange *change)
{
	xl_heap_delete delete;

	memcpy(&delete, main_data(record, entry, SizeOfHeapDelete),
		   SizeOfHeapDelete);
	change->action = (delete.flags & XLH_DELETE_IS_SUPER) != 0
		? BB_ROW_TAKE_BACK
		: BB_ROW_DELETE;
	change->offset = delete.offnum;
}

static void
take_update(BbRowRecord *record, const BbEntry *entry, BbRowChange *change)
{
	xl_heap_update update;
	BbFork		fork;

	memcpy(&update, main_data(record, entry, SizeOfHeapUpdate),
		   SizeOfHeapUpdate);
	change->action = BB_ROW_UPDATE;
	change->offset = update.new_offnum;
	change->old_offset = update.old_offnum;
	/* later versions may also name a page of the visibility map */
	if (!bb_walcompat_block(record->reader, 1, &fork, &change->old_block) ||
		fork.fork != MAIN_FORKNUM)
		change->old_block = change->block;
}

static void
take_multi_insert(BbRowRecord *record, const BbEntry *entry,
				  BbRowChange *change)
{
	const char *data = main_data(record, entry, SizeOfHeapMultiInsert);
	bool		init = (XLogRecGetInfo(record->reader) &
						XLOG_HEAP_INIT_PAGE) != 0;
	uint16		ntuples;

	memcpy(&ntuples, data + offsetof(xl_heap_multi_insert, ntuples),
		   sizeof(ntuples));
	if (ntuples == 0 || ntuples > MaxHeapTuplesPerPage)
		report_invalid(entry, "Its number of rows is impossible.");
	change->action = BB_ROW_INSERT;
	change->nrows = ntuples;
	change->offset = FirstOffsetNumber;
	if (init)
		return;
	(void) main_data(record, entry,
					 SizeOfHeapMultiInsert + ntuples * sizeof(OffsetNumber));
	memcpy(record->offsets, data + SizeOfHeapMultiInsert,
		   ntuples * sizeof(OffsetNumber));
	change->offset = record->offsets[0];
	change->offsets = record->offsets;
}

static bool
take_heap(BbRowRecord *record, const BbEntry *entry, BbRowChange *change)
{
	switch (XLogRecGetInfo(record->reader) & XLOG_HEAP_OPMASK)
	{
		case XLOG_HEAP_INSERT:
			take_insert(record, entry, change);
			return true;
		case XLOG_HEAP_DELETE:
			take_delete(record, entry, change);
			return true;
		case XLOG_HEAP_UPDATE:
		case XLOG_HEAP_HOT_UPDATE:
			take_update(record, entry, change);
			return true;
	}
	return false;
}

static bool
take_heap2(BbRowRecord *record, const BbEntry *entry, BbRowChange *change)
{
	if ((XLogRecGetInfo(record->reader) & XLOG_HEAP_OPMASK) !=
		XLOG_HEAP2_MULTI_INSERT)
		return false;
	take_multi_insert(record, entry, change);
	return true;
}

/* Is the block that the record names first that of the entry? */
static bool
is_first_block(BbRowRecord *record, const BbEntry *entry, BbRowChange *change)
{
	BbKeyFields key = bb_key_fields(&entry->key);
	BbFork		fork;

	if (!bb_walcompat_block(record->reader, 0, &fork, &change->block) ||
		fork.spc != key.spc || fork.db != key.db || fork.rel != key.rel ||
		fork.fork != key.fork || change->block != key.block)
		return false;
	change->relation = BB_REL_LOCATOR(key.spc, key.db, key.rel);
	return true;
}

bool
bb_rowrecord_decode(BbRowRecord *record, const BbEntry *entry,
					BbRowChange *change)
{
	RmgrId		rmid;
	bool		taken = false;

	decode(record, entry);
	*change = (BbRowChange){.lsn = entry->lsn, .nrows = 1};
	rmid = XLogRecGetRmid(record->reader);
	if ((rmid != RM_HEAP_ID && rmid != RM_HEAP2_ID) ||
		!is_first_block(record, entry, change))
		return false;
	if (rmid == RM_HEAP_ID)
		taken = take_heap(record, entry, change);
	else
		taken = take_heap2(record, entry, change);
	change->xid = XLogRecGetXid(record->reader);
	change->origin = XLogRecGetOrigin(record->reader);
	if (taken && !TransactionIdIsNormal(change->xid))
		report_invalid(entry, "It has no transaction.");
	return taken;
}
