/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  SQL arguments in, rows out.
 *
 * Only a few arguments may be NULL (an LSN: the end of the timeline).
 *
 * Errors: NULL_VALUE_NOT_ALLOWED (with the argument's name);
 * INVALID_PARAMETER_VALUE (an LSN 0/0).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_ARGUMENTS_H
#define BB_ARGUMENTS_H

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "funcapi.h"
#include "stores/call.h"

/*
 * bb_call_of - begin a call of the SQL function that runs; as bb_call_begin.
 */
extern const BbReqCtx *bb_call_of(FunctionCallInfo fcinfo, BbTaskKind kind);

/* Return argument number n, whose name is "name"; texts are palloc'd. */
extern char *bb_arg_text(FunctionCallInfo fcinfo, int n, const char *name);
extern char *bb_arg_name(FunctionCallInfo fcinfo, int n, const char *name);
extern bool bb_arg_bool(FunctionCallInfo fcinfo, int n, const char *name);
extern Oid bb_arg_oid(FunctionCallInfo fcinfo, int n, const char *name);
extern int64 bb_arg_int64(FunctionCallInfo fcinfo, int n, const char *name);
/* Returns Invalid for NULL. */
extern XLogRecPtr bb_arg_lsn(FunctionCallInfo fcinfo, int n, const char *name);

/*
 * bb_result_context_new - create a memory context for one row of many.
 *
 * The caller resets it after each row, so a million rows need no more memory
 * than one.
 */
extern MemoryContext bb_result_context_new(void);

/* Add a row to the result of a set-returning function that materialises. */
extern void bb_result_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

/* Return the row of a function that returns one row. */
extern Datum bb_result_record(FunctionCallInfo fcinfo, Datum *values,
							  bool *nulls);

/* Return an LSN as a Datum; NULL if it is Invalid. */
extern Datum bb_result_lsn(XLogRecPtr lsn, bool *null);

/* Return the time since "start" as an interval. */
extern Datum bb_result_elapsed(TimestampTz start);

#endif /* BB_ARGUMENTS_H */
