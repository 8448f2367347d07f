/*-------------------------------------------------------------------------
 *
 * blockscan.c
 *	  One pass over the blocks of the page store.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pagestore/blockscan.h"

void
bb_blockscan_init(BbBlockScan *blocks, const BbSnapshot *snapshot)
{
	memset(blocks, 0, sizeof(*blocks));
	blocks->snapshot = *snapshot;
	blocks->until = bb_key_range_all().end;
	blocks->context = CurrentMemoryContext;
}

void
bb_blockscan_close(BbBlockScan *blocks)
{
	if (blocks->scan != NULL)
		bb_pagestore_scan_close(blocks->scan);
	blocks->scan = NULL;
}

static void
begin_at(const BbReqCtx *ctx, BbBlockScan *blocks, const BbKey *wanted)
{
	MemoryContext old_context;
	BbKeyRange	range;

	bb_blockscan_close(blocks);

	blocks->kind = (BbKeyKind) wanted->bytes[0];
	range.start = *wanted;
	range.end = bb_key_range_kind(blocks->kind).end;

	old_context = MemoryContextSwitchTo(blocks->context);
	blocks->scan = bb_pagestore_scan_new(ctx, &blocks->snapshot, &range);
	bb_pagestore_scan_until(blocks->scan, &blocks->until);
	MemoryContextSwitchTo(old_context);

	blocks->at = *wanted;
	blocks->loaded = false;
	blocks->ended = false;
}

void
bb_blockscan_until(BbBlockScan *blocks, const BbKey *key)
{
	blocks->until = *key;
	if (blocks->scan == NULL)
		return;
	bb_pagestore_scan_until(blocks->scan, key);
	/* a scan that has ended may go on */
	if (blocks->ended)
		blocks->loaded = false;
	blocks->ended = false;
}

static void
load(const BbReqCtx *ctx, BbBlockScan *blocks)
{
	MemoryContext old_context = MemoryContextSwitchTo(blocks->context);

	blocks->ended = !bb_pagestore_scan_next(ctx, blocks->scan, &blocks->key,
											&blocks->value);
	MemoryContextSwitchTo(old_context);
	blocks->loaded = true;

	if (!blocks->ended && bb_key_compare(&blocks->key, &blocks->at) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("page store gave %s twice or out of order",
						bb_key_text(&blocks->key)),
				 errdetail("The next entry must be %s or later.",
						   bb_key_text(&blocks->at))));
}

bool
bb_blockscan_peek(const BbReqCtx *ctx, BbBlockScan *blocks,
				  const BbKey *wanted, BbKey *key, BbValue *value)
{
	if (blocks->scan == NULL || blocks->kind != (BbKeyKind) wanted->bytes[0] ||
		bb_key_compare(wanted, &blocks->at) < 0)
		begin_at(ctx, blocks, wanted);

	/* skip entries that aren't wanted, without reading the first if possible */
	if (bb_key_compare(wanted, &blocks->at) > 0 &&
		(!blocks->loaded ||
		 (!blocks->ended && bb_key_compare(&blocks->key, wanted) < 0)))
	{
		bb_pagestore_scan_seek(ctx, blocks->scan, wanted);
		blocks->at = *wanted;
		blocks->loaded = false;
	}
	if (!blocks->loaded)
		load(ctx, blocks);

	*key = blocks->key;
	*value = blocks->value;
	return !blocks->ended;
}

void
bb_blockscan_advance(BbBlockScan *blocks)
{
	Assert(blocks->loaded && !blocks->ended);
	blocks->at = bb_key_next(&blocks->key);
	blocks->loaded = false;
}
