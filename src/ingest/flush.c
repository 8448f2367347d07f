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

static MemoryContext
new_view(const BbIngest *ingest)
{
	return AllocSetContextCreate(ingest->context, "bbackup ingest view",
								 ALLOCSET_DEFAULT_SIZES);
}

void
bb_ingest_flush_begin(BbIngest *ingest)
{
	MemoryContext old;
	BbTimeline *timeline;

	if (ingest->view == NULL)
		ingest->view = new_view(ingest);
	old = MemoryContextSwitchTo(ingest->view);
	timeline = bb_timeline_open(ingest->ctx, ingest->objects,
								ingest->manifest->timeline);
	MemoryContextSwitchTo(old);
	bb_knownkeys_rebase(ingest->known, timeline, ingest->manifest->end_lsn);
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

/* Add the layers to the manifest, with the new end of the timeline. */
static void
commit(BbIngest *ingest)
{
	BbManifestEnd end = {.end_lsn = ingest->done_lsn,
						 .prev_lsn = ingest->done_start,
						 .end_time = ingest->end_time,
						 .tli = ingest->tli,
						 .nswitches = ingest->nswitches,
						 .switches = ingest->switches};
	BbManifestEdit edit = {.base = ingest->manifest,
						   .added = ingest->layers,
						   .end = &end};
	BbManifestGaps gaps;
	MemoryContext view = ingest->view;
	MemoryContext old;
	ListCell   *cell;

	if (bb_manifest_gap_open(ingest->manifest))
	{
		gaps = gaps_now(ingest);
		edit.gaps = &gaps;
	}
	else if (!ingest->fills_gap &&
			 ingest->start_lsn != ingest->manifest->start_lsn)
		edit.start_lsn = ingest->start_lsn;
	ingest->view = new_view(ingest);
	old = MemoryContextSwitchTo(ingest->view);
	ingest->manifest = bb_manifest_edit(ingest->ctx, ingest->objects, &edit);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(view);

	foreach(cell, ingest->layers)
	{
		ingest->result.layers++;
		ingest->result.bytes_stored += ((BbLayerDesc *) lfirst(cell))->size;
	}
	list_free_deep(ingest->layers);
	ingest->layers = NIL;
	ingest->result.end_lsn = ingest->done_lsn;
	ingest->result.tli = ingest->tli;
	bb_calls_describe(ingest->ctx,
					  &(BbCallAbout){.end_lsn = ingest->done_lsn});
}

void
bb_ingest_flush(BbIngest *ingest)
{
	MemoryContext old;

	if (ingest->done_lsn == ingest->manifest->end_lsn)
		return;

	ingest->flushing = true;
	bb_progress_ingest_phase(BB_INGEST_FLUSHING);
	/* the last record may have been refused for exceeding the limit */
	bb_openlayer_limit(ingest->layer, SIZE_MAX);
	bb_recordends_flush(ingest->ends);
	old = MemoryContextSwitchTo(ingest->context);
	ingest->layers = list_concat(ingest->layers,
								 bb_openlayer_flush(ingest->ctx, ingest->layer,
													ingest->objects,
													ingest->manifest->timeline,
													ingest->manifest->end_lsn +
														1,
													ingest->done_lsn + 1,
													&ingest->result.pages));
	commit(ingest);
	MemoryContextSwitchTo(old);
	bb_walsource_committed(ingest->ctx, ingest->source, ingest->done_lsn);
	ingest->bytes = NULL;
	bb_ingest_flush_begin(ingest);
	bb_progress_ingest_phase(BB_INGEST_READING);
	ingest->flushing = false;
}
