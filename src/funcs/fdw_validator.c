/*-------------------------------------------------------------------------
 *
 * fdw_validator.c
 *	  The options of the foreign-data wrapper "bbackup" and its servers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "base/foreigntext.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "stores/store_access.h"
#include "utils/builtins.h"
#include "utils/guc.h"

BB_SQL_FUNCTION(bb_sql_fdw_validator);

/* Who sets a directory lets the server process read and write there. */
static void
need_files(const char *what)
{
	bb_store_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files",
					   what);
	bb_store_need_role(ROLE_PG_WRITE_SERVER_FILES, "pg_write_server_files",
					   what);
}

static void
check_url(const char *value)
{
	bb_objstore_check_url(value);
	if (strncmp(value, "file:", 5) == 0)
		need_files("set the URL of a page store");
}

static void
check_region(const char *value)
{
	if (*value == '\0' || strlen(value) > 63 ||
		strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
			strlen(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid region of a page store"),
				 errhint("A region is a name such as \"eu-central-1\".")));
}

static void
check_boolean(const char *value)
{
	bool		parsed;

	if (!parse_bool(value, &parsed))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"" BB_OPTION_PATH_STYLE
						"\" requires a Boolean value")));
}

static void
check_cache_directory(const char *value)
{
	if (!is_absolute_path(value) || strlen(value) > MAXPGPATH / 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"" BB_OPTION_CACHE_DIRECTORY
						"\" must be an absolute path")));
	/* as of a local store, which the cache reads it as */
	if (strstr(psprintf("%s/", value), "/../") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"" BB_OPTION_CACHE_DIRECTORY
						"\" must be a path without \"..\"")));
	need_files("set the cache directory of a page store");
	bb_objstore_check_cache_directory(value);
}

static void
check_cache_size(const char *value)
{
	int			megabytes;

	if (!parse_int(value, &megabytes, GUC_UNIT_MB, NULL) || megabytes < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"" BB_OPTION_CACHE_SIZE
						"\": \"%s\"",
						value),
				 errhint("It is a size of 1MB at least, such as \"20GB\".")));
}

/* Keys go into HTTP headers.  The message doesn't repeat them. */
static void
check_key(const char *value)
{
	for (const char *p = value; *p; p++)
	{
		if (*p <= ' ' || *p > '~')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid key of a page store"),
					 errdetail("Keys have printable ASCII characters only.")));
	}
}

static const struct
{
	const char *name;
	Oid			catalog; /* where it belongs */
	void		(*check) (const char *value);
}			valid_options[] = {
	{BB_OPTION_URL, ForeignServerRelationId, check_url},
	{BB_OPTION_ENDPOINT, ForeignServerRelationId, bb_objstore_check_endpoint},
	{BB_OPTION_REGION, ForeignServerRelationId, check_region},
	{BB_OPTION_PATH_STYLE, ForeignServerRelationId, check_boolean},
	{BB_OPTION_CACHE_DIRECTORY, ForeignServerRelationId,
	 check_cache_directory},
	{BB_OPTION_CACHE_SIZE, ForeignServerRelationId, check_cache_size},
	{BB_OPTION_ACCESS_KEY_ID, UserMappingRelationId, check_key},
	{BB_OPTION_SECRET_ACCESS_KEY, UserMappingRelationId, check_key},
	{BB_OPTION_SESSION_TOKEN, UserMappingRelationId, check_key},
};

static void
invalid_option(const char *name, Oid catalog)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (int i = 0; i < lengthof(valid_options); i++)
	{
		if (valid_options[i].catalog == catalog)
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "",
							 valid_options[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 valid.len > 0
			 ? errhint("Valid options in this context are: %s", valid.data)
			 : errhint("There are no valid options in this context.")));
}

/*
 * bb_fdw_validator(options text[], catalog oid)
 *
 * A URL may name a directory that the server process will read and write, so
 * setting one takes what reading and writing files of the server takes (as
 * file_fdw does with its file name).
 */
static Datum
bb_sql_fdw_validator_body(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem	   *option = lfirst(cell);
		int			i = 0;

		while (i < lengthof(valid_options) &&
			   (valid_options[i].catalog != catalog ||
				strcmp(valid_options[i].name, option->defname) != 0))
			i++;
		if (i == lengthof(valid_options))
			invalid_option(option->defname, catalog);
		valid_options[i].check(defGetString(option));
	}
	PG_RETURN_VOID();
}
