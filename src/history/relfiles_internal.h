/*-------------------------------------------------------------------------
 *
 * relfiles_internal.h
 *	  What the parts of the search for files of tables share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HISTORY_RELFILES_INTERNAL_H
#define BB_HISTORY_RELFILES_INTERNAL_H

#include "access/htup.h"
#include "heap/past.h"
#include "history/relfiles.h"

/* The number of a table that is one of the search; -1: it is none. */
extern int bb_relfiles_number(const BbRelFiles *files, Oid oid);

/* Add a table that has a row in pg_class of "past".  Returns its number. */
extern int bb_relfiles_add_table(const BbReqCtx *ctx, BbRelFiles *files,
								 BbPast *past, HeapTuple row);

/* Add a file, if it isn't there. */
extern BbHistoryFile *bb_relfiles_add_file(BbRelFiles *files,
										   BbRelLocator locator, int table);

/*
 * bb_relfiles_open - open the database of the search at an LSN.
 *
 * Returns NULL if it did not exist then.
 */
extern BbPast *bb_relfiles_open(const BbReqCtx *ctx, const BbRelFiles *files,
								XLogRecPtr lsn);

#endif /* BB_HISTORY_RELFILES_INTERNAL_H */
