/*-------------------------------------------------------------------------
 *
 * sameform.h
 *	  Do the bytes of a row mean the same at two snapshots?
 *
 * Rows are not written anew when a column gets a missing value, a wider type or
 * another name, nor when a label of an enum or a column of a composite type is
 * renamed.  They read differently then.
 *
 * Errors: those of past.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_SAMEFORM_H
#define BB_HEAP_SAMEFORM_H

#include "heap/tables.h"

/*
 * bb_sameform_column - does a column, from 1 on, have the same type, missing value
 * and definition of its type in both?
 */
extern bool bb_sameform_column(const BbReqCtx *ctx, BbPast *a,
							   BbTable *table_a, BbPast *b, BbTable *table_b,
							   AttrNumber column);

#endif /* BB_HEAP_SAMEFORM_H */
