/*-------------------------------------------------------------------------
 *
 * deform.h
 *	  The columns of a tuple, of which no byte is trusted.
 *
 * heap_deform_tuple() and index_getattr() go where lengths in the tuple lead
 * them.  The bytes of a store may be forged, so these functions stop where the
 * tuple ends.
 *
 * Values that are passed by reference point into the tuple.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_DEFORM_H
#define BB_HEAP_DEFORM_H

#include "access/htup_details.h"
#include "access/itup.h"
#include "access/tupdesc.h"

/*
 * bb_tuple_is_sound - is the header of a heap tuple possible?
 *
 * REQUIRES: "length" bytes can be read.
 */
extern bool bb_tuple_is_sound(HeapTupleHeader tuple, Size length);

/*
 * bb_deform_length - return the length of a value at "value", or 0 if it does not
 * lie before "end", or is of a kind that is never stored.
 */
extern Size bb_deform_length(Form_pg_attribute column, const char *value,
							 const char *end);

/*
 * bb_deform_heap - set values and isnull of the first natts columns.
 *
 * Columns that the tuple is too old to have are NULL, or have the missing value
 * of the descriptor.  Returns false if the tuple ends before its columns do.
 *
 * REQUIRES: bb_tuple_is_sound; natts <= desc->natts.
 */
extern bool bb_deform_heap(HeapTuple tuple, TupleDesc desc, int natts,
						   Datum *values, bool *isnull);

/*
 * bb_deform_index - the same for a tuple of an index, of "length" bytes, that has
 * natts columns.
 */
extern bool bb_deform_index(IndexTuple tuple, Size length, TupleDesc desc,
							int natts, Datum *values, bool *isnull);

#endif /* BB_HEAP_DEFORM_H */
