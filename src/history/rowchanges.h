/*-------------------------------------------------------------------------
 *
 * rowchanges.h
 *	  What WAL records did to rows of tables, out of the delta layers.
 *
 *	  bb_rowchanges_new ── next … next ── close		in (block, LSN) order
 *	  bb_rowchanges_new_sorted						in LSN order
 *
 * Each record comes once, with the block that it is of first: the new row's of an
 * INSERT or UPDATE, the old row's of a DELETE.  A record is also there if its block
 * came as a full-page image (docs/format.md).  Transactions that were aborted, or
 * had not ended, have changes, too: see xactends.h.
 *
 * Only the layers of the range are read, and only the blocks of these that have its
 * keys; the memory is that of a scan.  Changes are missing in a gap, and below the
 * start of the timeline.	The rows themselves are in the pages at the LSN of the
 * change (bb_pagestore_get), which are before and after the record: a page at the
 * LSN before is that of lsn - 1.
 *
 * Records are those of this server's major version, which the caller has to check
 * (bb_past_open does).
 *
 * Errors: those of the page store; DATA_CORRUPTED (a record that no server can have
 * written); OBJECT_NOT_IN_PREREQUISITE_STATE (an earlier version of bbackup has kept
 * only the image that a record left, so what it did is not known).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HISTORY_ROWCHANGES_H
#define BB_HISTORY_ROWCHANGES_H

#include "base/compat.h"
#include "pagestore/pagestore.h"
#include "storage/off.h"

typedef enum BbRowAction
{
	BB_ROW_INSERT,
	BB_ROW_UPDATE,
	BB_ROW_DELETE,
	BB_ROW_TAKE_BACK /* of a speculative insertion, by its own transaction */
} BbRowAction;

typedef struct BbRowChange
{
	XLogRecPtr	lsn; /* end of the record */
	BbRowAction action;
	TransactionId xid;	/* that of a subtransaction, if it was one */
	RepOriginId origin; /* InvalidRepOriginId: none */
	BbRelLocator relation;
	BlockNumber block;
	BlockNumber old_block; /* of an UPDATE: that of the old row */
	OffsetNumber old_offset;
	int			nrows;	 /* more than 1: an INSERT */
	OffsetNumber offset; /* of the row in "block", or of the first of nrows */
	/* of nrows; NULL: they follow "offset".  Not in sorted changes. */
	const OffsetNumber *offsets;
} BbRowChange;

typedef struct BbRowChanges BbRowChanges;

/*
 * bb_rowchanges_new - begin to read the changes of keys of main forks, above LSN
 * "after" and up to "until", in CurrentMemoryContext.
 */
extern BbRowChanges *bb_rowchanges_new(const BbReqCtx *ctx, BbPageStore *store,
									   const BbKeyRange *range,
									   XLogRecPtr after, XLogRecPtr until);

/*
 * bb_rowchanges_new_sorted - the same in LSN order.
 *
 * The first step reads everything, sorts it in work_mem and, beyond that, in a
 * temporary file of the current resource owner.
 */
extern BbRowChanges *bb_rowchanges_new_sorted(const BbReqCtx *ctx,
											  BbPageStore *store,
											  const BbKeyRange *range,
											  XLogRecPtr after,
											  XLogRecPtr until);

/*
 * bb_rowchanges_filter - leave relations out for which "wanted" is false, as indexes
 * are, whose blocks have no such records.
 *
 * It is called for each entry, so it should know the answer for the relation before.
 */
extern void bb_rowchanges_filter(BbRowChanges *changes,
								 bool (*wanted) (void *arg,
												 BbRelLocator relation),
								 void *arg);

/* bb_rowchanges_range - return the keys of a main fork. */
extern BbKeyRange bb_rowchanges_range(BbRelLocator relation);

/* bb_rowchanges_next - return the next change, valid until the next call. */
extern bool bb_rowchanges_next(const BbReqCtx *ctx, BbRowChanges *changes,
							   BbRowChange *change);
extern void bb_rowchanges_close(BbRowChanges *changes);

#endif /* BB_HISTORY_ROWCHANGES_H */
