/*-------------------------------------------------------------------------
 *
 * layer_check.h
 *	  Checking a layer file whole, every byte of it.
 *
 *	  header | block block … root | filter | footer
 *	  ──────────────────────────────────────────────►	front to back, once
 *
 * A read checks what it meets on its way.  This reads everything: each block's
 * checksum, that the blocks follow each other without a gap, that the index has
 * each of them, the order of the entries and their number, that the filter has
 * each key, and the checksum of the file that the manifest has.
 *
 * The object itself is read, not a copy in a cache.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_LAYER_CHECK_H
#define BB_LAYER_CHECK_H

#include "layer/layer.h"

typedef enum BbLayerFaultKind
{
	BB_FAULT_MISSING,	 /* there is no such object */
	BB_FAULT_UNREADABLE, /* the storage can't read it */
	BB_FAULT_SIZE,		 /* it has another size than the manifest says */
	BB_FAULT_HEADER,
	BB_FAULT_FOOTER,
	BB_FAULT_BLOCK,	  /* a block's checksum or form */
	BB_FAULT_ORDER,	  /* of entries or blocks, or their number */
	BB_FAULT_FILTER,  /* of the keys */
	BB_FAULT_CHECKSUM /* of the whole file */
} BbLayerFaultKind;

typedef struct BbLayerFault
{
	BbLayerFaultKind kind;
	uint64		offset; /* bytes */
	char	   *detail; /* a sentence */
	BbKeyRange	keys;	/* those that can't be read from the layer */
} BbLayerFault;

/* Called after each piece that was read; may wait. */
typedef void (*BbLayerPace) (const BbReqCtx *ctx);

/*
 * bb_layer_check - check a layer; returns BbLayerFaults, NIL if it is whole.
 *
 * The check ends at the first fault.  If that is in a block, the index is then
 * used to find all blocks that can't be read, each of which is a fault with its
 * keys.  "pace" may be NULL.
 *
 * Errors: those that say nothing of the layer: CONNECTION_FAILURE,
 * QUERY_CANCELED and the like.
 */
extern List *bb_layer_check(const BbReqCtx *ctx, BbObjectStore *objects,
							const char *timeline, const BbLayerDesc *desc,
							BbLayerPace pace);

/*
 * bb_layer_error_is_fault - does an error of a read say that a layer is gone,
 * or can't be read?  Others say nothing of it: the storage doesn't answer, the
 * call was canceled.
 */
extern bool bb_layer_error_is_fault(int sqlerrcode);

#endif /* BB_LAYER_CHECK_H */
