/*-------------------------------------------------------------------------
 *
 * rm_heap.c
 *	  Records of the heap, and their effect on the visibility map.
 *
 * The block references of a heap record are to the heap.  A flag says that a
 * page is no longer all-visible or all-frozen.  Recovery then clears the bits in
 * the map, whatever the LSN of the map's page, and creates the page if it
 * doesn't exist.
 *
 * Later minor versions (17.12 and 18.6, but not 15.20) also name the page of
 * the map whose bits were cleared, perhaps with an image.  Then it is an
 * ordinary change, and no other page of the map changes.
 *
 * A record that sets bits names a block of the map.  Up to 18 these are records
 * of their own; from 19 on, those that prune or insert many tuples.  Both kinds of changes are
 * derived as native records, so that a page of a map needs no redo.
 *
 * (heap_redo and heap2_redo in PostgreSQL's heapam.c, heapam_xlog.c from 18
 * on; visibilitymap.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam_xlog.h"
#include "access/visibilitymapdefs.h"
#include "ingest/invalidpages.h"
#include "ingest/recordcheck.h"
#include "ingest/relgaps.h"
#include "ingest/relsizes.h"
#include "ingest/rmgr/blockrefs.h"
#include "layer/native.h"

/* A heap block whose bits are cleared. */
typedef struct ClearedBlock
{
	BbFork		map;
	BlockNumber heap_block;
	uint8		flags;
} ClearedBlock;

static bool
find_block(BbIngest *ingest, uint8 id, uint8 flags, ClearedBlock *cleared)
{
	if (!bb_walcompat_block(ingest->record, id, &cleared->map,
							&cleared->heap_block))
		return false;
	cleared->map.fork = VISIBILITYMAP_FORKNUM;
	cleared->flags = flags;
	return true;
}

/*
 * Extend a map.  In 15, vm_extend initializes all its new pages; from 16 on, all
 * but the last are zeros.
 */
static void
extend_map(BbIngest *ingest, const BbFork *map, BlockNumber map_block)
{
	BlockNumber block = map_block;
	uint8	   *page = NULL;

#if PG_VERSION_NUM < 160000
	if (!bb_relsizes_get(ingest, map, &block))
		block = 0;
#endif

	/* a map has at most 131,457 pages, and the new ones share their bytes */
	for (; block <= map_block; block++)
	{
		BbKey		key = bb_fork_block_key(map, block);

		bb_reqctx_check(ingest->ctx);
		if (!bb_relsizes_reach(ingest, map, block))
			continue;
		if (page == NULL)
		{
			page = bb_openlayer_reserve(ingest->layer, BLCKSZ);
			PageInit((Page) page, BLCKSZ, 0);
		}
		bb_openlayer_add(ingest->layer, &key, ingest->lsn, BB_ENTRY_IMAGE,
						 page, BLCKSZ);
	}
}

/* Does a record that clears bits name this page of the map? */
typedef enum Naming
{
	NAMES_NONE, /* no page of the map */
	NAMES_OTHERS,
	NAMES_IT
} Naming;

/* Find a reference to the map; all blocks of a record are of one relation. */
static Naming
find_map_page(XLogReaderState *record, BlockNumber map_block, uint8 *id)
{
	Naming		naming = NAMES_NONE;
	BbFork		fork;
	BlockNumber block;

	/* the first block is of the heap */
	for (int n = 1; n <= XLogRecMaxBlockId(record); n++)
	{
		*id = (uint8) n;
		if (!bb_walcompat_block(record, *id, &fork, &block) ||
			fork.fork != VISIBILITYMAP_FORKNUM)
			continue;
		if (block == map_block)
			return NAMES_IT;
		naming = NAMES_OTHERS;
	}
	return naming;
}

/* Clear bits of one or two heap blocks, which may share a page of the map. */
static void
clear_bits(BbIngest *ingest, const ClearedBlock *cleared, int ncleared)
{
	BlockNumber done = InvalidBlockNumber;

	for (int i = 0; i < ncleared; i++)
	{
		const ClearedBlock *block = &cleared[i];
		BlockNumber map_block = block->heap_block / BB_VM_PER_PAGE;
		BbKey		key = bb_fork_block_key(&block->map, map_block);
		BlockNumber blocks;
		StringInfo	native;
		Naming		naming;
		uint8		id;

		if (map_block == done)
			continue;
		done = map_block;

		/* an image has the bits cleared */
		naming = find_map_page(ingest->record, map_block, &id);
		if (naming == NAMES_OTHERS ||
			(naming == NAMES_IT && XLogRecBlockImageApply(ingest->record, id)))
			continue;

		if (!bb_relsizes_get(ingest, &block->map, &blocks) ||
			map_block >= blocks)
		{
			/* a new page has no bits to clear */
			if (naming == NAMES_NONE)
				extend_map(ingest, &block->map, map_block);
			else
			{
				bb_relsizes_create(ingest, &block->map);
				bb_invalidpages_add(ingest, &block->map, map_block);
			}
			continue;
		}

		native = bb_ingest_native_begin(ingest);
		bb_native_vm_clear_begin(native, naming == NAMES_IT);
		for (int j = i; j < ncleared; j++)
			if (cleared[j].heap_block / BB_VM_PER_PAGE == map_block)
				bb_native_vm_clear_add(native,
									   cleared[j].heap_block % BB_VM_PER_PAGE,
									   cleared[j].flags);
		bb_ingest_native(ingest, &key,
						 bb_relgaps_take(ingest, &block->map, map_block));
	}
}

/*
 * Clear bits of block 0 if the record has a flag.  Its data is a struct of "size"
 * bytes with a byte of flags at offset "flags_at".
 */
static void
clear_if(BbIngest *ingest, size_t size, size_t flags_at, uint8 flag,
		 uint8 bits)
{
	uint8		flags = (uint8) bb_ingest_data(ingest, size)[flags_at];
	ClearedBlock cleared;

	if ((flags & flag) != 0 && find_block(ingest, 0, bits, &cleared))
		clear_bits(ingest, &cleared, 1);
}

/*
 * Block 0 has the new tuple, block 1 the old one if that is in another block;
 * blocks 2 and 3 are of the map.
 */
static void
clear_for_update(BbIngest *ingest)
{
	const xl_heap_update *update = (const xl_heap_update *)
		bb_ingest_data(ingest, SizeOfHeapUpdate);
	ClearedBlock cleared[2];
	int			ncleared = 0;

	if (update->flags & XLH_UPDATE_OLD_ALL_VISIBLE_CLEARED)
	{
		uint8		id = XLogRecHasBlockRef(ingest->record, 1) ? 1 : 0;

		ncleared += find_block(ingest, id, VISIBILITYMAP_VALID_BITS,
							   &cleared[ncleared]);
	}
	if (update->flags & XLH_UPDATE_NEW_ALL_VISIBLE_CLEARED)
		ncleared += find_block(ingest, 0, VISIBILITYMAP_VALID_BITS,
							   &cleared[ncleared]);
	clear_bits(ingest, cleared, ncleared);
}

/*
 * Set bits of a heap block, block reference "heap_id", in a page of the map,
 * block reference "map_id".
 */
static void
set_bits(BbIngest *ingest, uint8 heap_id, uint8 map_id, uint8 bits)
{
	BbFork		map;
	BbFork		heap;
	BlockNumber map_block;
	BlockNumber heap_block;
	BbKey		key;
	bool		fresh;

	if (!bb_walcompat_block(ingest->record, map_id, &map, &map_block) ||
		!bb_walcompat_block(ingest->record, heap_id, &heap, &heap_block) ||
		map.fork != VISIBILITYMAP_FORKNUM ||
		map_block != heap_block / BB_VM_PER_PAGE)
		bb_ingest_refuse(
			ingest,
			"The block of the visibility map is not that of the heap block.");

	/* an image has the bits set */
	if (XLogRecBlockImageApply(ingest->record, map_id))
		return;

	key = bb_fork_block_key(&map, map_block);
	bb_native_vm_set(bb_ingest_native_begin(ingest),
					 heap_block % BB_VM_PER_PAGE, bits);
	fresh = bb_relsizes_reach(ingest, &map, map_block) ||
		bb_relgaps_take(ingest, &map, map_block);
	bb_ingest_native(ingest, &key, fresh);
}

#if PG_VERSION_NUM >= 190000

/* (heap_xlog_prune_freeze) */
static void
set_for_prune(BbIngest *ingest)
{
	xl_heap_prune prune;

	memcpy(&prune, bb_ingest_data(ingest, SizeOfHeapPrune), SizeOfHeapPrune);
	if (prune.flags & XLHP_VM_ALL_VISIBLE)
		set_bits(ingest, 0, 1,
				 prune.flags & XLHP_VM_ALL_FROZEN ? VISIBILITYMAP_VALID_BITS
												  : VISIBILITYMAP_ALL_VISIBLE);
}

/* (heap_xlog_multi_insert) */
static void
set_for_multi_insert(BbIngest *ingest)
{
	const xl_heap_multi_insert *insert = (const xl_heap_multi_insert *)
		bb_ingest_data(ingest, SizeOfHeapMultiInsert);

	if (insert->flags & XLH_INSERT_ALL_FROZEN_SET)
		set_bits(ingest, HEAP_MULTI_INSERT_BLKREF_HEAP,
				 HEAP_MULTI_INSERT_BLKREF_VM, VISIBILITYMAP_VALID_BITS);
}

#else

/* (heap_xlog_visible) */
static void
set_visible(BbIngest *ingest)
{
	const xl_heap_visible *visible = (const xl_heap_visible *)
		bb_ingest_data(ingest, SizeOfHeapVisible);

	bb_recordcheck_heap(ingest, 1);
	bb_blockrefs_ingest(ingest);
	set_bits(ingest, 1, 0, visible->flags & VISIBILITYMAP_VALID_BITS);
}

#endif

void
bb_rm_heap(BbIngest *ingest)
{
	uint8		operation = XLogRecGetInfo(ingest->record) & XLOG_HEAP_OPMASK;

	if (operation != XLOG_HEAP_TRUNCATE)
		bb_recordcheck_heap(ingest, 0);
	switch (operation)
	{
		case XLOG_HEAP_INSERT:
			clear_if(ingest, SizeOfHeapInsert, offsetof(xl_heap_insert, flags),
					 XLH_INSERT_ALL_VISIBLE_CLEARED, VISIBILITYMAP_VALID_BITS);
			break;
		case XLOG_HEAP_DELETE:
			clear_if(ingest, SizeOfHeapDelete, offsetof(xl_heap_delete, flags),
					 XLH_DELETE_ALL_VISIBLE_CLEARED, VISIBILITYMAP_VALID_BITS);
			break;
		case XLOG_HEAP_UPDATE:
		case XLOG_HEAP_HOT_UPDATE:
			clear_for_update(ingest);
			break;
		case XLOG_HEAP_LOCK:
			clear_if(ingest, SizeOfHeapLock, offsetof(xl_heap_lock, flags),
					 XLH_LOCK_ALL_FROZEN_CLEARED, VISIBILITYMAP_ALL_FROZEN);
			break;
		case XLOG_HEAP_CONFIRM:
		case XLOG_HEAP_INPLACE:
			break;
		case XLOG_HEAP_TRUNCATE:
			return; /* it is for logical decoding */
		default:
			bb_ingest_unknown(ingest);
	}
	bb_blockrefs_ingest(ingest);
}

void
bb_rm_heap2(BbIngest *ingest)
{
	switch (XLogRecGetInfo(ingest->record) & XLOG_HEAP_OPMASK)
	{
#if PG_VERSION_NUM >= 170000
		case XLOG_HEAP2_PRUNE_ON_ACCESS:
		case XLOG_HEAP2_PRUNE_VACUUM_SCAN:
		case XLOG_HEAP2_PRUNE_VACUUM_CLEANUP:
#else
		case XLOG_HEAP2_PRUNE:
		case XLOG_HEAP2_VACUUM:
		case XLOG_HEAP2_FREEZE_PAGE:
#endif
			bb_recordcheck_heap(ingest, 0);
			bb_blockrefs_ingest(ingest);
#if PG_VERSION_NUM >= 190000
			set_for_prune(ingest);
#endif
			break;
#if PG_VERSION_NUM < 190000
		case XLOG_HEAP2_VISIBLE:
			set_visible(ingest);
			break;
#endif
		case XLOG_HEAP2_MULTI_INSERT:
			bb_recordcheck_heap(ingest, 0);
			clear_if(ingest, SizeOfHeapMultiInsert,
					 offsetof(xl_heap_multi_insert, flags),
					 XLH_INSERT_ALL_VISIBLE_CLEARED, VISIBILITYMAP_VALID_BITS);
			bb_blockrefs_ingest(ingest);
#if PG_VERSION_NUM >= 190000
			set_for_multi_insert(ingest);
#endif
			break;
		case XLOG_HEAP2_LOCK_UPDATED:
			bb_recordcheck_heap(ingest, 0);
			clear_if(ingest, SizeOfHeapLockUpdated,
					 offsetof(xl_heap_lock_updated, flags),
					 XLH_LOCK_ALL_FROZEN_CLEARED, VISIBILITYMAP_ALL_FROZEN);
			bb_blockrefs_ingest(ingest);
			break;
		case XLOG_HEAP2_NEW_CID: /* it is for logical decoding */
		case XLOG_HEAP2_REWRITE: /* of a replication slot */
			break;
		default:
			bb_ingest_unknown(ingest);
	}
}
