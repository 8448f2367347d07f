/*-------------------------------------------------------------------------
 *
 * deform.c
 *	  The columns of a tuple, of which no byte is trusted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc_details.h"
#include "access/tupmacs.h"
#include "base/compat.h"
#include "heap/deform.h"

bool
bb_tuple_is_sound(HeapTupleHeader tuple, Size length)
{
	Size		header = SizeofHeapTupleHeader;

	if (length < SizeofHeapTupleHeader)
		return false;
	if (tuple->t_infomask & HEAP_HASNULL)
		header += BITMAPLEN(HeapTupleHeaderGetNatts(tuple));
	return tuple->t_hoff >= MAXALIGN(header) && tuple->t_hoff <= length &&
		tuple->t_hoff == MAXALIGN(tuple->t_hoff);
}

/*
 * The length of a varlena that begins at "value", or 0 if it does not lie before
 * "end", or is of a kind that is never stored.
 */
static inline Size
varlena_length(const char *value, const char *end)
{
	Size		length;

	if (VARATT_IS_1B_E(value))
	{
		if (end - value < VARHDRSZ_EXTERNAL ||
			!VARATT_IS_EXTERNAL_ONDISK(value))
			return 0;
		length = VARSIZE_EXTERNAL(value);
	}
	else if (VARATT_IS_1B(value))
		length = VARSIZE_1B(value);
	else
	{
		if (end - value < VARHDRSZ || VARSIZE_4B(value) < VARHDRSZ)
			return 0;
		/* what says that it is compressed says how large it was, too */
		if (VARATT_IS_4B_C(value) && VARSIZE_4B(value) < VARHDRSZ_COMPRESSED)
			return 0;
		length = VARSIZE_4B(value);
	}
	return length <= (Size) (end - value) ? length : 0;
}

/* It is called for each value of a scan. */
static pg_attribute_always_inline Size
value_length(Form_pg_attribute column, const char *value, const char *end)
{
	if (value >= end)
		return 0;
	if (column->attlen == -1)
		return varlena_length(value, end);
	if (column->attlen == -2)
	{
		Size		length = strnlen(value, end - value);

		return length < (Size) (end - value) ? length + 1 : 0;
	}
	return column->attlen <= end - value ? column->attlen : 0;
}

Size
bb_deform_length(Form_pg_attribute column, const char *value, const char *end)
{
	return value_length(column, value, end);
}

/*
 * The values of natts columns, which begin at "data" (aligned) and end before
 * "end".
 */
static bool
deform(const char *data, const char *end, const uint8 *bitmap, TupleDesc desc,
	   int natts, Datum *values, bool *isnull)
{
	Size		offset = 0;

	for (int i = 0; i < natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		Size		length;

		isnull[i] = bitmap != NULL && att_isnull(i, bitmap);
		values[i] = (Datum) 0;
		if (isnull[i])
			continue;
		if (data + offset >= end)
			return false;
		offset = att_align_pointer(offset, attribute->attalign,
								   attribute->attlen, data + offset);
		length = value_length(attribute, data + offset, end);
		if (length == 0)
			return false;
		values[i] = fetchatt(attribute, data + offset);
		offset += length;
	}
	return true;
}

/* The value of a column that was added after the tuple was written. */
static void
missing(TupleDesc desc, int i, Datum *value, bool *isnull)
{
	const AttrMissing *missing = desc->constr ? desc->constr->missing : NULL;

	*isnull = missing == NULL || !missing[i].am_present;
	*value = *isnull ? (Datum) 0 : missing[i].am_value;
}

bool
bb_deform_heap(HeapTuple tuple, TupleDesc desc, int natts, Datum *values,
			   bool *isnull)
{
	HeapTupleHeader header = tuple->t_data;
	int			stored = Min(HeapTupleHeaderGetNatts(header), natts);
	const uint8 *bitmap = HeapTupleHasNulls(tuple) ? header->t_bits : NULL;

	if (!deform((const char *) header + header->t_hoff,
				(const char *) header + tuple->t_len, bitmap, desc, stored,
				values, isnull))
		return false;
	for (int i = stored; i < natts; i++)
		missing(desc, i, &values[i], &isnull[i]);
	return true;
}

bool
bb_deform_index(IndexTuple tuple, Size length, TupleDesc desc, int natts,
				Datum *values, bool *isnull)
{
	Size		begin = IndexInfoFindDataOffset(tuple->t_info);
	const uint8 *bitmap = NULL;

	if (length < begin)
		return false;
	if (IndexTupleHasNulls(tuple))
		bitmap = (const uint8 *) ((const char *) tuple +
								  sizeof(IndexTupleData));
	return deform((const char *) tuple + begin, (const char *) tuple + length,
				  bitmap, desc, natts, values, isnull);
}
