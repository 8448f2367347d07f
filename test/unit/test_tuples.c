/*-------------------------------------------------------------------------
 *
 * test_tuples.c
 *	  Rows on made pages: scans, HOT chains, and values out of line.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/toast_internals.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_tablespace.h"
#include "catalog/pg_type.h"
#include "heap/tables.h"
#include "heap/toast.h"
#include "heap/tuples.h"
#include "made.h"
#include "utils/builtins.h"

#define COMMITTED 101
#define ABORTED 102
#define ALSO_COMMITTED 103

#define TABLE BB_REL_LOCATOR(DEFAULTTABLESPACE_OID, 5, 20000)

static Made *
new_cluster(void)
{
	Made	   *made = made_new();

	made_status(made, COMMITTED, TRANSACTION_STATUS_COMMITTED);
	made_status(made, ABORTED, TRANSACTION_STATUS_ABORTED);
	made_status(made, ALSO_COMMITTED, TRANSACTION_STATUS_COMMITTED);
	return made;
}

/* A row that holds a number. */
static HeapTupleHeader
add_row(Made *made, BlockNumber block, int64 number, TransactionId xmin,
		OffsetNumber *offset)
{
	OffsetNumber added;
	HeapTupleHeader row = made_row(made_block(made, TABLE, block), &number,
								   sizeof(number), 1, &added);

	HeapTupleHeaderSetXmin(row, xmin);
	ItemPointerSet(&row->t_ctid, block, added);
	if (offset != NULL)
		*offset = added;
	return row;
}

static int64
number_of(HeapTuple tuple)
{
	int64		number;

	memcpy(&number, (char *) tuple->t_data + tuple->t_data->t_hoff,
		   sizeof(number));
	return number;
}

/* ---- scans ---- */

/* The numbers of the visible rows, as text. */
static char *
scan(const BbReqCtx *ctx, Made *made, BbTupleCounts *counts)
{
	BbPages	   *pages = made_pages(made);
	BbXacts	   *xacts = bb_xacts_new(pages);
	BbTupleScan *tuples = bb_tuplescan_new(ctx, pages, xacts, TABLE, 0,
										   bb_pages_blocks(ctx, pages, TABLE),
										   counts);
	StringInfoData text;
	HeapTuple	tuple;

	initStringInfo(&text);
	while ((tuple = bb_tuplescan_next(ctx, tuples)) != NULL)
		appendStringInfo(&text, " " INT64_FORMAT, number_of(tuple));
	bb_tuplescan_close(tuples);
	return text.data;
}

UNIT_TEST(tuples_of_made_pages)
{
	Made	   *made = new_cluster();
	BbTupleCounts counts = {0};
	HeapTupleHeader row;
	OffsetNumber offset;

	add_row(made, 0, 1, COMMITTED, NULL);
	add_row(made, 0, 2, ABORTED, NULL);
	/* a row that INSERT … ON CONFLICT took back */
	add_row(made, 0, 3, InvalidTransactionId, NULL);
	row = add_row(made, 0, 4, COMMITTED, NULL);
	row->t_infomask = 0;
	HeapTupleHeaderSetXmax(row, ALSO_COMMITTED);
	row = add_row(made, 0, 5, COMMITTED, NULL);
	row->t_infomask = 0;
	HeapTupleHeaderSetXmax(row, ABORTED);
	row = add_row(made, 0, 6, 4000000000U, NULL);
	row->t_infomask |= HEAP_XMIN_FROZEN;
	/* block 1 is a page of zeros; 2 has line pointers of all kinds */
	(void) made_block(made, TABLE, 1);
	add_row(made, 2, 7, COMMITTED, &offset);
	ItemIdSetDead(PageGetItemId(made_block(made, TABLE, 2), offset));
	add_row(made, 2, 8, COMMITTED, &offset);
	ItemIdSetUnused(PageGetItemId(made_block(made, TABLE, 2), offset));
	add_row(made, 2, 9, COMMITTED, &offset);
	ItemIdSetRedirect(PageGetItemId(made_block(made, TABLE, 2), offset), 4);
	row = add_row(made, 2, 10, COMMITTED, &offset);
	row->t_infomask2 |= HEAP_ONLY_TUPLE;
	CHECK(strcmp(scan(ctx, made, &counts), " 1 5 6 10") == 0);
	CHECK(counts.pages == 3 && counts.visible == 4 && counts.invisible == 3);

	/* nobody looks at the rows of a page that is all visible */
	PageSetAllVisible(made_block(made, TABLE, 0));
	CHECK(strcmp(scan(ctx, made, NULL), " 1 2 3 4 5 6 10") == 0);
}

/* What a server never writes is an error, and no more. */
UNIT_TEST(tuples_of_forged_pages)
{
	for (int i = 0; i < 8; i++)
	{
		Made	   *made = new_cluster();
		OffsetNumber offset;
		HeapTupleHeader row = add_row(made, 0, 1, COMMITTED, &offset);
		Page		page = made_block(made, TABLE, 0);
		PageHeader	header = (PageHeader) page;
		ItemId		item = PageGetItemId(page, offset);

		switch (i)
		{
			case 0:
				header->pd_lower = BLCKSZ + 4;
				break;
			case 1:
				header->pd_special = BLCKSZ - 1;
				break;
			case 2:
				item->lp_off = header->pd_upper - MAXIMUM_ALIGNOF;
				break;
			case 3:
				item->lp_len = 4000;
				break;
			case 4:
				item->lp_off += 1;
				break;
			case 5:
				row->t_hoff = 255;
				break;
			case 6:
				row->t_hoff = 8;
				break;
			case 7:
				/* 2047 columns whose bitmap would not fit */
				row->t_infomask |= HEAP_HASNULL;
				row->t_infomask2 = HEAP_NATTS_MASK;
				break;
		}
		CHECK_ERROR((void) scan(ctx, made, NULL), ERRCODE_DATA_CORRUPTED);
	}
}

/* ---- HOT chains ---- */

/* The number of the row that an index entry leads to; -1: none. */
static int64
fetch(const BbReqCtx *ctx, Made *made, OffsetNumber offset)
{
	BbPages	   *pages = made_pages(made);
	ItemPointerData tid;
	HeapTuple	tuple;

	ItemPointerSet(&tid, 0, offset);
	tuple = bb_tuple_fetch(ctx, pages, bb_xacts_new(pages), TABLE, &tid,
						   BB_TUPLE_VISIBLE);
	return tuple == NULL ? -1 : number_of(tuple);
}

/* Row 1, which "updater" made row 2 of; row 2 says that "xmin" inserted it. */
static Made *
new_chain(TransactionId updater, TransactionId xmin)
{
	Made	   *made = new_cluster();
	HeapTupleHeader row = add_row(made, 0, 1, COMMITTED, NULL);

	row->t_infomask = 0;
	row->t_infomask2 |= HEAP_HOT_UPDATED;
	HeapTupleHeaderSetXmax(row, updater);
	ItemPointerSet(&row->t_ctid, 0, 2);
	row = add_row(made, 0, 2, xmin, NULL);
	row->t_infomask2 |= HEAP_ONLY_TUPLE;
	return made;
}

UNIT_TEST(hot_chains)
{
	Made	   *made = new_chain(ALSO_COMMITTED, ALSO_COMMITTED);
	HeapTupleHeader row;

	CHECK(fetch(ctx, made, 1) == 2);
	/* an index leads to the first of a chain, or else it is an old one */
	CHECK(fetch(ctx, made, 2) == -1);
	CHECK(fetch(ctx, made, 3) == -1);
	CHECK(fetch(ctx, made, 0) == -1);
	CHECK(fetch(ctx, new_chain(ABORTED, ABORTED), 1) == 1);
	/* the place was used again by somebody else */
	CHECK(fetch(ctx, new_chain(ALSO_COMMITTED, COMMITTED), 1) == -1);

	/* a multixact of a locker, and of the transaction that updated */
	made = new_chain(7, ALSO_COMMITTED);
	row = (HeapTupleHeader)
		PageGetItem(made_block(made, TABLE, 0),
					PageGetItemId(made_block(made, TABLE, 0), 1));
	row->t_infomask |= HEAP_XMAX_IS_MULTI;
	made_offset(made, 7, 50);
	made_member(made, 50, ABORTED, MultiXactStatusForKeyShare);
	made_member(made, 51, ALSO_COMMITTED, MultiXactStatusNoKeyUpdate);
	made->next_multi = 8;
	made->next_offset = 52;
	CHECK(fetch(ctx, made, 1) == 2);

	/* VACUUM has removed row 1 */
	made = new_chain(ALSO_COMMITTED, ALSO_COMMITTED);
	ItemIdSetRedirect(PageGetItemId(made_block(made, TABLE, 0), 1), 2);
	CHECK(fetch(ctx, made, 1) == 2);
	/* forged: it leads to itself, out of the page, in a circle */
	ItemIdSetRedirect(PageGetItemId(made_block(made, TABLE, 0), 1), 1);
	CHECK(fetch(ctx, made, 1) == -1);
	ItemIdSetRedirect(PageGetItemId(made_block(made, TABLE, 0), 1), 100);
	CHECK(fetch(ctx, made, 1) == -1);
	made = new_chain(ALSO_COMMITTED, ALSO_COMMITTED);
	row = (HeapTupleHeader)
		PageGetItem(made_block(made, TABLE, 0),
					PageGetItemId(made_block(made, TABLE, 0), 2));
	row->t_infomask = 0;
	row->t_infomask2 |= HEAP_HOT_UPDATED;
	HeapTupleHeaderSetXmax(row, ALSO_COMMITTED);
	CHECK(fetch(ctx, made, 1) == -1);
}

/* ---- values out of line ---- */

#define TOAST_OID 20002
#define TOAST_INDEX BB_REL_LOCATOR(DEFAULTTABLESPACE_OID, 5, 20003)
#define VALUE 30000

/* A TOAST table, whose chunks are rows of TABLE. */
typedef struct Toast
{
	Made	   *made;
	TupleDesc	desc;
	BbBtree		index;
	Page		leaf;
} Toast;

static Toast *
new_toast(void)
{
	Toast	   *toast = palloc0(sizeof(Toast));
	BTPageOpaque opaque;

	toast->made = new_cluster();
	(void) made_block(toast->made, TABLE, 0);
	toast->desc = CreateTemplateTupleDesc(3);
	TupleDescInitEntry(toast->desc, 1, "chunk_id", OIDOID, -1, 0);
	TupleDescInitEntry(toast->desc, 2, "chunk_seq", INT4OID, -1, 0);
	TupleDescInitEntry(toast->desc, 3, "chunk_data", BYTEAOID, -1, 0);
	TupleDescFinalize(toast->desc);
	toast->index.name = "index of chunks";
	toast->index.relation = TOAST_INDEX;
	toast->index.desc = CreateTemplateTupleDesc(2);
	TupleDescInitEntry(toast->index.desc, 1, "chunk_id", OIDOID, -1, 0);
	TupleDescInitEntry(toast->index.desc, 2, "chunk_seq", INT4OID, -1, 0);
	TupleDescFinalize(toast->index.desc);
	_bt_initmetapage(made_block(toast->made, TOAST_INDEX, 0), 1, 0, true);
	toast->leaf = made_block(toast->made, TOAST_INDEX, 1);
	_bt_pageinit(toast->leaf, BLCKSZ);
	opaque = (BTPageOpaque) PageGetSpecialPointer(toast->leaf);
	opaque->btpo_flags = BTP_LEAF | BTP_ROOT;
	return toast;
}

/* A chunk of the value; the TID is where it is. */
static ItemPointerData
add_chunk(Toast *toast, int number, TransactionId xmin, const void *data,
		  size_t length)
{
	bytea	   *chunk = palloc(VARHDRSZ + length);
	Datum		values[] = {ObjectIdGetDatum(VALUE), Int32GetDatum(number),
							PointerGetDatum(chunk)};
	bool		isnull[3] = {0};
	HeapTuple	tuple;
	OffsetNumber offset;
	HeapTupleHeader row;
	ItemPointerData tid;

	SET_VARSIZE(chunk, VARHDRSZ + length);
	memcpy(VARDATA(chunk), data, length);
	tuple = heap_form_tuple(toast->desc, values, isnull);
	row = made_row(made_block(toast->made, TABLE, 0),
				   (char *) tuple->t_data + tuple->t_data->t_hoff,
				   tuple->t_len - tuple->t_data->t_hoff, 3, &offset);
	row->t_infomask |= HEAP_HASVARWIDTH;
	HeapTupleHeaderSetXmin(row, xmin);
	ItemPointerSet(&tid, 0, offset);
	return tid;
}

/* An entry of the index, with some TIDs; entries are added in order. */
static void
add_entry(Toast *toast, int number, ItemPointerData *tids, int ntids)
{
	Datum		values[] = {ObjectIdGetDatum(VALUE), Int32GetDatum(number)};
	bool		isnull[2] = {0};
	IndexTuple	entry = index_form_tuple(toast->index.desc, values, isnull);

	if (ntids > 1)
		entry = _bt_form_posting(entry, tids, ntids);
	else
		entry->t_tid = tids[0];
	CHECK(PageAddItem(toast->leaf, (void *) entry, IndexTupleSize(entry),
					  InvalidOffsetNumber, false,
					  false) != InvalidOffsetNumber);
}

static void
add(Toast *toast, int number, TransactionId xmin, const char *data)
{
	ItemPointerData tid = add_chunk(toast, number, xmin, data, strlen(data));

	add_entry(toast, number, &tid, 1);
}

static BbPast *
past_of(Toast *toast)
{
	HASHCTL		info = {.keysize = sizeof(Oid),
						.entrysize = sizeof(BbTable),
						.hcxt = CurrentMemoryContext};
	BbPast	   *past = palloc0(sizeof(BbPast));
	Oid			oid = TOAST_OID;
	BbTable	   *table;

	past->context = CurrentMemoryContext;
	past->pages = made_pages(toast->made);
	past->snapshot = *bb_pages_snapshot(past->pages);
	past->xacts = bb_xacts_new(past->pages);
	past->tables = hash_create("tables", 8, &info,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	table = hash_search(past->tables, &oid, HASH_ENTER, NULL);
	memset(table, 0, sizeof(*table));
	table->oid = oid;
	table->kind = RELKIND_TOASTVALUE;
	table->relation = TABLE;
	table->ncolumns = toast->desc->natts;
	table->desc = toast->desc;
	table->toast_index = &toast->index;
	return past;
}

/* Read the value, of which a row says that it is so long. */
static bytea *
read_value(const BbReqCtx *ctx, Toast *toast, int32 rawsize, uint32 stored,
		   ToastCompressionId method)
{
	struct varatt_external pointer = {.va_rawsize = rawsize,
									  .va_valueid = VALUE,
									  .va_toastrelid = TOAST_OID};
	struct varlena *value = palloc(VARHDRSZ_EXTERNAL + sizeof(pointer));

	if (method == TOAST_INVALID_COMPRESSION_ID)
		pointer.va_extinfo = stored;
	else
		VARATT_EXTERNAL_SET_SIZE_AND_COMPRESS_METHOD(pointer, stored, method);
	SET_VARTAG_EXTERNAL(value, VARTAG_ONDISK);
	memcpy(VARDATA_EXTERNAL(value), &pointer, sizeof(pointer));
	CHECK(bb_toast_is_pointer(PointerGetDatum(value)));
	return DatumGetByteaPP(
		bb_toast_fetch(ctx, past_of(toast), PointerGetDatum(value)));
}

static char *
text_of(const BbReqCtx *ctx, Toast *toast, uint32 length)
{
	return text_to_cstring((text *) read_value(ctx, toast, length + VARHDRSZ,
											   length,
											   TOAST_INVALID_COMPRESSION_ID));
}

UNIT_TEST(toast_chunks)
{
	Toast	   *toast = new_toast();
	HeapTupleHeader row;

	add(toast, 0, COMMITTED, "one ");
	add(toast, 1, COMMITTED, "two ");
	add(toast, 2, COMMITTED, "three");
	CHECK(strcmp(text_of(ctx, toast, 13), "one two three") == 0);
	/* a row that has the value is visible, so nobody has removed the value */
	row = (HeapTupleHeader)
		PageGetItem(made_block(toast->made, TABLE, 0),
					PageGetItemId(made_block(toast->made, TABLE, 0), 2));
	row->t_infomask = HEAP_HASVARWIDTH;
	HeapTupleHeaderSetXmax(row, ALSO_COMMITTED);
	CHECK(strcmp(text_of(ctx, toast, 13), "one two three") == 0);
	/* what the pointer says has to be what there is */
	CHECK_ERROR((void) text_of(ctx, toast, 14), ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR((void) text_of(ctx, toast, 12), ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR((void) text_of(ctx, toast, 0), ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR((void) text_of(ctx, toast, VARLENA_EXTSIZE_MASK),
				ERRCODE_DATA_CORRUPTED);
}

/*
 * Chunks of a transaction that aborted, and of rows that INSERT … ON CONFLICT took
 * back, may have the number of the value, until VACUUM removes them.
 */
UNIT_TEST(toast_of_aborted_transactions)
{
	Toast	   *toast = new_toast();

	add(toast, 0, ABORTED, "uno ");
	add(toast, 0, COMMITTED, "one ");
	add(toast, 1, COMMITTED, "two ");
	add(toast, 1, InvalidTransactionId, "due ");
	add(toast, 2, ABORTED, "tre");
	add(toast, 2, COMMITTED, "three");
	add(toast, 3, ABORTED, "quattro");
	CHECK(strcmp(text_of(ctx, toast, 13), "one two three") == 0);

	/* no chunk of it is left */
	toast = new_toast();
	add(toast, 0, ABORTED, "one ");
	add(toast, 1, ABORTED, "two ");
	CHECK_ERROR((void) text_of(ctx, toast, 8), ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, "value 30000 of TOAST table 20002"));
}

/* The same, where the index has one entry for chunks of one number. */
UNIT_TEST(toast_index_with_posting_lists)
{
	static const char *const names[][3] = {{"uno ", "one ", "un  "},
										   {"due ", "two ", "deux"}};
	TransactionId xmins[] = {ABORTED, COMMITTED, InvalidTransactionId};
	Toast	   *toast = new_toast();
	BTPageOpaque opaque;
	IndexTuple	entry;

	for (int number = 0; number < 2; number++)
	{
		ItemPointerData tids[3];

		for (int i = 0; i < 3; i++)
			tids[i] = add_chunk(toast, number, xmins[i], names[number][i], 4);
		add_entry(toast, number, tids, 3);
	}
	CHECK(strcmp(text_of(ctx, toast, 8), "one two ") == 0);

	/* forged: it goes on behind its end */
	opaque = (BTPageOpaque) PageGetSpecialPointer(toast->leaf);
	entry = (IndexTuple) PageGetItem(toast->leaf,
									 PageGetItemId(toast->leaf,
												   P_FIRSTDATAKEY(opaque)));
	CHECK(BTreeTupleIsPosting(entry));
	BTreeTupleSetPosting(entry, 100, BTreeTupleGetPostingOffset(entry));
	CHECK_ERROR((void) text_of(ctx, toast, 8), ERRCODE_INDEX_CORRUPTED);
}

UNIT_TEST(toast_that_is_not_whole)
{
	Toast	   *toast = new_toast();

	/* the first chunk, one in the middle, two of one number */
	add(toast, 1, COMMITTED, "two ");
	CHECK_ERROR((void) text_of(ctx, toast, 4), ERRCODE_DATA_CORRUPTED);
	toast = new_toast();
	add(toast, 0, COMMITTED, "one ");
	add(toast, 2, COMMITTED, "three");
	CHECK_ERROR((void) text_of(ctx, toast, 9), ERRCODE_DATA_CORRUPTED);
	toast = new_toast();
	add(toast, 0, COMMITTED, "one ");
	add(toast, 0, COMMITTED, "uno ");
	CHECK_ERROR((void) text_of(ctx, toast, 8), ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR((void) text_of(ctx, toast, 4), ERRCODE_DATA_CORRUPTED);
}

UNIT_TEST(toast_that_is_compressed)
{
	Toast	   *toast = new_toast();
	char	   *repeated = palloc0(10001);
	struct varlena *compressed;
	bytea	   *value;
	ItemPointerData tid;
	uint32		stored;

	memset(repeated, 'x', 10000);
	compressed = (struct varlena *) DatumGetPointer(
		toast_compress_datum(PointerGetDatum(cstring_to_text(repeated)),
							 TOAST_PGLZ_COMPRESSION));
	CHECK(compressed != NULL);
	stored = VARSIZE(compressed) - VARHDRSZ;
	tid = add_chunk(toast, 0, COMMITTED, VARDATA(compressed), stored);
	add_entry(toast, 0, &tid, 1);
	value = read_value(ctx, toast, 10000 + VARHDRSZ, stored,
					   TOAST_PGLZ_COMPRESSION_ID);
	CHECK(VARSIZE_ANY_EXHDR(value) == 10000 &&
		  memcmp(VARDATA_ANY(value), repeated, 10000) == 0);
	/* the row says that it is longer than it is */
	CHECK_ERROR((void) read_value(ctx, toast, 10001 + VARHDRSZ, stored,
								  TOAST_PGLZ_COMPRESSION_ID),
				ERRCODE_DATA_CORRUPTED);

	/* shorter than what says how it is compressed */
	toast = new_toast();
	add(toast, 0, COMMITTED, "abc");
	CHECK_ERROR((void) read_value(ctx, toast, 10000 + VARHDRSZ, 3,
								  TOAST_PGLZ_COMPRESSION_ID),
				ERRCODE_DATA_CORRUPTED);
}
