/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  SQL arguments in, rows out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/foreigntext.h"
#include "catalog/pg_type.h"
#include "funcs/arguments.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

const BbReqCtx *
bb_call_of(FunctionCallInfo fcinfo, BbTaskKind kind)
{
	return bb_call_begin(get_func_name(fcinfo->flinfo->fn_oid), kind);
}

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

List *
bb_arg_texts(FunctionCallInfo fcinfo, int n, const char *name)
{
	List	   *texts = NIL;
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	if (PG_ARGISNULL(n))
		return NIL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not contain nulls", name)));
		texts = lappend(texts, TextDatumGetCString(elements[i]));
	}
	return texts;
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

int64
bb_arg_interval_ms(FunctionCallInfo fcinfo, int n)
{
	const Interval *interval;
	int64		ms;

	if (PG_ARGISNULL(n))
		return -1;
	interval = PG_GETARG_INTERVAL_P(n);
	ms = interval->time / 1000 +
		((int64) interval->month * DAYS_PER_MONTH + interval->day) *
			(USECS_PER_DAY / 1000);
	return Max(ms, 0);
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
				 errhint("Omit it, or use NULL.")));
	return lsn;
}

/* Return whether "checkpoint" is 'fast', instead of 'spread'. */
static bool
is_fast(const char *checkpoint)
{
	if (strcmp(checkpoint, "fast") != 0 && strcmp(checkpoint, "spread") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid checkpoint mode: \"%s\"", checkpoint),
				 errhint("Valid modes are \"fast\" and \"spread\".")));
	return checkpoint[0] == 'f';
}

/* Check a rate; 0: there is no limit. */
static int
rate_of(int32 rate)
{
	/* MAX_RATE_LOWER and MAX_RATE_UPPER of basebackup.h */
	if (rate < 32 || rate > 1024 * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_rate is out of range: %d", rate),
				 errdetail("It is between 32 and 1048576 kilobytes per second.")));
	return rate;
}

BbServerBackupOptions
bb_arg_server_backup(FunctionCallInfo fcinfo, int n)
{
	return (BbServerBackupOptions){
		.label = "bbackup import",
		.fast_checkpoint = is_fast(bb_arg_text(fcinfo, n, "checkpoint")),
		.max_rate_kb = PG_ARGISNULL(n + 1) ? 0
										   : rate_of(PG_GETARG_INT32(n + 1)),
	};
}

MemoryContext
bb_result_begin(FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, 0);
	return AllocSetContextCreate(CurrentMemoryContext, "bbackup row",
								 ALLOCSET_SMALL_SIZES);
}

static bool no_nulls[MaxTupleAttributeNumber];

void
bb_result_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
						 nulls != NULL ? nulls : no_nulls);
}

Datum
bb_result_record(FunctionCallInfo fcinfo, Datum *values)
{
	TupleDesc	type;

	if (get_call_result_type(fcinfo, NULL, &type) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "function %u returns no row", fcinfo->flinfo->fn_oid);
	return HeapTupleGetDatum(heap_form_tuple(type, values, no_nulls));
}

Datum
bb_result_text(const char *text, bool *null)
{
	*null = text == NULL || text[0] == '\0';
	return *null ? (Datum) 0 : bb_text_datum(text);
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
