/*-------------------------------------------------------------------------
 *
 * backup_arguments.c
 *	  The SQL arguments of all functions that make, or describe, a backup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "funcs/arguments.h"
#include "funcs/backup_arguments.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* A function call, and the names of its arguments. */
typedef struct Arguments
{
	FunctionCallInfo fcinfo;
	char	  **names;
} Arguments;

static Arguments
named_arguments(FunctionCallInfo fcinfo)
{
	Arguments	result = {.fcinfo = fcinfo};
	Oid			function = fcinfo->flinfo->fn_oid;
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid		   *types;
	char	   *modes;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	/* output arguments follow the input arguments */
	(void) get_func_arg_info(tuple, &types, &result.names, &modes);
	ReleaseSysCache(tuple);
	if (result.names == NULL)
		elog(ERROR, "arguments of function %u have no names", function);
	return result;
}

/* Return the number of an argument; -1: the function doesn't have it. */
static int
find(const Arguments *arguments, const char *name)
{
	for (int n = 0; n < arguments->fcinfo->nargs; n++)
	{
		if (strcmp(arguments->names[n], name) == 0)
			return n;
	}
	return -1;
}

int
bb_arg_number(FunctionCallInfo fcinfo, const char *name)
{
	Arguments	arguments = named_arguments(fcinfo);
	int			n = find(&arguments, name);

	if (n < 0)
		elog(ERROR, "function %u has no argument \"%s\"",
			 fcinfo->flinfo->fn_oid, name);
	return n;
}

/* Does the function have the argument, and is it not NULL? */
static bool
given(const Arguments *arguments, const char *name, int *n)
{
	*n = find(arguments, name);
	return *n >= 0 && !arguments->fcinfo->args[*n].isnull;
}

/* Return a text; NULL if it is not given. */
static const char *
text_of(const Arguments *arguments, const char *name)
{
	int			n;

	return given(arguments, name, &n) ? bb_arg_text(arguments->fcinfo, n, name)
									  : NULL;
}

static TimeLineID
parse_tli(int32 tli)
{
	if (tli <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("new_tli must be positive, not %d", tli)));
	return (TimeLineID) tli;
}

static BbBackupOptions
parse_options(const Arguments *arguments)
{
	FunctionCallInfo fcinfo = arguments->fcinfo;
	BbBackupOptions options = bb_options_defaults();
	int			n;

	if ((n = find(arguments, "full_backup")) >= 0)
		options.full = bb_arg_bool(fcinfo, n, "full_backup");
	if (given(arguments, "prev_lsn", &n))
		options.prev_lsn = bb_arg_lsn(fcinfo, n, "prev_lsn");
	if (given(arguments, "new_tli", &n))
		options.new_tli = parse_tli(PG_GETARG_INT32(n));
	if (given(arguments, "label", &n))
		bb_options_set_label(&options, bb_arg_text(fcinfo, n, "label"));
	if (given(arguments, "max_rate", &n))
		bb_options_set_max_rate(&options, PG_GETARG_INT32(n));
	if ((n = find(arguments, "progress")) >= 0)
		options.progress = bb_arg_bool(fcinfo, n, "progress");
	if ((n = find(arguments, "compression")) >= 0)
		bb_options_set_compression(&options,
								   bb_arg_text(fcinfo, n, "compression"));
	bb_options_set_tablespaces(&options, text_of(arguments, "tablespaces"));
	bb_options_set_settings(&options, text_of(arguments, "settings"));
	bb_options_set_manifest(&options, text_of(arguments, "manifest"),
							text_of(arguments, "manifest_checksums"));
	if (given(arguments, "jobs", &n))
		bb_options_set_jobs(&options, PG_GETARG_INT32(n));
	return options;
}

/* Names of databases; NIL: all. */
static List *
only_databases(const Arguments *arguments, const BbBackupOptions *options)
{
	int			n;
	List	   *names;

	if (!given(arguments, "only_databases", &n))
		return NIL;
	if (!options->full)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("only_databases is for full backups"),
				 errdetail("A thin backup has no relations of any database.")));
	names = bb_arg_texts(arguments->fcinfo, n, "only_databases");
	if (names == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("only_databases must name a database")));
	return names;
}

BbBackupRequest
bb_arg_backup(FunctionCallInfo fcinfo)
{
	Arguments	arguments = named_arguments(fcinfo);
	int			lsn = bb_arg_number(fcinfo, "lsn");
	int			store = bb_arg_number(fcinfo, "store");
	int			timeline = bb_arg_number(fcinfo, "timeline");

	BbBackupOptions options = parse_options(&arguments);

	return (BbBackupRequest){
		.function = get_func_name(fcinfo->flinfo->fn_oid),
		.lsn = bb_arg_lsn(fcinfo, lsn, "lsn"),
		.server = bb_arg_name(fcinfo, store, "store"),
		.timeline = bb_arg_text(fcinfo, timeline, "timeline"),
		.options = options,
		.only_databases = only_databases(&arguments, &options),
	};
}

BbBackupCall
bb_backup_call_of(FunctionCallInfo fcinfo)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_BASEBACKUP);
	BbBackupRequest request = bb_arg_backup(fcinfo);

	return bb_backup_call_begin(ctx, &request);
}
