/*-------------------------------------------------------------------------
 *
 * foreigntext.h
 *	  Converts bytes from outside to valid text of this database.
 *
 * File names, targets of symbolic links, answers of object storage and the
 * contents of another cluster can be in any encoding, or in none.  As text
 * they would break queries, clients and the server's log.  So in rows and in
 * messages, each byte that is not part of a valid character of the database's
 * encoding is written as \xHH.  Stores and backups always contain the original
 * bytes.
 *
 * Code that raises a message doesn't have to convert it: while a function of SQL
 * or a background worker runs, an error context callback checks every message.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FOREIGNTEXT_H
#define BB_FOREIGNTEXT_H

#include "base/compat.h"
#include "fmgr.h"

/*
 * bb_text_valid - return the bytes themselves if they are valid text, else an
 * escaped copy, palloc'd.
 */
extern const char *bb_text_valid(const char *bytes);

/*
 * bb_text_copy - copy the same text to a buffer of "size" bytes, cut after a
 * complete character if necessary, and zero-terminated.
 */
extern void bb_text_copy(char *to, const char *bytes, size_t size);

/* bb_text_datum - return the same text as a value of type text. */
extern Datum bb_text_datum(const char *bytes);

/*
 * bb_text_names - does "text", which a user typed, name "bytes", either by the
 * bytes themselves or by the text that bb_text_valid returns for them?
 */
extern bool bb_text_names(const char *text, const char *bytes);

/*
 * bb_text_call - call a function, and make its messages valid text.
 */
extern Datum bb_text_call(PGFunction function, FunctionCallInfo fcinfo);

/*
 * bb_text_watch_process - from now on, make all messages of this process, a
 * background worker, valid text.
 */
extern void bb_text_watch_process(void);

/*
 * bb_text_observe_errors - from now on, call "observer" for each error, as valid
 * text, when it is raised, even if it will be caught.
 */
typedef void (*BbErrorObserver) (const ErrorData *error);
extern void bb_text_observe_errors(BbErrorObserver observer);

/*
 * BB_SQL_FUNCTION - define a function that SQL can call, through bb_text_call.
 * Its body follows as "Datum name_body(PG_FUNCTION_ARGS)".
 */
#define BB_SQL_FUNCTION(name)                        \
	static Datum name##_body(PG_FUNCTION_ARGS);      \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	Datum name(PG_FUNCTION_ARGS)                     \
	{                                                \
		return bb_text_call(name##_body, fcinfo);    \
	}                                                \
	PG_FUNCTION_INFO_V1(name)

#endif /* BB_FOREIGNTEXT_H */
