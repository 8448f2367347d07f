/*-------------------------------------------------------------------------
 *
 * backup_call.c
 *	  What all functions have in common that make, or describe, a backup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "funcs/arguments.h"
#include "funcs/backup_call.h"
#include "stores/call.h"
#include "stores/store_access.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* The names of a function's arguments. */
typedef struct ArgumentNames
{
	int			count; /* of those that it is called with */
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
	/* those that come out follow those that go in */
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
bb_backup_call_argument(FunctionCallInfo fcinfo, const char *name)
{
	ArgumentNames arguments = argument_names(fcinfo);

	return find(&arguments, name);
}

/* Is it there, and not NULL? */
static bool
given(FunctionCallInfo fcinfo, const ArgumentNames *arguments,
	  const char *name, int *n)
{
	*n = find(arguments, name);
	return *n >= 0 && !PG_ARGISNULL(*n);
}

/* NULL: it isn't there, or NULL. */
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

/* The number of an argument that every one of these functions has. */
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

static BbAhead *
fetch_ahead(const BbBackupCall *call)
{
	return bb_ahead_new(call->ctx, call->missing, call->options_hash,
						call->store, call->lsn, &call->options);
}

BbBackupCall
bb_backup_call_open(FunctionCallInfo fcinfo, BbTaskKind kind)
{
	BbBackupCall call = {.ctx = bb_call_begin(fcinfo, kind)};
	ArgumentNames arguments = argument_names(fcinfo);
	XLogRecPtr	lsn = bb_arg_lsn(fcinfo, must_find(fcinfo, &arguments, "lsn"),
								 "lsn");
	char	   *store = bb_arg_name(fcinfo,
									must_find(fcinfo, &arguments, "store"),
									"store");
	char	   *timeline = bb_arg_text(fcinfo,
									   must_find(fcinfo, &arguments,
												 "timeline"),
									   "timeline");

	call.options = parse_options(fcinfo, &arguments);
	call.options.server = store;
	call.options.function = get_func_name(fcinfo->flinfo->fn_oid);
	call.store = bb_store_timeline_told(call.ctx, store, timeline,
										&call.options_hash);
	call.lsn = bb_store_lsn(call.ctx, call.store, lsn);
	if (kind != BB_TASK_BASEBACKUP)
		return call;
	call.missing = bb_ahead_ask(call.ctx, call.store, call.lsn, &call.options);
	if (call.options.jobs <= 1)
		call.ahead = fetch_ahead(&call);
	return call;
}

void
bb_backup_call_measure(BbBackupCall *call)
{
	if (!call->options.progress)
		return;
	call->size = bb_backup_size(call->ctx, call->store, call->lsn,
								&call->options);
	bb_calls_describe(call->ctx, &(BbCallAbout){.bytes_total = call->size});
}

BbBackupCall
bb_backup_call_begin(FunctionCallInfo fcinfo)
{
	BbBackupCall call = bb_backup_call_open(fcinfo, BB_TASK_BASEBACKUP);

	bb_backup_call_measure(&call);
	return call;
}

BbBackup *
bb_backup_call_start(const BbBackupCall *call, BbBackupForm form, BbSink *last)
{
	BbBackup   *backup = bb_backup_new(call->ctx, call->store, call->lsn,
									   &call->options, call->size, form, last);

	bb_backup_follow(backup,
					 call->options.jobs > 1 ? fetch_ahead(call) : call->ahead);
	return backup;
}

void
bb_backup_call_run(const BbBackupCall *call, BbBackupForm form, BbSink *last)
{
	BbBackup   *backup = bb_backup_call_start(call, form, last);

	while (bb_backup_step(call->ctx, backup))
		;
	bb_reqctx_end(call->ctx);
}
