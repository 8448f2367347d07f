/*-------------------------------------------------------------------------
 *
 * undrop.c
 *	  bb_undrop_table(): a table of the past, made again with its rows.
 *
 * Statements come from the catalogs of then (ddl.h); rows are read through temporary
 * foreign tables.  All is run, if asked for, by the caller: nothing is done that the
 * caller could not do with the statements.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/foreigntext.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/dbcommands.h"
#include "ddl/ddl.h"
#include "executor/spi.h"
#include "fdw/kept.h"
#include "fdw/parts.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "stores/call.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/pg_lsn.h"
#include "utils/regproc.h"
#include "utils/tuplestore.h"
#include "utils/varlena.h"

BB_SQL_FUNCTION(bb_sql_undrop_table);

typedef struct Wanted
{
	BbTableOptions options;
	List	   *name; /* as it was written */
	bool		run;
	bool		rows;
} Wanted;

/* ---- arguments ---- */

static void
need_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be NULL", name)));
}

static Wanted
wanted_of(FunctionCallInfo fcinfo)
{
	static const char *const names[] = {"name",		 NULL,	  NULL,		 "run",
										"with_data", "store", "timeline"};
	Wanted		wanted = {0};

	for (int i = 0; i < lengthof(names); i++)
	{
		if (names[i] != NULL)
			need_argument(fcinfo, i, names[i]);
	}
	wanted.name = textToQualifiedNameList(PG_GETARG_TEXT_PP(0));
	if (list_length(wanted.name) > 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("improper table name: \"%s\"",
						text_to_cstring(PG_GETARG_TEXT_PP(0))),
				 errhint("It is a name, or a schema and a name; the database is an argument.")));
	if (!PG_ARGISNULL(1))
	{
		wanted.options.lsn = PG_GETARG_LSN(1);
		if (XLogRecPtrIsInvalid(wanted.options.lsn))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument \"lsn\" must not be 0/0")));
	}
	wanted.options.database = PG_ARGISNULL(2)
		? get_database_name(MyDatabaseId)
		: pstrdup(NameStr(*PG_GETARG_NAME(2)));
	wanted.run = PG_GETARG_BOOL(3);
	wanted.rows = PG_GETARG_BOOL(4);
	wanted.options.store = pstrdup(NameStr(*PG_GETARG_NAME(5)));
	wanted.options.timeline = text_to_cstring(PG_GETARG_TEXT_PP(6));
	bb_tableoptions_check_timeline(wanted.options.timeline);
	return wanted;
}

/* In the schema that is named, or else in the first of search_path that has it. */
static BbTable *
find_table(const BbReqCtx *ctx, BbPast *past, Wanted *wanted)
{
	ListCell   *cell;

	wanted->options.table = strVal(llast(wanted->name));
	if (list_length(wanted->name) == 2)
		wanted->options.schema = strVal(linitial(wanted->name));
	else
	{
		wanted->options.schema = "public";
		foreach(cell, fetch_search_path(false))
		{
			char	   *schema = get_namespace_name(lfirst_oid(cell));
			Oid			there = schema == NULL
				? InvalidOid
				: bb_table_schema(ctx, past, schema);

			if (OidIsValid(there) &&
				bb_table_find(ctx, past, there, wanted->options.table) != NULL)
			{
				wanted->options.schema = schema;
				break;
			}
		}
	}
	return bb_parts_table(ctx, past, &wanted->options);
}

/* ---- rows ---- */

static void
add_rows(BbScript *script, const Wanted *wanted, BbTable *table, int number)
{
	const char *name = bb_script_relation(script, table->oid);
	const char *object = psprintf("rows of table %s", name);
	const char *refusal = bb_parts_refusal(table);
	char	   *schema = bb_table_schema_name(script->ctx, script->past,
											  table->schema);
	char	   *past = psprintf("pg_temp.bb_undrop_%d", number);
	char	   *columns;
	StringInfoData names;

	if (table->kind == RELKIND_PARTITIONED_TABLE)
		return;
	if (refusal != NULL)
	{
		bb_script_note(script, BB_SCRIPT_ROWS, object, refusal);
		return;
	}
	initStringInfo(&names);
	columns = bb_ddl_columns(script, table, &names);
	bb_script_add(
		script, BB_SCRIPT_ROWS, object,
		psprintf(
			"CREATE FOREIGN TABLE %s (%s\n) SERVER %s OPTIONS (" BB_OPTION_DATABASE
			" %s, " BB_OPTION_SCHEMA_NAME " %s, " BB_OPTION_TABLE_NAME
			" %s, " BB_OPTION_TIMELINE " %s, " BB_OPTION_LSN " '" BB_LSN_FORMAT
			"', " BB_OPTION_ONLY " 'true')",
			past, columns, quote_identifier(wanted->options.store),
			quote_literal_cstr(wanted->options.database),
			quote_literal_cstr(schema),
			quote_literal_cstr(NameStr(table->name)),
			quote_literal_cstr(wanted->options.timeline),
			LSN_FORMAT_ARGS(script->past->snapshot.lsn)));
	if (names.len > 0)
		bb_script_add(
			script, BB_SCRIPT_ROWS, object,
			psprintf(
				"INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s",
				name, names.data, names.data, past));
	else
		/* without columns, or with generated ones only */
		bb_script_add(
			script, BB_SCRIPT_ROWS, object,
			psprintf(
				"DO $bbackup$ BEGIN FOR i IN 1 .. (SELECT pg_catalog.count(*) FROM %s) LOOP INSERT INTO %s DEFAULT VALUES; END LOOP; END $bbackup$",
				past, name));
	bb_script_add(script, BB_SCRIPT_ROWS, object,
				  psprintf("DROP FOREIGN TABLE %s", past));
	bb_script_add(script, BB_SCRIPT_AFTER,
				  psprintf("planner statistics of table %s", name),
				  psprintf("ANALYZE %s", name));
}

static BbScript
write_script(const BbReqCtx *ctx, BbPast *past, Wanted *wanted)
{
	static const char *const settings[] = {
		"SET search_path = pg_catalog",
		"SET default_tablespace = ''",
		"SET default_table_access_method = heap",
	};
	BbScript	script = {.ctx = ctx, .past = past};
	BbTable	   *table = find_table(ctx, past, wanted);
	ListCell   *cell;
	int			number = 1;

	for (int i = 0; i < lengthof(settings); i++)
		bb_script_add(&script, BB_SCRIPT_TABLES, "settings of the session",
					  settings[i]);
	bb_ddl_table(&script, table);
	if (wanted->rows)
	{
		foreach(cell, script.family)
			add_rows(&script, wanted, lfirst(cell), number++);
	}
	return script;
}

/* ---- running it ---- */

static void
report_problems(List *steps)
{
	StringInfoData problems;
	ListCell   *cell;

	initStringInfo(&problems);
	foreach(cell, steps)
	{
		const BbStep *step = lfirst(cell);

		if (step->problem == NULL)
			continue;
		if (step->blocks)
			appendStringInfo(&problems, "%s%s %s",
							 problems.len > 0 ? "\n" : "", step->object,
							 step->problem);
		else
			ereport(NOTICE,
					(errmsg("%s %s", step->object, step->problem)));
	}
	if (problems.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the table cannot be made as it was"),
				 errdetail_internal("%s", problems.data),
				 errhint("Make what is missing, or run the statements that bb_undrop_table() shows without \"run\".")));
}

static void
add_context(void *arg)
{
	errcontext("bb_undrop_table: %s", (const char *) arg);
}

static void
run_step(const BbStep *step)
{
	ErrorContextCallback context = {.previous = error_context_stack,
									.callback = add_context,
									.arg = unconstify(char *, step->object)};
	int			result;

	error_context_stack = &context;
	result = SPI_execute(step->statement, false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
	error_context_stack = context.previous;
}

/* The settings that it makes end with it. */
static void
run_script(List *steps)
{
	int			level = NewGUCNestLevel();
	ListCell   *cell;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	foreach(cell, steps)
	{
		const BbStep *step = lfirst(cell);

		if (step->statement != NULL)
			run_step(step);
	}
	SPI_finish();
	AtEOXact_GUC(false, level);
}

/* ---- the function ---- */

static List *
steps_of(Wanted *wanted)
{
	const BbReqCtx *ctx = bb_call_begin("bb_undrop_table", BB_TASK_TABLE_READ);
	BbBorrowed *borrowed = bb_past_borrow(ctx, &wanted->options, GetUserId(),
										  CurrentMemoryContext);
	BbScript	script = write_script(ctx, bb_past_of(borrowed), wanted);
	List	   *steps = NIL;

	for (int i = 0; i < BB_SCRIPT_PARTS; i++)
		steps = list_concat(steps, script.steps[i]);
	bb_past_return(borrowed);
	bb_reqctx_end(ctx);
	return steps;
}

static void
return_steps(FunctionCallInfo fcinfo, List *steps)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, steps)
	{
		const BbStep *step = lfirst(cell);
		Datum		values[4] = {0};
		bool		nulls[4] = {false, false, step->statement == NULL,
								step->problem == NULL};

		values[0] = Int32GetDatum(foreach_current_index(cell) + 1);
		values[1] = CStringGetTextDatum(step->object);
		if (step->statement != NULL)
			values[2] = CStringGetTextDatum(step->statement);
		if (step->problem != NULL)
			values[3] = CStringGetTextDatum(step->problem);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
}

/*
 * bb_undrop_table(name text, lsn pg_lsn, datname name, run boolean,
 * with_data boolean, store name, timeline text)
 */
static Datum
bb_sql_undrop_table_body(PG_FUNCTION_ARGS)
{
	Wanted		wanted = wanted_of(fcinfo);
	List	   *steps;

	if (wanted.run)
		PreventCommandIfReadOnly("bb_undrop_table(run => true)");
	steps = steps_of(&wanted);
	if (wanted.run)
	{
		report_problems(steps);
		run_script(steps);
	}
	return_steps(fcinfo, steps);
	return (Datum) 0;
}
