/*-------------------------------------------------------------------------
 *
 * zeroruns.c
 *	  Runs of blocks of a relation fork that were never written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pagestore/zeroruns.h"

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
