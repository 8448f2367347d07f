/*-------------------------------------------------------------------------
 *
 * blockscan.h
 *	  One pass over the blocks of the page store, for a reader that asks for
 *	  each block by its key.
 *
 * The reader of a backup asks for block after block, nearly always in key
 * order.  One scan serves it, one entry ahead; the scan skips entries that
 * aren't wanted, and a new scan begins only for a key before its position.
 *
 *	  blocks  ... [a 7] [a 8] [b 0] [b 1] [c 0] ...
 *					  ^at	^lookahead
 *
 * Nothing lies between "at" and the lookahead, so a block there does not exist.
 *
 * Errors: those of the page store; DATA_CORRUPTED (a scan that isn't in
 * order).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BLOCKSCAN_H
#define BB_BLOCKSCAN_H

#include "pagestore/snapshot.h"

typedef struct BbBlockScan
{
	BbSnapshot	snapshot;
	MemoryContext context; /* for the scan */
	BbPageScan *scan;	   /* NULL: none yet */
	BbKeyKind	kind;	   /* the scan ends where this kind does */
	BbKey		until;	   /* nothing from here on is read */
	BbKey		at;		   /* no entry from here up to the lookahead */
	bool		loaded;	   /* is the lookahead there, or "ended"? */
	bool		ended;
	BbKey		key; /* the lookahead */
	BbValue		value;
} BbBlockScan;

/* The scan lives in CurrentMemoryContext. */
extern void bb_blockscan_init(BbBlockScan *blocks, const BbSnapshot *snapshot);

/*
 * bb_blockscan_peek - return the first entry of its kind at or after "wanted";
 * false if there is none.
 *
 * The value stays valid until the next call.
 */
extern bool bb_blockscan_peek(const BbReqCtx *ctx, BbBlockScan *blocks,
							  const BbKey *wanted, BbKey *key, BbValue *value);

/*
 * bb_blockscan_until - behave as if there were no entries from "key" on, until
 * another call moves the end.
 */
extern void bb_blockscan_until(BbBlockScan *blocks, const BbKey *key);

/* Skip the entry that peek found; its value stays valid until the next call. */
extern void bb_blockscan_advance(BbBlockScan *blocks);
extern void bb_blockscan_close(BbBlockScan *blocks);

#endif /* BB_BLOCKSCAN_H */
