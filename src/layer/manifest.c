/*-------------------------------------------------------------------------
 *
 * manifest.c
 *	  Manifests in an object store: read, committed, listed, swept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "layer/manifest_codec.h"
#include "utils/memutils.h"

/* "timelines/NAME/manifest" */
#define ROOT "timelines"
#define MANIFEST "manifest"

/* 64 MB: half a million layers. */
#define MANIFEST_MAX_SIZE (64 * 1024 * 1024)

static char *
object_name(const char *timeline, const char *object)
{
	return psprintf(ROOT "/%s/%s", timeline, object);
}

bool
bb_timeline_name_is_valid(const char *name)
{
	size_t		length = strlen(name);
	bool		good = length > 0 && length <= BB_TIMELINE_NAME_MAX;

	for (const char *p = name; good && *p; p++)
	{
		bool		alphanumeric = (*p >= 'a' && *p <= 'z') ||
			(*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');

		good = alphanumeric ||
			(p > name && (*p == '_' || *p == '-' || *p == '.'));
	}
	return good;
}

void
bb_timeline_name_check(const char *name)
{
	if (!bb_timeline_name_is_valid(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid timeline name \"%s\"", name),
				 errhint("A timeline's name has up to %d letters, digits, "
						 "\"_\", \"-\" and \".\", and begins with a letter or "
						 "digit.",
						 BB_TIMELINE_NAME_MAX)));
}

void
bb_timeline_missing(const BbObjectStore *store, const char *name)
{
	const char *directory = bb_objstore_local_directory(store);
	struct stat st;
	bool		nowhere = directory != NULL && stat(directory, &st) < 0 &&
		errno == ENOENT;

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("timeline \"%s\" does not exist in page store \"%s\"",
					name, bb_objstore_url(store)),
			 nowhere ? errdetail("The directory of the page store does not exist.") : 0,
			 errhint("bb_timelines() lists the timelines of a page store.")));
}

TimeLineID
bb_tli_at(const BbTliSwitch *switches, int nswitches, TimeLineID last,
		  XLogRecPtr lsn)
{
	for (int i = 0; i < nswitches; i++)
	{
		if (lsn <= switches[i].until)
			return switches[i].tli;
	}
	return last;
}

static void *
copy_array(const void *array, size_t size)
{
	void	   *copy = MemoryContextAllocHuge(CurrentMemoryContext, size + 1);

	if (size > 0)
		memcpy(copy, array, size);
	return copy;
}

BbManifest *
bb_manifest_copy(const BbManifest *manifest)
{
	BbManifest *copy = palloc(sizeof(BbManifest));

	*copy = *manifest;
	copy->timeline = pstrdup(manifest->timeline);
	if (manifest->ancestor != NULL)
		copy->ancestor = pstrdup(manifest->ancestor);
	copy->switches = copy_array(manifest->switches,
								manifest->nswitches * sizeof(BbTliSwitch));
	copy->layers = copy_array(manifest->layers,
							  manifest->nlayers * sizeof(BbLayerDesc));
	return copy;
}

BbManifest *
bb_manifest_read(const BbReqCtx *ctx, BbObjectStore *store,
				 const char *timeline)
{
	char	   *name;
	char	   *data;
	size_t		length;
	BbObjectTag tag;
	BbManifest *manifest;
	const char *complaint = "The manifest is that of another timeline.";

	bb_timeline_name_check(timeline);
	name = object_name(timeline, MANIFEST);
	if (!bb_objstore_get(ctx, store, name, MANIFEST_MAX_SIZE, &data, &length,
						 &tag))
		return NULL;

	manifest = bb_manifest_decode(data, length, &complaint);
	if (manifest == NULL || strcmp(manifest->timeline, timeline) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("manifest \"%s\" of page store \"%s\" is corrupted",
						name, bb_objstore_url(store)),
				 errdetail("%s", complaint),
				 errhint("Restore this file from a copy of the page store, or remove the timeline by bb_drop_timeline().")));
	pfree(data);
	manifest->tag = tag;
	return manifest;
}

BbManifest *
bb_manifest_try(const BbReqCtx *ctx, BbObjectStore *store,
				const char *timeline, ErrorData **error)
{
	MemoryContext context = CurrentMemoryContext;
	BbManifest *volatile manifest = NULL;
	ErrorData *volatile caught = NULL;

	PG_TRY();
	{
		manifest = bb_manifest_read(ctx, store, timeline);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		caught = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();

	/* what has nothing to do with the manifest */
	if (caught != NULL)
	{
		int			category = ERRCODE_TO_CATEGORY(caught->sqlerrcode);

		if (category == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) ||
			category == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES))
			ReThrowError(caught);
	}
	*error = caught;
	return manifest;
}

bool
bb_manifest_is_current(const BbReqCtx *ctx, BbObjectStore *store,
					   const BbManifest *manifest)
{
	char	   *name = object_name(manifest->timeline, MANIFEST);
	char	   *data;
	size_t		length;
	BbObjectTag tag;
	bool		found;

	found = bb_objstore_get(ctx, store, name, MANIFEST_MAX_SIZE, &data,
							&length, &tag);
	if (found)
		pfree(data);
	pfree(name);
	return found && tag == manifest->tag;
}

bool
bb_manifest_commit(const BbReqCtx *ctx, BbObjectStore *store,
				   BbManifest *manifest)
{
	StringInfoData buf;
	BbManifest	next = *manifest;
	const char *complaint;
	bool		committed;

	bb_timeline_name_check(manifest->timeline);
	next.generation++;
	initStringInfo(&buf);
	bb_manifest_encode(&next, &buf);
	if (buf.len > MANIFEST_MAX_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("timeline \"%s\" has too many layers",
						manifest->timeline),
				 errdetail("The manifest of %d layers would have %d bytes; the limit is %d.",
						   manifest->nlayers, buf.len, MANIFEST_MAX_SIZE),
				 errhint("Raise bbackup.layer_size and bbackup.checkpoint_distance.")));
	complaint = bb_manifest_complaint(&next);
	if (complaint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("manifest of timeline \"%s\" would not be valid",
						manifest->timeline),
				 errdetail_internal("%s", complaint),
				 errhint("Nothing was changed. This is a bug in bbackup; please report it.")));
	committed = bb_objstore_put_if(ctx, store,
								   object_name(manifest->timeline, MANIFEST),
								   buf.data, buf.len, manifest->tag,
								   &next.tag);
	pfree(buf.data);
	if (committed)
		*manifest = next;
	return committed;
}

static List *
list_names(const BbReqCtx *ctx, BbObjectStore *store, int elevel)
{
	List	   *timelines = NIL;
	ListCell   *cell;

	foreach(cell, bb_objstore_list_parts(ctx, store, ROOT))
	{
		char	   *name = lfirst(cell);

		if (bb_timeline_name_is_valid(name))
			timelines = lappend(timelines, name);
		else
			ereport(elevel,
					(errmsg("skipping \"%s\" in page store \"%s\", which is no timeline's name",
							name, bb_objstore_url(store))));
	}
	return timelines;
}

List *
bb_manifest_list(const BbReqCtx *ctx, BbObjectStore *store)
{
	return list_names(ctx, store, WARNING);
}

/* The timeline IDs of one manifest, added to a list that has each once. */
static List *
add_tlis(List *tlis, const BbManifest *manifest)
{
	tlis = list_append_unique_oid(tlis, manifest->tli);
	for (int i = 0; i < manifest->nswitches; i++)
		tlis = list_append_unique_oid(tlis, manifest->switches[i].tli);
	return tlis;
}

List *
bb_manifest_tlis(const BbReqCtx *ctx, BbObjectStore *store,
				 uint64 system_identifier)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup manifests",
												  ALLOCSET_DEFAULT_SIZES);
	List	   *names = list_names(ctx, store, DEBUG1);
	List	   *tlis = NIL;
	ListCell   *cell;

	foreach(cell, names)
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);
		ErrorData  *error;
		BbManifest *manifest = bb_manifest_try(ctx, store, lfirst(cell),
											   &error);

		/* storage that does not answer says nothing of the timeline */
		if (error != NULL &&
			ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
				ERRCODE_TO_CATEGORY(ERRCODE_CONNECTION_EXCEPTION))
			ReThrowError(error);
		MemoryContextSwitchTo(old);
		if (manifest != NULL &&
			manifest->system_identifier == system_identifier)
			tlis = add_tlis(tlis, manifest);
		MemoryContextReset(scratch);
	}
	MemoryContextDelete(scratch);
	return tlis;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

void
bb_manifest_sweep(const BbReqCtx *ctx, BbObjectStore *store,
				  const char *timeline, const BbManifest *manifest)
{
	int			nnamed = manifest ? manifest->nlayers : 0;
	char	  **named = palloc(Max(nnamed, 1) * sizeof(char *));
	List	   *leftovers = NIL;
	List	   *others = NIL;
	ListCell   *cell;

	for (int i = 0; i < nnamed; i++)
		named[i] = bb_layer_object_name(timeline, &manifest->layers[i]);
	qsort(named, nnamed, sizeof(char *), compare_names);

	foreach(cell,
			bb_objstore_list(ctx, store, object_name(timeline, "layers")))
	{
		char	   *name = ((BbObjectInfo *) lfirst(cell))->name;

		if (!bb_layer_is_object_name(timeline, name))
			others = lappend(others, name);
		else if (bsearch(&name, named, nnamed, sizeof(char *),
						 compare_names) == NULL)
			leftovers = lappend(leftovers, name);
	}
	if (others != NIL)
		ereport(WARNING,
				(errmsg_plural("%d object among the layers of timeline \"%s\" is not from bbackup and is not removed",
							   "%d objects among the layers of timeline \"%s\" are not from bbackup and are not removed",
							   list_length(others), list_length(others),
							   timeline),
				 errdetail("The first is \"%s\" in page store \"%s\".",
						   (char *) linitial(others),
						   bb_objstore_url(store))));
	bb_objstore_remove_all(ctx, store, leftovers);
	bb_objstore_sweep(ctx, store, psprintf(ROOT "/%s", timeline));
	pfree(named);
}

void
bb_manifest_remove(const BbReqCtx *ctx, BbObjectStore *store,
				   const char *timeline)
{
	bb_objstore_remove(ctx, store, object_name(timeline, MANIFEST));
	bb_manifest_sweep(ctx, store, timeline, NULL);
}

void
bb_manifest_lock(const BbReqCtx *ctx, BbObjectStore *store,
				 const char *timeline)
{
	bb_timeline_name_check(timeline);
	if (!bb_objstore_lock(ctx, store, object_name(timeline, "writer")))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("timeline \"%s\" is being written by another session",
						timeline),
				 errhint("Try again when it has finished.")));
}

void
bb_manifest_lock_tree(const BbReqCtx *ctx, BbObjectStore *store)
{
	if (!bb_objstore_lock(ctx, store, "tree"))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("another session is making or dropping a timeline of "
						"page store \"%s\"",
						bb_objstore_url(store)),
				 errhint("Try again when it has finished.")));
}
