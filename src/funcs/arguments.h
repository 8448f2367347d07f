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
#include "streaming/basebackup.h"

/* bb_call_of - begin a call of the running SQL function; as bb_call_begin. */
extern const BbReqCtx *bb_call_of(FunctionCallInfo fcinfo, BbTaskKind kind);

/* Return argument number n, whose name is "name"; texts are palloc'd. */
extern char *bb_arg_text(FunctionCallInfo fcinfo, int n, const char *name);
/* The texts in an array; NIL if it is NULL. */
extern List *bb_arg_texts(FunctionCallInfo fcinfo, int n, const char *name);
extern char *bb_arg_name(FunctionCallInfo fcinfo, int n, const char *name);
extern bool bb_arg_bool(FunctionCallInfo fcinfo, int n, const char *name);
extern Oid bb_arg_oid(FunctionCallInfo fcinfo, int n, const char *name);
extern int64 bb_arg_int64(FunctionCallInfo fcinfo, int n, const char *name);
/* Returns an interval's milliseconds; months count 30 days; -1: NULL. */
extern int64 bb_arg_interval_ms(FunctionCallInfo fcinfo, int n);
/* Returns Invalid for NULL. */
extern XLogRecPtr bb_arg_lsn(FunctionCallInfo fcinfo, int n, const char *name);

/*
 * Returns the options of a base backup of a source: argument n, "checkpoint", and
 * the next one, "max_rate".
 */
extern BbServerBackupOptions bb_arg_server_backup(FunctionCallInfo fcinfo,
												  int n);

/*
 * bb_result_begin - begin the result of a set-returning function that
 * materialises.
 *
 * Returns a memory context for one row.  The caller resets it after each row,
 * so a million rows need no more memory than one.
 */
extern MemoryContext bb_result_begin(FunctionCallInfo fcinfo);

/* Add a row to that result; nulls may be NULL. */
extern void bb_result_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

/* Return the row, without nulls, of a function that returns one row. */
extern Datum bb_result_record(FunctionCallInfo fcinfo, Datum *values);

/* Return a text as a Datum; NULL if it is NULL or empty. */
extern Datum bb_result_text(const char *text, bool *null);

/* Return an LSN as a Datum; NULL if it is Invalid. */
extern Datum bb_result_lsn(XLogRecPtr lsn, bool *null);

/* Return the time since "start" as an interval. */
extern Datum bb_result_elapsed(TimestampTz start);

#endif /* BB_ARGUMENTS_H */
