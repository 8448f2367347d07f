/*-------------------------------------------------------------------------
 *
 * exprs.c
 *	  Expressions of the past as SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/heap.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "ddl/exprs.h"
#include "ddl/nodetext.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/ruleutils.h"

typedef struct Relations
{
	const BbExprOf *of;
	const BbNodeText *text;
	List	   *names; /* OIDs there, in the order of their marks */
	List	   *only;  /* their children are left out */
	int			depth; /* of subqueries */
	int			natts; /* of the table */
	const char *refusal;
} Relations;

/* ---- settings ---- */

int
bb_expr_begin(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog"},
		{"DateStyle", "ISO"},
		{"IntervalStyle", "postgres"},
		{"extra_float_digits", "3"},
		{"standard_conforming_strings", "on"},
		{"bytea_output", "hex"},
		{"xmloption", "content"},
	};
	int			level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	return level;
}

void
bb_expr_end(int level)
{
	AtEOXact_GUC(true, level);
}

/* ---- relations by name ---- */

static char *
mark_of(const BbNodeText *text, int i)
{
	return psprintf("bb_%u_%d_", text->number, i);
}

/* The names of columns; dropped ones are empty; then those of system columns. */
static List *
column_names(const BbScript *script, BbTable *table)
{
	TupleDesc	desc = bb_table_desc(script->ctx, script->past, table);
	List	   *names = NIL;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		names = lappend(names,
						makeString(column->attisdropped
									   ? pstrdup("")
									   : pstrdup(NameStr(column->attname))));
	}
	for (int i = -1; i > FirstLowInvalidHeapAttributeNumber; i--)
		names = lappend(names,
						makeString(pstrdup(
							NameStr(SystemAttributeDefinition(i)->attname))));
	return names;
}

static RangeTblEntry *
entry_of(const BbScript *script, BbTable *table, const char *name)
{
	RangeTblEntry *entry = makeNode(RangeTblEntry);

	entry->rtekind = RTE_CTE;
	entry->ctename = pstrdup(name);
	entry->eref = makeAlias(name, column_names(script, table));
	entry->inFromCl = true;
	return entry;
}

static void
replace_relation(Relations *relations, RangeTblEntry *entry)
{
	BbScript   *script = relations->of->script;
	BbTable	   *table = bb_table_of(script->ctx, script->past, entry->relid);
	RangeTblEntry *mark = entry_of(script, table,
								   mark_of(relations->text,
										   list_length(relations->names)));

	if (entry->tablesample != NULL)
		relations->refusal =
			"has an expression with TABLESAMPLE, which is not supported";
	relations->names = lappend_oid(relations->names, table->oid);
	if (!entry->inh && table->kind == RELKIND_RELATION)
		relations->only = lappend_oid(relations->only, table->oid);
	entry->rtekind = RTE_CTE;
	entry->ctename = mark->ctename;
	entry->eref = mark->eref;
	entry->relid = InvalidOid;
}

static bool
walk(Node *node, void *context)
{
	Relations  *relations = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varattno >= 0)
			return false;
		if ((int) var->varlevelsup != relations->depth)
			relations->refusal =
				"has a subquery with a system column, which is not supported";
		/* as column_names() */
		var->varattno = relations->natts - var->varattno;
		var->varattnosyn = var->varattno;
		return false;
	}
	if (IsA(node, RangeTblEntry))
	{
		if (((RangeTblEntry *) node)->rtekind == RTE_RELATION)
			replace_relation(relations, (RangeTblEntry *) node);
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		relations->depth++;
		result = query_tree_walker((Query *) node, walk, context,
								   QTW_EXAMINE_RTES_BEFORE);
		relations->depth--;
		return result;
	}
	return expression_tree_walker(node, walk, context);
}

/* Put names in the places of marks: "mark." is a column of it. */
static char *
name_relations(const Relations *relations, char *sql)
{
	BbScript   *script = relations->of->script;

	for (int i = 0; i < list_length(relations->names); i++)
	{
		Oid			oid = list_nth_oid(relations->names, i);
		char	   *mark = mark_of(relations->text, i);
		const char *name = quote_identifier(
			NameStr(bb_table_of(script->ctx, script->past, oid)->name));
		StringInfoData out;
		char	   *rest = sql;
		char	   *found;

		initStringInfo(&out);
		while ((found = strstr(rest, mark)) != NULL)
		{
			appendBinaryStringInfo(&out, rest, (int) (found - rest));
			rest = found + strlen(mark);
			if (*rest == '.')
				appendStringInfoString(&out, name);
			else
				appendStringInfo(&out, "%s%s",
								 list_member_oid(relations->only, oid)
									 ? "ONLY "
									 : "",
								 bb_script_relation(script, oid));
		}
		appendStringInfoString(&out, rest);
		sql = out.data;
	}
	return sql;
}

/* ---- SQL ---- */

static List *
entries_of(const BbExprOf *of)
{
	if (of->table == NULL)
		return NIL;
	if (of->old_new)
		return list_make2(entry_of(of->script, of->table, "old"),
						  entry_of(of->script, of->table, "new"));
	return list_make1(
		entry_of(of->script, of->table, NameStr(of->table->name)));
}

/* "SELECT FROM entries WHERE expression" */
static char *
query_text(List *entries, Node *expression)
{
	Query	   *query = makeNode(Query);
	List	   *from = NIL;

	for (int i = 1; i <= list_length(entries); i++)
	{
		RangeTblRef *ref = makeNode(RangeTblRef);

		ref->rtindex = i;
		from = lappend(from, ref);
	}
	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->rtable = entries;
	query->jointree = makeFromExpr(from, expression);
	query->hasSubLinks = checkExprHasSubLink(expression);
	return pg_get_querydef(query, false);
}

static char *
text_of(const BbExprOf *of, const BbNodeText *text, Node *expression)
{
	Relations	relations = {.of = of, .text = text};
	char	   *before = query_text(entries_of(of),
									makeBoolConst(true, false));
	char	   *sql;

	if (of->table != NULL)
		relations.natts = bb_table_desc(of->script->ctx, of->script->past,
										of->table)
							  ->natts;
	(void) walk(expression, &relations);
	if (relations.refusal != NULL)
	{
		bb_script_problem(of->script, of->part, of->object, relations.refusal);
		return NULL;
	}
	sql = query_text(entries_of(of), expression) + strlen(before) -
		strlen("true");
	return bb_nodetext_names(text, name_relations(&relations, sql));
}

static Node *
read_tree(const BbExprOf *of, BbNodeText *text, const char *tree)
{
	char	   *translated;

	*text = (BbNodeText){.script = of->script,
						 .part = of->part,
						 .object = of->object};
	translated = bb_nodetext_translate(text, tree);
	return translated == NULL ? NULL : stringToNode(translated);
}

char *
bb_expr_text(const BbExprOf *of, const char *tree)
{
	BbNodeText	text;
	Node	   *node = read_tree(of, &text, tree);

	return node == NULL ? NULL : text_of(of, &text, node);
}

List *
bb_expr_texts(const BbExprOf *of, const char *tree)
{
	BbNodeText	text;
	Node	   *node = read_tree(of, &text, tree);
	List	   *texts = NIL;
	ListCell   *cell;

	if (node == NULL)
		return NIL;
	if (!IsA(node, List))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the expressions of %s are no list", of->object)));
	foreach(cell, (List *) node)
	{
		char	   *one = text_of(of, &text, lfirst(cell));

		if (one == NULL)
			return NIL;
		texts = lappend(texts, one);
	}
	return texts;
}
