/*-------------------------------------------------------------------------
 *
 * request.c
 *	  Converts page histories to messages to a redo helper.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlog_internal.h"
#include "access/xlogrecord.h"
#include "base/compat.h"
#include "redo/request.h"

/*
 * Writes messages, or only counts their bytes (data is NULL).
 */
typedef struct Writer
{
	char	   *data;
	size_t		length;
	size_t		piece; /* where the last piece begins */
} Writer;

static BbRedoRequestHeader *
piece_header(const Writer *writer)
{
	return (BbRedoRequestHeader *) (writer->data + writer->piece);
}

/* Add to the current piece, whose header is complete afterwards. */
static void
put(Writer *writer, const void *data, size_t length)
{
	size_t		padded = BB_REDO_PAD(length);

	if (writer->data != NULL)
	{
		memcpy(writer->data + writer->length, data, length);
		memset(writer->data + writer->length + length, 0, padded - length);
		piece_header(writer)->length = writer->length + padded - writer->piece;
	}
	writer->length += padded;
}

static void
begin_piece(Writer *writer, const BbRedoRequestHeader *header, bool has_page)
{
	writer->piece = writer->length;
	put(writer, header, sizeof(*header));
	if (writer->data != NULL)
		piece_header(writer)->has_page = has_page;
}

static void
put_record(Writer *writer, const BbChange *change)
{
	BbRedoRecordHeader header = {.end_lsn = change->lsn,
								 .length = change->length};

	put(writer, &header, sizeof(header));
	put(writer, change->data, change->length);
	if (writer->data != NULL)
		piece_header(writer)->nrecords++;
}

static void
write_pieces(Writer *writer, const BbRedoRequestHeader *header,
			 const BbPageHistory *history)
{
	size_t		content = 0;

	begin_piece(writer, header, history->base != NULL);
	for (int i = 0; i < history->nchanges; i++)
	{
		const BbChange *change = &history->changes[i];

		if (content > 0 && content + change->length > BB_REDO_PIECE_SIZE)
		{
			begin_piece(writer, header, true);
			content = 0;
		}
		put_record(writer, change);
		content += sizeof(BbRedoRecordHeader) + change->length;
	}
}

static void
check_history(const BbPageHistory *history)
{
	if (history->base != NULL && history->base_length != BLCKSZ)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("base image of %s has a wrong length",
						bb_key_text(&history->key)),
				 errdetail("It has %u bytes instead of %d; its LSN is " BB_LSN_FORMAT ".",
						   history->base_length, BLCKSZ,
						   LSN_FORMAT_ARGS(history->base_lsn))));

	for (int i = 0; i < history->nchanges; i++)
	{
		const BbChange *change = &history->changes[i];
		uint32		claimed = 0;

		Assert(change->type == BB_ENTRY_RECORD ||
			   change->type == BB_ENTRY_RECORD_INIT);
		if (change->length >= SizeOfXLogRecord)
			memcpy(&claimed, change->data + offsetof(XLogRecord, xl_tot_len),
				   sizeof(claimed));
		if (claimed != change->length)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("WAL record of %s has a wrong length",
							bb_key_text(&history->key)),
					 errdetail("The record that ends at " BB_LSN_FORMAT " claims %u bytes "
							   "and has %u.",
							   LSN_FORMAT_ARGS(change->lsn), claimed,
							   change->length)));
	}
}

BbRedoRequest *
bb_redo_request_new(MemoryContext context, uint64 id,
					const BbPageHistory *history)
{
	BbKeyFields fields = bb_key_fields(&history->key);
	BbRedoRequestHeader header = {.magic = BB_REDO_MAGIC,
								  .id = id,
								  .spc = fields.spc,
								  .db = fields.db,
								  .rel = fields.rel,
								  .fork = fields.fork,
								  .block = fields.block};
	BbRedoRequest *request;
	Writer		writer = {0};

	check_history(history);
	write_pieces(&writer, &header, history);

	request = MemoryContextAlloc(context, sizeof(BbRedoRequest));
	memset(request, 0, sizeof(BbRedoRequest));
	request->id = id;
	request->key = history->key;
	request->nrecords = history->nchanges;
	request->page = MemoryContextAlloc(context, BLCKSZ);
	if (history->base != NULL)
		memcpy(request->page, history->base, BLCKSZ);
	request->length = writer.length;
	request->message = MemoryContextAllocHuge(context, writer.length);

	writer = (Writer){.data = request->message};
	write_pieces(&writer, &header, history);
	return request;
}

void
bb_redo_request_free(BbRedoRequest *request)
{
	if (request->failure != NULL)
		FreeErrorData(request->failure);
	pfree(request->message);
	pfree(request->page);
	pfree(request);
}

static BbRedoRequestHeader *
current_header(const BbRedoRequest *request)
{
	return (BbRedoRequestHeader *) (request->message + request->piece);
}

void
bb_redo_request_place(BbRedoRequest *request, BbRedoSlate *slate, int slot)
{
	BbRedoRequestHeader *header = current_header(request);
	size_t		length = header->length - sizeof(BbRedoRequestHeader);

	request->slot = slot;
	header->slot = slot;
	if (header->has_page)
		memcpy(slate->pages[slot].data, request->page, BLCKSZ);
	header->records_in_slot = length <= BB_REDO_SLOT_RECORDS;
	if (header->records_in_slot)
		memcpy(slate->records[slot].data, header + 1, length);
}

const char *
bb_redo_request_piece(const BbRedoRequest *request, size_t *length)
{
	const BbRedoRequestHeader *header = current_header(request);

	*length = header->records_in_slot ? sizeof(*header) : header->length;
	return request->message + request->piece;
}

bool
bb_redo_request_advance(BbRedoRequest *request, const void *page)
{
	const BbRedoRequestHeader *header = current_header(request);
	size_t		next = request->piece + header->length;

	memcpy(request->page, page, BLCKSZ);
	if (next == request->length)
		return false;
	request->piece_record += header->nrecords;
	request->piece = next;
	request->sent = 0;
	return true;
}

char *
bb_redo_request_record_text(const BbRedoRequest *request, uint32 n)
{
	const BbRedoRequestHeader *header = current_header(request);
	const char *at = (const char *) (header + 1);
	const BbRedoRecordHeader *place;
	const XLogRecord *record;
	const char *name = NULL;
	char	   *what;

	if (n >= header->nrecords)
		return pstrdup("a record that is not in the request");

	for (uint32 i = 0; i < n; i++)
	{
		place = (const BbRedoRecordHeader *) at;
		at += sizeof(BbRedoRecordHeader) + BB_REDO_PAD(place->length);
	}
	place = (const BbRedoRecordHeader *) at;
	record = (const XLogRecord *) (place + 1);

	if (!request->foreign && RmgrIdExists(record->xl_rmid))
	{
		RmgrData	rmgr = GetRmgr(record->xl_rmid);

		name = rmgr.rm_identify(record->xl_info);
		what = psprintf("%s %s", rmgr.rm_name, name ? name : "unknown");
	}
	else
		what = psprintf("resource manager %d", record->xl_rmid);
	return psprintf("record %u of %d, %s, which ends at " BB_LSN_FORMAT,
					request->piece_record + n + 1, request->nrecords, what,
					LSN_FORMAT_ARGS(place->end_lsn));
}
