/*-------------------------------------------------------------------------
 *
 * manifest.c
 *	  Manifests in an object store: read, committed, listed, swept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

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

void
bb_timeline_name_check(const char *name)
{
	size_t		length = strlen(name);
	bool		good = length > 0 && length <= BB_TIMELINE_NAME_MAX;

	for (const char *p = name; good && *p; p++)
	{
		bool		alphanumeric = (*p >= 'a' && *p <= 'z') ||
								   (*p >= 'A' && *p <= 'Z') ||
								   (*p >= '0' && *p <= '9');

		good = alphanumeric ||
			   (p > name && (*p == '_' || *p == '-' || *p == '.'));
	}

	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid timeline name \"%s\"", name),
				 errhint("A timeline's name has up to %d letters, digits, "
						 "\"_\", \"-\" and \".\", and begins with a letter or "
						 "digit.",
						 BB_TIMELINE_NAME_MAX)));
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
				 errhint("Restore this file from a copy of the page store.")));
	pfree(data);
	manifest->tag = tag;
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
	bool		committed;

	bb_timeline_name_check(manifest->timeline);
	next.generation++;
	initStringInfo(&buf);
	bb_manifest_encode(&next, &buf);
	committed = bb_objstore_put_if(ctx, store,
								   object_name(manifest->timeline, MANIFEST),
								   buf.data, buf.len, manifest->tag,
								   &next.tag);
	pfree(buf.data);
	if (committed)
		*manifest = next;
	return committed;
}

List *
bb_manifest_list(const BbReqCtx *ctx, BbObjectStore *store)
{
	List	   *timelines = NIL;
	ListCell   *cell;

	foreach (cell, bb_objstore_list(ctx, store, ROOT))
	{
		const char *name = ((BbObjectInfo *) lfirst(cell))->name;
		const char *part = name + strlen(ROOT "/");
		const char *slash = strchr(part, '/');

		if (slash != NULL && strcmp(slash + 1, MANIFEST) == 0)
			timelines = lappend(timelines, pnstrdup(part, slash - part));
	}
	return timelines;
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
	ListCell   *cell;

	for (int i = 0; i < nnamed; i++)
		named[i] = bb_layer_object_name(timeline, &manifest->layers[i]);
	qsort(named, nnamed, sizeof(char *), compare_names);

	foreach (cell,
			 bb_objstore_list(ctx, store, object_name(timeline, "layers")))
	{
		const char *name = ((BbObjectInfo *) lfirst(cell))->name;

		if (bsearch(&name, named, nnamed, sizeof(char *), compare_names) ==
			NULL)
			bb_objstore_remove(ctx, store, name);
	}
	bb_objstore_sweep(ctx, store, object_name(timeline, "layers"));
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
	if (!bb_objstore_lock(ctx, store, ROOT "/tree"))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("another session is making or dropping a timeline of "
						"page store \"%s\"",
						bb_objstore_url(store)),
				 errhint("Try again when it has finished.")));
}
