/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  Verification: the steps of a pass.
 *
 * Each step reads the manifest anew.  That is one small read for each layer,
 * and a pass then never holds an outdated list of layers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "timeline/timeline.h"
#include "upkeep/pace.h"
#include "upkeep/verify_note.h"
#include "upkeep/verify_pages.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A step checks layers of so many bytes, at least one. */
#define STEP_BYTES (4 * 1024 * 1024)

static const char *const level_names[] = {
	[BB_VERIFY_OBJECTS] = "objects",
	[BB_VERIFY_BLOCKS] = "blocks",
	[BB_VERIFY_PAGES] = "pages",
};

const char *
bb_verify_level_name(BbVerifyLevel level)
{
	return level_names[level];
}

BbVerifyLevel
bb_verify_level_of(const char *name)
{
	for (int level = BB_VERIFY_OBJECTS; level <= BB_VERIFY_PAGES; level++)
		if (strcmp(name, level_names[level]) == 0)
			return (BbVerifyLevel) level;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid level of verification: \"%s\"", name),
			 errhint("Levels are \"objects\", \"blocks\" and \"pages\".")));
}

static void
pace(const BbReqCtx *ctx)
{
	bb_upkeeppace(ctx, 0);
}

static void
note_unopenable(BbVerifyPass *pass, const ErrorData *error)
{
	bb_verify_note(pass,
				   &(BbFinding){.kind = BB_FINDING_MANIFEST,
								.message = error->detail
									? psprintf("%s: %s", error->message,
											   error->detail)
									: error->message,
								.keys = bb_key_range_all()});
}

static bool
is_named(const BbManifest *manifest, const BbLayerDesc *layer)
{
	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].file_id == layer->file_id)
			return true;
	return false;
}

/* Note the faults of a layer, if the manifest still names it. */
static void
note_faults(BbVerifyPass *pass, const BbManifest *manifest,
			const BbLayerDesc *layer, const List *faults)
{
	ListCell   *cell;
	ListCell   *inner;

	if (!is_named(manifest, layer))
		return;
	foreach(cell, faults)
	{
		if (pass->nfindings >= BB_FINDINGS_MAX)
			pass->nfindings++;
		else
			foreach(inner, bb_findings_of_fault(manifest, layer, lfirst(cell)))
				bb_verify_note(pass, lfirst(inner));
	}
}

/*
 * Read the manifest.  Returns NULL, with a finding, if it can't be read.
 */
static BbManifest *
read_manifest(const BbReqCtx *ctx, BbObjectStore *objects, BbVerifyPass *pass)
{
	ErrorData  *error;
	BbManifest *manifest = bb_manifest_try(ctx, objects, pass->timeline,
										   &error);

	if (manifest != NULL)
		return manifest;
	if (error == NULL)
		bb_timeline_report_missing(objects, pass->timeline);
	if (error->sqlerrcode != ERRCODE_DATA_CORRUPTED)
		ReThrowError(error);
	note_unopenable(pass, error);
	return NULL;
}

/* Can the timeline be opened: do its layers and those of ancestors go together? */
static bool
check_opening(const BbReqCtx *ctx, BbObjectStore *objects, BbVerifyPass *pass,
			  const BbManifest *manifest)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool opened = false;

	PG_TRY();
	{
		(void) bb_timeline_open_manifest(ctx, objects, manifest);
		opened = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode != ERRCODE_DATA_CORRUPTED &&
			error->sqlerrcode != ERRCODE_UNDEFINED_OBJECT)
			PG_RE_THROW();
		FlushErrorState();
		note_unopenable(pass, error);
	}
	PG_END_TRY();
	return opened;
}

/* ---- objects ---- */

static int
compare_objects(const void *a, const void *b)
{
	return strcmp(((const BbObjectInfo *) a)->name,
				  ((const BbObjectInfo *) b)->name);
}

/* Compare a layer with the listing; returns its fault or NULL. */
static BbLayerFault *
fault_of_object(const BbManifest *manifest, const BbLayerDesc *layer,
				const BbObjectInfo *listed, int nlisted)
{
	BbObjectInfo wanted = {
		.name = bb_layer_object_name(manifest->timeline, layer)};
	const BbObjectInfo *found = bsearch(&wanted, listed, nlisted,
										sizeof(BbObjectInfo), compare_objects);
	BbLayerFault *fault;

	if (found != NULL && found->size == layer->size)
		return NULL;
	fault = palloc0(sizeof(BbLayerFault));
	fault->keys = layer->keys;
	fault->kind = found ? BB_FAULT_SIZE : BB_FAULT_MISSING;
	fault->detail = found
		? psprintf("It has " UINT64_FORMAT
				   " bytes; the manifest says " UINT64_FORMAT ".",
				   found->size, layer->size)
		: pstrdup("There is no such object.");
	return fault;
}

static void
check_objects(const BbReqCtx *ctx, BbObjectStore *objects, BbVerifyPass *pass,
			  const BbManifest *manifest)
{
	/* after the manifest was read, since a layer is there before it is named */
	List	   *list = bb_objstore_list(ctx, objects,
										psprintf("timelines/%s/layers",
												 manifest->timeline));
	int			nlisted = list_length(list);
	BbObjectInfo *listed = palloc_extended(Max(nlisted, 1) *
											   sizeof(BbObjectInfo),
										   MCXT_ALLOC_HUGE);
	const BbManifest *now = NULL;

	for (int i = 0; i < nlisted; i++)
		listed[i] = *(const BbObjectInfo *) list_nth(list, i);
	qsort(listed, nlisted, sizeof(BbObjectInfo), compare_objects);

	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];
		BbLayerFault *fault = fault_of_object(manifest, layer, listed,
											  nlisted);

		bb_reqctx_check(ctx);
		pass->layers++;
		if (fault == NULL)
			continue;
		if (now == NULL)
			now = read_manifest(ctx, objects, pass);
		if (now == NULL)
			return;
		note_faults(pass, now, layer, list_make1(fault));
	}
}

/* ---- blocks ---- */

static int
compare_file_ids(const void *a, const void *b)
{
	uint64		left = (*(const BbLayerDesc *const *) a)->file_id;
	uint64		right = (*(const BbLayerDesc *const *) b)->file_id;

	return left < right ? -1 : left > right;
}

/* The layers that the pass has not reached, in its order. */
static const BbLayerDesc **
layers_ahead(const BbVerifyPass *pass, const BbManifest *manifest, int *n)
{
	const BbLayerDesc **ahead;

	ahead = palloc_extended(Max(manifest->nlayers, 1) * sizeof(*ahead),
							MCXT_ALLOC_HUGE);
	*n = 0;
	for (int i = 0; i < manifest->nlayers; i++)
		if (!pass->layers_begun || manifest->layers[i].file_id > pass->file_id)
			ahead[(*n)++] = &manifest->layers[i];
	qsort(ahead, *n, sizeof(*ahead), compare_file_ids);
	return ahead;
}

/* Check the next layers, a step's worth.  Returns false if there is none. */
static bool
check_layers(const BbReqCtx *ctx, BbObjectStore *objects, BbVerifyPass *pass,
			 const BbManifest *manifest)
{
	int			n;
	const BbLayerDesc **ahead = layers_ahead(pass, manifest, &n);
	uint64		bytes = 0;

	for (int i = 0; i < n && bytes < STEP_BYTES; i++)
	{
		const BbLayerDesc *layer = ahead[i];
		List	   *faults = bb_layer_check(ctx, objects, pass->timeline,
											layer, pace);

		if (faults != NIL)
		{
			/* it may have been replaced meanwhile */
			BbManifest *now = read_manifest(ctx, objects, pass);

			if (now != NULL)
				note_faults(pass, now, layer, faults);
		}
		pass->layers_begun = true;
		pass->file_id = layer->file_id;
		pass->layers++;
		pass->bytes += layer->size;
		bytes += layer->size;
	}
	return n > 0;
}

/* ---- steps ---- */

/* All layers have been checked.  Returns whether pages can be. */
static bool
end_layers(const BbReqCtx *ctx, BbObjectStore *objects, BbVerifyPass *pass,
		   const BbManifest *manifest)
{
	bool		opened = check_opening(ctx, objects, pass, manifest);

	pass->layers_done = true;
	if (pass->level != BB_VERIFY_PAGES || !opened ||
		!bb_manifest_consistent(manifest))
		return false;
	if (pass->nlsns == 0)
		pass->lsns[pass->nlsns++] = bb_manifest_readable(manifest).end_lsn;
	return true;
}

/* Returns false if the pass is over. */
static bool
step(const BbReqCtx *ctx, BbObjectStore *objects, BbVerifyPass *pass)
{
	BbManifest *manifest;

	if (pass->layers_done)
		return bb_verify_pages(ctx, objects, pass);

	manifest = read_manifest(ctx, objects, pass);
	if (manifest == NULL)
		return false;
	pass->layers_total = manifest->nlayers;
	if (pass->level == BB_VERIFY_OBJECTS)
		check_objects(ctx, objects, pass, manifest);
	else if (check_layers(ctx, objects, pass, manifest))
		return true;
	return end_layers(ctx, objects, pass, manifest);
}

bool
bb_verify_step(const BbReqCtx *ctx, BbObjectStore *objects, BbVerifyPass *pass)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup verification step",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	bool		more = step(ctx, objects, pass);

	if (!more)
		pass->finished_at = GetCurrentTimestamp();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	return more;
}
