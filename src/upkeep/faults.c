/*-------------------------------------------------------------------------
 *
 * faults.c
 *	  What jobs failed of is left out, so that the others are done.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/layer_check.h"
#include "upkeep/faults.h"
#include "upkeep/pace.h"
#include "upkeep/policy.h"
#include "utils/timestamp.h"

/* Keys that no job asks for any more are forgotten so long after their pause. */
#define STALE_S 3600

static void
pace(const BbReqCtx *ctx)
{
	bb_upkeeppace(ctx, 0);
}

/* Return the first fault of a layer, or NULL. */
static const BbLayerFault *
check(const BbFaultsPlace *at, const BbLayerDesc *layer)
{
	List	   *faults = bb_layer_check(at->ctx, at->objects,
										at->manifest->timeline, layer, pace);

	return faults == NIL ? NULL : linitial(faults);
}

static const BbLayerDesc *
find_layer(const BbManifest *manifest, uint64 file_id)
{
	for (int i = 0; i < manifest->nlayers; i++)
	{
		if (manifest->layers[i].file_id == file_id)
			return &manifest->layers[i];
	}
	return NULL;
}

/*
 * Does the layer matter to jobs of the kind that it failed?  A squash has to do with
 * all layers that the manifest still has.
 */
static bool
is_needed(const BbFaultsPlace *at, const BbJobFault *fault,
		  const BbLayerDesc *layer)
{
	return layer != NULL &&
		(fault->kind == BB_UPKEEP_SQUASH ||
		 bb_policy_needs(at->manifest, layer));
}

static bool
is_due(const BbFaultsPlace *at, const BbJobFault *fault)
{
	if (at->asked_at != 0)
		return fault->noted_at < at->asked_at;
	return bb_jobs_pause_is_over(fault->retry_at, GetCurrentTimestamp());
}

pg_noreturn static void
report_broken(const BbFaultsPlace *at, const BbLayerDesc *layer,
			  const BbLayerFault *found)
{
	ereport(ERROR,
			(errcode(found->kind == BB_FAULT_MISSING ? ERRCODE_UNDEFINED_FILE
													 : ERRCODE_DATA_CORRUPTED),
			 errmsg("layer \"%s\" of timeline \"%s\" still can't be read",
					bb_layer_name(layer), at->manifest->timeline),
			 errdetail("%s", found->detail),
			 errhint("Upkeep leaves out what needs it. bb_mend() may replace it.")));
}

/* Is that layer still to be left out? */
static bool
look_at_layer(const BbFaultsPlace *at, BbJobFault *fault,
			  const BbLayerDesc *layer)
{
	const BbLayerFault *found;

	if (!is_needed(at, fault, layer))
	{
		bb_jobs_forget_fault(at->place, fault);
		return false;
	}
	if (!is_due(at, fault))
		return true;
	found = check(at, layer);
	if (found == NULL)
	{
		bb_jobs_forget_fault(at->place, fault);
		return false;
	}
	(void) bb_jobs_note_fault(at->place, fault);
	if (at->asked_at != 0)
		report_broken(at, layer, found);
	return true;
}

/* Are images of these keys still to be left out? */
static bool
look_at_keys(const BbFaultsPlace *at, const BbJobFault *fault)
{
	if (!is_due(at, fault))
		return true;
	if (GetCurrentTimestamp() > fault->retry_at + STALE_S * USECS_PER_SEC)
		bb_jobs_forget_fault(at->place, fault);
	return false;
}

void
bb_faults_look(const BbFaultsPlace *at, BbFaults *faults)
{
	List	   *known = bb_jobs_faults(at->place);
	ListCell   *cell;

	*faults = (BbFaults){.full = list_length(known) == BB_JOB_FAULTS_MAX};

	foreach(cell, known)
	{
		BbJobFault *fault = lfirst(cell);
		const BbLayerDesc *layer;

		faults->kind = (BbUpkeepKind) fault->kind;
		if (fault->layer == 0)
		{
			if (look_at_keys(at, fault))
				faults->images = lappend(faults->images, &fault->keys);
			continue;
		}
		layer = find_layer(at->manifest, fault->layer);
		if (look_at_layer(at, fault, layer))
			faults->layers = lappend(faults->layers,
									 unconstify(BbLayerDesc *, layer));
	}
}

/* The layer that an error names, if it isn't whole; NULL: none. */
static const BbLayerDesc *
find_broken(const BbFaultsPlace *at, const ErrorData *error)
{
	const BbManifest *manifest = at->manifest;

	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		/* a copy in a cache may be broken instead, which bb_evict() mends */
		if (strstr(error->message, bb_layer_name(layer)) != NULL)
			return check(at, layer) != NULL ? layer : NULL;
	}
	return NULL;
}

/* Is it an error of what is stored? */
static bool
is_of_values(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_DATA_CORRUPTED ||
		sqlerrcode == ERRCODE_UNDEFINED_FILE ||
		sqlerrcode == ERRCODE_EXTERNAL_ROUTINE_EXCEPTION ||
		sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
}

bool
bb_faults_note(const BbFaultsPlace *at, const BbUpkeepJob *job,
			   const ErrorData *error)
{
	BbJobFault	fault = {.kind = job->kind};
	const BbLayerDesc *layer = NULL;

	if (bb_layer_error_is_fault(error->sqlerrcode))
		layer = find_broken(at, error);
	if (layer != NULL)
		fault.layer = layer->file_id;
	else if (job->kind == BB_UPKEEP_IMAGE && is_of_values(error->sqlerrcode))
		fault.keys = job->keys;
	else
		return false;
	return bb_jobs_note_fault(at->place, &fault);
}

void
bb_faults_done(const BbFaultsPlace *at, const BbUpkeepJob *job)
{
	if (job->kind == BB_UPKEEP_IMAGE)
		bb_jobs_forget_keys(at->place, job->kind, &job->keys);
}
