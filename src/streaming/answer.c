/*-------------------------------------------------------------------------
 *
 * answer.c
 *	  Checks the values of a server's answer.
 *
 * (Their forms are those that walsender.c and basebackup_copy.c of PostgreSQL
 * write: decimal numbers without a sign, LSNs as %X/%X.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "streaming/connection_internal.h"

void
bb_answer_shape(BbReplConnection *connection, int rows, int columns)
{
	if (PQresultStatus(connection->result) != PGRES_TUPLES_OK)
		bb_repl_violation(connection, "The answer is \"%s\" instead of rows.",
						  PQresStatus(PQresultStatus(connection->result)));
	if (PQntuples(connection->result) != rows ||
		PQnfields(connection->result) < columns)
		bb_repl_violation(connection,
						  "The answer has %d rows of %d columns, but %d rows "
						  "of %d columns were expected.",
						  PQntuples(connection->result),
						  PQnfields(connection->result), rows, columns);
}

bool
bb_answer_null(BbReplConnection *connection, int row, int column)
{
	return PQgetisnull(connection->result, row, column) != 0;
}

const char *
bb_answer_text(BbReplConnection *connection, int row, int column,
			   const char *what)
{
	const char *value = PQgetvalue(connection->result, row, column);

	if (bb_answer_null(connection, row, column))
		bb_repl_violation(connection, "The %s is NULL.", what);
	if (strlen(value) != PQgetlength(connection->result, row, column))
		bb_repl_violation(connection, "The %s contains a zero byte.", what);
	return value;
}

uint64
bb_answer_number(BbReplConnection *connection, int row, int column,
				 const char *what, uint64 min, uint64 max)
{
	const char *value = bb_answer_text(connection, row, column, what);
	size_t		digits = strspn(value, "0123456789");
	uint64		number = 0;

	errno = 0;
	if (digits > 0 && digits <= 20 && value[digits] == '\0')
		number = strtoull(value, NULL, 10);
	else
		errno = EINVAL;
	if (errno != 0 || number < min || number > max)
		bb_repl_violation(connection, "The %s is \"%.60s\".", what, value);
	return number;
}

XLogRecPtr
bb_answer_lsn(BbReplConnection *connection, int row, int column,
			  const char *what)
{
	const char *value = bb_answer_text(connection, row, column, what);
	size_t		high = strspn(value, "0123456789ABCDEFabcdef");
	size_t		low = 0;
	XLogRecPtr	lsn = InvalidXLogRecPtr;

	if (high > 0 && high <= 8 && value[high] == '/')
		low = strspn(value + high + 1, "0123456789ABCDEFabcdef");
	if (low > 0 && low <= 8 && value[high + 1 + low] == '\0')
		lsn = ((uint64) strtoul(value, NULL, 16) << 32) |
			strtoul(value + high + 1, NULL, 16);
	if (XLogRecPtrIsInvalid(lsn))
		bb_repl_violation(connection, "The %s is \"%.60s\".", what, value);
	return lsn;
}
