/*-------------------------------------------------------------------------
 *
 * test_wal.c
 *	  What ingest is made of: counters, the open layer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/multixact.h"
#include "access/transam.h"
#include "base/codec.h"
#include "base/settings.h"
#include "ingest/clusterstate.h"
#include "ingest/knownkeys.h"
#include "ingest/recordends.h"
#include "unit.h"

/* ---- counters ---- */

static uint64
after_xid(uint32 epoch, TransactionId next, TransactionId seen)
{
	BbClusterState state = {0};

	state.checkpoint.nextXid = FullTransactionIdFromEpochAndXid(epoch, next);
	bb_clusterstate_past_xid(&state, seen);
	return U64FromFullTransactionId(state.checkpoint.nextXid);
}

UNIT_TEST(next_xid_moves_as_in_recovery)
{
	const uint64 epoch = (uint64) 1 << 32;

	CHECK(after_xid(0, 100, 99) == 100);
	CHECK(after_xid(0, 100, InvalidTransactionId) == 100);
	CHECK(after_xid(0, 100, 100) == 101);
	CHECK(after_xid(3, 100, 5000) == 3 * epoch + 5001);
	/* past the end of an epoch, over the special xids */
	CHECK(after_xid(3, 4294967290U, 4294967295U) ==
		  4 * epoch + FirstNormalTransactionId);
	CHECK(after_xid(3, 4294967290U, 10) == 4 * epoch + 11);
	/* of the epoch before */
	CHECK(after_xid(3, 10, 4294967290U) == 3 * epoch + 10);
}

UNIT_TEST(full_xid_of_the_epoch_before)
{
	BbClusterState state = {0};
	FullTransactionId full;

	state.checkpoint.nextXid = FullTransactionIdFromEpochAndXid(3, 10);
	full = bb_clusterstate_full_xid(&state, 9);
	CHECK(EpochFromFullTransactionId(full) == 3);
	full = bb_clusterstate_full_xid(&state, 4294967290U);
	CHECK(EpochFromFullTransactionId(full) == 2);
}

UNIT_TEST(checkpoints_are_believed_as_in_recovery)
{
	BbClusterState state = {0};
	CheckPoint	checkpoint = {0};

	state.checkpoint.nextXid = FullTransactionIdFromEpochAndXid(0, 1000);
	state.checkpoint.nextOid = 50000;
	state.checkpoint.nextMulti = 20;
	state.checkpoint.nextMultiOffset = 40;
	state.checkpoint.oldestXid = 700;
	state.checkpoint.oldestMulti = 5;
	checkpoint = state.checkpoint;
	checkpoint.nextXid = FullTransactionIdFromEpochAndXid(0, 900);
	checkpoint.nextOid = 40000;
	checkpoint.nextMulti = 10;
	checkpoint.nextMultiOffset = 50;
	checkpoint.oldestXid = 600;
	checkpoint.oldestMulti = 6;
	checkpoint.oldestMultiDB = 7;

	/* an online one has lower bounds, and an nextOid of no worth */
	bb_clusterstate_checkpoint(&state, &checkpoint, false);
	CHECK(XidFromFullTransactionId(state.checkpoint.nextXid) == 1000);
	CHECK(state.checkpoint.nextOid == 50000);
	CHECK(state.checkpoint.nextMulti == 20);
	CHECK(state.checkpoint.nextMultiOffset == 50);
	CHECK(state.checkpoint.oldestXid == 700);
	CHECK(state.checkpoint.oldestMulti == 6);
	CHECK(state.checkpoint.oldestMultiDB == 7);

	bb_clusterstate_checkpoint(&state, &checkpoint, true);
	CHECK(XidFromFullTransactionId(state.checkpoint.nextXid) == 900);
	CHECK(state.checkpoint.nextOid == 40000);
	CHECK(state.checkpoint.nextMulti == 10);
	CHECK(state.checkpoint.oldestXid == 600);
}

/* ---- the open layer ---- */

#define LSN0 ((XLogRecPtr) 100)

static BbKey
block_key(uint32 block)
{
	return bb_key_rel_block(1663, 5, 1000, MAIN_FORKNUM, block);
}

static void
add(BbOpenLayer *layer, BbKey key, XLogRecPtr lsn, BbEntryType type,
	const char *value)
{
	bb_openlayer_put(layer, &key, lsn, type, value, strlen(value));
}

/* "block@lsn=value " of all entries of some layers, in order. */
static char *
layers_text(const BbReqCtx *ctx, BbObjectStore *objects, List *descs)
{
	StringInfoData text;
	ListCell   *cell;
	BbEntry		entry;

	initStringInfo(&text);
	foreach(cell, descs)
	{
		const BbLayerDesc *desc = lfirst(cell);
		BbLayer	   *layer = bb_layer_open(ctx, objects, "main", desc);
		BbLayerCursor *cursor = bb_layer_cursor_new(ctx, layer,
													&desc->keys.start, 0,
													65536);

		while (bb_layer_cursor_next(ctx, cursor, &entry))
			appendStringInfo(&text, "%u@%u=%.*s ",
							 bb_key_fields(&entry.key).block,
							 (unsigned) entry.lsn, (int) entry.length,
							 (const char *) entry.value);
		bb_layer_cursor_close(cursor);
		bb_layer_close(layer);
	}
	return text.data;
}

UNIT_TEST(openlayer_sorts_and_supersedes)
{
	BbObjectStore *objects = unit_store(ctx);
	BbOpenLayer *layer = bb_openlayer_new();
	uint64		pages = 0;
	List	   *descs;

	add(layer, block_key(7), LSN0, BB_ENTRY_IMAGE, "a");
	add(layer, block_key(3), LSN0, BB_ENTRY_IMAGE, "b");
	add(layer, block_key(7), LSN0 + 1, BB_ENTRY_RECORD, "c");
	/* of two whole values at one LSN the last counts */
	add(layer, block_key(5), LSN0 + 2, BB_ENTRY_IMAGE, "d");
	add(layer, block_key(5), LSN0 + 2, BB_ENTRY_IMAGE, "e");
	add(layer, block_key(3), LSN0 + 3, BB_ENTRY_DELETED, "");
	/* but a change of a value stays */
	add(layer, block_key(4), LSN0 + 4, BB_ENTRY_IMAGE, "f");
	add(layer, block_key(4), LSN0 + 4, BB_ENTRY_NATIVE, "g");
	/* of a record that failed */
	add(layer, block_key(1), LSN0 + 9, BB_ENTRY_IMAGE, "h");
	bb_openlayer_cut(layer, LSN0 + 5);

	descs = bb_openlayer_flush(ctx, layer, objects, "main", LSN0, LSN0 + 6,
							   &pages);
	CHECK(list_length(descs) == 1 && pages == 4);
	CHECK(strcmp(layers_text(ctx, objects, descs),
				 "3@100=b 3@103= 4@104=f 4@104=g 5@102=e 7@100=a 7@101=c ") ==
		  0);
	/* and nothing is left of it */
	CHECK(bb_openlayer_flush(ctx, layer, objects, "main", LSN0 + 6, LSN0 + 7,
							 &pages) == NIL);
	CHECK(pages == 4);
}

UNIT_TEST(openlayer_cuts_layers)
{
	BbObjectStore *objects = unit_store(ctx);
	BbOpenLayer *layer = bb_openlayer_new();
	int			saved = bb_setting_layer_size_mb;
	char	   *value = palloc(BLCKSZ);
	uint64		pages = 0;
	uint64		entries = 0;
	List	   *descs;
	const BbLayerDesc *before = NULL;
	ListCell   *cell;

	for (uint32 block = 0; block < 1000; block++)
	{
		BbKey		key = block_key(999 - block);

		/* what can't be compressed */
		CHECK(pg_strong_random(value, BLCKSZ));
		bb_openlayer_put(layer, &key, LSN0 + block, BB_ENTRY_IMAGE, value,
						 BLCKSZ);
	}
	CHECK(bb_openlayer_size(layer) > 1000 * BLCKSZ);
	bb_setting_layer_size_mb = 1;
	descs = bb_openlayer_flush(ctx, layer, objects, "main", LSN0, LSN0 + 1000,
							   &pages);
	bb_setting_layer_size_mb = saved;

	/* side by side, and of the same LSNs */
	CHECK(list_length(descs) >= 7 && pages == 1000);
	foreach(cell, descs)
	{
		const BbLayerDesc *desc = lfirst(cell);

		CHECK(!desc->image);
		CHECK(desc->lsn_start == LSN0 && desc->lsn_end == LSN0 + 1000);
		if (before != NULL)
			CHECK(bb_key_compare(&before->keys.end, &desc->keys.start) == 0);
		before = desc;
		entries += desc->entries;
	}
	CHECK(entries == 1000);
}
