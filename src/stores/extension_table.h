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

#endif /* BB_EXTENSION_TABLE_H */
