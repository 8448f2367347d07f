/*-------------------------------------------------------------------------
 *
 * dependents.c
 *	  What depended on a table, and was dropped with it by CASCADE.
 *
 *	  DROP TABLE … CASCADE		foreign keys of other tables ── are made again
 *								views, functions, policies, … ── are named
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/indexing.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_publication_rel.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "ddl/ddl.h"
#include "heap/syscat.h"
#include "utils/builtins.h"

static void
name(BbScript *script, const char *object, const BbTable *table)
{
	bb_script_note(
		script, BB_SCRIPT_AFTER, object,
		psprintf("depended on table %s, and does not come back with it",
				 bb_script_relation(script, table->oid)));
}

/* A view, or a rule of another table. */
static void
name_view(BbScript *script, const BbTable *table, Oid oid)
{
	HeapTuple	row = bb_syscat_find_oid(script->ctx, script->past,
										 RewriteRelationId, RewriteOidIndexId,
										 oid);
	Form_pg_rewrite form;
	BbTable	   *view;

	if (row == NULL)
		return;
	form = BB_SYSCAT_FORM(pg_rewrite, row);
	view = bb_table_of(script->ctx, script->past, form->ev_class);
	if (view->kind == RELKIND_VIEW || view->kind == RELKIND_MATVIEW)
	{
		if (!OidIsValid(bb_object_here(script->ctx, script->past,
									   BB_OBJECT_RELATION, view->oid)))
			name(script,
				 psprintf("%s %s",
						  view->kind == RELKIND_VIEW ? "view"
													 : "materialized view",
						  bb_script_relation(script, view->oid)),
				 table);
	}
	else
		name(script,
			 psprintf("rule %s on table %s",
					  quote_identifier(NameStr(form->rulename)),
					  bb_script_relation(script, view->oid)),
			 table);
}

/* A foreign key of another table that is still here, or has come back. */
static void
make_foreign_key(BbScript *script, const BbTable *table, Oid oid)
{
	HeapTuple	row = bb_syscat_find_oid(script->ctx, script->past,
										 ConstraintRelationId,
										 ConstraintOidIndexId, oid);
	Form_pg_constraint form;
	Oid			here;

	if (row == NULL)
		return;
	form = BB_SYSCAT_FORM(pg_constraint, row);
	if (form->contype != CONSTRAINT_FOREIGN || !OidIsValid(form->conrelid) ||
		OidIsValid(form->conparentid))
		return;
	here = bb_object_here(script->ctx, script->past, BB_OBJECT_RELATION,
						  form->conrelid);
	if (!OidIsValid(here))
		name(script,
			 psprintf("constraint %s on table %s",
					  quote_identifier(NameStr(form->conname)),
					  bb_script_relation(script, form->conrelid)),
			 table);
	else if (!OidIsValid(get_relation_constraint_oid(here,
													 NameStr(form->conname),
													 true)))
		bb_ddl_foreign_key(script, row);
}

static void
name_function(BbScript *script, const BbTable *table, Oid oid)
{
	if (!OidIsValid(bb_object_here(script->ctx, script->past,
								   BB_OBJECT_FUNCTION, oid)))
		name(script,
			 psprintf("function %s",
					  bb_object_identity(script->ctx, script->past,
										 BB_OBJECT_FUNCTION, oid)),
			 table);
}

static void
name_publication(BbScript *script, const BbTable *table, Oid oid)
{
	HeapTuple	row = bb_syscat_find_oid(script->ctx, script->past,
										 PublicationRelRelationId,
										 PublicationRelObjectIndexId, oid);
	HeapTuple	publication = row == NULL
		? NULL
		: bb_syscat_find_oid(script->ctx, script->past, PublicationRelationId,
							 PublicationObjectIndexId,
							 BB_SYSCAT_FORM(pg_publication_rel, row)->prpubid);

	if (publication != NULL)
		name(script,
			 psprintf("membership in publication %s",
					  quote_identifier(
						  NameStr(BB_SYSCAT_FORM(pg_publication, publication)
									  ->pubname))),
			 table);
}

static void
name_policy(BbScript *script, const BbTable *table, Oid oid)
{
	HeapTuple	row = bb_syscat_find_oid(script->ctx, script->past,
										 PolicyRelationId, PolicyOidIndexId,
										 oid);

	if (row != NULL)
		name(script,
			 psprintf("policy %s on table %s",
					  quote_identifier(
						  NameStr(BB_SYSCAT_FORM(pg_policy, row)->polname)),
					  bb_script_relation(script,
										 BB_SYSCAT_FORM(pg_policy, row)
											 ->polrelid)),
			 table);
}

static void
name_relation(BbScript *script, const BbTable *table, Oid oid)
{
	BbTable	   *relation = bb_table_of(script->ctx, script->past, oid);

	if (relation->kind == RELKIND_TOASTVALUE ||
		OidIsValid(bb_object_here(script->ctx, script->past,
								  BB_OBJECT_RELATION, oid)))
		return;
	name(script, psprintf("relation %s", bb_script_relation(script, oid)),
		 table);
}

static void
name_one(BbScript *script, const BbTable *table, Form_pg_depend row)
{
	switch (row->classid)
	{
		case RewriteRelationId:
			name_view(script, table, row->objid);
			break;
		case ConstraintRelationId:
			make_foreign_key(script, table, row->objid);
			break;
		case ProcedureRelationId:
			name_function(script, table, row->objid);
			break;
		case PublicationRelRelationId:
			name_publication(script, table, row->objid);
			break;
		case PolicyRelationId:
			name_policy(script, table, row->objid);
			break;
		case RelationRelationId:
			name_relation(script, table, row->objid);
			break;
		case TypeRelationId:
		case AttrDefaultRelationId:
			/* the type of its rows; defaults of its columns */
			break;
		default:
			name(script,
				 psprintf("object %u of catalog %u", row->objid, row->classid),
				 table);
	}
}

void
bb_ddl_dependents(BbScript *script, BbTable *table)
{
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, DependRelationId, DependReferenceIndexId,
						   RelationRelationId, table->oid))
	{
		Form_pg_depend row = BB_SYSCAT_FORM(pg_depend, lfirst(cell));

		if (bb_script_has_made(script, row->classid, row->objid))
			continue;
		bb_script_note_made(script, row->classid, row->objid);
		name_one(script, table, row);
	}
}
