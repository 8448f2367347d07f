/*-------------------------------------------------------------------------
 *
 * flush.c
 *	  A flush: the open layer becomes delta layers, and the manifest is
 *	  committed with them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "ingest/flush.h"
#include "stats/calls.h"
#include "stats/progress.h"
#include "utils/memutils.h"

/*
 * The memory that one record may add to the open layer: a multiple of the
 * flush distance, or this many bytes, whichever is more.  A commit that drops
 * 100,000 tables takes 60 MB.
 */
#define RECORD_SHARE 4
#define RECORD_BYTES (64 * 1024 * 1024)

/* Flush when records have written this many layers by themselves. */
#define LAYERS_MAX 1024

static size_t
flush_distance(void)
{
	return (size_t) bb_setting_checkpoint_distance_mb * 1024 * 1024;
}

bool
bb_ingest_flush_due(const BbIngest *ingest)
{
	return bb_openlayer_size(ingest->layer) >= flush_distance() ||
		list_length(ingest->layers) >= LAYERS_MAX;
}

void
bb_ingest_flush_begin(BbIngest *ingest)
{
	bb_knownkeys_rebase(ingest->known, ingest->manifest);
	/* more than makes a flush due, so that a record finds this much room */
	bb_openlayer_limit(ingest->layer,
					   flush_distance() +
						   Max(RECORD_BYTES, RECORD_SHARE * flush_distance()));
}

/* The gaps, of which the last one ends where its base is consistent. */
static BbManifestGaps
gaps_now(const BbIngest *ingest)
{
	int			n = ingest->manifest->ngaps;
	BbManifestGaps gaps = {n, palloc(n * sizeof(BbGap))};
	BbGap	   *last = &gaps.gaps[n - 1];

	memcpy(gaps.gaps, ingest->manifest->gaps, n * sizeof(BbGap));
	last->until = ingest->start_lsn;
	if (last->until <= ingest->done_lsn)
		last->until_time = ingest->end_time;
	return gaps;
}

/*
 * Add the layers to the manifest, with the new end of the timeline.
 *
 * The manifest has a context, since it is replaced with each flush.
 */
static void
commit(BbIngest *ingest, List *layers)
{
	BbManifestEnd end = {.end_lsn = ingest->done_lsn,
						 .prev_lsn = ingest->done_start,
						 .end_time = ingest->end_time,
						 .tli = ingest->tli,
						 .nswitches = ingest->nswitches,
						 .switches = ingest->switches};
	BbManifestEdit edit = {.base = ingest->manifest,
						   .added = layers,
						   .end = &end};
	BbManifestGaps gaps;
	MemoryContext next = AllocSetContextCreate(ingest->context,
											   "bbackup ingest manifest",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;

	if (bb_manifest_gap_open(ingest->manifest))
	{
		gaps = gaps_now(ingest);
		edit.gaps = &gaps;
	}
	else if (!bb_manifest_consistent(ingest->manifest) &&
			 ingest->start_lsn != ingest->manifest->start_lsn)
		edit.start_lsn = ingest->start_lsn;
	old = MemoryContextSwitchTo(next);
	ingest->manifest = bb_manifest_edit(ingest->ctx, ingest->objects, &edit);
	MemoryContextSwitchTo(old);
	if (ingest->manifest_context != NULL)
		MemoryContextDelete(ingest->manifest_context);
	ingest->manifest_context = next;
}

/* Add what was written to the result. */
static void
count_layers(BbIngest *ingest, const List *layers)
{
	const ListCell *cell;

	foreach(cell, layers)
	{
		ingest->result.layers++;
		ingest->result.bytes_stored += ((BbLayerDesc *) lfirst(cell))->size;
	}
	ingest->result.end_lsn = ingest->done_lsn;
	ingest->result.tli = ingest->tli;
	bb_calls_describe(ingest->ctx,
					  &(BbCallAbout){.end_lsn = ingest->done_lsn});
}

void
bb_ingest_flush(BbIngest *ingest)
{
	MemoryContext scratch;
	MemoryContext old;
	List	   *layers;

	if (ingest->done_lsn == ingest->manifest->end_lsn)
		return;

	ingest->flushing = true;
	bb_progress_ingest_phase(BB_INGEST_FLUSHING);
	/* the last record may have been refused for exceeding the limit */
	bb_openlayer_limit(ingest->layer, SIZE_MAX);
	bb_recordends_flush(ingest->ends);
	/* an ingest may flush each second for months, so nothing may remain */
	scratch = AllocSetContextCreate(ingest->context, "bbackup ingest flush",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(scratch);
	layers = bb_openlayer_flush(ingest->ctx, ingest->layer, ingest->objects,
								ingest->manifest->timeline,
								ingest->manifest->end_lsn + 1,
								ingest->done_lsn + 1, &ingest->result.pages);
	layers = list_concat_copy(ingest->layers, layers);
	commit(ingest, layers);
	count_layers(ingest, layers);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	list_free_deep(ingest->layers);
	ingest->layers = NIL;
	bb_walsource_committed(ingest->ctx, ingest->source, ingest->done_lsn);
	ingest->bytes = NULL;
	bb_ingest_flush_begin(ingest);
	bb_progress_ingest_phase(BB_INGEST_READING);
	ingest->flushing = false;
}
