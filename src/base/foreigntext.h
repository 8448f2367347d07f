/*-------------------------------------------------------------------------
 *
 * foreigntext.h
 *	  Bytes that come from outside, as text of this database.
 *
 * Names of files, targets of symbolic links, answers of object storage and
 * the contents of another cluster may be in any encoding, or in none.  As text
 * they would break queries, clients and the server's log.  So each byte that
 * is not part of a valid character of the database's encoding is written as
 * \xHH, in rows and in messages.  What is stored, and what backups contain,
 * are always the bytes themselves.
 *
 * For messages, nothing has to be done where they are made: while a function
 * of SQL or a background worker runs, an error context callback looks at every
 * message.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FOREIGNTEXT_H
#define BB_FOREIGNTEXT_H

#include "base/compat.h"
#include "fmgr.h"

/*
 * bb_text_valid - the bytes themselves if they are valid text, else escaped
 * ones, palloc'd.
 */
extern const char *bb_text_valid(const char *bytes);

/*
 * bb_text_copy - the same, cut to "size" with its zero, into a buffer; never
 * in the midst of a character.
 */
extern void bb_text_copy(char *to, const char *bytes, size_t size);

/* bb_text_datum - the same as a value of type text. */
extern Datum bb_text_datum(const char *bytes);

/*
 * bb_text_names - is "text", which somebody typed, the name that "bytes" are,
 * or the text that bb_text_valid makes of it?
 */
extern bool bb_text_names(const char *text, const char *bytes);

/*
 * bb_text_call - call a function; messages of it are valid text.
 */
extern Datum bb_text_call(PGFunction function, FunctionCallInfo fcinfo);

/*
 * bb_text_watch_process - the same for all messages of this process from now
 * on, which is a background worker.
 */
extern void bb_text_watch_process(void);

/*
 * bb_text_observe_errors - from now on "observer" sees each error, as text,
 * when it is raised: also one that will be caught.
 */
typedef void (*BbErrorObserver) (const ErrorData *error);
extern void bb_text_observe_errors(BbErrorObserver observer);

/*
 * A function that SQL can call: it is reached through bb_text_call.  Its body
 * is "Datum name_body(PG_FUNCTION_ARGS)".
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
