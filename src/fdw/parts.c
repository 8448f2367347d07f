/*-------------------------------------------------------------------------
 *
 * parts.c
 *	  The relations of the past that have the rows of a foreign table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "fdw/parts.h"
#include "utils/fmgroids.h"

BbTable *
bb_parts_table(const BbReqCtx *ctx, BbPast *past,
			   const BbTableOptions *options)
{
	Oid			schema = bb_table_schema(ctx, past, options->schema);
	BbTable	   *table = NULL;

	if (OidIsValid(schema))
		table = bb_table_find(ctx, past, schema, options->table);
	if (table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s.%s\" of database \"%s\" does not exist at " BB_LSN_FORMAT,
						options->schema, options->table, options->database,
						LSN_FORMAT_ARGS(past->snapshot.lsn))));
	return table;
}

const char *
bb_parts_refusal(const BbTable *table)
{
	switch (table->kind)
	{
		case RELKIND_RELATION:
		case RELKIND_MATVIEW:
		case RELKIND_TOASTVALUE:
			/* a copy of the heap's method by another name is the same */
			if (table->handler != F_HEAP_TABLEAM_HANDLER)
				return "Its access method is not \"heap\".";
			break;
		case RELKIND_SEQUENCE:
		case RELKIND_PARTITIONED_TABLE:
			break;
		case RELKIND_VIEW:
			return "It is a view, which has no rows of its own.";
		case RELKIND_FOREIGN_TABLE:
			return "It is a foreign table, whose rows are elsewhere.";
		default:
			return "It is not a table, a materialized view or a sequence.";
	}
	if (table->persistence == RELPERSISTENCE_UNLOGGED)
		return "It is unlogged, so its rows are not in the WAL.";
	if (table->persistence == RELPERSISTENCE_TEMP)
		return "It is temporary, so its rows are not in the WAL.";
	if (table->kind == RELKIND_MATVIEW && !table->populated)
		return "It has not been populated.";
	return NULL;
}

void
bb_parts_check(const BbPast *past, const BbTable *table)
{
	const char *refusal = bb_parts_refusal(table);

	if (refusal != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" cannot be read as of " BB_LSN_FORMAT,
						NameStr(table->name),
						LSN_FORMAT_ARGS(past->snapshot.lsn)),
				 errdetail_internal("%s", refusal)));
}

/* Breadth first; a relation may have several parents, and comes once. */
List *
bb_parts_of(const BbReqCtx *ctx, BbPast *past, BbTable *table, bool only)
{
	List	   *family = list_make1(table);
	List	   *parts = NIL;

	for (int i = 0; i < list_length(family); i++)
	{
		BbTable	   *member = list_nth(family, i);
		ListCell   *cell;

		bb_parts_check(past, member);
		if (member->kind != RELKIND_PARTITIONED_TABLE)
			parts = lappend(parts, member);
		/* a partitioned table has no rows but those of its partitions */
		if (only && member->kind != RELKIND_PARTITIONED_TABLE)
			break;
		foreach(cell, bb_table_children(ctx, past, member))
			family = list_append_unique_ptr(family,
											bb_table_of(ctx, past,
														lfirst_oid(cell)));
	}
	return parts;
}
