/*-------------------------------------------------------------------------
 *
 * zerorun.c
 *	  The value of a REL_ZEROS key: which blocks of a fork are zeros.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/zerorun.h"

bool
bb_zerorun_decode(const uint8 *data, uint32 length, BbZeroRunList *runs)
{
	uint32		nbounds = length / sizeof(uint32);

	if (length == 0 || length % BB_ZERO_RUN_BYTES != 0 ||
		length > BB_ZERO_RUNS_MAX * BB_ZERO_RUN_BYTES)
		return false;
	for (uint32 i = 0; i < nbounds; i++)
	{
		runs->bounds[i] = bb_get_le32(data + i * sizeof(uint32));
		if (i > 0 && runs->bounds[i] <= runs->bounds[i - 1])
			return false;
	}
	runs->n = (int) (nbounds / 2);
	return true;
}

uint32
bb_zerorun_encode(const BbZeroRunList *runs, uint8 *value)
{
	Assert(runs->n <= BB_ZERO_RUNS_MAX);
	for (int i = 0; i < 2 * runs->n; i++)
		bb_put_le32(value + i * sizeof(uint32), runs->bounds[i]);
	return runs->n * BB_ZERO_RUN_BYTES;
}

bool
bb_zerorun_has(const BbZeroRunList *runs, BlockNumber block)
{
	for (int i = 0; i < runs->n; i++)
		if (block >= runs->bounds[2 * i] && block < runs->bounds[2 * i + 1])
			return true;
	return false;
}

static void
append(BbZeroRunList *runs, BlockNumber first, BlockNumber end)
{
	if (first >= end)
		return;
	runs->bounds[2 * runs->n] = first;
	runs->bounds[2 * runs->n + 1] = end;
	runs->n++;
}

void
bb_zerorun_append(BbZeroRunList *runs, BlockNumber first, BlockNumber end)
{
	if (runs->n > 0 && runs->bounds[2 * runs->n - 1] == first)
		runs->bounds[2 * runs->n - 1] = end;
	else
		append(runs, first, end);
}

void
bb_zerorun_cut(BbZeroRunList *runs, BlockNumber first, BlockNumber end)
{
	BbZeroRunList before = *runs;

	runs->n = 0;
	for (int i = 0; i < before.n; i++)
	{
		BlockNumber run_first = before.bounds[2 * i];
		BlockNumber run_end = before.bounds[2 * i + 1];

		append(runs, run_first, Min(run_end, first));
		append(runs, Max(run_first, end), run_end);
	}
}
