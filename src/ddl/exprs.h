/*-------------------------------------------------------------------------
 *
 * exprs.h
 *	  Expressions of the past as SQL.
 *
 *	  pg_node_tree ── OIDs of here (nodetext.h) ── nodes ── relations by name ── SQL
 *
 * The server writes the SQL.  It would open the relations of an expression to find
 * the names of their columns; they may not be here, or have other columns by now.
 * So each relation is replaced by a common table expression, whose name and columns
 * stand in the tree itself.  pg_get_querydef() of "SELECT FROM relations WHERE
 * expression" then looks nothing up but functions, operators and types.
 *
 * All functions return NULL, or NIL, after appending a problem to the script, if
 * something that an expression needs is not in this database.
 *
 * As the insides of values are (conversion.h), trees are trusted: a tree that was
 * forged in the store can make the server do what it does with a forged catalog.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DDL_EXPRS_H
#define BB_DDL_EXPRS_H

#include "ddl/script.h"

typedef struct BbExprOf
{
	BbScript   *script;
	BbScriptPart part;
	const char *object;	 /* what the expression is a part of */
	BbTable	   *table;	 /* whose columns it has; NULL: none */
	bool		old_new; /* of a trigger: columns of OLD and NEW */
} BbExprOf;

extern char *bb_expr_text(const BbExprOf *of, const char *tree);

/* bb_expr_texts - return the texts of a list of expressions. */
extern List *bb_expr_texts(const BbExprOf *of, const char *tree);

/*
 * bb_expr_begin, bb_expr_end - settings under which values and names are written so
 * that any session reads them alike, as pg_dump does.
 */
extern int bb_expr_begin(void);
extern void bb_expr_end(int level);

#endif /* BB_DDL_EXPRS_H */
