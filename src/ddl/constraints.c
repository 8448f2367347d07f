/*-------------------------------------------------------------------------
 *
 * constraints.c
 *	  Checks, NOT NULL as 18 and later have it, and foreign keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "ddl/ddl.h"
#include "ddl/exprs.h"
#include "heap/syscat.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"

static const char *
object_of(const BbScript *script, Form_pg_constraint form)
{
	return psprintf("constraint %s on table %s",
					quote_identifier(NameStr(form->conname)),
					bb_script_relation(script, form->conrelid));
}

static List *
rows_of(const BbScript *script, const BbTable *table)
{
	return bb_script_rows(script, ConstraintRelationId,
						  ConstraintRelidTypidNameIndexId, table->oid,
						  InvalidOid);
}

const char *
bb_ddl_deferrable(bool deferrable, bool deferred)
{
	return deferred	 ? " DEFERRABLE INITIALLY DEFERRED"
		: deferrable ? " DEFERRABLE"
					 : "";
}

/* What has no place in PostgreSQL 15's catalogs. */
static const char *
enforcement_of(Form_pg_constraint form)
{
#if PG_VERSION_NUM >= 180000
	if (!form->conenforced)
		return " NOT ENFORCED";
#endif
	return form->convalidated ? "" : " NOT VALID";
}

static void
comment(BbScript *script, Form_pg_constraint form)
{
	bb_ddl_comments(script,
					psprintf("CONSTRAINT %s ON %s",
							 quote_identifier(NameStr(form->conname)),
							 bb_script_relation(script, form->conrelid)),
					ConstraintRelationId, form->oid, NULL);
}

/* ---- checks and NOT NULL ---- */

/* After the columns, or later if rows needn't fulfil it. */
static void
add_constraint(BbScript *script, BbTable *table, Form_pg_constraint form,
			   const char *definition, StringInfo columns)
{
	char	   *text = psprintf("CONSTRAINT %s %s%s%s",
								quote_identifier(NameStr(form->conname)),
								definition,
								form->connoinherit ? " NO INHERIT" : "",
								enforcement_of(form));

	if (form->convalidated)
		appendStringInfo(columns, "%s\n\t%s", columns->len > 0 ? "," : "",
						 text);
	else
		bb_script_add(script, BB_SCRIPT_AFTER, object_of(script, form),
					  psprintf("ALTER TABLE %s ADD %s",
							   bb_script_relation(script, table->oid), text));
	comment(script, form);
}

static void
add_check(BbScript *script, BbTable *table, HeapTuple row, StringInfo columns)
{
	Form_pg_constraint form = BB_SYSCAT_FORM(pg_constraint, row);
	BbExprOf	of = {.script = script,
					  .part = BB_SCRIPT_TABLES,
					  .object = object_of(script, form),
					  .table = table};
	char	   *tree = bb_script_text(script, row, ConstraintRelationId,
									  Anum_pg_constraint_conbin);
	char	   *expression = tree == NULL ? NULL : bb_expr_text(&of, tree);

	if (expression != NULL)
		add_constraint(script, table, form, psprintf("CHECK (%s)", expression),
					   columns);
}

#if PG_VERSION_NUM >= 180000
static void
add_not_null(BbScript *script, BbTable *table, HeapTuple row,
			 StringInfo columns)
{
	Form_pg_constraint form = BB_SYSCAT_FORM(pg_constraint, row);
	int			n;
	int16	   *keys = bb_script_array(script, row, ConstraintRelationId,
									   Anum_pg_constraint_conkey, INT2OID,
									   sizeof(int16), &n);

	if (n == 1)
		add_constraint(script, table, form,
					   psprintf("NOT NULL %s",
								bb_script_column(script, table, keys[0])),
					   columns);
}
#endif

void
bb_ddl_checks(BbScript *script, BbTable *table, StringInfo columns)
{
	ListCell   *cell;

	foreach(cell, rows_of(script, table))
	{
		Form_pg_constraint form = BB_SYSCAT_FORM(pg_constraint, lfirst(cell));
		/* one that is inherited comes from the parent; ATTACH wants it there */
		bool		own = form->conislocal ||
			(table->is_partition && form->convalidated);

		switch (form->contype)
		{
			case CONSTRAINT_CHECK:
				bb_script_note_made(script, ConstraintRelationId, form->oid);
				if (own)
					add_check(script, table, lfirst(cell), columns);
				break;
#if PG_VERSION_NUM >= 180000
			case CONSTRAINT_NOTNULL:
				bb_script_note_made(script, ConstraintRelationId, form->oid);
				if (own)
					add_not_null(script, table, lfirst(cell), columns);
				break;
#endif
			default:
				break;
		}
	}
}

/* ---- foreign keys ---- */

static const char *
action_of(char action)
{
	switch (action)
	{
		case FKCONSTR_ACTION_RESTRICT:
			return "RESTRICT";
		case FKCONSTR_ACTION_CASCADE:
			return "CASCADE";
		case FKCONSTR_ACTION_SETNULL:
			return "SET NULL";
		case FKCONSTR_ACTION_SETDEFAULT:
			return "SET DEFAULT";
		default:
			return "NO ACTION";
	}
}

/* The columns; the last one may be a period. */
static void
append_key(BbScript *script, StringInfo text, Form_pg_constraint form,
		   BbTable *table, const int16 *columns, int n)
{
#if PG_VERSION_NUM >= 180000
	if (form->conperiod && n > 0)
	{
		bb_script_append_columns(script, text, table, columns, n - 1);
		text->data[--text->len] = '\0';
		appendStringInfo(text, ", PERIOD %s)",
						 bb_script_column(script, table, columns[n - 1]));
		return;
	}
#endif
	bb_script_append_columns(script, text, table, columns, n);
}

void
bb_ddl_foreign_key(BbScript *script, HeapTuple row)
{
	Form_pg_constraint form = BB_SYSCAT_FORM(pg_constraint, row);
	const char *object = object_of(script, form);
	BbTable	   *table = bb_table_of(script->ctx, script->past, form->conrelid);
	BbTable	   *referenced = bb_table_of(script->ctx, script->past,
										 form->confrelid);
	int16	   *columns[3];
	int			n[3];
	StringInfoData text;

	columns[0] = bb_script_array(script, row, ConstraintRelationId,
								 Anum_pg_constraint_conkey, INT2OID,
								 sizeof(int16), &n[0]);
	columns[1] = bb_script_array(script, row, ConstraintRelationId,
								 Anum_pg_constraint_confkey, INT2OID,
								 sizeof(int16), &n[1]);
	columns[2] = bb_script_array(script, row, ConstraintRelationId,
								 Anum_pg_constraint_confdelsetcols, INT2OID,
								 sizeof(int16), &n[2]);
	bb_script_need(script, BB_SCRIPT_AFTER, object, BB_OBJECT_RELATION,
				   form->confrelid);
	initStringInfo(&text);
	appendStringInfo(&text, "ALTER TABLE %s%s ADD CONSTRAINT %s FOREIGN KEY ",
					 table->kind == RELKIND_PARTITIONED_TABLE ? "" : "ONLY ",
					 bb_script_relation(script, table->oid),
					 quote_identifier(NameStr(form->conname)));
	append_key(script, &text, form, table, columns[0], n[0]);
	appendStringInfo(&text, " REFERENCES %s",
					 bb_script_relation(script, referenced->oid));
	append_key(script, &text, form, referenced, columns[1], n[1]);
	appendStringInfo(&text, "%s ON UPDATE %s ON DELETE %s",
					 form->confmatchtype == FKCONSTR_MATCH_FULL ? " MATCH FULL"
																: "",
					 action_of(form->confupdtype),
					 action_of(form->confdeltype));
	if (n[2] > 0)
	{
		appendStringInfoChar(&text, ' ');
		bb_script_append_columns(script, &text, table, columns[2], n[2]);
	}
	appendStringInfo(&text, "%s%s",
					 bb_ddl_deferrable(form->condeferrable, form->condeferred),
					 enforcement_of(form));
	bb_script_add(script, BB_SCRIPT_AFTER, object, text.data);
	comment(script, form);
}

void
bb_ddl_constraints(BbScript *script, BbTable *table)
{
	ListCell   *cell;

	foreach(cell, rows_of(script, table))
	{
		Form_pg_constraint form = BB_SYSCAT_FORM(pg_constraint, lfirst(cell));

		switch (form->contype)
		{
			case CONSTRAINT_FOREIGN:
				bb_script_note_made(script, ConstraintRelationId, form->oid);
				/* those of partitions come with that of their parent */
				if (!OidIsValid(form->conparentid))
					bb_ddl_foreign_key(script, lfirst(cell));
				break;
#if PG_VERSION_NUM >= 180000
			case CONSTRAINT_NOTNULL:
#endif
			case CONSTRAINT_PRIMARY:
			case CONSTRAINT_UNIQUE:
			case CONSTRAINT_EXCLUSION:
			case CONSTRAINT_CHECK:
			case CONSTRAINT_TRIGGER:
				/* indexes.c, bb_ddl_checks, triggers.c */
				break;
			default:
				bb_script_problem(script, BB_SCRIPT_AFTER,
								  object_of(script, form),
								  "is of a kind that is not supported");
		}
	}
}
