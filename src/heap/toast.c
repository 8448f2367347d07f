/*-------------------------------------------------------------------------
 *
 * toast.c
 *	  Values out of line, from a TOAST table of the past.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/stratnum.h"
#include "access/toast_internals.h"
#include "catalog/pg_class.h"
#include "heap/deform.h"
#include "heap/tables.h"
#include "heap/toast.h"
#include "heap/tuples.h"
#include "lib/stringinfo.h"
#include "utils/expandeddatum.h"
#include "utils/fmgroids.h"

/* The columns of a TOAST table: chunk_id, chunk_seq, chunk_data. */
#define TOAST_COLUMNS 3

typedef struct varatt_external ToastPointer;

static ToastPointer
pointer_of(Datum value)
{
	ToastPointer pointer;

	VARATT_EXTERNAL_GET_POINTER(pointer,
								(struct varlena *) DatumGetPointer(value));
	return pointer;
}

bool
bb_toast_is_pointer(Datum value)
{
	return VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(value));
}

pg_noreturn static void
report_missing(const BbPast *past, const ToastPointer *pointer, int chunk)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("value %u of TOAST table %u is not whole at " BB_LSN_FORMAT,
					pointer->va_valueid, pointer->va_toastrelid,
					LSN_FORMAT_ARGS(past->snapshot.lsn)),
			 errdetail("Chunk %d is missing, or is not what it should be.",
					   chunk)));
}

/* Append chunk number "number", which the tuple must have. */
static void
append_chunk(const BbPast *past, const ToastPointer *pointer, int number,
			 HeapTuple tuple, TupleDesc desc, StringInfo value)
{
	Datum		columns[TOAST_COLUMNS];
	bool		isnull[TOAST_COLUMNS];
	struct varlena *chunk;
	Size		length;

	if (desc->natts != TOAST_COLUMNS ||
		!bb_deform_heap(tuple, desc, TOAST_COLUMNS, columns, isnull) ||
		isnull[0] || isnull[1] || isnull[2] ||
		DatumGetInt32(columns[1]) != number)
		report_missing(past, pointer, number);
	chunk = (struct varlena *) DatumGetPointer(columns[2]);
	if (VARATT_IS_EXTENDED(chunk) && !VARATT_IS_SHORT(chunk))
		report_missing(past, pointer, number);
	length = VARSIZE_ANY_EXHDR(chunk);
	if (length == 0 ||
		length + value->len - VARHDRSZ > VARATT_EXTERNAL_GET_EXTSIZE(*pointer))
		report_missing(past, pointer, number);
	appendBinaryStringInfo(value, VARDATA_ANY(chunk), (int) length);
}

/* The value as it is stored, so it may be compressed. */
static struct varlena *
fetch_stored(const BbReqCtx *ctx, BbPast *past, const ToastPointer *pointer)
{
	BbTable	   *toast = bb_table_of(ctx, past, pointer->va_toastrelid);
	TupleDesc	desc = bb_table_desc(ctx, past, toast);
	BbBtreeKey	key = {.strategy = BTEqualStrategyNumber,
					   .value = ObjectIdGetDatum(pointer->va_valueid)};
	BbBtreeScan *scan;
	ItemPointerData tid;
	StringInfoData value;
	struct varlena *result;
	int			chunk = 0;

	if (toast->kind != RELKIND_TOASTVALUE)
		report_missing(past, pointer, chunk);
	fmgr_info(F_BTOIDCMP, &key.compare);
	scan = bb_btreescan_new(ctx, past->pages,
							bb_table_toast_index(ctx, past, toast), &key, 1,
							NULL);
	/* it grows with what is found, whatever the pointer says */
	initStringInfo(&value);
	appendStringInfoSpaces(&value, VARHDRSZ);
	while (bb_btreescan_next(ctx, scan, &tid))
	{
		HeapTuple	tuple = bb_tuple_fetch(ctx, past->pages, past->xacts,
										   toast->relation, &tid,
										   BB_TUPLE_INSERTED);

		if (tuple == NULL)
			continue;
		append_chunk(past, pointer, chunk++, tuple, desc, &value);
		pfree(tuple);
	}
	if (value.len - VARHDRSZ != VARATT_EXTERNAL_GET_EXTSIZE(*pointer))
		report_missing(past, pointer, chunk);
	result = (struct varlena *) value.data;
	if (VARATT_EXTERNAL_IS_COMPRESSED(*pointer))
		SET_VARSIZE_COMPRESSED(result, value.len);
	else
		SET_VARSIZE(result, value.len);
	return result;
}

Datum
bb_toast_fetch(const BbReqCtx *ctx, BbPast *past, Datum value)
{
	ToastPointer pointer = pointer_of(value);
	struct varlena *stored = fetch_stored(ctx, past, &pointer);
	struct varlena *flat;

	if (VARATT_IS_COMPRESSED(stored) && VARSIZE(stored) < VARHDRSZ_COMPRESSED)
		report_missing(past, &pointer, 0);
	flat = detoast_attr(stored);
	if (VARSIZE(flat) != pointer.va_rawsize)
		report_missing(past, &pointer, 0);
	if (flat != stored)
		pfree(stored);
	return PointerGetDatum(flat);
}

struct varlena *
bb_toast_flat(const BbReqCtx *ctx, BbPast *past, Datum value)
{
	if (bb_toast_is_pointer(value))
		value = bb_toast_fetch(ctx, past, value);
	return PG_DETOAST_DATUM(value);
}

/* ---- lazily ---- */

typedef struct Lazy
{
	ExpandedObjectHeader header;
	const BbReqCtx *ctx;
	BbPast	   *past;
	Datum		pointer;
	Size		size;	   /* of the value */
	struct varlena *value; /* NULL: not fetched yet */
	uint64	   *fetched;
} Lazy;

static Size
lazy_size(ExpandedObjectHeader *header)
{
	return ((Lazy *) header)->size;
}

static void
lazy_flatten(ExpandedObjectHeader *header, void *result, Size size)
{
	Lazy	   *lazy = (Lazy *) header;

	if (lazy->value == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(header->eoh_context);

		lazy->value = (struct varlena *) DatumGetPointer(
			bb_toast_fetch(lazy->ctx, lazy->past, lazy->pointer));
		MemoryContextSwitchTo(old);
		(*lazy->fetched)++;
	}
	Assert(VARSIZE(lazy->value) == size);
	memcpy(result, lazy->value, size);
}

static const ExpandedObjectMethods lazy_methods = {
	.get_flat_size = lazy_size,
	.flatten_into = lazy_flatten,
};

Datum
bb_toast_lazy(const BbReqCtx *ctx, BbPast *past, Datum value, uint64 *fetched)
{
	Lazy	   *lazy = palloc0(sizeof(Lazy));
	Size		length = VARSIZE_EXTERNAL(DatumGetPointer(value));
	void	   *copy = palloc(length);

	EOH_init_header(&lazy->header, &lazy_methods, CurrentMemoryContext);
	lazy->ctx = ctx;
	lazy->past = past;
	memcpy(copy, DatumGetPointer(value), length);
	lazy->pointer = PointerGetDatum(copy);
	lazy->size = pointer_of(value).va_rawsize;
	lazy->fetched = fetched;
	return EOHPGetRODatum(&lazy->header);
}
