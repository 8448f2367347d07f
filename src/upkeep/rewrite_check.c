/*-------------------------------------------------------------------------
 *
 * rewrite_check.c
 *	  Is a job as a rewrite requires?
 *
 * A job that isn't would be a bug of the planner.  But a wrong layer would be
 * noticed by nobody until a page is wrong, so nothing is taken for granted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "upkeep/rewrite_internal.h"

void
bb_rewrite_report(const BbRewrite *rewrite, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("upkeep of timeline \"%s\" was planned wrongly",
					rewrite->manifest->timeline),
			 errdetail_internal("%s", detail),
			 errhint("Nothing was changed. This is a bug in bbackup; please report it.")));
}

/*
 * Check each input alone, and that their LSN ranges have no hole.  "inputs" is
 * ordered by LSN.
 */
static void
check_ranges(BbRewrite *rewrite, List *inputs)
{
	const BbKeyRange *keys = &rewrite->job->keys;
	BbManifest	readable = bb_manifest_readable(rewrite->manifest);
	ListCell   *cell;

	foreach(cell, inputs)
	{
		const BbLayerDesc *input = lfirst(cell);

		if (input->image)
			bb_rewrite_report(rewrite, "An input is an image layer.");
		if (bb_key_compare(&input->keys.start, &keys->start) < 0 ||
			bb_key_compare(&input->keys.end, &keys->end) > 0)
			bb_rewrite_report(rewrite,
							  "An input has keys that the job doesn't have.");
		if (input->lsn_end - 1 > readable.end_lsn)
			bb_rewrite_report(
				rewrite,
				"An input ends after the timeline, or in an open gap.");
		if (cell == list_head(inputs))
			rewrite->lsn_start = input->lsn_start;
		else if (input->lsn_start > rewrite->lsn_end)
			bb_rewrite_report(rewrite, "The inputs leave LSNs out.");
		rewrite->lsn_end = Max(rewrite->lsn_end, input->lsn_end);
	}
}

/*
 * Check that the inputs are all that the manifest has in the rectangle of the
 * job's keys and the inputs' LSNs, and don't overlap.  Otherwise the order of
 * entries would be lost, or two layers would have the same history.
 */
static void
check_rectangle(const BbRewrite *rewrite, List *inputs)
{
	const BbManifest *manifest = rewrite->manifest;
	BbLayerDesc rectangle = {.keys = rewrite->job->keys,
							 .lsn_start = rewrite->lsn_start,
							 .lsn_end = rewrite->lsn_end};
	int			found = 0;
	ListCell   *cell;
	ListCell   *other;

	for (int i = 0; i < manifest->nlayers; i++)
		if (!manifest->layers[i].image &&
			bb_layer_overlaps(&manifest->layers[i], &rectangle))
		{
			bool		is_input = false;

			foreach(cell, inputs)
			{
				const BbLayerDesc *input = lfirst(cell);

				is_input = is_input ||
					(input->file_id == manifest->layers[i].file_id &&
					 bb_layer_overlaps(input, &manifest->layers[i]));
			}
			if (!is_input)
				bb_rewrite_report(rewrite,
								  psprintf("Layer \"%s\" isn't an input.",
										   bb_layer_name(
											   &manifest->layers[i])));
			found++;
		}
	if (found != list_length(inputs))
		bb_rewrite_report(rewrite, "An input isn't in the manifest.");

	foreach(cell, inputs)
		for_each_cell(other, inputs, lnext(inputs, cell))
		{
			const BbLayerDesc *a = lfirst(cell);
			const BbLayerDesc *b = lfirst(other);

			if (b->lsn_start >= a->lsn_end)
				break; /* as all that follow */
			if (bb_layer_overlaps(a, b))
				ereport(ERROR,
						(errcode(ERRCODE_DATA_CORRUPTED),
						 errmsg("layers of timeline \"%s\" overlap",
								manifest->timeline),
						 errdetail("They are \"%s\" and \"%s\".",
								   bb_layer_name(a), bb_layer_name(b))));
		}
}

static void
check_inputs(BbRewrite *rewrite)
{
	List	   *inputs = list_copy(rewrite->job->inputs);

	if (inputs == NIL)
		bb_rewrite_report(rewrite, "It has no inputs.");
	list_sort(inputs, bb_layer_compare_lsns);
	check_ranges(rewrite, inputs);
	check_rectangle(rewrite, inputs);
	list_free(inputs);
}

/* An image is made at an LSN that can be read, and that stays so. */
static void
check_image(const BbRewrite *rewrite)
{
	const BbManifest *manifest = rewrite->manifest;
	BbManifest	readable = bb_manifest_readable(manifest);
	const BbUpkeepJob *job = rewrite->job;
	BbKeyRange	events = bb_key_range_events();
	BbLayerDesc made = {.keys = job->keys,
						.lsn_start = job->lsn,
						.lsn_end = job->lsn + 1};

	if (job->inputs != NIL)
		bb_rewrite_report(rewrite, "An image replaces no layers.");
	if (job->lsn > readable.end_lsn ||
		(job->lsn < manifest->start_lsn &&
		 !bb_keeps_has_point(&manifest->keeps, job->lsn)) ||
		bb_gap_at(manifest->gaps, manifest->ngaps, job->lsn) != NULL)
		bb_rewrite_report(rewrite,
						  psprintf("An image at " BB_LSN_FORMAT
								   " is not possible.",
								   LSN_FORMAT_ARGS(job->lsn)));
	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].image &&
			bb_layer_overlaps(&manifest->layers[i], &made))
			bb_rewrite_report(
				rewrite,
				psprintf("At that LSN there is the image layer \"%s\".",
						 bb_layer_name(&manifest->layers[i])));
	if (bb_key_compare(&job->keys.start, &events.end) < 0 &&
		bb_key_compare(&job->keys.end, &events.start) > 0)
		bb_rewrite_report(rewrite, "An image has no events.");
}

void
bb_rewrite_check(BbRewrite *rewrite)
{
	const BbUpkeepJob *job = rewrite->job;

	if (!bb_manifest_consistent(rewrite->manifest))
		bb_rewrite_report(rewrite, "The timeline isn't consistent yet.");
	if (bb_key_compare(&job->keys.start, &job->keys.end) >= 0)
		bb_rewrite_report(rewrite, "It has no keys.");
	if (job->kind == BB_UPKEEP_IMAGE)
		check_image(rewrite);
	else
		check_inputs(rewrite);
	if (job->kind == BB_UPKEEP_SQUASH &&
		rewrite->lsn_start > rewrite->manifest->start_lsn)
		bb_rewrite_report(rewrite, "All inputs are after the start.");
}
