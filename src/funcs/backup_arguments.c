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

/* The names of a function's arguments. */
typedef struct ArgumentNames
{
	int			count; /* of the input arguments */
	char	  **names;
} ArgumentNames;

static ArgumentNames
argument_names(FunctionCallInfo fcinfo)
{
	ArgumentNames result;
	HeapTuple	tuple = SearchSysCache1(PROCOID,
										ObjectIdGetDatum(
											fcinfo->flinfo->fn_oid));
	Oid		   *types;
	char	   *modes;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u",
			 fcinfo->flinfo->fn_oid);
	/* output arguments follow the input arguments */
	(void) get_func_arg_info(tuple, &types, &result.names, &modes);
	ReleaseSysCache(tuple);
	if (result.names == NULL)
		elog(ERROR, "arguments of function %u have no names",
			 fcinfo->flinfo->fn_oid);
	result.count = fcinfo->nargs;
	return result;
}

static int
find(const ArgumentNames *arguments, const char *name)
{
	for (int n = 0; n < arguments->count; n++)
	{
		if (strcmp(arguments->names[n], name) == 0)
			return n;
	}
	return -1;
}

int
bb_arg_number(FunctionCallInfo fcinfo, const char *name)
{
	ArgumentNames arguments = argument_names(fcinfo);

	return find(&arguments, name);
}

/* Does the function have the argument, and is it not NULL? */
static bool
given(FunctionCallInfo fcinfo, const ArgumentNames *arguments,
	  const char *name, int *n)
{
	*n = find(arguments, name);
	return *n >= 0 && !PG_ARGISNULL(*n);
}

/* Return a text; NULL if the argument is NULL, or the function has none. */
static const char *
optional_text(FunctionCallInfo fcinfo, const ArgumentNames *arguments,
			  const char *name)
{
	int			n;

	return given(fcinfo, arguments, name, &n) ? bb_arg_text(fcinfo, n, name)
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
parse_options(FunctionCallInfo fcinfo, const ArgumentNames *arguments)
{
	BbBackupOptions options = bb_options_defaults();
	int			n;

	if ((n = find(arguments, "full_backup")) >= 0)
		options.full = bb_arg_bool(fcinfo, n, "full_backup");
	if (given(fcinfo, arguments, "prev_lsn", &n))
		options.prev_lsn = bb_arg_lsn(fcinfo, n, "prev_lsn");
	if (given(fcinfo, arguments, "new_tli", &n))
		options.new_tli = parse_tli(PG_GETARG_INT32(n));
	if (given(fcinfo, arguments, "label", &n))
		bb_options_set_label(&options, bb_arg_text(fcinfo, n, "label"));
	if (given(fcinfo, arguments, "max_rate", &n))
		bb_options_set_max_rate(&options, PG_GETARG_INT32(n));
	if ((n = find(arguments, "progress")) >= 0)
		options.progress = bb_arg_bool(fcinfo, n, "progress");
	if ((n = find(arguments, "compression")) >= 0)
		bb_options_set_compression(&options,
								   bb_arg_text(fcinfo, n, "compression"));
	bb_options_set_tablespaces(&options,
							   optional_text(fcinfo, arguments,
											 "tablespaces"));
	bb_options_set_settings(&options,
							optional_text(fcinfo, arguments, "settings"));
	bb_options_set_manifest(&options,
							optional_text(fcinfo, arguments, "manifest"),
							optional_text(fcinfo, arguments,
										  "manifest_checksums"));
	if (given(fcinfo, arguments, "jobs", &n))
		bb_options_set_jobs(&options, PG_GETARG_INT32(n));
	return options;
}

/* Return the number of an argument that all these functions have. */
static int
must_find(FunctionCallInfo fcinfo, const ArgumentNames *arguments,
		  const char *name)
{
	int			n = find(arguments, name);

	if (n < 0)
		elog(ERROR, "function %u has no argument \"%s\"",
			 fcinfo->flinfo->fn_oid, name);
	return n;
}

BbBackupRequest
bb_arg_backup(FunctionCallInfo fcinfo)
{
	ArgumentNames arguments = argument_names(fcinfo);
	int			lsn = must_find(fcinfo, &arguments, "lsn");
	int			store = must_find(fcinfo, &arguments, "store");
	int			timeline = must_find(fcinfo, &arguments, "timeline");

	return (BbBackupRequest){
		.function = get_func_name(fcinfo->flinfo->fn_oid),
		.lsn = bb_arg_lsn(fcinfo, lsn, "lsn"),
		.server = bb_arg_name(fcinfo, store, "store"),
		.timeline = bb_arg_text(fcinfo, timeline, "timeline"),
		.options = parse_options(fcinfo, &arguments),
	};
}

BbBackupCall
bb_backup_call_of(FunctionCallInfo fcinfo)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_BASEBACKUP);
	BbBackupRequest request = bb_arg_backup(fcinfo);

	return bb_backup_call_begin(ctx, &request);
}
