/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  SQL arguments in, rows out.
 *
 * NULL means something for a few arguments only (an LSN: the end of the
 * timeline); for the others it is refused here.
 *
 * Errors: NULL_VALUE_NOT_ALLOWED (the argument is named);
 * INVALID_PARAMETER_VALUE.
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

/* Argument number n, called "name"; the text is palloc'd. */
extern char *bb_arg_text(FunctionCallInfo fcinfo, int n, const char *name);
extern char *bb_arg_name(FunctionCallInfo fcinfo, int n, const char *name);
extern bool bb_arg_bool(FunctionCallInfo fcinfo, int n, const char *name);
extern Oid bb_arg_oid(FunctionCallInfo fcinfo, int n, const char *name);
extern int64 bb_arg_int64(FunctionCallInfo fcinfo, int n, const char *name);
/* Invalid for NULL; 0/0 itself is refused. */
extern XLogRecPtr bb_arg_lsn(FunctionCallInfo fcinfo, int n, const char *name);

/*
 * A context for what one row of many takes; its user resets it after each,
 * so that a million of them take no more than one.
 */
extern MemoryContext bb_result_context_new(void);

/* A row for a materialised set-returning function. */
extern void bb_result_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

/* An LSN, or NULL if it is Invalid. */
extern Datum bb_result_lsn(XLogRecPtr lsn, bool *null);

/* The time since "start", as an interval. */
extern Datum bb_result_elapsed(TimestampTz start);

#endif /* BB_ARGUMENTS_H */
