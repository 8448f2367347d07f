/*-------------------------------------------------------------------------
 *
 * manifest.c
 *	  Manifests in an object store.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "base/caught.h"
#include "layer/manifest.h"
#include "utils/memutils.h"

/* "timelines/NAME/manifest" */
#define ROOT "timelines"
#define MANIFEST "manifest"

/* 64 MB, which is half a million layers. */
#define MANIFEST_MAX_SIZE (64 * 1024 * 1024)

static char *
object_name(const char *timeline, const char *object)
{
	return psprintf(ROOT "/%s/%s", timeline, object);
}

void
bb_timeline_report_missing(const BbObjectStore *objects, const char *name)
{
	const char *directory = bb_objstore_local_directory(objects);
	struct stat st;
	bool		nowhere = directory != NULL && stat(directory, &st) < 0 &&
		errno == ENOENT;

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("timeline \"%s\" does not exist in page store \"%s\"",
					name, bb_objstore_url(objects)),
			 nowhere ? errdetail("The directory of the page store does not exist.") : 0,
			 errhint("bb_timelines() lists the timelines of a page store.")));
}

static void
check_newer(const BbObjectStore *objects, const char *name, const void *data,
			size_t length)
{
	uint32		version = bb_manifest_newer_version(data, length);

	if (version != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("manifest \"%s\" of page store \"%s\" was written by a newer version of bbackup",
						name, bb_objstore_url(objects)),
				 errdetail("It has format version %u; this version of bbackup reads versions up to %d.",
						   version, BB_MANIFEST_VERSION_NEWEST),
				 errhint("Upgrade bbackup on this server.")));
}

BbManifest *
bb_manifest_find(const BbReqCtx *ctx, BbObjectStore *objects,
				 const char *timeline)
{
	char	   *name;
	char	   *data;
	size_t		length;
	BbObjectTag tag;
	BbManifest *manifest;
	const char *error = NULL;

	bb_timeline_name_check(timeline);
	name = object_name(timeline, MANIFEST);
	if (!bb_objstore_get(ctx, objects, name, MANIFEST_MAX_SIZE, &data, &length,
						 &tag))
		return NULL;

	check_newer(objects, name, data, length);
	manifest = bb_manifest_decode(data, length, &error);
	if (manifest != NULL && strcmp(manifest->timeline, timeline) != 0)
		error = "The manifest belongs to another timeline.";
	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("manifest \"%s\" of page store \"%s\" is corrupted",
						name, bb_objstore_url(objects)),
				 errdetail("%s", error),
				 errhint("Restore this file from a copy of the page store, or remove the timeline by bb_drop_timeline().")));
	pfree(data);
	manifest->tag = tag;
	return manifest;
}

BbManifest *
bb_manifest_read(const BbReqCtx *ctx, BbObjectStore *objects,
				 const char *timeline)
{
	BbManifest *manifest = bb_manifest_find(ctx, objects, timeline);

	if (manifest == NULL)
		bb_timeline_report_missing(objects, timeline);
	return manifest;
}

BbManifest *
bb_manifest_try(const BbReqCtx *ctx, BbObjectStore *objects,
				const char *timeline, ErrorData **error)
{
	MemoryContext context = CurrentMemoryContext;
	BbManifest *volatile manifest = NULL;
	ErrorData *volatile caught = NULL;

	PG_TRY();
	{
		manifest = bb_manifest_find(ctx, objects, timeline);
	}
	PG_CATCH();
	{
		caught = bb_caught(context);
	}
	PG_END_TRY();
	*error = caught;
	return manifest;
}

void
bb_manifest_refuse_newer(ErrorData *error)
{
	if (error != NULL && error->sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED)
		ReThrowError(error);
}

bool
bb_manifest_is_current(const BbReqCtx *ctx, BbObjectStore *objects,
					   const BbManifest *manifest)
{
	char	   *name = object_name(manifest->timeline, MANIFEST);
	char	   *data;
	size_t		length;
	BbObjectTag tag;
	bool		found;

	found = bb_objstore_get(ctx, objects, name, MANIFEST_MAX_SIZE, &data,
							&length, &tag);
	if (found)
		pfree(data);
	pfree(name);
	return found && tag == manifest->tag;
}

bool
bb_manifest_commit(const BbReqCtx *ctx, BbObjectStore *objects,
				   BbManifest *manifest)
{
	StringInfoData buf;
	BbManifest	next = *manifest;
	const char *error;
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
	error = bb_manifest_error(&next);
	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("manifest of timeline \"%s\" would not be valid",
						manifest->timeline),
				 errdetail_internal("%s", error),
				 errhint("Nothing was changed. This is a bug in bbackup; please report it.")));
	committed = bb_objstore_put_if(ctx, objects,
								   object_name(manifest->timeline, MANIFEST),
								   buf.data, buf.len, manifest->tag,
								   &next.tag);
	pfree(buf.data);
	if (committed)
		*manifest = next;
	return committed;
}

static List *
list_names(const BbReqCtx *ctx, BbObjectStore *objects, int elevel)
{
	List	   *timelines = NIL;
	ListCell   *cell;

	foreach(cell, bb_objstore_list_parts(ctx, objects, ROOT))
	{
		char	   *name = lfirst(cell);

		if (bb_timeline_name_is_valid(name))
			timelines = lappend(timelines, name);
		else
			ereport(elevel,
					(errmsg("skipping \"%s\" in page store \"%s\", which can't be the name of a timeline",
							name, bb_objstore_url(objects))));
	}
	return timelines;
}

List *
bb_manifest_list(const BbReqCtx *ctx, BbObjectStore *objects)
{
	return list_names(ctx, objects, WARNING);
}

/* Add the timeline IDs of a manifest to a list that has each once. */
static List *
add_tlis(List *tlis, const BbManifest *manifest)
{
	tlis = list_append_unique_oid(tlis, manifest->tli);
	for (int i = 0; i < manifest->nswitches; i++)
		tlis = list_append_unique_oid(tlis, manifest->switches[i].tli);
	return tlis;
}

List *
bb_manifest_tlis(const BbReqCtx *ctx, BbObjectStore *objects,
				 uint64 system_identifier)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup manifests",
												  ALLOCSET_DEFAULT_SIZES);
	List	   *names = list_names(ctx, objects, DEBUG1);
	List	   *tlis = NIL;
	ListCell   *cell;

	foreach(cell, names)
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);
		ErrorData  *error;
		BbManifest *manifest = bb_manifest_try(ctx, objects, lfirst(cell),
											   &error);

		/* storage that doesn't answer says nothing of the timeline */
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
