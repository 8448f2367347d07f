/*-------------------------------------------------------------------------
 *
 * columns.c
 *	  CREATE TABLE, defaults of columns, partitions.
 *
 * As dumpTableSchema in PostgreSQL's pg_dump.c: a partition is made with all of its
 * columns and then attached; a table that inherits has only its own columns.
 * Defaults come after all tables, with ONLY, so no table gets that of its parent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/indexing.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_type.h"
#include "ddl/ddl.h"
#include "ddl/exprs.h"
#include "heap/syscat.h"
#include "heap/types.h"
#include "utils/builtins.h"

static const char *
object_of(const BbScript *script, const BbTable *table)
{
	return psprintf("table %s", bb_script_relation(script, table->oid));
}

static HeapTuple
class_row(const BbScript *script, Oid relation)
{
	HeapTuple	row = bb_syscat_find_oid(script->ctx, script->past,
										 RelationRelationId, ClassOidIndexId,
										 relation);

	if (row == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("relation %u is not in pg_class", relation)));
	return row;
}

/* The stored default or generation expression of a column, or NULL. */
static char *
default_tree(const BbScript *script, Oid relation, AttrNumber column)
{
	Datum		key[] = {ObjectIdGetDatum(relation), Int16GetDatum(column)};
	List	   *rows = bb_syscat_find(script->ctx, script->past,
									  AttrDefaultRelationId,
									  AttrDefaultIndexId, key, 2);

	return rows == NIL
		? NULL
		: bb_script_text(script, linitial(rows), AttrDefaultRelationId,
						 Anum_pg_attrdef_adbin);
}

/* ---- columns ---- */

static void
append_generated(BbScript *script, BbTable *table, Form_pg_attribute column,
				 StringInfo text)
{
	char	   *tree = default_tree(script, table->oid, column->attnum);
	BbExprOf	of = {.script = script,
					  .part = BB_SCRIPT_TABLES,
					  .object = psprintf("generated column %s of %s",
										 quote_identifier(
											 NameStr(column->attname)),
										 object_of(script, table)),
					  .table = table};
	char	   *expression = tree == NULL ? NULL : bb_expr_text(&of, tree);

	if (expression == NULL)
	{
		bb_script_problem(
			script, BB_SCRIPT_TABLES, of.object,
			"becomes a column that is not generated, without values");
		return;
	}
	appendStringInfo(text, " GENERATED ALWAYS AS (%s) %s", expression,
					 column->attgenerated == ATTRIBUTE_GENERATED_STORED
						 ? "STORED"
						 : "VIRTUAL");
}

static Oid
collation_of_type(const BbScript *script, Oid type)
{
	HeapTuple	row = bb_syscat_find_oid(script->ctx, script->past,
										 TypeRelationId, TypeOidIndexId, type);

	return row == NULL ? InvalidOid
					   : BB_SYSCAT_FORM(pg_type, row)->typcollation;
}

static void
append_column(BbScript *script, BbTable *table, Form_pg_attribute column,
			  StringInfo text, bool whole)
{
	const char *object = psprintf("column %s of %s",
								  quote_identifier(NameStr(column->attname)),
								  object_of(script, table));

	appendStringInfo(text, "%s\n\t%s %s", text->len > 0 ? "," : "",
					 quote_identifier(NameStr(column->attname)),
					 bb_object_type_text(script->ctx, script->past,
										 column->atttypid, column->atttypmod));
	if (!whole)
		return;
	bb_script_need(script, BB_SCRIPT_TABLES, object, BB_OBJECT_TYPE,
				   column->atttypid);
	appendStringInfoString(
		text,
		bb_ddl_collation(script, BB_SCRIPT_TABLES, object,
						 column->attcollation,
						 collation_of_type(script, column->atttypid)));
	if (column->attgenerated != '\0')
		append_generated(script, table, column, text);
#if PG_VERSION_NUM < 180000
	/* from 18 on, bb_ddl_checks has it */
	if (column->attnotnull)
		appendStringInfoString(text, " NOT NULL");
#endif
}

char *
bb_ddl_columns(BbScript *script, BbTable *table, StringInfo names)
{
	TupleDesc	desc = bb_table_desc(script->ctx, script->past, table);
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attisdropped || column->attgenerated != '\0')
			continue;
		append_column(script, table, column, &text, false);
		appendStringInfo(names, "%s%s", names->len > 0 ? ", " : "",
						 quote_identifier(NameStr(column->attname)));
	}
	return text.data;
}

/* ---- what follows the columns ---- */

static void
append_partition_key(BbScript *script, BbTable *table, StringInfo text)
{
	const char *object = object_of(script, table);
	TupleDesc	desc = bb_table_desc(script->ctx, script->past, table);
	HeapTuple	row = bb_syscat_find_oid(script->ctx, script->past,
										 PartitionedRelationId,
										 PartitionedRelidIndexId, table->oid);
	BbExprOf	of = {.script = script,
					  .part = BB_SCRIPT_TABLES,
					  .object = object,
					  .table = table};
	Form_pg_partitioned_table key;
	List	   *texts = NIL;
	char	   *tree;
	int16	   *columns;
	Oid		   *classes;
	Oid		   *collations;
	int			n[3];

	if (row == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%s has no partition key", object)));
	key = BB_SYSCAT_FORM(pg_partitioned_table, row);
	columns = bb_script_array(script, row, PartitionedRelationId,
							  Anum_pg_partitioned_table_partattrs, INT2OID,
							  sizeof(int16), &n[0]);
	classes = bb_script_array(script, row, PartitionedRelationId,
							  Anum_pg_partitioned_table_partclass, OIDOID,
							  sizeof(Oid), &n[1]);
	collations = bb_script_array(script, row, PartitionedRelationId,
								 Anum_pg_partitioned_table_partcollation,
								 OIDOID, sizeof(Oid), &n[2]);
	tree = bb_script_text(script, row, PartitionedRelationId,
						  Anum_pg_partitioned_table_partexprs);
	if (tree != NULL)
		texts = bb_expr_texts(&of, tree);
	appendStringInfo(text, "\nPARTITION BY %s (",
					 key->partstrat == PARTITION_STRATEGY_LIST ? "LIST"
						 : key->partstrat == PARTITION_STRATEGY_HASH
						 ? "HASH"
						 : "RANGE");
	for (int i = 0; i < key->partnatts && i < Min(n[0], Min(n[1], n[2])); i++)
	{
		Form_pg_attribute column = columns[i] > 0 && columns[i] <= desc->natts
			? TupleDescAttr(desc, columns[i] - 1)
			: NULL;

		appendStringInfoString(text, i > 0 ? ", " : "");
		if (column != NULL)
			appendStringInfoString(text,
								   bb_script_column(script, table,
													columns[i]));
		else if (texts != NIL)
		{
			appendStringInfo(text, "(%s)", (char *) linitial(texts));
			texts = list_delete_first(texts);
		}
		appendStringInfoString(text,
							   bb_ddl_collation(script, BB_SCRIPT_TABLES,
												object, collations[i],
												column ? column->attcollation
													   : InvalidOid));
		appendStringInfoString(text,
							   bb_ddl_opclass(script, BB_SCRIPT_TABLES, object,
											  classes[i],
											  column ? column->atttypid
													 : InvalidOid,
											  column == NULL));
	}
	appendStringInfoChar(text, ')');
}

/* OIDs of the parents, in order. */
static List *
parents_of(const BbScript *script, const BbTable *table)
{
	List	   *parents = NIL;
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, InheritsRelationId,
						   InheritsRelidSeqnoIndexId, table->oid, InvalidOid))
		parents = lappend_oid(parents,
							  BB_SYSCAT_FORM(pg_inherits, lfirst(cell))
								  ->inhparent);
	return parents;
}

static void
append_parents(BbScript *script, BbTable *table, StringInfo text)
{
	const char *object = object_of(script, table);
	List	   *parents = table->is_partition ? NIL
											  : parents_of(script, table);
	ListCell   *cell;

	foreach(cell, parents)
	{
		bb_script_need(script, BB_SCRIPT_TABLES, object, BB_OBJECT_RELATION,
					   lfirst_oid(cell));
		appendStringInfo(text, "%s%s",
						 foreach_current_index(cell) == 0 ? "\nINHERITS ("
														  : ", ",
						 bb_script_relation(script, lfirst_oid(cell)));
	}
	if (parents != NIL)
		appendStringInfoChar(text, ')');
}

/* Storage parameters, with those of the TOAST table. */
static void
append_parameters(BbScript *script, BbTable *table, HeapTuple row,
				  StringInfo text)
{
	StringInfoData options;

	initStringInfo(&options);
	bb_script_append_options(&options,
							 bb_script_texts(script, row, RelationRelationId,
											 Anum_pg_class_reloptions),
							 "");
	if (OidIsValid(table->toast))
		bb_script_append_options(&options,
								 bb_script_texts(script,
												 class_row(script,
														   table->toast),
												 RelationRelationId,
												 Anum_pg_class_reloptions),
								 "toast.");
	if (options.len > 0)
		appendStringInfo(text, "\nWITH (%s)", options.data);
}

void
bb_ddl_create(BbScript *script, BbTable *table)
{
	const char *object = object_of(script, table);
	TupleDesc	desc = bb_table_desc(script->ctx, script->past, table);
	HeapTuple	row = class_row(script, table->oid);
	Form_pg_class class = BB_SYSCAT_FORM(pg_class, row);
	StringInfoData columns;
	StringInfoData text;

	initStringInfo(&columns);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (!column->attisdropped &&
			(column->attislocal || table->is_partition))
			append_column(script, table, column, &columns, true);
	}
	bb_ddl_checks(script, table, &columns);
	initStringInfo(&text);
	appendStringInfo(&text, "CREATE %sTABLE %s (%s\n)",
					 table->persistence == RELPERSISTENCE_UNLOGGED
						 ? "UNLOGGED "
						 : "",
					 bb_script_relation(script, table->oid), columns.data);
	append_parents(script, table, &text);
	if (table->kind == RELKIND_PARTITIONED_TABLE)
		append_partition_key(script, table, &text);
	append_parameters(script, table, row, &text);
	bb_ddl_append_tablespace(script, BB_SCRIPT_TABLES, object,
							 class->reltablespace, "TABLESPACE", &text);
	bb_script_need(script, BB_SCRIPT_TABLES, object, BB_OBJECT_SCHEMA,
				   class->relnamespace);
	bb_script_add(script, BB_SCRIPT_TABLES, object, text.data);
	if (OidIsValid(class->reloftype))
	{
		bb_script_need(script, BB_SCRIPT_TABLES, object, BB_OBJECT_TYPE,
					   class->reloftype);
		bb_script_add(script, BB_SCRIPT_TABLES, object,
					  psprintf("ALTER TABLE %s OF %s",
							   bb_script_relation(script, table->oid),
							   bb_object_type_text(script->ctx, script->past,
												   class->reloftype, -1)));
	}
}

/* ---- settings of columns ---- */

static void
alter_column(BbScript *script, BbTable *table, Form_pg_attribute column,
			 const char *action)
{
	bb_script_add(script, BB_SCRIPT_TABLES,
				  psprintf("column %s of %s",
						   quote_identifier(NameStr(column->attname)),
						   object_of(script, table)),
				  psprintf("ALTER TABLE ONLY %s ALTER COLUMN %s %s",
						   bb_script_relation(script, table->oid),
						   quote_identifier(NameStr(column->attname)),
						   action));
}

static void
set_default(BbScript *script, BbTable *table, Form_pg_attribute column)
{
	char	   *tree = default_tree(script, table->oid, column->attnum);
	BbExprOf	of = {.script = script,
					  .part = BB_SCRIPT_TABLES,
					  .object = psprintf("default of column %s of %s",
										 quote_identifier(
											 NameStr(column->attname)),
										 object_of(script, table)),
					  .table = table};
	char	   *expression;

	if (tree == NULL)
	{
		/* a parent that is still here may have one */
		if (!column->attislocal && column->attidentity == '\0' &&
			!table->is_partition)
			alter_column(script, table, column, "DROP DEFAULT");
		return;
	}
	expression = bb_expr_text(&of, tree);
	if (expression != NULL)
		alter_column(script, table, column,
					 psprintf("SET DEFAULT %s", expression));
}

static void
set_storage(BbScript *script, BbTable *table, Form_pg_attribute column)
{
	HeapTuple	row = bb_syscat_find_oid(script->ctx, script->past,
										 TypeRelationId, TypeOidIndexId,
										 column->atttypid);
	char		usual = row == NULL ? '\0'
									: BB_SYSCAT_FORM(pg_type, row)->typstorage;
	const char *storage = column->attstorage == TYPSTORAGE_PLAIN ? "PLAIN"
		: column->attstorage == TYPSTORAGE_EXTERNAL				 ? "EXTERNAL"
		: column->attstorage == TYPSTORAGE_MAIN					 ? "MAIN"
																 : "EXTENDED";

	if (column->attstorage != usual)
		alter_column(script, table, column,
					 psprintf("SET STORAGE %s", storage));
	if (column->attcompression == 'p' || column->attcompression == 'l')
		alter_column(script, table, column,
					 psprintf("SET COMPRESSION %s",
							  column->attcompression == 'p' ? "pglz" : "lz4"));
}

/* The rest is not in a descriptor. */
static void
set_statistics(BbScript *script, BbTable *table, HeapTuple row)
{
	Form_pg_attribute column = BB_SYSCAT_FORM(pg_attribute, row);
	bool		isnull;
	Datum		value = bb_syscat_value(row, AttributeRelationId,
										Anum_pg_attribute_attstattarget,
										&isnull);
#if PG_VERSION_NUM >= 170000
	int			target = isnull ? -1 : DatumGetInt16(value);
#else
	int			target = isnull ? -1 : DatumGetInt32(value);
#endif
	StringInfoData options;

	if (target >= 0)
		alter_column(script, table, column,
					 psprintf("SET STATISTICS %d", target));
	initStringInfo(&options);
	bb_script_append_options(&options,
							 bb_script_texts(script, row, AttributeRelationId,
											 Anum_pg_attribute_attoptions),
							 "");
	if (options.len > 0)
		alter_column(script, table, column,
					 psprintf("SET (%s)", options.data));
}

void
bb_ddl_defaults(BbScript *script, BbTable *table)
{
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, AttributeRelationId,
						   AttributeRelidNumIndexId, table->oid, InvalidOid))
	{
		HeapTuple	row = lfirst(cell);
		Form_pg_attribute column = BB_SYSCAT_FORM(pg_attribute, row);

		if (column->attnum <= 0 || column->attisdropped)
			continue;
		if (column->attgenerated == '\0')
			set_default(script, table, column);
#if PG_VERSION_NUM < 180000
		if (!column->attislocal && !table->is_partition && column->attnotnull)
			alter_column(script, table, column, "SET NOT NULL");
#endif
		set_storage(script, table, column);
		set_statistics(script, table, row);
	}
}

/* ---- partitions ---- */

void
bb_ddl_attach(BbScript *script, BbScriptPart part, BbTable *table)
{
	const char *object = psprintf("partition %s",
								  bb_script_relation(script, table->oid));
	List	   *parents = parents_of(script, table);
	BbExprOf	of = {.script = script, .part = part, .object = object};
	char	   *tree;
	char	   *bound;

	if (!table->is_partition || parents == NIL)
		return;
	bb_script_need(script, part, object, BB_OBJECT_RELATION,
				   linitial_oid(parents));
	tree = bb_script_text(script, class_row(script, table->oid),
						  RelationRelationId, Anum_pg_class_relpartbound);
	bound = tree == NULL ? NULL : bb_expr_text(&of, tree);
	if (bound != NULL)
		bb_script_add(script, part, object,
					  psprintf("ALTER TABLE ONLY %s ATTACH PARTITION %s %s",
							   bb_script_relation(script,
												  linitial_oid(parents)),
							   bb_script_relation(script, table->oid), bound));
}

/* ---- settings of the table ---- */

static void
alter_table(BbScript *script, BbTable *table, const char *action)
{
	bb_script_add(script, BB_SCRIPT_AFTER, object_of(script, table),
				  psprintf("ALTER TABLE ONLY %s %s",
						   bb_script_relation(script, table->oid), action));
}

void
bb_ddl_table_settings(BbScript *script, BbTable *table)
{
	Form_pg_class class = BB_SYSCAT_FORM(pg_class,
										 class_row(script, table->oid));
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, IndexRelationId, IndexIndrelidIndexId,
						   table->oid, InvalidOid))
	{
		Form_pg_index index = BB_SYSCAT_FORM(pg_index, lfirst(cell));
		const char *name = quote_identifier(NameStr(
			bb_table_of(script->ctx, script->past, index->indexrelid)->name));

		if (index->indisclustered)
			alter_table(script, table, psprintf("CLUSTER ON %s", name));
		if (index->indisreplident && class->relreplident == 'i')
			alter_table(script, table,
						psprintf("REPLICA IDENTITY USING INDEX %s", name));
	}
	if (class->relreplident == 'f' || class->relreplident == 'n')
		alter_table(script, table,
					class->relreplident == 'f' ? "REPLICA IDENTITY FULL"
											   : "REPLICA IDENTITY NOTHING");
	if (class->relrowsecurity)
		alter_table(script, table, "ENABLE ROW LEVEL SECURITY");
	if (class->relforcerowsecurity)
		alter_table(script, table, "FORCE ROW LEVEL SECURITY");
}
