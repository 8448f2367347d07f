/*-------------------------------------------------------------------------
 *
 * rebase_steps.c
 *	  What a rebase does differently from an import.
 *
 * bb_import_run (import.c) calls these steps:
 *
 *	  begin   the timeline must exist; an open gap is undone
 *	  check	  may this base follow the timeline?
 *	  commit  the layers, the gap and the new end, in one edit of the manifest
 *	  undo	  all of that, after a failure or a kill
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "import/import_internal.h"
#include "layer/manifest_edit.h"
#include "wal/tlihistory.h"

/* ---- undo ---- */

/* The manifest as it was before its last gap. */
static BbManifest
before_gap(const BbManifest *manifest)
{
	BbManifest	opened = *manifest;
	BbGap	   *gaps = palloc(manifest->ngaps * sizeof(BbGap));

	memcpy(gaps, manifest->gaps, manifest->ngaps * sizeof(BbGap));
	gaps[manifest->ngaps - 1].until = BB_LSN_UNKNOWN;
	opened.gaps = gaps;
	return bb_manifest_readable(&opened);
}

/*
 * Remove the last gap from the manifest, and the layers after its start.
 *
 * Returns the manifest without them; *removed: the layers (BbLayerDesc *).
 */
static BbManifest *
remove_gap(const BbReqCtx *ctx, BbObjectStore *objects,
		   const BbManifest *manifest, List **removed)
{
	BbManifest	before = before_gap(manifest);
	BbManifestEnd end = {.end_lsn = before.end_lsn,
						 .prev_lsn = before.prev_lsn,
						 .end_time = before.end_time,
						 .tli = before.tli,
						 .nswitches = before.nswitches,
						 .switches = before.switches};
	BbManifestGaps gaps = {before.ngaps, before.gaps};
	BbManifestEdit edit = {.base = manifest, .end = &end, .gaps = &gaps};

	*removed = NIL;
	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].lsn_start > before.end_lsn)
			*removed = lappend(*removed, &manifest->layers[i]);
	edit.removed = *removed;
	return bb_manifest_edit(ctx, objects, &edit);
}

/* Has a layer both what is before the last gap and what is after it? */
static bool
merged_across(const BbManifest *manifest)
{
	XLogRecPtr	end = before_gap(manifest).end_lsn;

	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].lsn_start <= end &&
			manifest->layers[i].lsn_end > end + 1)
			return true;
	return false;
}

void
bb_rebase_undo(const BbReqCtx *ctx, BbObjectStore *objects,
			   const BbManifest *manifest)
{
	List	   *removed;
	List	   *names = NIL;
	ListCell   *cell;
	int			ngaps;

	/* the start has moved past it, or upkeep has merged: it was complete */
	(void) bb_manifest_gaps(manifest, &ngaps);
	if (ngaps == 0 || merged_across(manifest))
		return;
	(void) remove_gap(ctx, objects, manifest, &removed);
	foreach(cell, removed)
		names = lappend(names,
						bb_layer_object_name(manifest->timeline,
											 lfirst(cell)));
	(void) bb_objstore_remove_all(ctx, objects, names);
}

/* ---- begin ---- */

void
bb_rebase_begin(const BbReqCtx *ctx, BbObjectStore *objects,
				const char *timeline, BbRebase *rebase)
{
	BbManifest *manifest;
	List	   *removed;

	/* check the timeline first, since the lock creates a directory */
	(void) bb_manifest_read(ctx, objects, timeline);
	bb_manifest_lock(ctx, objects, timeline);
	manifest = bb_manifest_read(ctx, objects, timeline);
	bb_manifest_check_version(manifest);
	bb_manifest_check_no_copy(manifest);
	if (!bb_manifest_consistent(manifest))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("import of timeline \"%s\" was not completed",
						timeline),
				 errhint("Import it again.")));
	if (bb_manifest_gap_open(manifest))
		manifest = remove_gap(ctx, objects, manifest, &removed);
	(void) bb_manifest_sweep(ctx, objects, timeline);

	rebase->manifest = manifest;
	rebase->place.objects = objects;
	rebase->place.timeline = bb_timeline_open(ctx, objects, timeline);
	rebase->place.from = manifest->end_lsn;
}

/* ---- check ---- */

static void
check_cluster(const BbManifest *manifest, const BbRebaseBase *base)
{
	if (base->system_identifier != manifest->system_identifier)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("base backup is not of the cluster of timeline \"%s\"",
						manifest->timeline),
				 errdetail("Its system identifier is " UINT64_FORMAT
						   " instead of " UINT64_FORMAT ".",
						   base->system_identifier,
						   manifest->system_identifier)));
	if (base->segment_size != manifest->wal_segment_size)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("base backup has another WAL segment size than timeline \"%s\"",
						manifest->timeline),
				 errdetail("It is %u instead of %u bytes.", base->segment_size,
						   manifest->wal_segment_size),
				 errhint("Import it as a new timeline.")));
	if (base->checksums != (manifest->data_checksum_version != 0))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 base->checksums
					 ? errmsg("base backup has data checksums, and timeline \"%s\" does not",
							  manifest->timeline)
					 : errmsg("base backup has no data checksums, and timeline \"%s\" does",
							  manifest->timeline),
				 errhint("Import it as a new timeline.")));
}

/* Return the tlis of the base's history (BbTliRange), newest first. */
static List *
read_history(const BbRebaseBase *base)
{
	BbTliRange *only;
	BbTliHistory *history;

	if (base->tli > 1 && base->history != NULL)
	{
		history = bb_tlihistory_parse(base->history, base->tli);
		if (history->complaint != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("history file of timeline ID %u is invalid",
							base->tli),
					 errdetail("%s", history->complaint)));
		return history->tlis;
	}
	only = palloc(sizeof(BbTliRange));
	*only = (BbTliRange){base->tli, InvalidXLogRecPtr, BB_LSN_UNKNOWN};
	return list_make1(only);
}

/*
 * The LSN up to which the timeline has the WAL of a tli, from the tli's beginning;
 * Invalid: it has none.
 */
static XLogRecPtr
end_of_tli(const BbManifest *manifest, TimeLineID tli)
{
	for (int i = 0; i < manifest->nswitches; i++)
		if (manifest->switches[i].tli == tli)
			return manifest->switches[i].until;
	return tli == manifest->tli ? manifest->end_lsn : InvalidXLogRecPtr;
}

/* The base's history left the timeline before its end: say where. */
static void
report_diverged(const BbManifest *manifest, const BbRebaseBase *base,
				List *tlis)
{
	XLogRecPtr	common = InvalidXLogRecPtr;
	const BbGap *gap;
	XLogRecPtr	fork; /* the last common LSN that can be read */
	ListCell   *cell;

	foreach(cell, tlis)
	{
		const BbTliRange *range = lfirst(cell);
		XLogRecPtr	end = end_of_tli(manifest, range->tli);

		if (XLogRecPtrIsInvalid(end))
			continue;
		common = Min(end, range->end);
		break;
	}
	gap = bb_gap_at(manifest->gaps, manifest->ngaps, common);
	fork = gap ? gap->from : common;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("base backup does not follow timeline \"%s\"",
					manifest->timeline),
			 XLogRecPtrIsInvalid(common)
				 ? errdetail("The timeline ends at " BB_LSN_FORMAT " on timeline ID %u. The base backup is of timeline ID %u, whose history has none of the timeline's IDs.",
							 LSN_FORMAT_ARGS(manifest->end_lsn), manifest->tli,
							 base->tli)
				 : errdetail("The timeline ends at " BB_LSN_FORMAT " on timeline ID %u. The history of the base backup, of timeline ID %u, left it at " BB_LSN_FORMAT ".",
							 LSN_FORMAT_ARGS(manifest->end_lsn), manifest->tli,
							 base->tli, LSN_FORMAT_ARGS(common)),
			 XLogRecPtrIsInvalid(common)
				 ? errhint("Import it as a new timeline.")
				 : errhint("Branch at " BB_LSN_FORMAT " by bb_create_branch(), and rebase the branch.",
						   LSN_FORMAT_ARGS(fork))));
}

/* Set the tli switches up to the base: those of the timeline, then the base's. */
static void
set_switches(BbRebase *rebase, const BbRebaseBase *base, List *tlis)
{
	const BbManifest *manifest = rebase->manifest;
	XLogRecPtr	until = manifest->end_lsn;

	rebase->tli = base->tli;
	rebase->nswitches = manifest->nswitches;
	rebase->switches = palloc((manifest->nswitches + list_length(tlis)) *
							  sizeof(BbTliSwitch));
	if (manifest->nswitches > 0)
		memcpy(rebase->switches, manifest->switches,
			   manifest->nswitches * sizeof(BbTliSwitch));
	for (int i = list_length(tlis) - 1; i >= 0; i--)
	{
		const BbTliRange *range = list_nth(tlis, i);

		if (range->tli < manifest->tli || range->tli == base->tli)
			continue;
		if (range->end < until || range->end > base->lsn)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("history of timeline ID %u does not lead to the base backup",
							base->tli),
					 errdetail("It leaves timeline ID %u at " BB_LSN_FORMAT "; the base backup begins at " BB_LSN_FORMAT ".",
							   range->tli, LSN_FORMAT_ARGS(range->end),
							   LSN_FORMAT_ARGS(base->lsn))));
		until = range->end;
		rebase->switches[rebase->nswitches++] = (BbTliSwitch){range->tli,
															  range->end};
	}
}

void
bb_rebase_check(BbRebase *rebase, const BbRebaseBase *base)
{
	const BbManifest *manifest = rebase->manifest;
	const BbTliRange *range = NULL;
	List	   *tlis;
	ListCell   *cell;

	check_cluster(manifest, base);
	tlis = read_history(base);
	foreach(cell, tlis)
		if (((const BbTliRange *) lfirst(cell))->tli == manifest->tli)
			range = lfirst(cell);
	if (range == NULL || range->end < manifest->end_lsn)
		report_diverged(manifest, base, tlis);
	/* what is lost is a reason for a base though no WAL is missing */
	if (base->lsn <= manifest->end_lsn &&
		!(base->planned && rebase->images != NIL))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("base backup does not begin after the end of timeline \"%s\"",
						manifest->timeline),
				 errdetail("It begins at " BB_LSN_FORMAT ", and the timeline ends at " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(base->lsn),
						   LSN_FORMAT_ARGS(manifest->end_lsn)),
				 rebase->images != NIL
					 ? errhint("Let the server write WAL, and try again.")
					 : errhint("No WAL is missing in between. Ingest it, or follow the server.")));
	set_switches(rebase, base, tlis);
	rebase->place.lsn = base->lsn;
}

/* ---- commit ---- */

void
bb_rebase_commit(const BbReqCtx *ctx, BbImport *import, List *layers,
				 XLogRecPtr until)
{
	BbRebase   *rebase = import->rebase;
	const BbManifest *manifest = rebase->manifest;
	BbManifestGaps gaps = {.n = manifest->ngaps + 1};
	BbManifestEnd end = {.end_lsn = import->lsn,
						 .end_time = (int64) import->checkpoint.time,
						 .tli = rebase->tli,
						 .nswitches = rebase->nswitches,
						 .switches = rebase->switches};
	BbManifestEdit edit = {.base = manifest,
						   .added = layers,
						   .end = &end,
						   .gaps = &gaps};
	BbGap	   *gap;

	if (import->dir->label == NULL)
		end.prev_lsn = import->dir->control.checkPoint;
	gaps.gaps = palloc(gaps.n * sizeof(BbGap));
	if (manifest->ngaps > 0)
		memcpy(gaps.gaps, manifest->gaps, manifest->ngaps * sizeof(BbGap));
	gap = &gaps.gaps[manifest->ngaps];
	*gap = (BbGap){.from = manifest->end_lsn,
				   .from_prev = manifest->prev_lsn,
				   .from_time = manifest->end_time,
				   .until = Max(until, import->lsn)};
	if (gap->until == import->lsn)
		gap->until_time = end.end_time;
	(void) bb_manifest_edit(ctx, import->objects, &edit);
}
