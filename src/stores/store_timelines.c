/*-------------------------------------------------------------------------
 *
 * store_timelines.c
 *	  The timelines of a page store, and snapshots of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "base/compat.h"
#include "foreign/foreign.h"
#include "stats/calls.h"
#include "stores/own_server.h"
#include "stores/store_timelines.h"
#include "utils/memutils.h"

/* Raise a NOTICE that there is no timeline, with the likely reason. */
static void
report_empty(const BbObjectStore *objects, const char *server)
{
	const char *directory = bb_objstore_local_directory(objects);
	struct stat st;

	if (directory == NULL || stat(directory, &st) == 0 || errno != ENOENT)
		ereport(NOTICE,
				(errmsg("page store \"%s\" has no timelines",
						bb_objstore_url(objects)),
				 errhint("If it should have some, check the URL of the "
						 "foreign server. bb_import_directory(), "
						 "bb_import_server() and bb_follow() create the "
						 "first one.")));
	else
		ereport(NOTICE,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("directory \"%s\" of page store \"%s\" does not exist",
						directory, server),
				 bb_own_server_is(GetForeignServerByName(server, false)->serverid)
				 ? errhint("bb_import_directory(), bb_import_server() and "
						   "bb_follow() create it. If the data directory was renamed, rename the store, too, or "
						   "set bbackup.store_directory.")
				 : errhint("bb_import_directory(), bb_import_server() and bb_follow() create it.")));
}

List *
bb_store_timelines(const BbReqCtx *ctx, BbObjectStore *objects,
				   const char *server)
{
	List	   *names = bb_manifest_list(ctx, objects);

	if (names == NIL)
		report_empty(objects, server);
	return names;
}

bool
bb_store_has_timeline(const BbReqCtx *ctx, BbObjectStore *objects,
					  const char *timeline)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup manifest",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	ErrorData  *error;
	bool		found = bb_manifest_try(ctx, objects, timeline, &error) !=
			NULL ||
		error != NULL;

	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	return found;
}

BbManifest *
bb_store_listed_timeline(const BbReqCtx *ctx, BbObjectStore *objects,
						 const char *timeline)
{
	ErrorData  *error;
	BbManifest *manifest = bb_manifest_try(ctx, objects, timeline, &error);

	if (error != NULL)
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("skipping timeline \"%s\": %s", timeline,
						error->message),
				 error->detail ? errdetail_internal("%s", error->detail) : 0,
				 error->hint ? errhint("%s", error->hint) : 0));
	return manifest;
}

BbSnapshot
bb_store_snapshot(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn)
{
	BbSnapshot	snapshot = bb_snapshot_take(ctx, store, lsn);

	if (!XLogRecPtrIsInvalid(lsn) && snapshot.lsn != lsn)
		ereport(NOTICE,
				(errmsg("using LSN " BB_LSN_FORMAT ", the end of the last record that is complete at " BB_LSN_FORMAT,
						LSN_FORMAT_ARGS(snapshot.lsn), LSN_FORMAT_ARGS(lsn))));
	bb_calls_describe(ctx, &(BbCallAbout){.lsn = snapshot.lsn});
	return snapshot;
}
