/*-------------------------------------------------------------------------
 *
 * manifest_sweep.c
 *	  The locks of a timeline, and the removal of objects that none needs.
 *
 * Two kinds of writers make layers that no manifest names yet: those that hold
 * the writer lock, and upkeep, which runs beside them and has a lock of its own.
 * An unnamed layer is a leftover only while neither can have written it.  So a
 * sweep holds both locks, and only then reads the manifest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/manifest.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* How long a timeline that is dropped waits for upkeep to notice that. */
#define WAIT_MS 10000
#define LOOK_MS 100

static char *
object_name(const char *timeline, const char *object)
{
	return psprintf("timelines/%s/%s", timeline, object);
}

/* ---- locks ---- */

void
bb_manifest_lock(const BbReqCtx *ctx, BbObjectStore *objects,
				 const char *timeline)
{
	bb_timeline_name_check(timeline);
	if (!bb_objstore_lock(ctx, objects, object_name(timeline, "writer")))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("timeline \"%s\" is being written by another session",
						timeline),
				 errhint("Try again when it has finished. A timeline that follows a server is written until bb_unfollow().")));
}

bool
bb_manifest_try_lock_upkeep(const BbReqCtx *ctx, BbObjectStore *objects,
							const char *timeline)
{
	bb_timeline_name_check(timeline);
	return bb_objstore_lock(ctx, objects, object_name(timeline, "upkeep"));
}

void
bb_manifest_lock_tree(const BbReqCtx *ctx, BbObjectStore *objects)
{
	if (!bb_objstore_lock(ctx, objects, "tree"))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("another session is making or dropping a timeline of "
						"page store \"%s\"",
						bb_objstore_url(objects)),
				 errhint("Try again when it has finished.")));
}

/* ---- leftovers ---- */

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The names of all layers that a manifest names; NULL: there is none. */
typedef struct Named
{
	size_t		n;
	char	  **names;
} Named;

static Named
named_by(const BbManifest *manifest)
{
	Named		named = {0};

	if (manifest == NULL)
		return named;
	named.names = MemoryContextAllocHuge(CurrentMemoryContext,
										 ((Size) manifest->nlayers +
										  manifest->keeps.nretired + 1) *
											 sizeof(char *));
	for (int i = 0; i < manifest->nlayers; i++)
		named.names[named.n++] = bb_layer_object_name(manifest->timeline,
													  &manifest->layers[i]);
	for (int i = 0; i < manifest->keeps.nretired; i++)
		named.names[named.n++] = bb_layer_object_name(manifest->timeline,
													  &manifest->keeps
														   .retired[i]
														   .layer);
	qsort(named.names, named.n, sizeof(char *), compare_names);
	return named;
}

static void
warn_of_others(const BbObjectStore *objects, const char *timeline,
			   List *others)
{
	ereport(WARNING,
			(errmsg_plural("%d object among the layers of timeline \"%s\" is not from bbackup and is not removed",
						   "%d objects among the layers of timeline \"%s\" are not from bbackup and are not removed",
						   list_length(others), list_length(others), timeline),
			 errdetail("The first is \"%s\" in page store \"%s\".",
					   (char *) linitial(others), bb_objstore_url(objects))));
}

/*
 * Remove the layers that a manifest doesn't name, which is read after the layers
 * were listed: none that it names then is missed.
 */
static void
remove_unnamed(const BbReqCtx *ctx, BbObjectStore *objects,
			   const char *timeline)
{
	List	   *present = bb_objstore_list(ctx, objects,
										   object_name(timeline, "layers"));
	Named		named = named_by(bb_manifest_find(ctx, objects, timeline));
	List	   *leftovers = NIL;
	List	   *others = NIL;
	ListCell   *cell;

	foreach(cell, present)
	{
		char	   *name = ((BbObjectInfo *) lfirst(cell))->name;

		if (!bb_layer_is_object_name(timeline, name))
			others = lappend(others, name);
		else if (named.n == 0 ||
				 bsearch(&name, named.names, named.n, sizeof(char *),
						 compare_names) == NULL)
			leftovers = lappend(leftovers, name);
	}
	if (others != NIL)
		warn_of_others(objects, timeline, others);
	(void) bb_objstore_remove_all(ctx, objects, leftovers);
}

bool
bb_manifest_sweep(const BbReqCtx *ctx, BbObjectStore *objects,
				  const char *timeline)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup sweep",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		alone = bb_manifest_try_lock_upkeep(ctx, objects, timeline);

	if (alone)
	{
		remove_unnamed(ctx, objects, timeline);
		bb_objstore_sweep(ctx, objects, psprintf("timelines/%s", timeline));
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return alone;
}

/*
 * Remove the manifest, under the lock with which bb_objstore_put_if compares and
 * replaces it, where the store can't do that by itself.  Edits take no other
 * lock: one that has found its base in place would make the timeline again.
 */
static void
remove_manifest(const BbReqCtx *ctx, BbObjectStore *objects,
				const char *timeline)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup manifest removal",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	char	   *name = object_name(timeline, "manifest");

	while (!bb_objstore_lock(ctx, objects, name))
	{
		bb_reqctx_check(ctx);
		pg_usleep(1000);
	}
	bb_objstore_remove(ctx, objects, name);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
bb_manifest_remove(const BbReqCtx *ctx, BbObjectStore *objects,
				   const char *timeline)
{
	remove_manifest(ctx, objects, timeline);
	(void) bb_objstore_remove_all(ctx, objects,
								  list_make3(object_name(timeline,
														 BB_VERIFIED_OBJECT),
											 object_name(timeline,
														 BB_TESTED_OBJECT),
											 object_name(timeline,
														 BB_RETAINED_OBJECT)));

	/* upkeep that is under way fails as soon as it needs a layer or commits */
	for (int waited = 0; !bb_manifest_sweep(ctx, objects, timeline);
		 waited += LOOK_MS)
	{
		if (waited == 0)
			remove_unnamed(ctx, objects, timeline);
		if (waited >= WAIT_MS)
		{
			ereport(NOTICE,
					(errmsg("upkeep of timeline \"%s\" is still under way",
							timeline),
					 errdetail("It removes what it has written. If it is killed before that, files remain that the next timeline of this name removes.")));
			break;
		}
		bb_reqctx_check(ctx);
		pg_usleep(LOOK_MS * 1000L);
	}
}
