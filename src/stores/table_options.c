/*-------------------------------------------------------------------------
 *
 * table_options.c
 *	  The options of tables of the past, which are foreign tables of page stores.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "commands/defrem.h"
#include "layer/manifest_values.h"
#include "stores/option_value.h"
#include "stores/store_targets.h"
#include "stores/table_options.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/pg_lsn.h"

#define DEFAULT_TIMELINE "main"

/* ---- checks ---- */

void
bb_tableoptions_check_lsn(const char *value)
{
	if (XLogRecPtrIsInvalid(DatumGetLSN(
			DirectFunctionCall1(pg_lsn_in, CStringGetDatum(value)))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"" BB_OPTION_LSN "\" must not be 0/0")));
}

void
bb_tableoptions_check_time(const char *value)
{
	(void) bb_store_time_of_text(value);
}

static bool
bool_of(const char *value)
{
	bool		result;

	if (!parse_bool(value, &result))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"" BB_OPTION_ONLY "\" requires a Boolean value")));
	return result;
}

void
bb_tableoptions_check_only(const char *value)
{
	(void) bool_of(value);
}

void
bb_tableoptions_check_name(const char *value)
{
	if (*value == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the name of a database, schema, table or column must not be empty")));
	if (strlen(value) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("name \"%s\" is too long", value),
				 errdetail("A name has up to %d bytes.", NAMEDATALEN - 1)));
}

void
bb_tableoptions_check_timeline(const char *value)
{
	bb_timeline_name_check(value);
}

void
bb_tableoptions_check_together(bool has_lsn, bool has_time)
{
	if (has_lsn && has_time)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options \"" BB_OPTION_LSN "\" and \"" BB_OPTION_TIME
						"\" exclude each other")));
}

/* ---- using options ---- */

static void
set_option(BbTableOptions *options, DefElem *option)
{
	char	   *value = defGetString(option);

	if (strcmp(option->defname, BB_OPTION_DATABASE) == 0)
		options->database = value;
	else if (strcmp(option->defname, BB_OPTION_SCHEMA_NAME) == 0)
		options->schema = value;
	else if (strcmp(option->defname, BB_OPTION_TABLE_NAME) == 0)
		options->table = value;
	else if (strcmp(option->defname, BB_OPTION_TIMELINE) == 0)
		options->timeline = value;
	else if (strcmp(option->defname, BB_OPTION_TIME) == 0)
		options->time = value;
	else if (strcmp(option->defname, BB_OPTION_ONLY) == 0)
		options->only = bool_of(value);
	else if (strcmp(option->defname, BB_OPTION_LSN) == 0)
		options->lsn = DatumGetLSN(
			DirectFunctionCall1(pg_lsn_in, CStringGetDatum(value)));
}

static void
need_database(const BbTableOptions *options)
{
	if (options->database == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("option \"" BB_OPTION_DATABASE "\" is missing"),
				 errhint("It is the name of the database, in the page store, that has the tables.")));
}

BbTableOptions
bb_tableoptions_of(Oid relid)
{
	ForeignTable *table = GetForeignTable(relid);
	BbTableOptions options = {
		.store = GetForeignServer(table->serverid)->servername,
		.timeline = DEFAULT_TIMELINE,
		.schema = get_namespace_name(get_rel_namespace(relid)),
		.table = get_rel_name(relid),
	};
	ListCell   *cell;

	foreach(cell, table->options)
		set_option(&options, lfirst(cell));
	need_database(&options);
	return options;
}

/* The options were not checked by the validator. */
BbTableOptions
bb_tableoptions_of_import(Oid server, const char *schema, List *list)
{
	BbTableOptions options = {
		.store = GetForeignServer(server)->servername,
		.timeline = DEFAULT_TIMELINE,
		.schema = schema,
	};
	ListCell   *cell;

	foreach(cell, list)
	{
		DefElem	   *option = lfirst(cell);
		char	   *value = defGetString(option);

		if (strcmp(option->defname, BB_OPTION_DATABASE) == 0)
			bb_tableoptions_check_name(value);
		else if (strcmp(option->defname, BB_OPTION_TIMELINE) == 0)
			bb_tableoptions_check_timeline(value);
		else if (strcmp(option->defname, BB_OPTION_LSN) == 0)
			bb_tableoptions_check_lsn(value);
		else if (strcmp(option->defname, BB_OPTION_TIME) == 0)
			bb_tableoptions_check_time(value);
		else
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("invalid option \"%s\"", option->defname),
					 errhint("Valid options in this context are: "
							 BB_OPTION_DATABASE ", " BB_OPTION_TIMELINE ", "
							 BB_OPTION_LSN ", " BB_OPTION_TIME)));
		set_option(&options, option);
	}
	bb_tableoptions_check_together(!XLogRecPtrIsInvalid(options.lsn),
								   options.time != NULL);
	need_database(&options);
	return options;
}

char *
bb_tableoptions_column(Oid table, AttrNumber column, const char *name)
{
	char	   *value = bb_option_value(GetForeignColumnOptions(table, column),
										BB_OPTION_COLUMN_NAME);

	return pstrdup(value != NULL ? value : name);
}
