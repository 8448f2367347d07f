/*-------------------------------------------------------------------------
 *
 * foreigntext.c
 *	  Converts bytes from outside to valid text of this database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errorcontext.h"
#include "base/foreigntext.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static BbErrorObserver observer = NULL;

void
bb_text_observe_errors(BbErrorObserver new_observer)
{
	observer = new_observer;
}

static bool
is_valid(const char *bytes)
{
	return pg_verifymbstr(bytes, strlen(bytes), true);
}

const char *
bb_text_valid(const char *bytes)
{
	StringInfoData text;
	int			left = strlen(bytes);

	if (pg_verifymbstr(bytes, left, true))
		return bytes;
	initStringInfo(&text);
	while (left > 0)
	{
		int			length = pg_encoding_mblen(GetDatabaseEncoding(), bytes);

		if (length > 0 && length <= left &&
			pg_verifymbstr(bytes, length, true))
			appendBinaryStringInfo(&text, bytes, length);
		else
		{
			length = 1;
			appendStringInfo(&text, "\\x%02X", (unsigned char) *bytes);
		}
		bytes += length;
		left -= length;
	}
	return text.data;
}

void
bb_text_copy(char *to, const char *bytes, size_t size)
{
	const char *text = bb_text_valid(bytes);
	int			length = pg_mbcliplen(text, strlen(text), size - 1);

	memcpy(to, text, length);
	to[length] = '\0';
}

Datum
bb_text_datum(const char *bytes)
{
	return CStringGetTextDatum(bb_text_valid(bytes));
}

bool
bb_text_names(const char *text, const char *bytes)
{
	return strcmp(text, bytes) == 0 || strcmp(text, bb_text_valid(bytes)) == 0;
}

/*
 * An error context callback, the only place where a message can be replaced:
 * errfinish() (elog.c) calls it before it sends or throws the message.
 */
static void
escape_message(void *arg)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	ErrorData  *error = CopyErrorData();

	MemoryContextSwitchTo(old);
	if (error->message != NULL && !is_valid(error->message))
		errmsg_internal("%s", bb_text_valid(error->message));
	if (error->detail != NULL && !is_valid(error->detail))
		errdetail_internal("%s", bb_text_valid(error->detail));
	if (error->detail_log != NULL && !is_valid(error->detail_log))
		errdetail_log("%s", bb_text_valid(error->detail_log));
	if (error->hint != NULL && !is_valid(error->hint))
		errhint("%s", bb_text_valid(error->hint));
	if (error->elevel >= ERROR && observer != NULL)
		observer(error);
	FreeErrorData(error);
}

Datum
bb_text_call(PGFunction function, FunctionCallInfo fcinfo)
{
	ErrorContextCallback callback;
	Datum		result;

	bb_error_context_push(&callback, escape_message, NULL);
	result = function(fcinfo);
	bb_error_context_pop(&callback);
	return result;
}

void
bb_text_watch_process(void)
{
	static ErrorContextCallback callback;

	bb_error_context_push(&callback, escape_message, NULL);
}
