/*-------------------------------------------------------------------------
 *
 * store_timelines.c
 *	  The timelines of a page store, and LSNs in them, as a user names them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "foreign/foreign.h"
#include "stats/calls.h"
#include "stores/own_server.h"
#include "stores/store_timelines.h"
#include "utils/timestamp.h"

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
						 "foreign server. bb_import_directory() creates "
						 "the first one.")));
	else
		ereport(NOTICE,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("directory \"%s\" of page store \"%s\" does not exist",
						directory, server),
				 bb_own_server_is(GetForeignServerByName(server, false)->serverid)
				 ? errhint("bb_import_directory() creates it. If the data "
						   "directory was renamed, rename the store, too, or "
						   "set bbackup.store_directory.")
				 : errhint("bb_import_directory() creates it.")));
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
				(errmsg("using LSN %X/%X, the end of the last record that is complete at %X/%X",
						LSN_FORMAT_ARGS(snapshot.lsn), LSN_FORMAT_ARGS(lsn))));
	bb_calls_describe(ctx, &(BbCallAbout){.lsn = snapshot.lsn});
	return snapshot;
}

static void
report_time_in_gap(const BbPageStore *store, const char *time,
				   const BbGap *gap)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("time %s is in a gap of timeline \"%s\"", time,
					bb_pagestore_info(store)->timeline),
			 errdetail("WAL was lost. The timeline can be read up to %X/%X, and from %X/%X on.",
					   LSN_FORMAT_ARGS(gap->from),
					   LSN_FORMAT_ARGS(gap->until)),
			 errhint("Use one of these LSNs. bb_gaps() lists the gaps.")));
}

XLogRecPtr
bb_store_lsn_at(const BbReqCtx *ctx, BbPageStore *store, TimestampTz time)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	const char *name = info->timeline;
	const char *text = timestamptz_to_str(time);
	XLogRecPtr	end = bb_pagestore_check_lsn(store, InvalidXLogRecPtr);
	XLogRecPtr	lsn;

	switch (bb_pagestore_lsn_at_time(ctx, store, time, &lsn))
	{
		case BB_TIME_FOUND:
			break;
		case BB_TIME_FUTURE:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("time %s is in the future of timeline \"%s\"", text,
							name),
					 errdetail("No transaction before its end at %X/%X is later, so the next WAL may contain earlier ones.",
							   LSN_FORMAT_ARGS(end)),
					 errhint("Ingest more WAL, or omit the LSN to use the end "
							 "of the timeline.")));
			break;
		case BB_TIME_PAST:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("time %s is in the past of timeline \"%s\"", text,
							name),
					 errdetail("No transaction since its start at %X/%X is that old.",
							   LSN_FORMAT_ARGS(lsn))));
			break;
		case BB_TIME_GAP:
			report_time_in_gap(store, text,
							   bb_gap_before(info->gaps, info->ngaps, lsn));
			break;
		case BB_TIME_NO_DATA:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("timeline \"%s\" has no transaction to find a time by",
							name),
					 errdetail("No transaction ended in it, from %X/%X to %X/%X.",
							   LSN_FORMAT_ARGS(lsn), LSN_FORMAT_ARGS(end)),
					 errhint("Ingest WAL with bb_ingest().")));
			break;
	}
	bb_calls_describe(ctx, &(BbCallAbout){.lsn = lsn});
	return lsn;
}
