/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  SQL arguments in, rows out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcs/arguments.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

/* The arguments of bb_basebackup() and its like, in order. */
enum
{
	ARG_LSN,
	ARG_FULL_BACKUP,
	ARG_STORE,
	ARG_TIMELINE,
	ARG_PREV_LSN,
	ARG_NEW_TLI
};

static Datum
need(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
	return PG_GETARG_DATUM(n);
}

char *
bb_arg_text(FunctionCallInfo fcinfo, int n, const char *name)
{
	return TextDatumGetCString(need(fcinfo, n, name));
}

char *
bb_arg_name(FunctionCallInfo fcinfo, int n, const char *name)
{
	return pstrdup(NameStr(*DatumGetName(need(fcinfo, n, name))));
}

bool
bb_arg_bool(FunctionCallInfo fcinfo, int n, const char *name)
{
	return DatumGetBool(need(fcinfo, n, name));
}

Oid
bb_arg_oid(FunctionCallInfo fcinfo, int n, const char *name)
{
	return DatumGetObjectId(need(fcinfo, n, name));
}

int64
bb_arg_int64(FunctionCallInfo fcinfo, int n, const char *name)
{
	return DatumGetInt64(need(fcinfo, n, name));
}

XLogRecPtr
bb_arg_lsn(FunctionCallInfo fcinfo, int n, const char *name)
{
	XLogRecPtr	lsn;

	if (PG_ARGISNULL(n))
		return InvalidXLogRecPtr;
	lsn = PG_GETARG_LSN(n);
	if (XLogRecPtrIsInvalid(lsn))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be 0/0", name),
				 errhint("Leave it away, or give NULL.")));
	return lsn;
}

BbBackupArguments
bb_arg_backup(FunctionCallInfo fcinfo)
{
	BbBackupArguments arguments = {0};

	arguments.lsn = bb_arg_lsn(fcinfo, ARG_LSN, "lsn");
	arguments.options.full = bb_arg_bool(fcinfo, ARG_FULL_BACKUP,
										 "full_backup");
	arguments.store = bb_arg_name(fcinfo, ARG_STORE, "store");
	arguments.timeline = bb_arg_text(fcinfo, ARG_TIMELINE, "timeline");
	arguments.options.prev_lsn = bb_arg_lsn(fcinfo, ARG_PREV_LSN, "prev_lsn");
	if (!PG_ARGISNULL(ARG_NEW_TLI))
	{
		int32		tli = PG_GETARG_INT32(ARG_NEW_TLI);

		if (tli <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("new_tli must be positive, not %d", tli)));
		arguments.options.new_tli = (TimeLineID) tli;
	}
	return arguments;
}

MemoryContext
bb_result_context_new(void)
{
	return AllocSetContextCreate(CurrentMemoryContext, "bbackup row",
								 ALLOCSET_SMALL_SIZES);
}

void
bb_result_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
bb_result_lsn(XLogRecPtr lsn, bool *null)
{
	*null = XLogRecPtrIsInvalid(lsn);
	return LSNGetDatum(lsn);
}

Datum
bb_result_elapsed(TimestampTz start)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = GetCurrentTimestamp() - start;
	return IntervalPGetDatum(interval);
}
