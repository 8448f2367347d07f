/*-------------------------------------------------------------------------
 *
 * walmodel.c
 *	  WAL made in memory, with a list of its records.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "access/xlogrecord.h"
#include "base/compat.h"
#include "catalog/pg_control.h"
#include "lib/stringinfo.h"
#include "port/pg_crc32c.h"
#include "unit.h"
#include "walmodel.h"

#define SYSTEM_ID UINT64CONST(0x1122334455667788)
#define FIRST_SEGMENT 7

WalModel *
walmodel_new(uint32 segment_size)
{
	WalModel   *model = palloc0(sizeof(WalModel));

	model->stream.tli = 1;
	model->stream.system_identifier = SYSTEM_ID;
	model->stream.segment_size = segment_size;
	model->stream.magic = XLOG_PAGE_MAGIC;
	model->base = (XLogRecPtr) FIRST_SEGMENT * segment_size;
	model->size = 2 * segment_size;
	model->bytes = palloc0(model->size);
	model->end = model->base;
	model->prev = model->base - 8192;
	model->max_records = 64;
	model->records = palloc(model->max_records * sizeof(WalRecord));
	return model;
}

/* ---- bytes ---- */

/* There is room for the bytes up to lsn. */
static void
make_room(WalModel *model, XLogRecPtr lsn)
{
	size_t		size = model->size;

	while (model->base + size < lsn)
		size *= 2;
	if (size > model->size)
	{
		model->bytes = repalloc(model->bytes, size);
		memset(model->bytes + model->size, 0, size - model->size);
		model->size = size;
	}
}

/* Write bytes of a record, and the headers of pages, up to "until". */
static XLogRecPtr
put(WalModel *model, const char *record, uint32 length, XLogRecPtr until)
{
	XLogRecPtr	at = MAXALIGN(model->end);
	uint32		done = 0;

	while (done < length && at < until)
	{
		uint32		part;

		make_room(model, at + XLOG_BLCKSZ);
		if (at % XLOG_BLCKSZ == 0)
			at += bb_wal_page_header(&model->stream, at,
									 done > 0 ? length - done : 0,
									 model->bytes + (at - model->base));
		part = Min(length - done, XLOG_BLCKSZ - at % XLOG_BLCKSZ);
		memcpy(model->bytes + (at - model->base), record + done, part);
		at += part;
		done += part;
	}
	return at;
}

/* Make a record of the resource manager XLOG. */
static StringInfo
make_record(WalModel *model, uint8 info, const void *data, uint32 length)
{
	XLogRecord	header = {0};
	StringInfo	record = makeStringInfo();

	header.xl_tot_len = SizeOfXLogRecord;
	if (length > 0)
		header.xl_tot_len += SizeOfXLogRecordDataHeaderLong + length;
	header.xl_prev = model->prev;
	header.xl_info = info;
	header.xl_rmid = RM_XLOG_ID;
	appendBinaryStringInfo(record, (char *) &header, SizeOfXLogRecord);
	if (length > 0)
	{
		appendStringInfoChar(record, (char) XLR_BLOCK_ID_DATA_LONG);
		appendBinaryStringInfo(record, (char *) &length, sizeof(length));
		appendBinaryStringInfo(record, data, length);
	}
	INIT_CRC32C(header.xl_crc);
	COMP_CRC32C(header.xl_crc, record->data + SizeOfXLogRecord,
				record->len - SizeOfXLogRecord);
	COMP_CRC32C(header.xl_crc, record->data, offsetof(XLogRecord, xl_crc));
	FIN_CRC32C(header.xl_crc);
	memcpy(record->data, &header, SizeOfXLogRecord);
	return record;
}

static void
append(WalModel *model, uint8 info, const void *data, uint32 length)
{
	StringInfo	record = make_record(model, info, data, length);
	WalRecord  *added;

	if (model->nrecords == model->max_records)
	{
		model->max_records *= 2;
		model->records = repalloc(model->records,
								  model->max_records * sizeof(WalRecord));
	}
	added = &model->records[model->nrecords++];
	added->start = bb_wal_record_start(&model->stream, model->end);
	added->bytes_end = put(model, record->data, record->len, PG_UINT64_MAX);
	added->end = MAXALIGN(added->bytes_end);
	added->prev = model->prev;
	added->crc = ((XLogRecord *) record->data)->xl_crc;
	added->tli = model->stream.tli;
	model->end = added->end;
	model->prev = added->start;
	pfree(record->data);
	pfree(record);
}

static char *
random_bytes(pg_prng_state *random, uint32 length)
{
	char	   *data = palloc(length + 8);

	for (uint32 i = 0; i < length; i += 8)
	{
		uint64		value = pg_prng_uint64(random);

		memcpy(data + i, &value, sizeof(value));
	}
	return data;
}

/* ---- records ---- */

void
walmodel_record(WalModel *model, pg_prng_state *random, uint32 length)
{
	char	   *data = random_bytes(random, length);

	append(model, XLOG_NOOP, data, length);
	pfree(data);
}

void
walmodel_switch(WalModel *model)
{
	uint32		size = model->stream.segment_size;
	XLogRecPtr	at;

	append(model, XLOG_SWITCH, NULL, 0);
	at = model->end;
	model->end = (at + size - 1) / size * size;
	model->records[model->nrecords - 1].end = model->end;
	make_room(model, model->end);
	for (at = TYPEALIGN(XLOG_BLCKSZ, at); at < model->end; at += XLOG_BLCKSZ)
		bb_wal_page_header(&model->stream, at, 0,
						   model->bytes + (at - model->base));
}

void
walmodel_crash(WalModel *model, pg_prng_state *random)
{
	XLogRecPtr	start = bb_wal_record_start(&model->stream, model->end);
	uint32		pages = pg_prng_uint64_range(random, 0, 3);
	XLogRecPtr	page = start - start % XLOG_BLCKSZ + (pages + 1) * XLOG_BLCKSZ;
	uint32		length = page - start +
		pg_prng_uint64_range(random, 1, 2 * XLOG_BLCKSZ);
	char	   *data = random_bytes(random, length);
	StringInfo	record = make_record(model, XLOG_NOOP, data, length);
	xl_overwrite_contrecord overwrite = {0};

	model->end = put(model, record->data, record->len, page);
	CHECK(model->end == page);
	overwrite.overwritten_lsn = start;
	append(model, XLOG_OVERWRITE_CONTRECORD, &overwrite, sizeof(overwrite));
	((XLogPageHeader) (model->bytes + (page - model->base)))
		->xlp_info |= XLP_FIRST_IS_OVERWRITE_CONTRECORD;
}

void
walmodel_any(WalModel *model, pg_prng_state *random)
{
	uint32		room = XLOG_BLCKSZ -
		bb_wal_record_start(&model->stream, model->end) % XLOG_BLCKSZ;
	uint32		header = SizeOfXLogRecord + SizeOfXLogRecordDataHeaderLong;

	switch (pg_prng_uint64_range(random, 0, 39))
	{
		case 0:
			walmodel_switch(model);
			break;
		case 1:
			walmodel_crash(model, random);
			break;
		case 2:
			walmodel_record(model, random,
							pg_prng_uint64_range(random, 1, 6 * XLOG_BLCKSZ));
			break;
		case 3:
		case 4:
		case 5:
			/* up to the end of the page, or nearly */
			if (room > header + 64)
				walmodel_record(model, random,
								room - header -
									pg_prng_uint64_range(random, 0, 40));
			break;
		default:
			walmodel_record(model, random,
							pg_prng_uint64_range(random, 0, 300));
			break;
	}
}

void
walmodel_fill(WalModel *model, pg_prng_state *random, XLogRecPtr lsn)
{
	while (model->end < lsn)
		walmodel_any(model, random);
}

WalModel *
walmodel_branch(const WalModel *model, TimeLineID tli, int n)
{
	WalModel   *branch = walmodel_new(model->stream.segment_size);
	BbWalStart	start = walmodel_start(model, n);

	make_room(branch, start.lsn);
	branch->max_records = Max(n, branch->max_records);
	branch->records = repalloc(branch->records,
							   branch->max_records * sizeof(WalRecord));
	memcpy(branch->bytes, model->bytes, start.lsn - model->base);
	memcpy(branch->records, model->records, n * sizeof(WalRecord));
	branch->nrecords = n;
	branch->end = start.lsn;
	branch->prev = start.prev_lsn;
	branch->stream.tli = tli;
	branch->history = psprintf("%s%u\t" BB_LSN_FORMAT
							   "\tno recovery target specified\n",
							   model->history ? model->history : "",
							   model->stream.tli, LSN_FORMAT_ARGS(start.lsn));
	return branch;
}

BbWalStart
walmodel_start(const WalModel *model, int n)
{
	BbWalStart	start = {.stream = model->stream};

	CHECK(n > 0);
	start.stream.tli = model->records[n - 1].tli;
	start.lsn = model->records[n - 1].end;
	start.prev_lsn = model->records[n - 1].start;
	return start;
}
