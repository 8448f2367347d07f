/*-------------------------------------------------------------------------
 *
 * triggers.c
 *	  Triggers, row security policies, rules and extended statistics.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "ddl/ddl.h"
#include "ddl/exprs.h"
#include "heap/syscat.h"
#include "heap/toast.h"
#include "utils/acl.h"
#include "utils/builtins.h"

/* ---- triggers ---- */

static void
append_events(BbScript *script, BbTable *table, HeapTuple row, StringInfo text)
{
	int16		type = BB_SYSCAT_FORM(pg_trigger, row)->tgtype;
	static const struct
	{
		int			bit;
		const char *word;
	}			events[] = {{TRIGGER_TYPE_INSERT, "INSERT"},
				  {TRIGGER_TYPE_DELETE, "DELETE"},
				  {TRIGGER_TYPE_UPDATE, "UPDATE"},
				  {TRIGGER_TYPE_TRUNCATE, "TRUNCATE"}};
	bool		first = true;

	for (int i = 0; i < lengthof(events); i++)
	{
		int16	   *columns;
		int			n;

		if (!(type & events[i].bit))
			continue;
		appendStringInfo(text, "%s%s", first ? " " : " OR ", events[i].word);
		first = false;
		if (events[i].bit != TRIGGER_TYPE_UPDATE)
			continue;
		columns = bb_script_array(script, row, TriggerRelationId,
								  Anum_pg_trigger_tgattr, INT2OID,
								  sizeof(int16), &n);
		for (int j = 0; j < n; j++)
			appendStringInfo(text, "%s%s", j == 0 ? " OF " : ", ",
							 bb_script_column(script, table, columns[j]));
	}
}

/* Each argument ends with a zero byte. */
static void
append_arguments(BbScript *script, HeapTuple row, StringInfo text)
{
	bool		isnull;
	Datum		value = bb_syscat_value(row, TriggerRelationId,
										Anum_pg_trigger_tgargs, &isnull);
	int			n = BB_SYSCAT_FORM(pg_trigger, row)->tgnargs;
	bytea	   *bytes;
	const char *next;
	const char *end;

	if (isnull)
		return;
	bytes = (bytea *) bb_toast_flat(script->ctx, script->past, value);
	next = VARDATA_ANY(bytes);
	end = next + VARSIZE_ANY_EXHDR(bytes);
	for (int i = 0; i < n; i++)
	{
		const char *zero = memchr(next, '\0', end - next);

		if (zero == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("the arguments of trigger \"%s\" are too short",
							NameStr(BB_SYSCAT_FORM(pg_trigger, row)->tgname))));
		appendStringInfo(text, "%s%s", i > 0 ? ", " : "",
						 quote_literal_cstr(next));
		next = zero + 1;
	}
}

static void
append_references(BbScript *script, HeapTuple row, StringInfo text)
{
	char	   *old = bb_script_name(script, row, TriggerRelationId,
									 Anum_pg_trigger_tgoldtable);
	char	   *new = bb_script_name(script, row, TriggerRelationId,
									 Anum_pg_trigger_tgnewtable);

	if (old == NULL && new == NULL)
		return;
	appendStringInfoString(text, " REFERENCING");
	if (old != NULL)
		appendStringInfo(text, " OLD TABLE AS %s", quote_identifier(old));
	if (new != NULL)
		appendStringInfo(text, " NEW TABLE AS %s", quote_identifier(new));
}

static const char *
state_of(char enabled)
{
	switch (enabled)
	{
		case TRIGGER_DISABLED:
			return "DISABLE";
		case TRIGGER_FIRES_ON_REPLICA:
			return "ENABLE REPLICA";
		case TRIGGER_FIRES_ALWAYS:
			return "ENABLE ALWAYS";
		default:
			return NULL;
	}
}

static void
make_trigger(BbScript *script, BbTable *table, HeapTuple row)
{
	Form_pg_trigger form = BB_SYSCAT_FORM(pg_trigger, row);
	const char *relation = bb_script_relation(script, table->oid);
	const char *name = pstrdup(quote_identifier(NameStr(form->tgname)));
	const char *object = psprintf("trigger %s on table %s", name, relation);
	BbExprOf	of = {.script = script,
					  .part = BB_SCRIPT_AFTER,
					  .object = object,
					  .table = table,
					  .old_new = true};
	char	   *tree = bb_script_text(script, row, TriggerRelationId,
									  Anum_pg_trigger_tgqual);
	char	   *condition = tree == NULL ? NULL : bb_expr_text(&of, tree);
	StringInfoData text;

	if (!bb_script_need(script, BB_SCRIPT_AFTER, object, BB_OBJECT_FUNCTION,
						form->tgfoid) ||
		(tree != NULL && condition == NULL))
		return;
	initStringInfo(&text);
	appendStringInfo(&text, "CREATE %sTRIGGER %s %s",
					 OidIsValid(form->tgconstraint) ? "CONSTRAINT " : "", name,
					 TRIGGER_FOR_BEFORE(form->tgtype)	   ? "BEFORE"
						 : TRIGGER_FOR_AFTER(form->tgtype) ? "AFTER"
														   : "INSTEAD OF");
	append_events(script, table, row, &text);
	appendStringInfo(&text, " ON %s", relation);
	if (OidIsValid(form->tgconstraint))
	{
		if (OidIsValid(form->tgconstrrelid))
		{
			bb_script_need(script, BB_SCRIPT_AFTER, object, BB_OBJECT_RELATION,
						   form->tgconstrrelid);
			appendStringInfo(&text, " FROM %s",
							 bb_script_relation(script, form->tgconstrrelid));
		}
		appendStringInfoString(&text,
							   bb_ddl_deferrable(form->tgdeferrable,
												 form->tginitdeferred));
	}
	append_references(script, row, &text);
	appendStringInfo(&text, " FOR EACH %s",
					 TRIGGER_FOR_ROW(form->tgtype) ? "ROW" : "STATEMENT");
	if (condition != NULL)
		appendStringInfo(&text, " WHEN (%s)", condition);
	appendStringInfo(&text, " EXECUTE FUNCTION %s(",
					 bb_object_name(script->ctx, script->past,
									BB_OBJECT_FUNCTION, form->tgfoid));
	append_arguments(script, row, &text);
	appendStringInfoChar(&text, ')');
	bb_script_add(script, BB_SCRIPT_AFTER, object, text.data);
	if (state_of(form->tgenabled) != NULL)
		bb_script_add(script, BB_SCRIPT_AFTER, object,
					  psprintf("ALTER TABLE %s %s TRIGGER %s", relation,
							   state_of(form->tgenabled), name));
	bb_ddl_comments(script, psprintf("TRIGGER %s ON %s", name, relation),
					TriggerRelationId, form->oid, NULL);
}

static void
name_rules(BbScript *script, BbTable *table)
{
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, RewriteRelationId,
						   RewriteRelRulenameIndexId, table->oid, InvalidOid))
	{
		Form_pg_rewrite form = BB_SYSCAT_FORM(pg_rewrite, lfirst(cell));

		bb_script_note_made(script, RewriteRelationId, form->oid);
		bb_script_problem(script, BB_SCRIPT_AFTER,
						  psprintf("rule %s on table %s",
								   quote_identifier(NameStr(form->rulename)),
								   bb_script_relation(script, table->oid)),
						  "is a rule, which does not come back");
	}
}

void
bb_ddl_triggers(BbScript *script, BbTable *table)
{
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, TriggerRelationId, TriggerRelidNameIndexId,
						   table->oid, InvalidOid))
	{
		Form_pg_trigger form = BB_SYSCAT_FORM(pg_trigger, lfirst(cell));

		bb_script_note_made(script, TriggerRelationId, form->oid);
		/* those of foreign keys, and those that come with the parent's */
		if (!form->tgisinternal && !OidIsValid(form->tgparentid))
			make_trigger(script, table, lfirst(cell));
	}
	name_rules(script, table);
}

/* ---- policies ---- */

/* " TO role, role"; false if one is not here. */
static bool
append_roles(BbScript *script, HeapTuple row, const char *object,
			 StringInfo text)
{
	int			n;
	Oid		   *roles = bb_script_array(script, row, PolicyRelationId,
										Anum_pg_policy_polroles, OIDOID,
										sizeof(Oid), &n);

	for (int i = 0; i < n; i++)
	{
		if (roles[i] != ACL_ID_PUBLIC &&
			!bb_script_need(script, BB_SCRIPT_AFTER, object, BB_OBJECT_ROLE,
							roles[i]))
			return false;
		appendStringInfo(text, "%s%s", i == 0 ? " TO " : ", ",
						 roles[i] == ACL_ID_PUBLIC
							 ? "PUBLIC"
							 : bb_object_name(script->ctx, script->past,
											  BB_OBJECT_ROLE, roles[i]));
	}
	return true;
}

static bool
append_qual(const BbExprOf *of, HeapTuple row, AttrNumber column,
			const char *words, StringInfo text)
{
	char	   *tree = bb_script_text(of->script, row, PolicyRelationId,
									  column);
	char	   *expression;

	if (tree == NULL)
		return true;
	expression = bb_expr_text(of, tree);
	if (expression == NULL)
		return false;
	appendStringInfo(text, " %s (%s)", words, expression);
	return true;
}

static const char *
command_of(char command)
{
	switch (command)
	{
		case ACL_SELECT_CHR:
			return " FOR SELECT";
		case ACL_INSERT_CHR:
			return " FOR INSERT";
		case ACL_UPDATE_CHR:
			return " FOR UPDATE";
		case ACL_DELETE_CHR:
			return " FOR DELETE";
		default:
			return "";
	}
}

static void
make_policy(BbScript *script, BbTable *table, HeapTuple row)
{
	Form_pg_policy form = BB_SYSCAT_FORM(pg_policy, row);
	const char *relation = bb_script_relation(script, table->oid);
	const char *name = pstrdup(quote_identifier(NameStr(form->polname)));
	const char *object = psprintf("policy %s on table %s", name, relation);
	BbExprOf	of = {.script = script,
					  .part = BB_SCRIPT_AFTER,
					  .object = object,
					  .table = table};
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "CREATE POLICY %s ON %s AS %s%s", name, relation,
					 form->polpermissive ? "PERMISSIVE" : "RESTRICTIVE",
					 command_of(form->polcmd));
	if (!append_roles(script, row, object, &text) ||
		!append_qual(&of, row, Anum_pg_policy_polqual, "USING", &text) ||
		!append_qual(&of, row, Anum_pg_policy_polwithcheck, "WITH CHECK",
					 &text))
		return;
	bb_script_add(script, BB_SCRIPT_AFTER, object, text.data);
	bb_ddl_comments(script, psprintf("POLICY %s ON %s", name, relation),
					PolicyRelationId, form->oid, NULL);
}

void
bb_ddl_policies(BbScript *script, BbTable *table)
{
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, PolicyRelationId,
						   PolicyPolrelidPolnameIndexId, table->oid,
						   InvalidOid))
	{
		bb_script_note_made(script, PolicyRelationId,
							BB_SYSCAT_FORM(pg_policy, lfirst(cell))->oid);
		make_policy(script, table, lfirst(cell));
	}
}

/* ---- extended statistics ---- */

static const char *
kinds_of(BbScript *script, HeapTuple row)
{
	StringInfoData text;
	int			n;
	char	   *kinds = bb_script_array(script, row, StatisticExtRelationId,
										Anum_pg_statistic_ext_stxkind, CHAROID,
										sizeof(char), &n);

	initStringInfo(&text);
	for (int i = 0; i < n; i++)
	{
		const char *kind = kinds[i] == STATS_EXT_NDISTINCT ? "ndistinct"
			: kinds[i] == STATS_EXT_DEPENDENCIES		   ? "dependencies"
			: kinds[i] == STATS_EXT_MCV					   ? "mcv"
														   : NULL;

		/* that of expressions goes without saying */
		if (kind != NULL)
			appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "", kind);
	}
	return text.len > 0 ? psprintf(" (%s)", text.data) : "";
}

static int
target_of(HeapTuple row)
{
	bool		isnull;
	Datum		value = bb_syscat_value(row, StatisticExtRelationId,
										Anum_pg_statistic_ext_stxstattarget,
										&isnull);
#if PG_VERSION_NUM >= 170000
	return isnull ? -1 : DatumGetInt16(value);
#else
	return isnull ? -1 : DatumGetInt32(value);
#endif
}

static void
make_statistics(BbScript *script, BbTable *table, HeapTuple row)
{
	Form_pg_statistic_ext form = BB_SYSCAT_FORM(pg_statistic_ext, row);
	char	   *schema = bb_table_schema_name(script->ctx, script->past,
											  form->stxnamespace);
	const char *name = quote_qualified_identifier(schema,
												  NameStr(form->stxname));
	const char *object = psprintf("statistics %s", name);
	BbExprOf	of = {.script = script,
					  .part = BB_SCRIPT_AFTER,
					  .object = object,
					  .table = table};
	char	   *tree = bb_script_text(script, row, StatisticExtRelationId,
									  Anum_pg_statistic_ext_stxexprs);
	List	   *expressions = tree == NULL ? NIL : bb_expr_texts(&of, tree);
	int			n;
	int16	   *columns = bb_script_array(script, row, StatisticExtRelationId,
										  Anum_pg_statistic_ext_stxkeys,
										  INT2OID, sizeof(int16), &n);
	bool		first = true;
	StringInfoData text;
	ListCell   *cell;

	if ((tree != NULL && expressions == NIL) ||
		!bb_script_need(script, BB_SCRIPT_AFTER, object, BB_OBJECT_SCHEMA,
						form->stxnamespace))
		return;
	initStringInfo(&text);
	appendStringInfo(&text, "CREATE STATISTICS %s%s ON", name,
					 n + list_length(expressions) > 1 ? kinds_of(script, row)
													  : "");
	for (int i = 0; i < n; i++, first = false)
		appendStringInfo(&text, "%s %s", first ? "" : ",",
						 bb_script_column(script, table, columns[i]));
	foreach(cell, expressions)
	{
		appendStringInfo(&text, "%s (%s)", first ? "" : ",",
						 (char *) lfirst(cell));
		first = false;
	}
	appendStringInfo(&text, " FROM %s",
					 bb_script_relation(script, table->oid));
	bb_script_add(script, BB_SCRIPT_AFTER, object, text.data);
	if (target_of(row) >= 0)
		bb_script_add(script, BB_SCRIPT_AFTER, object,
					  psprintf("ALTER STATISTICS %s SET STATISTICS %d", name,
							   target_of(row)));
	bb_ddl_comments(script, psprintf("STATISTICS %s", name),
					StatisticExtRelationId, form->oid, NULL);
	bb_ddl_owner(script, psprintf("STATISTICS %s", name), form->stxowner);
}

void
bb_ddl_statistics(BbScript *script, BbTable *table)
{
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, StatisticExtRelationId,
						   StatisticExtRelidIndexId, table->oid, InvalidOid))
	{
		bb_script_note_made(script, StatisticExtRelationId,
							BB_SYSCAT_FORM(pg_statistic_ext, lfirst(cell))
								->oid);
		make_statistics(script, table, lfirst(cell));
	}
}
