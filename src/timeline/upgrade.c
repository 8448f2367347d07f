/*-------------------------------------------------------------------------
 *
 * upgrade.c
 *	  Timelines before and after a major upgrade.
 *
 * pg_upgrade makes a new cluster with another system identifier, so its history
 * is a timeline of its own.  It lets the WAL of the new cluster begin behind
 * that of the old one (copy_xact_xlog_xid in PostgreSQL's pg_upgrade.c), so
 * LSNs of both are in one order.
 *
 *	  old timeline (15) ----- end | pg_upgrade | start ----- new timeline (18)
 *		 ^------------------------ upgraded_from --------------^
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "layer/manifest_edit.h"
#include "timeline/timeline.h"

/* Can the cluster of "after" have been made of that of "before"? */
static void
check_upgrade(const BbManifest *before, const BbManifest *after)
{
	char	   *detail = NULL;

	if (before->system_identifier == after->system_identifier)
		detail = psprintf("Both have the system identifier " UINT64_FORMAT
						  ". pg_upgrade makes a new one.",
						  after->system_identifier);
	else if (before->pg_version_num / 10000 > after->pg_version_num / 10000)
		detail = psprintf(
			"Timeline \"%s\" is of a PostgreSQL %u cluster, and \"%s\" of PostgreSQL %u.",
			after->timeline, after->pg_version_num / 10000, before->timeline,
			before->pg_version_num / 10000);
	else if (before->end_lsn > after->start_lsn)
		detail = psprintf(
			"Timeline \"%s\" begins at " BB_LSN_FORMAT
			", before the end of \"%s\" at " BB_LSN_FORMAT
			". The WAL of an upgraded cluster begins behind that of the old one.",
			after->timeline, LSN_FORMAT_ARGS(after->start_lsn),
			before->timeline, LSN_FORMAT_ARGS(before->end_lsn));
	if (detail != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeline \"%s\" was not upgraded from timeline \"%s\"",
						after->timeline, before->timeline),
				 errdetail_internal("%s", detail)));
}

void
bb_timeline_set_upgraded_from(const BbReqCtx *ctx, BbObjectStore *objects,
							  const char *name, const char *from)
{
	BbManifest *manifest = bb_manifest_read(ctx, objects, name);
	BbManifestEdit edit = {.base = manifest,
						   .upgraded_from = from ? from : ""};

	if (from != NULL)
	{
		if (manifest->ancestor != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("timeline \"%s\" is a branch", name),
					 errdetail("What was before its start is in its ancestor \"%s\".",
							   manifest->ancestor)));
		check_upgrade(bb_manifest_read(ctx, objects, from), manifest);
	}
	(void) bb_manifest_edit(ctx, objects, &edit);
}
