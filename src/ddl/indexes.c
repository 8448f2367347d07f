/*-------------------------------------------------------------------------
 *
 * indexes.c
 *	  Indexes, and the constraints that have one.
 *
 * As pg_dump does: an index of a partitioned table is made with ONLY, and those of
 * its partitions are attached to it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/indexing.h"
#include "catalog/pg_am.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "ddl/ddl.h"
#include "ddl/exprs.h"
#include "heap/syscat.h"
#include "utils/builtins.h"

typedef struct BbIndex
{
	BbScript   *script;
	BbTable	   *table;
	BbTable	   *relation;
	HeapTuple	row; /* in pg_index */
	Form_pg_index form;
	HeapTuple	class;
	HeapTuple	constraint; /* NULL: it belongs to none */
	const char *object;
	int16	   *columns;
	int16	   *options;
	Oid		   *classes;
	Oid		   *collations;
	int			nkeys;
	List	   *expressions;
	bool		complete;
} BbIndex;

/* ---- parts of the text ---- */

static BbExprOf
expression_of(const BbIndex *index)
{
	return (BbExprOf){.script = index->script,
					  .part = BB_SCRIPT_AFTER,
					  .object = index->object,
					  .table = index->table};
}

/* The row in pg_attribute of column i, from 0 on. */
static HeapTuple
attribute_of(const BbIndex *index, int i)
{
	Datum		key[] = {ObjectIdGetDatum(index->relation->oid),
						 Int16GetDatum(i + 1)};
	List	   *rows = bb_syscat_find(index->script->ctx, index->script->past,
									  AttributeRelationId,
									  AttributeRelidNumIndexId, key, 2);

	return rows == NIL ? NULL : linitial(rows);
}

static void
append_key(BbIndex *index, StringInfo text, int i)
{
	BbScript   *script = index->script;
	TupleDesc	desc = bb_table_desc(script->ctx, script->past, index->table);
	int16		number = index->columns[i];
	Form_pg_attribute column = number > 0 && number <= desc->natts
		? TupleDescAttr(desc, number - 1)
		: NULL;
	HeapTuple	row = attribute_of(index, i);
	StringInfoData parameters;

	if (number != 0)
		appendStringInfoString(text,
							   bb_script_column(script, index->table, number));
	else if (index->expressions != NIL)
	{
		appendStringInfo(text, "(%s)", (char *) linitial(index->expressions));
		index->expressions = list_delete_first(index->expressions);
	}
	else
		index->complete = false;
	initStringInfo(&parameters);
	if (row != NULL)
		bb_script_append_options(&parameters,
								 bb_script_texts(script, row,
												 AttributeRelationId,
												 Anum_pg_attribute_attoptions),
								 "");
	appendStringInfoString(text,
						   bb_ddl_collation(script, BB_SCRIPT_AFTER,
											index->object,
											index->collations[i],
											column ? column->attcollation
												   : InvalidOid));
	appendStringInfoString(text,
						   bb_ddl_opclass(script, BB_SCRIPT_AFTER,
										  index->object, index->classes[i],
										  column ? column->atttypid
												 : InvalidOid,
										  column == NULL ||
											  parameters.len > 0));
	if (parameters.len > 0)
		appendStringInfo(text, " (%s)", parameters.data);
	if (index->options[i] & INDOPTION_DESC)
		appendStringInfoString(text,
							   index->options[i] & INDOPTION_NULLS_FIRST
								   ? " DESC"
								   : " DESC NULLS LAST");
	else if (index->options[i] & INDOPTION_NULLS_FIRST)
		appendStringInfoString(text, " NULLS FIRST");
}

/* Of an exclusion constraint; NULL otherwise. */
static Oid *
exclusion_operators(const BbIndex *index)
{
	int			n;
	Oid		   *operators;

	if (index->constraint == NULL || !index->form->indisexclusion)
		return NULL;
	operators = bb_script_array(index->script, index->constraint,
								ConstraintRelationId,
								Anum_pg_constraint_conexclop, OIDOID,
								sizeof(Oid), &n);
	return n >= index->nkeys ? operators : NULL;
}

static void
append_keys(BbIndex *index, StringInfo text)
{
	BbScript   *script = index->script;
	Oid		   *operators = exclusion_operators(index);

	appendStringInfoChar(text, '(');
	for (int i = 0; i < index->nkeys; i++)
	{
		appendStringInfoString(text, i > 0 ? ", " : "");
		append_key(index, text, i);
		if (operators == NULL)
			continue;
		if (!bb_script_need(script, BB_SCRIPT_AFTER, index->object,
							BB_OBJECT_OPERATOR, operators[i]))
			index->complete = false;
		else
			appendStringInfo(text, " WITH OPERATOR(%s)",
							 bb_object_name(script->ctx, script->past,
											BB_OBJECT_OPERATOR, operators[i]));
	}
	appendStringInfoChar(text, ')');
	if (index->form->indnatts > index->nkeys)
	{
		appendStringInfoString(text, " INCLUDE ");
		bb_script_append_columns(script, text, index->table,
								 index->columns + index->nkeys,
								 index->form->indnatts - index->nkeys);
	}
}

static void
append_parameters(BbIndex *index, StringInfo text)
{
	StringInfoData options;

	initStringInfo(&options);
	bb_script_append_options(&options,
							 bb_script_texts(index->script, index->class,
											 RelationRelationId,
											 Anum_pg_class_reloptions),
							 "");
	if (options.len > 0)
		appendStringInfo(text, " WITH (%s)", options.data);
}

static void
append_predicate(BbIndex *index, StringInfo text)
{
	BbExprOf	of = expression_of(index);
	char	   *tree = bb_script_text(index->script, index->row,
									  IndexRelationId, Anum_pg_index_indpred);
	char	   *predicate;

	if (tree == NULL)
		return;
	predicate = bb_expr_text(&of, tree);
	if (predicate == NULL)
		index->complete = false;
	else
		appendStringInfo(text, " WHERE (%s)", predicate);
}

static const char *
method_of(BbIndex *index)
{
	Oid			method = BB_SYSCAT_FORM(pg_class, index->class)->relam;

	if (!bb_script_need(index->script, BB_SCRIPT_AFTER, index->object,
						BB_OBJECT_ACCESS_METHOD, method))
		index->complete = false;
	return bb_object_name(index->script->ctx, index->script->past,
						  BB_OBJECT_ACCESS_METHOD, method);
}

/* ---- statements ---- */

static void
append_index(BbIndex *index, StringInfo text)
{
	appendStringInfo(text, "CREATE %sINDEX %s ON %s%s USING %s ",
					 index->form->indisunique ? "UNIQUE " : "",
					 quote_identifier(NameStr(index->relation->name)),
					 index->table->kind == RELKIND_PARTITIONED_TABLE ? "ONLY "
																	 : "",
					 bb_script_relation(index->script, index->table->oid),
					 method_of(index));
	append_keys(index, text);
	if (index->form->indnullsnotdistinct)
		appendStringInfoString(text, " NULLS NOT DISTINCT");
	append_parameters(index, text);
	bb_ddl_append_tablespace(index->script, BB_SCRIPT_AFTER, index->object,
							 BB_SYSCAT_FORM(pg_class, index->class)
								 ->reltablespace,
							 "TABLESPACE", text);
	append_predicate(index, text);
}

static void
append_constraint(BbIndex *index, StringInfo text)
{
	BbScript   *script = index->script;
	Form_pg_constraint form = BB_SYSCAT_FORM(pg_constraint, index->constraint);

	appendStringInfo(text, "ALTER TABLE ONLY %s ADD CONSTRAINT %s ",
					 bb_script_relation(script, index->table->oid),
					 quote_identifier(NameStr(form->conname)));
	if (form->contype == CONSTRAINT_EXCLUSION)
	{
		appendStringInfo(text, "EXCLUDE USING %s ", method_of(index));
		append_keys(index, text);
	}
	else
	{
		appendStringInfo(text, "%s ",
						 form->contype == CONSTRAINT_PRIMARY ? "PRIMARY KEY"
							 : index->form->indnullsnotdistinct
							 ? "UNIQUE NULLS NOT DISTINCT"
							 : "UNIQUE");
		bb_script_append_columns(script, text, index->table, index->columns,
								 index->nkeys);
#if PG_VERSION_NUM >= 180000
		/* of the last column */
		if (form->conperiod)
		{
			text->data[--text->len] = '\0';
			appendStringInfoString(text, " WITHOUT OVERLAPS)");
		}
#endif
		if (index->form->indnatts > index->nkeys)
		{
			appendStringInfoString(text, " INCLUDE ");
			bb_script_append_columns(script, text, index->table,
									 index->columns + index->nkeys,
									 index->form->indnatts - index->nkeys);
		}
	}
	append_parameters(index, text);
	bb_ddl_append_tablespace(script, BB_SCRIPT_AFTER, index->object,
							 BB_SYSCAT_FORM(pg_class, index->class)
								 ->reltablespace,
							 "USING INDEX TABLESPACE", text);
	append_predicate(index, text);
	appendStringInfoString(text,
						   bb_ddl_deferrable(form->condeferrable,
											 form->condeferred));
}

/* ALTER INDEX … SET STATISTICS, of expressions. */
static void
set_statistics(BbIndex *index)
{
	for (int i = 0; i < index->nkeys; i++)
	{
		HeapTuple	row = attribute_of(index, i);
		bool		isnull = true;
		Datum		value = row == NULL
			? (Datum) 0
			: bb_syscat_value(row, AttributeRelationId,
							  Anum_pg_attribute_attstattarget, &isnull);
#if PG_VERSION_NUM >= 170000
		int			target = isnull ? -1 : DatumGetInt16(value);
#else
		int			target = isnull ? -1 : DatumGetInt32(value);
#endif

		if (target >= 0)
			bb_script_add(
				index->script, BB_SCRIPT_AFTER, index->object,
				psprintf("ALTER INDEX %s ALTER COLUMN %d SET STATISTICS %d",
						 bb_script_relation(index->script,
											index->relation->oid),
						 i + 1, target));
	}
}

static void
add_comments(BbIndex *index)
{
	BbScript   *script = index->script;

	bb_ddl_comments(script,
					psprintf("INDEX %s",
							 bb_script_relation(script, index->relation->oid)),
					RelationRelationId, index->relation->oid, NULL);
	if (index->constraint != NULL)
		bb_ddl_comments(script,
						psprintf("CONSTRAINT %s ON %s",
								 quote_identifier(
									 NameStr(BB_SYSCAT_FORM(pg_constraint,
															index->constraint)
												 ->conname)),
								 bb_script_relation(script,
													index->table->oid)),
						ConstraintRelationId,
						BB_SYSCAT_FORM(pg_constraint, index->constraint)->oid,
						NULL);
}

static void
make_index(BbIndex *index)
{
	StringInfoData text;

	initStringInfo(&text);
	if (index->constraint != NULL)
		append_constraint(index, &text);
	else
		append_index(index, &text);
	if (!index->complete)
	{
		bb_script_problem(index->script, BB_SCRIPT_AFTER, index->object,
						  "does not come back");
		return;
	}
	bb_script_add(index->script, BB_SCRIPT_AFTER, index->object, text.data);
	set_statistics(index);
	add_comments(index);
}

/* ---- which indexes ---- */

/* The constraint that an index belongs to, or NULL. */
static HeapTuple
constraint_of(const BbScript *script, const BbTable *table, Oid index)
{
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, ConstraintRelationId,
						   ConstraintRelidTypidNameIndexId, table->oid,
						   InvalidOid))
	{
		Form_pg_constraint form = BB_SYSCAT_FORM(pg_constraint, lfirst(cell));

		if (form->conindid == index &&
			(form->contype == CONSTRAINT_PRIMARY ||
			 form->contype == CONSTRAINT_UNIQUE ||
			 form->contype == CONSTRAINT_EXCLUSION))
			return lfirst(cell);
	}
	return NULL;
}

static BbIndex
read_index(BbScript *script, BbTable *table, HeapTuple row)
{
	Form_pg_index form = BB_SYSCAT_FORM(pg_index, row);
	BbIndex		index = {.script = script,
						 .table = table,
						 .row = row,
						 .form = form,
						 .nkeys = form->indnkeyatts,
						 .complete = true};
	char	   *tree;
	int			n[4];

	index.relation = bb_table_of(script->ctx, script->past, form->indexrelid);
	index.class = bb_syscat_find_oid(script->ctx, script->past,
									 RelationRelationId, ClassOidIndexId,
									 form->indexrelid);
	index.constraint = constraint_of(script, table, form->indexrelid);
	index.object = psprintf("%s %s", index.constraint ? "constraint" : "index",
							bb_script_relation(script, form->indexrelid));
	index.columns = bb_script_array(script, row, IndexRelationId,
									Anum_pg_index_indkey, INT2OID,
									sizeof(int16), &n[0]);
	index.collations = bb_script_array(script, row, IndexRelationId,
									   Anum_pg_index_indcollation, OIDOID,
									   sizeof(Oid), &n[1]);
	index.classes = bb_script_array(script, row, IndexRelationId,
									Anum_pg_index_indclass, OIDOID,
									sizeof(Oid), &n[2]);
	index.options = bb_script_array(script, row, IndexRelationId,
									Anum_pg_index_indoption, INT2OID,
									sizeof(int16), &n[3]);
	if (form->indnkeyatts < 1 || form->indnatts < form->indnkeyatts ||
		n[0] < form->indnatts || n[1] < form->indnkeyatts ||
		n[2] < form->indnkeyatts || n[3] < form->indnkeyatts)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%s has an impossible row in pg_index", index.object)));
	tree = bb_script_text(script, row, IndexRelationId,
						  Anum_pg_index_indexprs);
	if (tree != NULL)
	{
		BbExprOf	of = expression_of(&index);

		index.expressions = bb_expr_texts(&of, tree);
	}
	return index;
}

void
bb_ddl_indexes(BbScript *script, BbTable *table)
{
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, IndexRelationId, IndexIndrelidIndexId,
						   table->oid, InvalidOid))
	{
		BbIndex		index = read_index(script, table, lfirst(cell));

		bb_script_note_made(script, RelationRelationId, index.relation->oid);
		if (index.constraint != NULL)
			bb_script_note_made(script, ConstraintRelationId,
								BB_SYSCAT_FORM(pg_constraint, index.constraint)
									->oid);
		/* of a partitioned table, one that lacks a partition's */
		if (!index.form->indisvalid &&
			table->kind != RELKIND_PARTITIONED_TABLE)
			bb_script_problem(script, BB_SCRIPT_AFTER, index.object,
							  "was not valid, and does not come back");
		else
			make_index(&index);
	}
}

void
bb_ddl_index_attach(BbScript *script, BbTable *table)
{
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, IndexRelationId, IndexIndrelidIndexId,
						   table->oid, InvalidOid))
	{
		Oid			index = BB_SYSCAT_FORM(pg_index, lfirst(cell))->indexrelid;
		List	   *parents = bb_script_rows(script, InheritsRelationId,
											 InheritsRelidSeqnoIndexId, index,
											 InvalidOid);
		const char *object = psprintf("index %s",
									  bb_script_relation(script, index));
		Oid			parent;

		if (parents == NIL)
			continue;
		parent = BB_SYSCAT_FORM(pg_inherits, linitial(parents))->inhparent;
		/* ATTACH PARTITION attaches it to that of a table that is still here */
		if (!bb_script_makes(script, parent))
			continue;
		bb_script_add(script, BB_SCRIPT_AFTER, object,
					  psprintf("ALTER INDEX %s ATTACH PARTITION %s",
							   bb_script_relation(script, parent),
							   bb_script_relation(script, index)));
	}
}
