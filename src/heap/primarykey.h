/*-------------------------------------------------------------------------
 *
 * primarykey.h
 *	  The columns of a primary key of the past.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_PRIMARYKEY_H
#define BB_HEAP_PRIMARYKEY_H

#include "heap/tables.h"

/*
 * bb_primarykey_columns - set columns[] to those of a table's primary key, at most
 * INDEX_MAX_KEYS, and return how many they are; 0: it has none.
 *
 * Errors: those of past.h.
 */
extern int bb_primarykey_columns(const BbReqCtx *ctx, BbPast *past,
								 const BbTable *table, AttrNumber *columns);

#endif /* BB_HEAP_PRIMARYKEY_H */
