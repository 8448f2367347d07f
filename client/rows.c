/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  Rows of the server on standard output, as a table or as JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "common/logging.h"
#include "rows.h"

void
bb_rows_settings(BbServer *server, bool json)
{
	const char *what = "could not prepare the session";

	if (json && PQsetClientEncoding(server->connection, "UTF8") != 0)
		bb_server_fail(server, NULL, what);
	PQclear(bb_server_ask(
		server,
		"SELECT pg_catalog.set_config('datestyle', 'ISO', false),"
		" pg_catalog.set_config('intervalstyle', 'postgres', false)",
		what));
}

/* How a column is selected. */
static char *
expression(const BbColumn *column, bool json)
{
	if (json && column->kind == BB_COLUMN_TIME)
		return psprintf("pg_catalog.to_json(\"%s\")", column->name);
	if (!json && column->kind == BB_COLUMN_SIZE)
		return psprintf("pg_catalog.pg_size_pretty(\"%s\")", column->name);
	return psprintf("\"%s\"", column->name);
}

char *
bb_rows_select(BbColumns columns, bool json, const char *what)
{
	PQExpBufferData text;
	const char *separator = "SELECT ";

	initPQExpBuffer(&text);
	for (int i = 0; i < columns.count; i++)
	{
		const BbColumn *column = &columns.columns[i];

		if (!json && column->title == NULL)
			continue;
		appendPQExpBuffer(&text, "%s%s AS \"%s\"", separator,
						  expression(column, json),
						  json ? column->name : column->title);
		separator = ", ";
	}
	appendPQExpBuffer(&text, " FROM %s", what);
	if (PQExpBufferDataBroken(text))
		pg_fatal("out of memory");
	return text.data;
}

printTableOpt
bb_rows_table_options(const BbServer *server)
{
	printTableOpt options = {0};

	options.format = PRINT_ALIGNED;
	options.border = 1;
	options.start_table = true;
	options.stop_table = true;
	options.default_footer = true;
	options.encoding = PQclientEncoding(server->connection);
	return options;
}

void
bb_rows_table(const BbServer *server, const PGresult *result)
{
	printQueryOpt options = {.topt = bb_rows_table_options(server)};

	printQuery(result, &options, stdout, false, NULL);
}

/* ---- JSON ---- */

static void
print_string(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++)
	{
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if (*text == '\n')
			printf("\\n");
		else if ((unsigned char) *text < ' ')
			printf("\\u%04x", (unsigned char) *text);
		else
			putchar(*text);
	}
	putchar('"');
}

/* Print the seconds of an interval in the style "postgres": [-][N days ]H:M:S. */
static void
print_seconds(const char *text)
{
	int			days = 0;
	int			hours;
	int			minutes;
	double		seconds;
	int			at = 0;

	if (sscanf(text, "%d day%*[s ]%n", &days, &at) >= 1 && at > 0)
		text += at;
	if (sscanf(text, "%d:%d:%lf", &hours, &minutes, &seconds) == 3)
		printf("%.6f",
			   days * 86400.0 + hours * 3600.0 + minutes * 60.0 + seconds);
	else if (at > 0)
		printf("%d", days * 86400);
	else
		print_string(text);
}

static void
print_value(BbColumnKind kind, const char *text)
{
	switch (kind)
	{
		case BB_COLUMN_TEXT:
			print_string(text);
			break;
		case BB_COLUMN_DURATION:
			print_seconds(text);
			break;
		case BB_COLUMN_BOOL:
			fputs(text[0] == 't' ? "true" : "false", stdout);
			break;
		case BB_COLUMN_NUMBER:
		case BB_COLUMN_SIZE:
		case BB_COLUMN_TIME: /* it is JSON already */
			fputs(text, stdout);
			break;
	}
}

void
bb_rows_object(BbColumns columns, const PGresult *result, int row)
{
	for (int i = 0; i < columns.count; i++)
	{
		fputs(i == 0 ? "{" : ", ", stdout);
		print_string(columns.columns[i].name);
		fputs(": ", stdout);
		if (PQgetisnull(result, row, i))
			fputs("null", stdout);
		else
			print_value(columns.columns[i].kind, PQgetvalue(result, row, i));
	}
	putchar('}');
}

void
bb_rows_array(BbColumns columns, const char *key, const PGresult *result)
{
	int			count = PQntuples(result);

	print_string(key);
	fputs(": [", stdout);
	for (int row = 0; row < count; row++)
	{
		fputs(row == 0 ? "\n  " : ",\n  ", stdout);
		bb_rows_object(columns, result, row);
	}
	fputs(count > 0 ? "\n]" : "]", stdout);
}

void
bb_rows_end(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		pg_fatal("could not write to standard output: %m");
}
