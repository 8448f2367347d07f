/*-------------------------------------------------------------------------
 *
 * pagecheck.h
 *	  Is this a page that a server could have written?
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PAGECHECK_H
#define BB_PAGECHECK_H

#include "access/xlogdefs.h"
#include "storage/block.h"
#include "storage/bufpage.h"

/*
 * bb_pagecheck - NULL if the page is good, else what is wrong, palloc'd.
 *
 * The checks of PageIsVerifiedExtended in PostgreSQL's bufpage.c, which go by
 * the server's own settings and can't be used for another cluster: checksum
 * (if the cluster has them), header, zeros in a new page.  And no page may be
 * newer than end_lsn.
 *
 * REQUIRES: page aligned as a Page; block: its number in the fork.
 */
extern char *bb_pagecheck(Page page, BlockNumber block, bool checksums,
						  XLogRecPtr end_lsn);

#endif /* BB_PAGECHECK_H */
