/*-------------------------------------------------------------------------
 *
 * blockscan.h
 *	  One pass over the blocks of the page store, for who knows which come.
 *
 * The reader of a backup asks for block after block, nearly always in key
 * order.  This keeps one scan for it, one entry ahead, which goes past what
 * isn't wanted, and begins a new one only for a key that lies behind.
 *
 *	  blocks  ... [a 7] [a 8] [b 0] [b 1] [c 0] ...
 *					  ^at	^lookahead
 *
 * Nothing lies between "at" and the lookahead; so it can also tell that a
 * block does not exist.
 *
 * Errors: those of the page store; DATA_CORRUPTED (a scan that isn't in
 * order).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BLOCKSCAN_H
#define BB_BLOCKSCAN_H

#include "pagestore/pagestore.h"

typedef struct BbBlockScan
{
	BbPageStore *store;
	XLogRecPtr	lsn;
	MemoryContext context; /* for the scan */
	BbPageScan *scan;	   /* NULL: none yet */
	BbKeyKind	kind;	   /* that it scans to the end of */
	BbKey		until;	   /* nothing from here on is read */
	BbKey		at;		   /* no entry from here up to the lookahead */
	bool		loaded;	   /* is the lookahead there, or "ended"? */
	bool		ended;
	BbKey		key; /* the lookahead */
	BbValue		value;
} BbBlockScan;

/* The scan lives in CurrentMemoryContext. */
extern void bb_blockscan_init(BbBlockScan *blocks, BbPageStore *store,
							  XLogRecPtr lsn);

/*
 * bb_blockscan_peek - the first entry at or after "wanted", of its kind.
 *
 * False: none.  The value stays valid until the next call.
 */
extern bool bb_blockscan_peek(const BbReqCtx *ctx, BbBlockScan *blocks,
							  const BbKey *wanted, BbKey *key, BbValue *value);

/*
 * bb_blockscan_until - go no further than "key", until another is named: as if
 * there were no entries from there on.
 */
extern void bb_blockscan_until(BbBlockScan *blocks, const BbKey *key);

/* Go past what peek found; its value stays valid until the next call. */
extern void bb_blockscan_advance(BbBlockScan *blocks);
extern void bb_blockscan_close(BbBlockScan *blocks);

#endif /* BB_BLOCKSCAN_H */
