/*-------------------------------------------------------------------------
 *
 * import.c
 *	  IMPORT FOREIGN SCHEMA: foreign tables for the tables of a schema of the past.
 *
 * With the options lsn or time, the foreign tables say the LSN that was found, so
 * they go on showing the same.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/twophase.h"
#include "base/compat.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "fdw/kept.h"
#include "fdw/parts.h"
#include "fdw/scan.h"
#include "heap/collations.h"
#include "heap/conversion.h"
#include "heap/syscat.h"
#include "heap/types.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "stores/call.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

typedef struct Import
{
	const BbReqCtx *ctx;
	BbPast	   *past;
	const ImportForeignSchemaStmt *statement;
	const BbTableOptions *options;
	List	   *extensions; /* OIDs there, of those that were compared */
} Import;

/* ---- which tables ---- */

static bool
is_named(const Import *import, const char *table)
{
	ListCell   *cell;

	foreach(cell, import->statement->table_list)
	{
		if (strcmp(lfirst_node(RangeVar, cell)->relname, table) == 0)
			return true;
	}
	return false;
}

static bool
may_have_rows(Form_pg_class row)
{
	return row->relkind == RELKIND_RELATION ||
		row->relkind == RELKIND_MATVIEW || row->relkind == RELKIND_SEQUENCE ||
		row->relkind == RELKIND_PARTITIONED_TABLE;
}

/* All of the schema, without partitions, whose rows the partitioned table has. */
static List *
all_tables(const Import *import, Oid schema)
{
	BbTupleScan *scan = bb_syscat_scan(import->ctx, import->past,
									   RelationRelationId);
	List	   *oids = NIL;
	List	   *tables = NIL;
	HeapTuple	tuple;
	ListCell   *cell;

	while ((tuple = bb_tuplescan_next(import->ctx, scan)) != NULL)
	{
		Form_pg_class row = BB_SYSCAT_FORM(pg_class, tuple);

		if (row->relnamespace == schema && !row->relispartition &&
			may_have_rows(row) &&
			!(import->statement->list_type == FDW_IMPORT_SCHEMA_EXCEPT &&
			  is_named(import, NameStr(row->relname))))
			oids = lappend_oid(oids, row->oid);
	}
	bb_tuplescan_close(scan);
	foreach(cell, oids)
	{
		BbTable	   *table = bb_table_of(import->ctx, import->past,
										lfirst_oid(cell));
		const char *refusal = bb_parts_refusal(table);

		if (refusal == NULL)
			tables = lappend(tables, table);
		else
			ereport(WARNING,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("table \"%s\" is left out", NameStr(table->name)),
					 errdetail_internal("%s", refusal)));
	}
	return tables;
}

/* Those of LIMIT TO.  One that is not there is left out, as postgres_fdw does. */
static List *
named_tables(const Import *import, Oid schema)
{
	List	   *tables = NIL;
	ListCell   *cell;

	foreach(cell, import->statement->table_list)
	{
		BbTable	   *table = bb_table_find(import->ctx, import->past, schema,
										  lfirst_node(RangeVar, cell)
											  ->relname);

		if (table == NULL)
			continue;
		bb_parts_check(import->past, table);
		tables = lappend(tables, table);
	}
	return tables;
}

/*
 * A transaction locks each table that it makes, and the table of locks has a fixed
 * size.  It is better to say so before than after some minutes.
 */
static void
check_number(const Import *import, int n)
{
	long		locks = (long) max_locks_per_xact *
		(MaxBackends + max_prepared_xacts);

	if (n < locks)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("schema \"%s\" has %d tables, which are too many for one transaction",
					import->options->schema, n),
			 errdetail("The server's lock table has room for %ld locks of all transactions.",
					   locks),
			 errhint("Import a part of them with LIMIT TO, or increase \"max_locks_per_transaction\".")));
}

/* ---- statements ---- */

static bool
can_convert(const Import *import, Oid there, Oid here, const char *column)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool possible = true;

	PG_TRY();
	{
		(void) bb_conversion_new(import->ctx, import->past, there, here,
								 column);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_DATATYPE_MISMATCH)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		possible = false;
	}
	PG_END_TRY();
	return possible;
}

/* The version of an extension here; NULL: there is none. */
static char *
version_here(const char *name)
{
	Relation	extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	row;
	char	   *version = NULL;
	bool		isnull;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(name));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1,
							  &key);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
		version = TextDatumGetCString(
			heap_getattr(row, Anum_pg_extension_extversion,
						 RelationGetDescr(extensions), &isnull));
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
	return version;
}

/* Raise a NOTICE if an extension has another version here; once for each. */
static void
compare_extension(Import *import, Oid extension)
{
	HeapTuple	row = bb_syscat_find_oid(import->ctx, import->past,
										 ExtensionRelationId,
										 ExtensionOidIndexId, extension);
	const char *name;
	char	   *there;
	char	   *here;
	bool		isnull;

	if (row == NULL || list_member_oid(import->extensions, extension))
		return;
	import->extensions = lappend_oid(import->extensions, extension);
	name = NameStr(BB_SYSCAT_FORM(pg_extension, row)->extname);
	there = TextDatumGetCString(bb_syscat_value(row, ExtensionRelationId,
												Anum_pg_extension_extversion,
												&isnull));
	here = version_here(name);
	if (here != NULL && strcmp(here, there) != 0)
		ereport(NOTICE,
				(errmsg("extension \"%s\" has version %s there, and %s here",
						name, there, here),
				 errdetail("Values of its types are shown as if they had the same form.")));
}

/* Compare the extension that a type belongs to, if it does. */
static void
compare_type(Import *import, Oid oid)
{
	const BbType *type = bb_type_base(import->ctx, import->past, oid);
	Datum		values[2] = {ObjectIdGetDatum(TypeRelationId)};
	ListCell   *cell;

	if (OidIsValid(type->element))
	{
		compare_type(import, type->element);
		return;
	}
	if (bb_type_is_fixed(type->oid))
		return;
	values[1] = ObjectIdGetDatum(type->oid);
	foreach(cell,
			bb_syscat_find(import->ctx, import->past, DependRelationId,
						   DependDependerIndexId, values, 2))
	{
		Form_pg_depend row = BB_SYSCAT_FORM(pg_depend, lfirst(cell));

		if (row->refclassid == ExtensionRelationId &&
			row->deptype == DEPENDENCY_EXTENSION)
			compare_extension(import, row->refobjid);
	}
}

/* The type by which a column is shown; Invalid, with a WARNING: none. */
static Oid
type_of_column(Import *import, const BbTable *table, Form_pg_attribute column)
{
	const char *name = NameStr(column->attname);
	Oid			here = InvalidOid;

	if (column->attgenerated == '\0' ||
		column->attgenerated == ATTRIBUTE_GENERATED_STORED)
	{
		here = bb_conversion_type(import->ctx, import->past, column->atttypid);
		if (OidIsValid(here) &&
			!can_convert(import, column->atttypid, here, name))
			here = InvalidOid;
	}
	if (!OidIsValid(here))
	{
		const BbType *type = bb_type_of(import->ctx, import->past,
										column->atttypid);

		ereport(WARNING,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table \"%s\" is left out", name,
						NameStr(table->name)),
				 column->attgenerated == '\0' ||
						 column->attgenerated == ATTRIBUTE_GENERATED_STORED
					 ? errdetail("This database has no type like %s.%s.",
								 quote_identifier(NameStr(type->schema)),
								 quote_identifier(NameStr(type->name)))
					 : errdetail("The values of a virtual generated column are not stored.")));
	}
	else
		compare_type(import, column->atttypid);
	return here;
}

/*
 * By name, since only "C" and a few more have fixed OIDs.  The default one of the
 * database is that of this one.
 */
static void
append_collation(const Import *import, Form_pg_attribute column, Oid type,
				 StringInfo columns)
{
	Oid			usual = get_typcollation(type);
	Oid			collation;

	if (!OidIsValid(usual) || !OidIsValid(column->attcollation) ||
		column->attcollation == DEFAULT_COLLATION_OID)
		return;
	collation = bb_collation_named(import->ctx, import->past,
								   column->attcollation);
	if (OidIsValid(collation) && collation != usual)
		appendStringInfo(columns, " COLLATE %s",
						 generate_collation_name(collation));
}

static void
append_column(Import *import, const BbTable *table, Form_pg_attribute column,
			  StringInfo columns)
{
	Oid			type = type_of_column(import, table, column);
	int32		typmod = type == column->atttypid ? column->atttypmod : -1;

	if (!OidIsValid(type))
		return;
	appendStringInfo(columns, "%s\n\t%s %s", columns->len > 0 ? "," : "",
					 quote_identifier(NameStr(column->attname)),
					 format_type_extended(type, typmod,
										  FORMAT_TYPE_TYPEMOD_GIVEN |
											  FORMAT_TYPE_FORCE_QUALIFY));
	append_collation(import, column, type, columns);
	if (column->attnotnull)
		appendStringInfoString(columns, " NOT NULL");
}

static char *
statement_of(Import *import, BbTable *table)
{
	TupleDesc	desc = bb_table_desc(import->ctx, import->past, table);
	const BbTableOptions *options = import->options;
	StringInfoData columns;
	StringInfoData text;

	initStringInfo(&columns);
	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			append_column(import, table, TupleDescAttr(desc, i), &columns);
	}
	initStringInfo(&text);
	appendStringInfo(
		&text,
		"CREATE FOREIGN TABLE %s (%s\n) SERVER %s OPTIONS (" BB_OPTION_DATABASE
		" %s, " BB_OPTION_SCHEMA_NAME " %s, " BB_OPTION_TABLE_NAME
		" %s, " BB_OPTION_TIMELINE " %s",
		quote_identifier(NameStr(table->name)), columns.data,
		quote_identifier(options->store),
		quote_literal_cstr(options->database),
		quote_literal_cstr(options->schema),
		quote_literal_cstr(NameStr(table->name)),
		quote_literal_cstr(options->timeline));
	if (!XLogRecPtrIsInvalid(options->lsn) || options->time != NULL)
		appendStringInfo(&text, ", " BB_OPTION_LSN " '" BB_LSN_FORMAT "'",
						 LSN_FORMAT_ARGS(import->past->snapshot.lsn));
	appendStringInfoChar(&text, ')');
	return text.data;
}

List *
bb_fdw_import(ImportForeignSchemaStmt *statement, Oid server)
{
	BbTableOptions
		options = bb_tableoptions_of_import(server, statement->remote_schema,
											statement->options);
	const BbReqCtx *ctx = bb_call_begin("IMPORT FOREIGN SCHEMA",
										BB_TASK_LISTING);
	BbBorrowed *borrowed = bb_past_borrow(ctx, &options, GetUserId(),
										  CurrentMemoryContext);
	Import		import = {.ctx = ctx,
						  .past = bb_past_of(borrowed),
						  .statement = statement,
						  .options = &options};
	Oid			schema = bb_table_schema(ctx, import.past, options.schema);
	List	   *tables;
	List	   *statements = NIL;
	ListCell   *cell;

	if (!OidIsValid(schema))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
				 errmsg("schema \"%s\" of database \"%s\" does not exist at " BB_LSN_FORMAT,
						options.schema, options.database,
						LSN_FORMAT_ARGS(import.past->snapshot.lsn))));
	tables = statement->list_type == FDW_IMPORT_SCHEMA_LIMIT_TO
		? named_tables(&import, schema)
		: all_tables(&import, schema);
	check_number(&import, list_length(tables));
	foreach(cell, tables)
		statements = lappend(statements, statement_of(&import, lfirst(cell)));
	bb_past_return(borrowed);
	bb_reqctx_end(ctx);
	return statements;
}
