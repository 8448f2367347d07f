/*-------------------------------------------------------------------------
 *
 * rewrite.c
 *	  Rewriting layers: the job is checked, done, and undone after an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/cancelhold.h"
#include "upkeep/rewrite_internal.h"
#include "utils/memutils.h"

static void
run_job(const BbReqCtx *ctx, BbRewrite *rewrite)
{
	bb_rewrite_check(rewrite);
	rewrite->stats->layers_read = list_length(rewrite->job->inputs);
	switch (rewrite->job->kind)
	{
		case BB_UPKEEP_MERGE:
			bb_rewrite_merge(ctx, rewrite);
			break;
		case BB_UPKEEP_IMAGE:
			bb_rewrite_image(ctx, rewrite);
			break;
		case BB_UPKEEP_SQUASH:
			bb_rewrite_squash(ctx, rewrite);
			break;
		default:
			bb_rewrite_report(rewrite,
							  psprintf("A job of kind %d writes no layers.",
									   (int) rewrite->job->kind));
	}
	rewrite->stats->bytes_read = ctx->counters->bytes_read - rewrite->counted;
}

/* Return copies of the layers' descriptions. */
static List *
copy_layers(List *layers)
{
	List	   *copies = NIL;
	ListCell   *cell;

	foreach(cell, layers)
	{
		BbLayerDesc *copy = palloc(sizeof(BbLayerDesc));

		*copy = *(const BbLayerDesc *) lfirst(cell);
		copies = lappend(copies, copy);
	}
	return copies;
}

List *
bb_rewrite(const BbReqCtx *ctx, BbObjectStore *objects,
		   const BbManifest *manifest, const BbUpkeepJob *job,
		   BbRewriteStats *stats)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "bbackup rewrite",
												  ALLOCSET_DEFAULT_SIZES);
	BbRewrite  *rewrite = MemoryContextAllocZero(context, sizeof(BbRewrite));
	ErrorData *volatile error = NULL;
	List	   *layers;

	rewrite->context = context;
	rewrite->objects = objects;
	rewrite->manifest = manifest;
	rewrite->job = job;
	rewrite->stats = stats;
	rewrite->counted = ctx->counters->bytes_read;

	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		run_job(ctx, rewrite);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(caller);
	layers = copy_layers(rewrite->written);
	MemoryContextDelete(context); /* of an unfinished layer nothing remains */
	if (error != NULL)
	{
		bb_rewrite_discard(ctx, objects, manifest->timeline, layers);
		ReThrowError(error);
	}
	return layers;
}

/* ---- removing what was written ---- */

static void
remove_layers(const BbReqCtx *ctx, BbObjectStore *objects,
			  const char *timeline, List *layers)
{
	/* the deadline of the call may have passed */
	const BbReqCtx *cleanup = bb_reqctx_detached_child(ctx, BB_TASK_UPKEEP,
													   BB_DOWNLOAD_ALLOW);
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, layers)
		names = lappend(names, bb_layer_object_name(timeline, lfirst(cell)));
	(void) bb_objstore_remove_all(cleanup, objects, names);
	bb_reqctx_end(cleanup);
}

void
bb_rewrite_discard(const BbReqCtx *ctx, BbObjectStore *objects,
				   const char *timeline, List *layers)
{
	MemoryContext context;
	MemoryContext old;
	uint32		hold;

	if (layers == NIL)
		return;
	hold = bb_cancelhold_begin();
	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup discard",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	PG_TRY();
	{
		remove_layers(ctx, objects, timeline, layers);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		ereport(WARNING,
				(errmsg("could not remove layers that upkeep of timeline \"%s\" has not committed: %s",
						timeline, error->message),
				 errhint("The next removal of leftovers removes them.")));
	}
	PG_END_TRY();
	bb_cancelhold_end(hold);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
