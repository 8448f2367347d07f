/*-------------------------------------------------------------------------
 *
 * analyze.c
 *	  Sampling tables of the past, for ANALYZE.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fdw/kept.h"
#include "fdw/parts.h"
#include "fdw/rows.h"
#include "fdw/scan.h"
#include "stores/call.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sampling.h"

/* A table that was opened for a sample. */
typedef struct Sample
{
	const BbReqCtx *ctx;
	BbBorrowed *borrowed;
	List	   *parts;
} Sample;

static Sample
open_sample(Relation relation, BbTaskKind kind)
{
	BbTableOptions options = bb_tableoptions_of(RelationGetRelid(relation));
	Sample		sample = {.ctx = bb_call_begin(options.table, kind)};
	BbPast	   *past;

	sample.borrowed = bb_past_borrow(sample.ctx, &options,
									 relation->rd_rel->relowner,
									 CurrentMemoryContext);
	past = bb_past_of(sample.borrowed);
	sample.parts = bb_parts_of(sample.ctx, past,
							   bb_parts_table(sample.ctx, past, &options),
							   options.only);
	return sample;
}

static void
close_sample(const Sample *sample)
{
	bb_past_return(sample->borrowed);
	bb_reqctx_end(sample->ctx);
}

/*
 * Vitter's algorithm, as file_acquire_sample_rows in PostgreSQL's file_fdw.c: the
 * place of the next row in the sample; -1: it is left out.
 */
static int
place_in_sample(ReservoirStateData *state, int n, int target, double seen,
				double *skip)
{
	if (n < target)
		return n;
	if (*skip < 0)
		*skip = reservoir_get_next_S(state, seen, target);
	if ((*skip)-- > 0)
		return -1;
	return (int) (target * sampler_random_fract(&state->randstate));
}

static int
acquire(Relation relation, int elevel, HeapTuple *tuples, int target,
		double *total, double *dead)
{
	Sample		sample = open_sample(relation, BB_TASK_TABLE_READ);
	TupleDesc	desc = RelationGetDescr(relation);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	bool	   *needed = palloc(desc->natts * sizeof(bool) + 1);
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext,
											  "bbackup sample",
											  ALLOCSET_DEFAULT_SIZES);
	ReservoirStateData state;
	double		skip = -1;
	BbRows	   *rows;
	int			n = 0;

	memset(needed, true, desc->natts * sizeof(bool));
	rows = bb_rows_new(sample.ctx, bb_past_of(sample.borrowed), relation,
					   sample.parts, needed, false);
	reservoir_init_selection_state(&state, target);
	*total = 0;
	for (;;)
	{
		MemoryContext old = MemoryContextSwitchTo(row);
		int			place;

		MemoryContextReset(row);
		bb_rows_next(rows, slot);
		MemoryContextSwitchTo(old);
		if (TupIsNull(slot))
			break;
		place = place_in_sample(&state, n, target, *total, &skip);
		(*total)++;
		if (place < 0)
			continue;
		if (place < n)
			heap_freetuple(tuples[place]);
		else
			n++;
		tuples[place] = ExecCopySlotHeapTuple(slot);
	}
	*dead = (double) bb_rows_counts(rows)->invisible;
	bb_rows_close(rows);
	ExecDropSingleTupleTableSlot(slot);
	close_sample(&sample);
	return n;
}

bool
bb_fdw_analyze(Relation relation, AcquireSampleRowsFunc *function,
			   BlockNumber *pages)
{
	Sample		sample = open_sample(relation, BB_TASK_LISTING);
	BbPast	   *past = bb_past_of(sample.borrowed);
	ListCell   *cell;

	*pages = 0;
	foreach(cell, sample.parts)
		*pages += bb_pages_blocks(sample.ctx, past->pages,
								  ((BbTable *) lfirst(cell))->relation);
	close_sample(&sample);
	*function = acquire;
	return true;
}
