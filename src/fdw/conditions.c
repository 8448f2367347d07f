/*-------------------------------------------------------------------------
 *
 * conditions.c
 *	  Conditions of a query that an index of the past may serve.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "fdw/conditions.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"
#include "utils/lsyscache.h"

/* A conversion between types whose values have the same bytes. */
static Expr *
strip(Expr *expression)
{
	while (expression != NULL && IsA(expression, RelabelType))
		expression = ((RelabelType *) expression)->arg;
	return expression;
}

/* The column of the relation that the expression is, or NULL. */
static const Var *
column_of(RelOptInfo *rel, Expr *expression)
{
	const Var  *var = (const Var *) strip(expression);

	if (var == NULL || !IsA(var, Var) || var->varno != (int) rel->relid ||
		var->varlevelsup != 0 ||
		(var->varattno <= 0 &&
		 var->varattno != SelfItemPointerAttributeNumber))
		return NULL;
	return var;
}

/* Is its value the same for all rows of the relation? */
static bool
is_constant(PlannerInfo *root, RelOptInfo *rel, Expr *expression)
{
	return !bms_is_member(rel->relid,
						  pull_varnos(root, (Node *) expression)) &&
		!contain_volatile_functions((Node *) expression);
}

static BbCondition *
make(BbConditionKind kind, const Var *var, Oid opno, Oid collation,
	 Expr *value)
{
	BbCondition *condition = palloc0(sizeof(BbCondition));

	condition->kind = kind;
	condition->column = var->varattno;
	condition->type = getBaseType(var->vartype);
	condition->opno = opno;
	condition->collation = collation;
	condition->value = -1;
	condition->expression = value;
	return condition;
}

static BbCondition *
of_operator(PlannerInfo *root, RelOptInfo *rel, OpExpr *op)
{
	for (int side = 0; side < 2 && list_length(op->args) == 2; side++)
	{
		const Var  *var = column_of(rel, list_nth(op->args, side));
		Expr	   *value = list_nth(op->args, 1 - side);
		Oid			opno = side == 0 ? op->opno : get_commutator(op->opno);

		if (var != NULL && OidIsValid(opno) && is_constant(root, rel, value))
			return make(BB_CONDITION_OPERATOR, var, opno, op->inputcollid,
						value);
	}
	return NULL;
}

static BbCondition *
of_array(PlannerInfo *root, RelOptInfo *rel, ScalarArrayOpExpr *op)
{
	const Var  *var = column_of(rel, linitial(op->args));

	if (var == NULL || !op->useOr ||
		!is_constant(root, rel, lsecond(op->args)))
		return NULL;
	return make(BB_CONDITION_ANY, var, op->opno, op->inputcollid,
				lsecond(op->args));
}

static BbCondition *
of_boolean(const Var *var, bool value)
{
	return var->vartype != BOOLOID
		? NULL
		: make(BB_CONDITION_OPERATOR, var, BooleanEqualOperator, InvalidOid,
			   (Expr *) makeBoolConst(value, false));
}

static BbCondition *
of_expression(PlannerInfo *root, RelOptInfo *rel, Expr *expression)
{
	const Var  *var = column_of(rel, expression);

	if (var != NULL)
		return of_boolean(var, true);
	if (is_notclause(expression))
	{
		var = column_of(rel, get_notclausearg(expression));
		return var == NULL ? NULL : of_boolean(var, false);
	}
	if (IsA(expression, OpExpr))
		return of_operator(root, rel, (OpExpr *) expression);
	if (IsA(expression, ScalarArrayOpExpr))
		return of_array(root, rel, (ScalarArrayOpExpr *) expression);
	if (IsA(expression, NullTest))
	{
		const NullTest *test = (const NullTest *) expression;

		var = column_of(rel, test->arg);
		/* of a row, it is a test of its columns */
		if (var != NULL && !test->argisrow)
			return make(test->nulltesttype == IS_NULL ? BB_CONDITION_NULL
													  : BB_CONDITION_NOT_NULL,
						var, InvalidOid, InvalidOid, NULL);
	}
	return NULL;
}

List *
bb_conditions_of(PlannerInfo *root, RelOptInfo *rel, List *clauses)
{
	List	   *conditions = NIL;
	ListCell   *cell;

	foreach(cell, clauses)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);
		BbCondition *condition;

		if (clause->pseudoconstant ||
			!restriction_is_securely_promotable(clause, rel))
			continue;
		condition = of_expression(root, rel, clause->clause);
		if (condition == NULL)
			continue;
		condition->clause = clause;
		conditions = lappend(conditions, condition);
	}
	return conditions;
}

bool
bb_condition_is_range(const BbCondition *condition)
{
	if (condition->column != SelfItemPointerAttributeNumber)
		return false;
	switch (condition->opno)
	{
		case TIDEqualOperator:
			return true;
		case TIDLessOperator:
		case TIDLessEqOperator:
		case TIDGreaterOperator:
		case TIDGreaterEqOperator:
			return condition->kind == BB_CONDITION_OPERATOR;
		default:
			return false;
	}
}

List *
bb_conditions_pack(List *conditions, List **values)
{
	List	   *packed = NIL;
	ListCell   *cell;

	foreach(cell, conditions)
	{
		BbCondition *condition = lfirst(cell);
		List	   *fields = list_make3_int(condition->kind, condition->column,
											(int) condition->type);

		fields = lappend_int(fields, (int) condition->opno);
		fields = lappend_int(fields, (int) condition->collation);
		fields = lappend_int(fields,
							 condition->expression == NULL
								 ? -1
								 : list_length(*values));
		if (condition->expression != NULL)
			*values = lappend(*values, condition->expression);
		packed = lappend(packed, fields);
	}
	return packed;
}

List *
bb_conditions_unpack(List *packed)
{
	List	   *conditions = NIL;
	ListCell   *cell;

	foreach(cell, packed)
	{
		List	   *fields = lfirst(cell);
		BbCondition *condition = palloc0(sizeof(BbCondition));

		condition->kind = list_nth_int(fields, 0);
		condition->column = list_nth_int(fields, 1);
		condition->type = (Oid) list_nth_int(fields, 2);
		condition->opno = (Oid) list_nth_int(fields, 3);
		condition->collation = (Oid) list_nth_int(fields, 4);
		condition->value = list_nth_int(fields, 5);
		conditions = lappend(conditions, condition);
	}
	return conditions;
}
