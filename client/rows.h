/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  Rows of the server on standard output, as a table or as JSON.
 *
 *	  columns ──► select list ──► the server ──► table, as psql's
 *											 └─► JSON: an object for each row
 *
 * In JSON, numbers are numbers, times are as ISO 8601 has them, with a zone,
 * durations are seconds, LSNs are texts, and what isn't known is null.  Its keys
 * are documented (docs/reference/client.md), and stay.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_ROWS_H
#define BB_CLIENT_ROWS_H

#include "fe_utils/print.h"
#include "server.h"

typedef enum BbColumnKind
{
	BB_COLUMN_TEXT,
	BB_COLUMN_NUMBER,
	BB_COLUMN_SIZE, /* bytes */
	BB_COLUMN_BOOL,
	BB_COLUMN_TIME,
	BB_COLUMN_DURATION
} BbColumnKind;

typedef struct BbColumn
{
	const char *name;  /* of the server, and the key in JSON */
	const char *title; /* in the table; NULL: it isn't there */
	BbColumnKind kind;
} BbColumn;

typedef struct BbColumns
{
	const BbColumn *columns;
	int			count;
} BbColumns;

#define BB_COLUMNS(array) ((BbColumns){array, lengthof(array)})

/*
 * bb_rows_settings - let the session return what this file prints.
 */
extern void bb_rows_settings(BbServer *server, bool json);

/* bb_rows_select - return a SELECT of columns from "what". */
extern char *bb_rows_select(BbColumns columns, bool json, const char *what);

/* bb_rows_table_options - how this file prints tables. */
extern printTableOpt bb_rows_table_options(const BbServer *server);

/* bb_rows_table - print a result as a table. */
extern void bb_rows_table(const BbServer *server, const PGresult *result);

/*
 * bb_rows_array - print "key": [objects] of the rows of a result, whose columns
 * are "columns", in that order.
 */
extern void bb_rows_array(BbColumns columns, const char *key,
						  const PGresult *result);

/* bb_rows_object - print one row as an object, without a line feed. */
extern void bb_rows_object(BbColumns columns, const PGresult *result, int row);

/* bb_rows_end - end standard output; ends the program if it couldn't be written. */
extern void bb_rows_end(void);

#endif /* BB_CLIENT_ROWS_H */
