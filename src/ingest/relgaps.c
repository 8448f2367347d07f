/*-------------------------------------------------------------------------
 *
 * relgaps.c
 *	  Gaps: blocks that a fork gets between its end and a block that a record
 *	  makes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "base/zerorun.h"
#include "ingest/relgaps.h"
#include "ingest/relsizes.h"

typedef struct Runs
{
	BbKey		key;
	int			nruns;
	/* one more than there may be, while they are changed */
	BlockNumber bounds[2 * (BB_ZERO_RUNS_MAX + 1)];
} Runs;

/* False: the fork has none. */
static bool
load(BbIngest *ingest, const BbFork *fork, Runs *runs)
{
	const uint8 *value;
	uint32		length;

	runs->key = bb_key_rel_zeros(fork->spc, fork->db, fork->rel, fork->fork);
	runs->nruns = 0;
	value = bb_directory_get(ingest->ctx, ingest->directory, &runs->key,
							 &length);
	if (value == NULL)
		return false;
	if (!bb_zero_runs_decode(value, length, runs->bounds, &runs->nruns))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the page store's entry for %s is invalid",
						bb_key_text(&runs->key))));
	return true;
}

static void
remove_run(Runs *runs, int i)
{
	memmove(&runs->bounds[2 * i], &runs->bounds[2 * i + 2],
			2 * (runs->nruns - 1 - i) * sizeof(BlockNumber));
	runs->nruns--;
}

/* Of a map's runs, which have no values, the shortest becomes images. */
static void
write_shortest(BbIngest *ingest, const BbFork *fork, Runs *runs)
{
	BlockNumber shortest = PG_UINT32_MAX;
	int			chosen = 0;

	for (int i = 0; i < runs->nruns; i++)
	{
		BlockNumber length = runs->bounds[2 * i + 1] - runs->bounds[2 * i];

		if (length < shortest)
		{
			shortest = length;
			chosen = i;
		}
	}
	for (BlockNumber block = runs->bounds[2 * chosen];
		 block < runs->bounds[2 * chosen + 1]; block++)
	{
		BbKey		key = bb_fork_block_key(fork, block);

		bb_ingest_zeros(ingest, &key);
	}
	remove_run(runs, chosen);
}

static inline bool
is_map(const BbFork *fork)
{
	return fork->fork == FSM_FORKNUM || fork->fork == VISIBILITYMAP_FORKNUM;
}

static void
store(BbIngest *ingest, const BbFork *fork, Runs *runs)
{
	uint8		value[BB_ZERO_RUNS_MAX * BB_ZERO_RUN_BYTES];

	if (runs->nruns > BB_ZERO_RUNS_MAX && is_map(fork))
		write_shortest(ingest, fork, runs);

	if (runs->nruns == 0)
	{
		bb_directory_remove(ingest->ctx, ingest->directory, &runs->key,
							ingest->lsn);
		return;
	}
	if (runs->nruns > BB_ZERO_RUNS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("WAL record that ends at %X/%X makes too many gaps in a file",
						LSN_FORMAT_ARGS(ingest->lsn)),
				 errdetail("It is of %s, which has %d already.",
						   bb_key_text(&runs->key), BB_ZERO_RUNS_MAX)));
	for (int i = 0; i < 2 * runs->nruns; i++)
		bb_put_le32(value + i * sizeof(uint32), runs->bounds[i]);
	bb_directory_put(ingest->directory, &runs->key, ingest->lsn, value,
					 runs->nruns * BB_ZERO_RUN_BYTES);
}

/* None of these blocks has a value any more, but the first: zeros. */
static void
forget_older(BbIngest *ingest, const BbFork *fork, BlockNumber first,
			 BlockNumber end)
{
	static const uint8 zeros[BLCKSZ] = {0};
	BbKey		start_key = bb_fork_block_key(fork, first);
	BbKey		end_key = bb_fork_block_key(fork, end);
	BbLayerWriter *writer;
	MemoryContext old;

	writer = bb_layer_writer_new(ingest->ctx, ingest->store,
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
	Runs		runs;

	(void) load(ingest, fork, &runs);
	/* a fork grows at its end, so the new run is the last */
	if (runs.nruns > 0 && runs.bounds[2 * runs.nruns - 1] == first)
		runs.bounds[2 * runs.nruns - 1] = end;
	else
	{
		runs.bounds[2 * runs.nruns] = first;
		runs.bounds[2 * runs.nruns + 1] = end;
		runs.nruns++;
	}
	store(ingest, fork, &runs);
	forget_older(ingest, fork, first, end);
}

bool
bb_relgaps_take(BbIngest *ingest, const BbFork *fork, BlockNumber block)
{
	Runs		runs;
	int			i = 0;

	if (!is_map(fork) || !load(ingest, fork, &runs))
		return false;
	while (i < runs.nruns && runs.bounds[2 * i + 1] <= block)
		i++;
	if (i == runs.nruns || block < runs.bounds[2 * i])
		return false;

	/* the run's two ends, of which one or both may be nothing */
	memmove(&runs.bounds[2 * i + 2], &runs.bounds[2 * i],
			2 * (runs.nruns - i) * sizeof(BlockNumber));
	runs.nruns++;
	runs.bounds[2 * i + 1] = block;
	runs.bounds[2 * i + 2] = block + 1;
	for (int j = i + 1; j >= i; j--)
		if (runs.bounds[2 * j] >= runs.bounds[2 * j + 1])
			remove_run(&runs, j);
	store(ingest, fork, &runs);
	return true;
}

void
bb_relgaps_truncate(BbIngest *ingest, const BbFork *fork, BlockNumber blocks)
{
	Runs		runs;

	if (!load(ingest, fork, &runs) ||
		runs.bounds[2 * runs.nruns - 1] <= blocks)
		return;
	while (runs.nruns > 0 && runs.bounds[2 * runs.nruns - 2] >= blocks)
		runs.nruns--;
	if (runs.nruns > 0 && runs.bounds[2 * runs.nruns - 1] > blocks)
		runs.bounds[2 * runs.nruns - 1] = blocks;
	store(ingest, fork, &runs);
}

void
bb_relgaps_drop(BbIngest *ingest, const BbFork *fork)
{
	BbKey		key = bb_key_rel_zeros(fork->spc, fork->db, fork->rel,
									   fork->fork);

	bb_directory_remove(ingest->ctx, ingest->directory, &key, ingest->lsn);
}
