/*-------------------------------------------------------------------------
 *
 * policy_images.c
 *	  Where upkeep makes images.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/policy_internal.h"
#include "utils/memutils.h"

/*
 * Of a flush that isn't cut where the journal ends, so much may belong to the
 * journal: with a flush a minute and nothing else to do, an image isn't due.
 */
#define JOURNAL_BYTES (64 * 1024)

/* An image that is so many times overdue cuts off flushes, too. */
#define LATE 1.5

/* The bytes of changes in a run of the head. */
static double
run_bytes(const BbPolicy *policy, const BbPolicyRun *run)
{
	const BbPolicyView *view = policy->view;
	double		bytes = 0;

	for (int i = run->first; i < run->end; i++)
	{
		const BbLayerDesc *layer = view->deltas[i];
		uint64		size = bb_policyview_size(layer);

		if (bb_policy_crosses_journal(policy, layer))
			bytes += size > JOURNAL_BYTES ? size - JOURNAL_BYTES : 0;
		else if (bb_key_compare(&layer->keys.start, &view->journal_end) >= 0)
			bytes += size;
	}
	return bytes;
}

static bool
is_cut(const BbPolicy *policy, const BbPolicyRun *run)
{
	for (int i = run->first; i < run->end; i++)
	{
		if (bb_policy_crosses_journal(policy, policy->view->deltas[i]))
			return false;
	}
	return true;
}

/* Can images be made at that LSN, for the good of later reads? */
static bool
lsn_fits(const BbPolicy *policy, XLogRecPtr lsn)
{
	const BbManifest *manifest = policy->view->manifest;

	return lsn >= manifest->start_lsn && lsn <= policy->view->top &&
		bb_gap_at(manifest->gaps, manifest->ngaps, lsn) == NULL;
}

static bool
is_barren(const BbPolicy *policy, const BbKeyRange *keys)
{
	ListCell   *cell;

	foreach(cell, policy->settings->barren)
	{
		const BbKeyRange *range = lfirst(cell);

		if (bb_key_compare(&range->start, &keys->start) == 0 &&
			bb_key_compare(&range->end, &keys->end) == 0)
			return true;
	}
	return false;
}

/* Has an image of some of these keys failed, together with others or alone? */
static bool
is_suspect(const BbPolicy *policy, const BbKeyRange *keys)
{
	ListCell   *cell;

	foreach(cell, policy->settings->barren)
	{
		const BbKeyRange *range = lfirst(cell);

		if (bb_key_compare(&range->start, &keys->end) < 0 &&
			bb_key_compare(&keys->start, &range->end) < 0)
			return true;
	}
	return false;
}

/*
 * Is there an image at that LSN already, of some of the keys?  Ingest makes some,
 * for relations with holes, and other settings cut other ranges.
 */
static bool
is_imaged(const BbPolicy *policy, const BbKeyRange *keys, XLogRecPtr lsn)
{
	const BbManifest *manifest = policy->view->manifest;

	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (layer->image && layer->lsn_start == lsn &&
			bb_key_compare(&layer->keys.start, &keys->end) < 0 &&
			bb_key_compare(&keys->start, &layer->keys.end) < 0)
			return true;
	}
	return false;
}

static bool
image_due(const BbPolicy *policy, double changes, double image)
{
	return image > 0 &&
		changes * 100 >= image * policy->settings->image_percent;
}

static bool
plan_image(BbPolicy *policy, const BbKeyRange *keys, XLogRecPtr lsn,
		   double changes, double image)
{
	if (!lsn_fits(policy, lsn) || is_barren(policy, keys) ||
		is_imaged(policy, keys, lsn))
		return false;
	policy->job->kind = BB_UPKEEP_IMAGE;
	policy->job->keys = *keys;
	policy->job->lsn = lsn;
	policy->job->bytes = (uint64) (changes + image);
	policy->job
		->why = psprintf("changes have %.0f %% of the size of the image",
						 changes * 100 / image);
	return true;
}

/*
 * A small store gets images of all of it, if possible below the newest flushes,
 * which aren't cut where the journal ends.
 */
static bool
plan_whole_image(BbPolicy *policy, double image)
{
	const BbPolicyView *view = policy->view;
	BbKeyRange	keys = {view->journal_end, bb_key_range_all().end};
	double		changes = 0;
	int			newest = view->nhead;
	double		uncut = 0;

	for (int i = 0; i < view->ncells; i++)
	{
		if (!bb_policy_is_journal(policy, &view->cells[i]))
			changes += view->cells[i].bytes;
	}
	for (int i = view->nhead - 1; i >= 0; i--)
	{
		uncut += run_bytes(policy, &view->head[i]);
		if (!is_cut(policy, &view->head[i]))
			continue;
		changes += uncut;
		uncut = 0;
		newest = i;
	}
	if (!image_due(policy, changes, image))
	{
		changes += uncut;
		newest = 0;
		if (!image_due(policy, changes, image * LATE))
			return false;
	}
	if (newest == view->nhead)
		return view->body < view->ndeltas &&
			plan_image(policy, &keys, view->deltas[view->body]->lsn_end - 1,
					   changes, image);
	return plan_image(policy, &keys,
					  view->deltas[view->head[newest].first]->lsn_end - 1,
					  changes, image);
}

/* The LSN of the newest change of the body in some cells. */
static XLogRecPtr
newest_change(const BbPolicyView *view, const BbKeyRange *keys)
{
	for (int i = view->body; i < view->ndeltas; i++)
	{
		const BbLayerDesc *layer = view->deltas[i];

		if (bb_key_compare(&layer->keys.start, &keys->end) < 0 &&
			bb_key_compare(&layer->keys.end, &keys->start) > 0)
			return layer->lsn_end - 1;
	}
	return InvalidXLogRecPtr;
}

/*
 * In a large one, each image layer is replaced on its own, or together with
 * its neighbours for which an image is due, too.  If an image of several failed,
 * each is tried on its own.
 */
static bool
plan_partial_image(BbPolicy *policy)
{
	const BbPolicyView *view = policy->view;
	BbKeyRange	keys;
	double		image = 0;
	double		changes = 0;

	for (int i = 0, end; i <= view->ncells; i = end)
	{
		const BbPolicyCell *cell = &view->cells[i];
		double		cell_image = 0;
		double		cell_changes = 0;
		bool		blocked = false;
		bool		alone = false; /* this one, or the one before */
		bool		due;

		for (end = i;
			 end < view->ncells && view->cells[end].image == cell->image &&
			 bb_policy_is_journal(policy, &view->cells[end]) ==
				 bb_policy_is_journal(policy, cell);
			 end++)
		{
			cell_image += view->cells[end].image_bytes;
			cell_changes += view->cells[end].bytes;
			blocked = blocked || view->cells[end].blocked;
		}
		due = end > i && !blocked && !bb_policy_is_journal(policy, cell) &&
			image_due(policy, cell_changes, cell_image);
		if (due && image > 0 && policy->settings->barren != NIL)
			alone = is_suspect(policy, &keys) ||
				is_suspect(policy,
						   &(BbKeyRange){cell->keys.start,
										 view->cells[end - 1].keys.end});
		if (image > 0 &&
			(!due || alone ||
			 image + changes + cell_image + cell_changes > policy->limit))
		{
			if (plan_image(policy, &keys, newest_change(view, &keys), changes,
						   image))
				return true;
			image = changes = 0;
		}
		if (end == i)
			break;
		if (due)
		{
			if (image == 0)
				keys.start = cell->keys.start;
			keys.end = view->cells[end - 1].keys.end;
			image += cell_image;
			changes += cell_changes;
		}
	}
	return false;
}

/* Would an image of everything need a layer that is broken? */
static bool
is_any_blocked(const BbPolicy *policy)
{
	const BbPolicyView *view = policy->view;

	for (int i = 0; i < view->ncells; i++)
	{
		if (view->cells[i].blocked &&
			!bb_policy_is_journal(policy, &view->cells[i]))
			return true;
	}
	return false;
}

bool
bb_policy_next_image(BbPolicy *policy)
{
	const BbPolicyView *view = policy->view;
	uint64		ancestor_bytes = policy->settings->ancestor_bytes;
	double		image = 0;

	if (policy->settings->image_percent == 0)
		return false;
	for (int i = 0; i < view->ncells; i++)
	{
		if (bb_policy_is_journal(policy, &view->cells[i]))
			continue;
		/* the parts of a branch have no images to compare their changes with */
		if (view->cells[i].image == NULL)
			return ancestor_bytes > 0 && ancestor_bytes <= policy->limit &&
					!is_any_blocked(policy)
				? plan_whole_image(policy, (double) ancestor_bytes)
				: plan_partial_image(policy);
		image += view->cells[i].image_bytes;
	}
	return image <= policy->limit && !is_any_blocked(policy)
		? plan_whole_image(policy, image)
		: plan_partial_image(policy);
}

uint64
bb_policy_image_bytes(const BbManifest *manifest, XLogRecPtr lsn)
{
	BbManifest	images = *manifest;
	const BbPolicySettings settings = {0};
	const BbPolicyView *view;
	double		bytes = 0;

	images.layers = MemoryContextAllocHuge(CurrentMemoryContext,
										   Max((Size) manifest->nlayers, 1) *
											   sizeof(BbLayerDesc));
	images.nlayers = 0;
	for (int i = 0; i < manifest->nlayers; i++)
	{
		if (manifest->layers[i].image && manifest->layers[i].lsn_start <= lsn)
			images.layers[images.nlayers++] = manifest->layers[i];
	}
	view = bb_policyview_new(&images, &settings);
	for (int i = 0; i < view->ncells; i++)
		bytes += view->cells[i].image_bytes;
	pfree(images.layers);
	return (uint64) bytes;
}
