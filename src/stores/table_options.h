/*-------------------------------------------------------------------------
 *
 * table_options.h
 *	  The options of tables of the past, which are foreign tables of page stores.
 *
 *	  CREATE FOREIGN TABLE past.accounts (…) SERVER bbackup OPTIONS
 *		  (database 'shop', schema_name 'public', table_name 'accounts',
 *		   timeline 'shop', lsn '0/4B2C1A8')
 *
 * IMPORT FOREIGN SCHEMA takes database, timeline, lsn and time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TABLE_OPTIONS_H
#define BB_TABLE_OPTIONS_H

#include "access/xlogdefs.h"
#include "nodes/pg_list.h"

#define BB_OPTION_DATABASE "database"
#define BB_OPTION_SCHEMA_NAME "schema_name"
#define BB_OPTION_TABLE_NAME "table_name"
#define BB_OPTION_TIMELINE "timeline"
#define BB_OPTION_LSN "lsn"
#define BB_OPTION_TIME "time"
#define BB_OPTION_ONLY "only"
#define BB_OPTION_COLUMN_NAME "column_name"

typedef struct BbTableOptions
{
	const char *store; /* the foreign server's name */
	const char *timeline;
	const char *database;
	const char *schema;
	const char *table;
	XLogRecPtr	lsn;  /* Invalid: not given */
	const char *time; /* NULL: not given */
	bool		only; /* without the tables that inherit from it */
} BbTableOptions;

/*
 * bb_tableoptions_of - read the options of a foreign table.
 *
 * Errors: FDW_OPTION_NAME_NOT_FOUND (it does not say which database).
 */
extern BbTableOptions bb_tableoptions_of(Oid table);

/* bb_tableoptions_of_import - read those of IMPORT FOREIGN SCHEMA. */
extern BbTableOptions bb_tableoptions_of_import(Oid server, const char *schema,
												List *options);

/*
 * bb_tableoptions_column - return the name that a column has in the page store;
 * palloc'd.
 */
extern char *bb_tableoptions_column(Oid table, AttrNumber column,
									const char *name);

/* Checks of single options, for store_options.h. */
extern void bb_tableoptions_check_lsn(const char *value);
extern void bb_tableoptions_check_time(const char *value);
extern void bb_tableoptions_check_only(const char *value);
extern void bb_tableoptions_check_name(const char *value);
extern void bb_tableoptions_check_timeline(const char *value);

/*
 * bb_tableoptions_check_together - check options that exclude each other.
 *
 * Errors: INVALID_PARAMETER_VALUE.
 */
extern void bb_tableoptions_check_together(bool has_lsn, bool has_time);

#endif /* BB_TABLE_OPTIONS_H */
