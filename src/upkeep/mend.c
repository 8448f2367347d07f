/*-------------------------------------------------------------------------
 *
 * mend.c
 *	  Mending: layers that are lost or broken are fetched from a second copy.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/manifest.h"
#include "upkeep/copylayer.h"
#include "upkeep/locking.h"
#include "upkeep/mend.h"
#include "upkeep/pace.h"
#include "upkeep/verify_note.h"
#include "upkeep/verify_state.h"
#include "utils/memutils.h"

/* One layer; the argument of calls of bb_verify_try. */
typedef struct Mending
{
	const BbReqCtx *ctx;
	BbObjectStore *objects;
	BbObjectStore *from;
	const char *timeline;
	const BbManifest *manifest;
	const BbLayerDesc *layer;
	bool		found; /* in the other store */
} Mending;

/* ---- a layer ---- */

static bool
is_named(const BbManifest *manifest, const BbLayerDesc *layer)
{
	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].file_id == layer->file_id)
			return true;
	return false;
}

static void
copy_layer(void *arg)
{
	Mending	   *mending = arg;

	mending->found = bb_copylayer(mending->ctx, mending->from,
								  mending->objects, mending->timeline,
								  mending->layer);
}

/*
 * Replace a layer.  Returns false, with why in *message, if that can't be done,
 * and NULL in *message if nothing has to be done any more.
 *
 * REQUIRES: the lock.
 */
static bool
replace(Mending *mending, const BbLayerFault *fault, const char **message)
{
	BbManifest *manifest = bb_manifest_read(mending->ctx, mending->objects,
											mending->timeline);
	ErrorData  *error;

	*message = NULL;
	/* upkeep may have replaced it, or another session mended it */
	if (!is_named(manifest, mending->layer) ||
		bb_copylayer_is_whole(mending->ctx, mending->objects,
							  mending->timeline, mending->layer))
		return false;
	if (mending->from == NULL)
	{
		*message = fault->detail;
		return false;
	}
	error = bb_verify_try(copy_layer, mending);
	if (error != NULL)
		*message = error->message;
	else if (!mending->found)
		*message = "The other page store does not have this layer.";
	return *message == NULL;
}

/*
 * What can't be read at the end without the layer.  Whatever is broken in it,
 * reads ahead may meet it from any of its keys.
 */
static List *
lost_at_end(const Mending *mending)
{
	BbLayerFault whole = {.kind = BB_FAULT_MISSING,
						  .detail = "",
						  .keys = mending->layer->keys};
	List	   *lost = NIL;
	ListCell   *cell;

	foreach(cell,
			bb_findings_of_fault(mending->manifest, mending->layer, &whole))
	{
		BbFinding  *finding = lfirst(cell);

		if (XLogRecPtrIsInvalid(finding->lsn_until))
			lost = lappend(lost, &finding->keys);
	}
	return lost;
}

/* Mend a layer.  Returns NULL if nothing has to be done any more. */
static BbMended *
mend(Mending *mending, const BbLayerFault *fault)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup mending",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	BbMended   *mended = NULL;
	const char *message;
	bool		done;

	bb_upkeep_lock(mending->ctx, mending->objects, mending->timeline);
	done = replace(mending, fault, &message);
	MemoryContextSwitchTo(old);
	if (done || message != NULL)
	{
		mended = palloc(sizeof(BbMended));
		*mended = (BbMended){.layer = bb_layer_name(mending->layer),
							 .kind = bb_finding_kind_of(fault->kind),
							 .bytes = mending->layer->size,
							 .mended = done,
							 .lost = done ? NIL : lost_at_end(mending),
							 .message = pstrdup(done ? fault->detail
													 : message)};
	}
	MemoryContextDelete(scratch); /* and releases the lock */
	return mended;
}

/* ---- all layers ---- */

static void
pace(const BbReqCtx *ctx)
{
	bb_upkeeppace(ctx, 0);
}

static void
forget_in(BbVerifyPass *pass, const List *done)
{
	const ListCell *cell;
	ListCell   *inner;

	if (pass == NULL)
		return;
	foreach(cell, done)
	{
		const BbMended *mended = lfirst(cell);

		foreach(inner, pass->findings)
		{
			const BbFinding *finding = lfirst(inner);

			if (mended->mended && finding->layer != NULL &&
				strcmp(finding->layer, mended->layer) == 0)
			{
				pass->findings = foreach_delete_current(pass->findings, inner);
				pass->nfindings -= Min(pass->nfindings, 1);
			}
		}
	}
}

/* What was mended is no finding any more. */
static void
forget_findings(const Mending *mending, const List *done)
{
	BbVerifyState state = bb_verify_state_read(mending->ctx, mending->objects,
											   mending->timeline);

	if (done == NIL || (state.running == NULL && state.last == NULL))
		return;
	forget_in(state.running, done);
	forget_in(state.last, done);
	(void) bb_verify_state_write(mending->ctx, mending->objects,
								 mending->timeline, &state);
}

List *
bb_mending_run(const BbReqCtx *ctx, BbObjectStore *objects,
			   BbObjectStore *from, const char *timeline)
{
	BbManifest *manifest = bb_manifest_read(ctx, objects, timeline);
	Mending		mending = {.ctx = ctx,
						   .objects = objects,
						   .from = from,
						   .timeline = timeline,
						   .manifest = manifest};
	List	   *done = NIL;

	if (from != NULL &&
		strcmp(bb_objstore_url(objects), bb_objstore_url(from)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a page store cannot be mended from itself")));
	for (int i = 0; i < manifest->nlayers; i++)
	{
		List	   *faults;
		BbMended   *mended;

		mending.layer = &manifest->layers[i];
		faults = bb_layer_check(ctx, objects, timeline, mending.layer, pace);
		if (faults == NIL)
			continue;
		mended = mend(&mending, linitial(faults));
		if (mended != NULL)
			done = lappend(done, mended);
		list_free_deep(faults);
	}
	forget_findings(&mending, done);
	return done;
}
