/*-------------------------------------------------------------------------
 *
 * parts.h
 *	  The relations of the past that have the rows of a foreign table.
 *
 * A table has its own rows and those of its children; a partitioned table has
 * only those of its partitions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FDW_PARTS_H
#define BB_FDW_PARTS_H

#include "heap/tables.h"
#include "stores/table_options.h"

/*
 * bb_parts_table - find the table that the options name.
 *
 * Errors: UNDEFINED_TABLE (there is none at this LSN).
 */
extern BbTable *bb_parts_table(const BbReqCtx *ctx, BbPast *past,
							   const BbTableOptions *options);

/*
 * bb_parts_check - check that a relation is one whose rows can be read.
 *
 * Errors: WRONG_OBJECT_TYPE, with the reason.
 */
extern void bb_parts_check(const BbPast *past, const BbTable *table);

/* bb_parts_refusal - return why the rows cannot be read; NULL: they can. */
extern const char *bb_parts_refusal(const BbTable *table);

/*
 * bb_parts_of - return the relations (BbTable *) that have the table's rows; with
 * "only", without those that inherit from it.
 */
extern List *bb_parts_of(const BbReqCtx *ctx, BbPast *past, BbTable *table,
						 bool only);

#endif /* BB_FDW_PARTS_H */
