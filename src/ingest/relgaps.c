/*-------------------------------------------------------------------------
 *
 * relgaps.c
 *	  Gaps: blocks between the end of a fork and a block that a record creates.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "base/zerorun.h"
#include "ingest/relgaps.h"

/* A gap of up to this many blocks gets images. */
#define GAP_BLOCKS 1024

/* Load the runs of a fork.  Return false if it has none. */
static bool
load(BbIngest *ingest, const BbFork *fork, BbZeroRunList *runs)
{
	BbKey		key = bb_fork_zeros_key(fork);
	const uint8 *value;
	uint32		length;

	runs->n = 0;
	value = bb_knownkeys_get(ingest->ctx, ingest->known, &key, &length);
	if (value == NULL)
		return false;
	if (!bb_zerorun_decode(value, length, runs))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the page store's entry for %s is invalid",
						bb_key_text(&key))));
	return true;
}

static inline bool
is_map(const BbFork *fork)
{
	return fork->fork == FSM_FORKNUM || fork->fork == VISIBILITYMAP_FORKNUM;
}

/* Give each of the blocks an image of zeros. */
static void
write_images(BbIngest *ingest, const BbFork *fork, BlockNumber first,
			 BlockNumber end)
{
	for (BlockNumber block = first; block < end; block++)
	{
		BbKey		key = bb_fork_block_key(fork, block);

		bb_reqctx_check(ingest->ctx);
		bb_ingest_zeros(ingest, &key);
	}
}

/*
 * A block was taken out of a map's run, and now there is one run too many.  Write
 * the shortest one, whose blocks have no values, as images.
 */
static void
write_shortest(BbIngest *ingest, const BbFork *fork, BbZeroRunList *runs)
{
	BlockNumber shortest = PG_UINT32_MAX;
	BlockNumber first = 0;

	for (int i = 0; i < runs->n; i++)
	{
		BlockNumber length = runs->bounds[2 * i + 1] - runs->bounds[2 * i];

		if (length < shortest)
		{
			shortest = length;
			first = runs->bounds[2 * i];
		}
	}
	write_images(ingest, fork, first, first + shortest);
	bb_zerorun_cut(runs, first, first + shortest);
}

static void
save(BbIngest *ingest, const BbFork *fork, BbZeroRunList *runs)
{
	BbKey		key = bb_fork_zeros_key(fork);
	uint8		value[BB_ZERO_RUNS_MAX * BB_ZERO_RUN_BYTES];
	uint32		length;

	if (runs->n > BB_ZERO_RUNS_MAX)
	{
		Assert(is_map(fork));
		write_shortest(ingest, fork, runs);
	}
	if (runs->n == 0)
	{
		bb_knownkeys_remove(ingest->ctx, ingest->known, &key, ingest->lsn);
		return;
	}
	length = bb_zerorun_encode(runs, value);
	bb_knownkeys_put(ingest->known, &key, ingest->lsn, value, length);
}

/* Hide older values of the blocks by an image layer; see relgaps.h. */
static void
forget_older(BbIngest *ingest, const BbFork *fork, BlockNumber first,
			 BlockNumber end)
{
	static const uint8 zeros[BLCKSZ] = {0};
	BbKey		start_key = bb_fork_block_key(fork, first);
	BbKey		end_key = bb_fork_block_key(fork, end);
	BbLayerWriter *writer;
	MemoryContext old;

	writer = bb_layer_writer_new(ingest->ctx, ingest->objects,
								 ingest->manifest->timeline, &start_key,
								 ingest->lsn - 1,
								 (BbCompression) bb_setting_compression);
	bb_layer_writer_add(ingest->ctx, writer, &start_key, zeros, BLCKSZ);
	old = MemoryContextSwitchTo(ingest->context);
	ingest->record_layers = lappend(ingest->record_layers,
									bb_layer_writer_finish(ingest->ctx, writer,
														   &end_key));
	MemoryContextSwitchTo(old);
}

void
bb_relgaps_add(BbIngest *ingest, const BbFork *fork, BlockNumber first,
			   BlockNumber end)
{
	BbZeroRunList runs;

	if (end - first <= GAP_BLOCKS)
	{
		write_images(ingest, fork, first, end);
		return;
	}
	(void) load(ingest, fork, &runs);
	bb_zerorun_append(&runs, first, end);
	if (runs.n > BB_ZERO_RUNS_MAX)
	{
		write_images(ingest, fork, first, end);
		return;
	}
	save(ingest, fork, &runs);
	forget_older(ingest, fork, first, end);
}

bool
bb_relgaps_take(BbIngest *ingest, const BbFork *fork, BlockNumber block)
{
	BbZeroRunList runs;

	if (!is_map(fork) || !load(ingest, fork, &runs) ||
		!bb_zerorun_has(&runs, block))
		return false;
	bb_zerorun_cut(&runs, block, block + 1);
	save(ingest, fork, &runs);
	return true;
}

void
bb_relgaps_truncate(BbIngest *ingest, const BbFork *fork, BlockNumber blocks)
{
	BbZeroRunList runs;

	if (!load(ingest, fork, &runs) || runs.bounds[2 * runs.n - 1] <= blocks)
		return;
	bb_zerorun_cut(&runs, blocks, InvalidBlockNumber);
	save(ingest, fork, &runs);
}

void
bb_relgaps_drop(BbIngest *ingest, const BbFork *fork)
{
	BbKey		key = bb_fork_zeros_key(fork);

	bb_knownkeys_remove(ingest->ctx, ingest->known, &key, ingest->lsn);
}
