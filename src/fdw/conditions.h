/*-------------------------------------------------------------------------
 *
 * conditions.h
 *	  Conditions of a query that an index of the past may serve.
 *
 *	  WHERE id = 5 AND k IN (1, 2) AND v < $1		id = 5, k = ANY, v < $1
 *
 * They are hints: a scan checks all conditions of the query again.  So one that is
 * not understood is no condition here.
 *
 * A plan has them with the names of columns here, not with an index: by the time
 * that it runs, the table may be read at another LSN, with other indexes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FDW_CONDITIONS_H
#define BB_FDW_CONDITIONS_H

#include "nodes/pathnodes.h"

typedef enum BbConditionKind
{
	BB_CONDITION_OPERATOR, /* column operator value */
	BB_CONDITION_ANY,	   /* column operator ANY (array) */
	BB_CONDITION_NULL,	   /* column IS NULL */
	BB_CONDITION_NOT_NULL
} BbConditionKind;

typedef struct BbCondition
{
	BbConditionKind kind;
	AttrNumber	column;	   /* of the foreign table; or ctid's, which is < 0 */
	Oid			type;	   /* of the column; of a domain, its base type */
	Oid			opno;	   /* of the operator; Invalid without one */
	Oid			collation; /* of the operator */
	int			value;	   /* in the list of values; -1: none */
	/* only while a query is planned */
	Expr	   *expression; /* the value; NULL: none */
	RestrictInfo *clause;
} BbCondition;

/*
 * bb_conditions_of - return those (BbCondition *) of the clauses (RestrictInfo *)
 * that compare a column of the relation.
 *
 * Conditions of a security barrier come before others, so those are left out that
 * could tell something about rows that it hides.
 */
extern List *bb_conditions_of(PlannerInfo *root, RelOptInfo *rel,
							  List *clauses);

/*
 * bb_condition_is_range - does the condition say by ctid which blocks are read?
 */
extern bool bb_condition_is_range(const BbCondition *condition);

/*
 * bb_conditions_pack - return a list for fdw_private.  Adds the values of the
 * conditions to *values.
 */
extern List *bb_conditions_pack(List *conditions, List **values);

/* bb_conditions_unpack - return what was packed. */
extern List *bb_conditions_unpack(List *packed);

#endif /* BB_FDW_CONDITIONS_H */
