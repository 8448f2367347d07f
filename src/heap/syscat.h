/*-------------------------------------------------------------------------
 *
 * syscat.h
 *	  Rows of system catalogs at a snapshot.
 *
 * Errors: those of past.h; UNDEFINED_OBJECT never: a row that isn't there is an
 * empty list.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_SYSCAT_H
#define BB_HEAP_SYSCAT_H

#include "heap/past.h"
#include "heap/tuples.h"
#include "nodes/pg_list.h"

/*
 * bb_syscat_find - return the visible rows (HeapTuple, palloc'd) whose first columns
 * of a system index equal the values.
 */
extern List *bb_syscat_find(const BbReqCtx *ctx, BbPast *past, Oid catalog,
							Oid index, const Datum *values, int nvalues);

/* bb_syscat_find_oid - return the row with this OID, or NULL. */
extern HeapTuple bb_syscat_find_oid(const BbReqCtx *ctx, BbPast *past,
									Oid catalog, Oid index, Oid oid);

/* bb_syscat_scan - begin a scan of all rows of a catalog; use tuples.h. */
extern BbTupleScan *bb_syscat_scan(const BbReqCtx *ctx, BbPast *past,
								   Oid catalog);

/*
 * BB_SYSCAT_FORM - return the columns of fixed length, as GETSTRUCT does.
 *
 *	  Form_pg_class row = BB_SYSCAT_FORM(pg_class, tuple);
 */
#define BB_SYSCAT_FORM(catalog, tuple)                                  \
	((Form_##catalog) bb_syscat_form(tuple, sizeof(FormData_##catalog), \
									 CppAsString(catalog)))

/* It raises DATA_CORRUPTED if the row is shorter. */
extern void *bb_syscat_form(HeapTuple tuple, Size size, const char *catalog);

/* bb_syscat_value - return a column of any length, which points into the row. */
extern Datum bb_syscat_value(HeapTuple tuple, Oid catalog, AttrNumber column,
							 bool *isnull);

/* bb_syscat_locate - return where a relation is, by its row in pg_class. */
extern BbRelLocator bb_syscat_locate(const BbPast *past, HeapTuple row);

#endif /* BB_HEAP_SYSCAT_H */
