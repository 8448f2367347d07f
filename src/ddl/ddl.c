/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  Statements that make tables of the past again, out of the catalogs of then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "ddl/ddl.h"
#include "ddl/exprs.h"
#include "heap/syscat.h"
#include "utils/fmgroids.h"

static const char *
refusal_of(const BbTable *table)
{
	if (table->kind != RELKIND_RELATION &&
		table->kind != RELKIND_PARTITIONED_TABLE)
		return "It is not a table.";
	if (table->persistence == RELPERSISTENCE_TEMP)
		return "It is temporary.";
	if (table->kind == RELKIND_RELATION &&
		table->handler != F_HEAP_TABLEAM_HANDLER)
		return "Its access method is not \"heap\".";
	return NULL;
}

/* Do all parents that belong to the family come before it? */
static bool
is_due(const BbScript *script, const BbTable *table, List *all)
{
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, InheritsRelationId,
						   InheritsRelidSeqnoIndexId, table->oid, InvalidOid))
	{
		BbTable	   *parent = bb_table_of(script->ctx, script->past,
										 BB_SYSCAT_FORM(pg_inherits,
														lfirst(cell))
											 ->inhparent);

		if (list_member_ptr(all, parent) &&
			!list_member_ptr(script->family, parent))
			return false;
	}
	return true;
}

/* Other parents of a table that inherits, if they are not here. */
static List *
missing_parents(const BbScript *script, const BbTable *table, List *all)
{
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, InheritsRelationId,
						   InheritsRelidSeqnoIndexId, table->oid, InvalidOid))
	{
		Oid			parent = BB_SYSCAT_FORM(pg_inherits, lfirst(cell))
								 ->inhparent;

		if (!OidIsValid(bb_object_here(script->ctx, script->past,
									   BB_OBJECT_RELATION, parent)))
			all = list_append_unique_ptr(all,
										 bb_table_of(script->ctx, script->past,
													 parent));
	}
	return all;
}

/* The table, its partitions and those that inherit from it, parents first. */
static void
find_family(BbScript *script, BbTable *table)
{
	List	   *all = list_make1(table);
	bool		found = true;
	ListCell   *cell;

	for (int i = 0; i < list_length(all); i++)
	{
		BbTable	   *member = list_nth(all, i);

		if (i > 0)
			all = missing_parents(script, member, all);
		foreach(cell, bb_table_children(script->ctx, script->past, member))
			all = list_append_unique_ptr(all,
										 bb_table_of(script->ctx, script->past,
													 lfirst_oid(cell)));
	}
	while (found)
	{
		found = false;
		foreach(cell, all)
		{
			BbTable	   *member = lfirst(cell);

			if (list_member_ptr(script->family, member) ||
				!is_due(script, member, all))
				continue;
			script->family = lappend(script->family, member);
			found = true;
		}
	}
	if (list_length(script->family) != list_length(all))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("tables that inherit from \"%s\" inherit from each other",
						NameStr(table->name))));
}

/* Partitions may be foreign tables. */
static void
leave_out_others(BbScript *script)
{
	List	   *family = NIL;
	ListCell   *cell;

	foreach(cell, script->family)
	{
		BbTable	   *member = lfirst(cell);
		const char *refusal = refusal_of(member);

		if (refusal == NULL)
		{
			family = lappend(family, member);
			bb_script_note_made(script, RelationRelationId, member->oid);
		}
		else
			bb_script_problem(script, BB_SCRIPT_TABLES,
							  psprintf("relation %s",
									   bb_script_relation(script,
														  member->oid)),
							  refusal);
	}
	script->family = family;
}

static void
make_tables(BbScript *script, const BbTable *root)
{
	ListCell   *cell;

	foreach(cell, script->family)
		bb_ddl_create(script, lfirst(cell));
	foreach(cell, script->family)
	{
		bb_ddl_sequences(script, lfirst(cell));
		bb_ddl_defaults(script, lfirst(cell));
	}
	foreach(cell, script->family)
	{
		if (lfirst(cell) != root)
			bb_ddl_attach(script, BB_SCRIPT_TABLES, lfirst(cell));
	}
}

static void
make_rest(BbScript *script, BbTable *root)
{
	ListCell   *cell;

	foreach(cell, script->family)
		bb_ddl_indexes(script, lfirst(cell));
	foreach(cell, script->family)
		bb_ddl_index_attach(script, lfirst(cell));
	/* a parent that is still here brings its own indexes, if they are missing */
	bb_ddl_attach(script, BB_SCRIPT_AFTER, root);
	foreach(cell, script->family)
		bb_ddl_constraints(script, lfirst(cell));
	foreach(cell, script->family)
	{
		BbTable	   *table = lfirst(cell);

		bb_ddl_triggers(script, table);
		bb_ddl_policies(script, table);
		bb_ddl_statistics(script, table);
		bb_ddl_table_settings(script, table);
		bb_ddl_comments(script,
						psprintf("TABLE %s",
								 bb_script_relation(script, table->oid)),
						RelationRelationId, table->oid, table);
	}
	foreach(cell, script->family)
		bb_ddl_dependents(script, lfirst(cell));
	/* at the end, the owner may not be the one who runs the script */
	foreach(cell, script->family)
	{
		bb_ddl_privileges(script, lfirst(cell));
		bb_ddl_sequence_rights(script, lfirst(cell));
	}
}

void
bb_ddl_table(BbScript *script, BbTable *table)
{
	const char *refusal = refusal_of(table);
	int			level;

	if (refusal != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" cannot be made again",
						NameStr(table->name)),
				 errdetail_internal("%s", refusal)));
	find_family(script, table);
	leave_out_others(script);
	level = bb_expr_begin();
	make_tables(script, table);
	make_rest(script, table);
	bb_expr_end(level);
}
