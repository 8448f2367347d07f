/*-------------------------------------------------------------------------
 *
 * extension_table.h
 *	  The extension's own tables.
 *
 * They are read and written as the server does with its catalogs, so neither the
 * search path nor the privileges of the caller matter.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_EXTENSION_TABLE_H
#define BB_EXTENSION_TABLE_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

/*
 * bb_extension_table_try - open a table; NULL: there is no extension, or no such
 * table of so many columns.
 *
 * bb_extension_table_open - open a table that has to exist.
 *
 * REQUIRES: a transaction.
 *
 * Errors: UNDEFINED_TABLE.
 */
extern Relation bb_extension_table_try(const char *name, int columns,
									   LOCKMODE lock);
extern Relation bb_extension_table_open(const char *name, int columns,
										LOCKMODE lock);

/*
 * bb_extension_table_rows - return what read_row makes of each row, palloc'd.
 *
 * Rows are read as committed last, whatever the transaction's snapshot.  There
 * are none if there is no such table.
 *
 * REQUIRES: a transaction.
 */
extern List *bb_extension_table_rows(const char *name, int columns,
									 void *(*read_row) (HeapTuple row,
														TupleDesc desc));

#endif /* BB_EXTENSION_TABLE_H */
