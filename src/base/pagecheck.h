/*-------------------------------------------------------------------------
 *
 * pagecheck.h
 *	  Is a page of a relation one that a server can have written?
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PAGECHECK_H
#define BB_PAGECHECK_H

#include "storage/bufpage.h"

/*
 * bb_pagecheck - return what is wrong with a page, palloc'd, or NULL.
 *
 * Makes the checks of PageIsVerifiedExtended in PostgreSQL's bufpage.c, which
 * depends on the settings of this server and so can't check another cluster's
 * pages: checksum (if the cluster has them), header, and that a new page is
 * zero.  Also checks that the page is not newer than end_lsn.
 *
 * REQUIRES: "page" is aligned as a Page, and "block" is its number in the fork.
 */
extern char *bb_pagecheck(Page page, BlockNumber block, bool checksums,
						  XLogRecPtr end_lsn);

#endif /* BB_PAGECHECK_H */
