/*-------------------------------------------------------------------------
 *
 * blockread.c
 *	  Blocks of relations at a snapshot: reading one, and runs of zeros.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/compat.h"
#include "common/relpath.h"
#include "pagestore/blockread.h"

void
bb_zeroruns_init(BbZeroRuns *runs, const BbSnapshot *snapshot)
{
	runs->snapshot = *snapshot;
	runs->loaded = false;
}

static void
load(const BbReqCtx *ctx, BbZeroRuns *runs, const BbKey *key)
{
	BbValue		value;

	runs->loaded = false;
	runs->key = *key;
	runs->list.n = 0;
	if (bb_pagestore_get(ctx, &runs->snapshot, key, &value) &&
		!bb_zerorun_decode(value.data, value.length, &runs->list))
		bb_pagestore_report_invalid(key);
	runs->loaded = true;
}

const uint8 *
bb_zeroruns_page(const BbReqCtx *ctx, BbZeroRuns *runs, const BbKey *block_key)
{
	static const uint8 zeros[BLCKSZ] = {0};
	BbKeyFields f = bb_key_fields(block_key);
	BbKey		key = bb_key_rel_zeros(f.spc, f.db, f.rel,
									   (ForkNumber) f.fork);

	if (!runs->loaded || bb_key_compare(&key, &runs->key) != 0)
		load(ctx, runs, &key);
	return bb_zerorun_has(&runs->list, f.block) ? zeros : NULL;
}

/* Check that the fork exists and has the block. */
static void
check_block(const BbReqCtx *ctx, const BbSnapshot *snapshot,
			const BbKey *block_key)
{
	BbKeyFields f = bb_key_fields(block_key);
	BbKey		size_key = bb_key_rel_size(f.spc, f.db, f.rel,
										   (ForkNumber) f.fork);
	BbValue		value;
	uint32		blocks;

	if (!bb_pagestore_get(ctx, snapshot, &size_key, &value))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation %u/%u/%u has no fork \"%s\" at " BB_LSN_FORMAT,
						f.spc, f.db, f.rel, forkNames[f.fork],
						LSN_FORMAT_ARGS(snapshot->lsn)),
				 errhint("bb_relations() lists the relations. Unlogged "
						 "relations only have an init fork.")));
	if (value.length != sizeof(blocks))
		bb_pagestore_report_invalid(&size_key);
	blocks = bb_get_le32(value.data);
	if (f.block >= blocks)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("block number %u is out of range for relation %u/%u/%u",
						f.block, f.spc, f.db, f.rel),
				 errdetail("Fork \"%s\" has %u blocks at " BB_LSN_FORMAT ".",
						   forkNames[f.fork], blocks, LSN_FORMAT_ARGS(snapshot->lsn))));
}

const uint8 *
bb_block_read(const BbReqCtx *ctx, const BbSnapshot *snapshot,
			  const BbKey *key)
{
	BbZeroRuns	zeros;
	BbValue		value;
	const uint8 *page;

	check_block(ctx, snapshot, key);
	if (!bb_pagestore_get(ctx, snapshot, key, &value))
	{
		bb_zeroruns_init(&zeros, snapshot);
		page = bb_zeroruns_page(ctx, &zeros, key);
		if (page != NULL)
			return page;
	}
	else if (value.length == BLCKSZ)
		return value.data;

	/* raises the error */
	return bb_pagestore_need(ctx, snapshot, key, BLCKSZ).data;
}
