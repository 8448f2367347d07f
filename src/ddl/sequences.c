/*-------------------------------------------------------------------------
 *
 * sequences.c
 *	  Sequences that columns own, of "serial" and of identity columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_sequence.h"
#include "commands/sequence.h"
#include "ddl/ddl.h"
#include "heap/deform.h"
#include "heap/syscat.h"
#include "utils/builtins.h"

typedef struct Owned
{
	BbTable	   *sequence;
	AttrNumber	column;
	bool		identity;
} Owned;

/* The sequences (Owned *) of a table's columns. */
static List *
owned_by(const BbScript *script, const BbTable *table)
{
	List	   *owned = NIL;
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, DependRelationId, DependReferenceIndexId,
						   RelationRelationId, table->oid))
	{
		Form_pg_depend row = BB_SYSCAT_FORM(pg_depend, lfirst(cell));
		BbTable	   *sequence;
		Owned	   *one;

		if (row->classid != RelationRelationId || row->refobjsubid <= 0 ||
			(row->deptype != DEPENDENCY_AUTO &&
			 row->deptype != DEPENDENCY_INTERNAL))
			continue;
		sequence = bb_table_of(script->ctx, script->past, row->objid);
		if (sequence->kind != RELKIND_SEQUENCE)
			continue;
		one = palloc(sizeof(Owned));
		*one = (Owned){.sequence = sequence,
					   .column = (AttrNumber) row->refobjsubid,
					   .identity = row->deptype == DEPENDENCY_INTERNAL};
		owned = lappend(owned, one);
	}
	return owned;
}

static Form_pg_sequence
sequence_row(const BbScript *script, const Owned *owned)
{
	HeapTuple	row = bb_syscat_find_oid(script->ctx, script->past,
										 SequenceRelationId,
										 SequenceRelidIndexId,
										 owned->sequence->oid);

	if (row == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("sequence %s is not in pg_sequence",
						bb_script_relation(script, owned->sequence->oid))));
	return BB_SYSCAT_FORM(pg_sequence, row);
}

static char *
parameters_of(Form_pg_sequence row)
{
	return psprintf("START WITH " INT64_FORMAT " INCREMENT BY " INT64_FORMAT
					" MINVALUE " INT64_FORMAT " MAXVALUE " INT64_FORMAT
					" CACHE " INT64_FORMAT "%s",
					row->seqstart, row->seqincrement, row->seqmin, row->seqmax,
					row->seqcache, row->seqcycle ? " CYCLE" : "");
}

/* last_value and is_called, which are the only row of the sequence. */
static void
set_value(BbScript *script, const Owned *owned, const char *object)
{
	TupleDesc	desc = bb_table_desc(script->ctx, script->past,
									 owned->sequence);
	BlockNumber blocks;
	BbTupleScan *scan;
	HeapTuple	tuple;
	Datum		values[SEQ_COL_LASTCOL];
	bool		nulls[SEQ_COL_LASTCOL];

	if (owned->sequence->persistence != RELPERSISTENCE_PERMANENT)
	{
		bb_script_note(script, BB_SCRIPT_ROWS, object,
					   "is unlogged, so its value is not in the WAL");
		return;
	}
	blocks = bb_pages_blocks(script->ctx, script->past->pages,
							 owned->sequence->relation);
	scan = bb_tuplescan_new(script->ctx, script->past->pages,
							script->past->xacts, owned->sequence->relation, 0,
							blocks, NULL);
	tuple = bb_tuplescan_next(script->ctx, scan);
	if (tuple == NULL || desc->natts < SEQ_COL_LASTCOL ||
		!bb_deform_heap(tuple, desc, SEQ_COL_LASTCOL, values, nulls))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED), errmsg("%s has no value", object)));
	bb_script_add(script, BB_SCRIPT_ROWS, object,
				  psprintf("SELECT pg_catalog.setval(%s, " INT64_FORMAT
						   ", %s)",
						   quote_literal_cstr(
							   bb_script_relation(script,
												  owned->sequence->oid)),
						   DatumGetInt64(values[SEQ_COL_LASTVAL - 1]),
						   DatumGetBool(values[SEQ_COL_CALLED - 1])
							   ? "true"
							   : "false"));
	bb_tuplescan_close(scan);
}

static void
make_identity(BbScript *script, BbTable *table, const Owned *owned,
			  const char *object)
{
	Form_pg_attribute column = TupleDescAttr(bb_table_desc(script->ctx,
														   script->past,
														   table),
											 owned->column - 1);

	bb_script_add(
		script, BB_SCRIPT_TABLES, object,
		psprintf(
			"ALTER TABLE %s ALTER COLUMN %s ADD GENERATED %s AS IDENTITY (SEQUENCE NAME %s %s)",
			bb_script_relation(script, table->oid),
			bb_script_column(script, table, owned->column),
			column->attidentity == ATTRIBUTE_IDENTITY_ALWAYS ? "ALWAYS"
															 : "BY DEFAULT",
			bb_script_relation(script, owned->sequence->oid),
			parameters_of(sequence_row(script, owned))));
}

static void
make_sequence(BbScript *script, BbTable *table, const Owned *owned,
			  const char *object)
{
	Form_pg_sequence row = sequence_row(script, owned);

	bb_script_need(script, BB_SCRIPT_TABLES, object, BB_OBJECT_SCHEMA,
				   owned->sequence->schema);
	bb_script_add(script, BB_SCRIPT_TABLES, object,
				  psprintf("CREATE %sSEQUENCE %s AS %s %s",
						   owned->sequence->persistence ==
								   RELPERSISTENCE_UNLOGGED
							   ? "UNLOGGED "
							   : "",
						   bb_script_relation(script, owned->sequence->oid),
						   format_type_be_qualified(row->seqtypid),
						   parameters_of(row)));
	bb_script_add(script, BB_SCRIPT_TABLES, object,
				  psprintf("ALTER SEQUENCE %s OWNED BY %s.%s",
						   bb_script_relation(script, owned->sequence->oid),
						   bb_script_relation(script, table->oid),
						   bb_script_column(script, table, owned->column)));
}

void
bb_ddl_sequences(BbScript *script, BbTable *table)
{
	ListCell   *cell;

	foreach(cell, owned_by(script, table))
	{
		const Owned *owned = lfirst(cell);
		const char *object = psprintf("sequence %s",
									  bb_script_relation(script,
														 owned->sequence
															 ->oid));

		/* checks the number of the column */
		(void) bb_script_column(script, table, owned->column);
		bb_script_note_made(script, RelationRelationId, owned->sequence->oid);
		if (owned->identity)
			make_identity(script, table, owned, object);
		else
			make_sequence(script, table, owned, object);
		set_value(script, owned, object);
	}
}

void
bb_ddl_sequence_rights(BbScript *script, BbTable *table)
{
	ListCell   *cell;

	foreach(cell, owned_by(script, table))
	{
		const Owned *owned = lfirst(cell);

		bb_ddl_privileges(script, owned->sequence);
		bb_ddl_comments(script,
						psprintf("SEQUENCE %s",
								 bb_script_relation(script,
													owned->sequence->oid)),
						RelationRelationId, owned->sequence->oid, NULL);
	}
}
