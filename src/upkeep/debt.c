/*-------------------------------------------------------------------------
 *
 * debt.c
 *	  A manifest with the eyes of upkeep.
 *
 * The greatest depth is an estimate: it is looked at at so many keys at most,
 * those with which layers begin.  The journal (upkeep/policy.h) doesn't count: it is
 * in no image, and most reads don't need it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/upkeep.h"

#define SAMPLES_MAX 64

static inline bool
covers(const BbLayerDesc *layer, const BbKey *key)
{
	return bb_key_compare(&layer->keys.start, key) <= 0 &&
		bb_key_compare(key, &layer->keys.end) < 0;
}

/* How many delta layers does a read of the key at the end visit? */
static uint64
depth_at(const BbManifest *manifest, const BbKey *key)
{
	XLogRecPtr	image_lsn = InvalidXLogRecPtr;
	uint64		depth = 0;

	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (layer->image && layer->lsn_start > image_lsn && covers(layer, key))
			image_lsn = layer->lsn_start;
	}
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (!layer->image && layer->lsn_end > image_lsn + 1 &&
			covers(layer, key))
			depth++;
	}
	return depth;
}

static int
compare_lsn(const void *a, const void *b)
{
	XLogRecPtr	left = *(const XLogRecPtr *) a;
	XLogRecPtr	right = *(const XLogRecPtr *) b;

	return left < right ? -1 : left > right;
}

/* Count the stretches of WAL that delta layers begin with, each once. */
static uint64
count_runs(const BbManifest *manifest)
{
	XLogRecPtr *starts = palloc(Max(manifest->nlayers, 1) *
								sizeof(XLogRecPtr));
	int			n = 0;
	uint64		runs = 0;

	for (int i = 0; i < manifest->nlayers; i++)
	{
		if (!manifest->layers[i].image)
			starts[n++] = manifest->layers[i].lsn_start;
	}
	qsort(starts, n, sizeof(XLogRecPtr), compare_lsn);
	for (int i = 0; i < n; i++)
		runs += i == 0 || starts[i] != starts[i - 1];
	pfree(starts);
	return runs;
}

BbJobDebt
bb_upkeep_debt(const BbManifest *manifest, XLogRecPtr seen_end)
{
	BbJobDebt	debt = {.layers = manifest->nlayers,
						.runs = count_runs(manifest),
						.retired = manifest->keeps.nretired,
						.end_lsn = manifest->end_lsn};
	int			step = Max(manifest->nlayers / SAMPLES_MAX, 1);
	BbKey		data = bb_key_range_kind(BB_KEY_TABLESPACE).start;

	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		debt.bytes += layer->size;
		if (!layer->image && seen_end != InvalidXLogRecPtr &&
			layer->lsn_start >= seen_end)
			debt.new_bytes += layer->size;
		if (i % step == 0)
			debt.depth = Max(debt.depth,
							 depth_at(manifest,
									  bb_key_compare(&layer->keys.start,
													 &data) < 0
										  ? &data
										  : &layer->keys.start));
	}
	return debt;
}
