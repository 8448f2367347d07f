/*-------------------------------------------------------------------------
 *
 * branch.c
 *	  Making branches, and dropping timelines.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/events.h"
#include "layer/manifest_edit.h"
#include "timeline/timeline.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/*
 * An operation has its own memory context, so that its locks end with it: one
 * query may perform several operations.
 */
static MemoryContext
begin_operation(void)
{
	return MemoryContextSwitchTo(
		AllocSetContextCreate(CurrentMemoryContext, "bbackup timelines",
							  ALLOCSET_DEFAULT_SIZES));
}

static void
end_operation(MemoryContext old)
{
	MemoryContext context = MemoryContextSwitchTo(old);

	MemoryContextDelete(context);
}

/*
 * Raise an error if the name is taken.  The remains of an import that was
 * killed don't count (import.h).
 */
static void
need_name(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	BbManifest *manifest = bb_manifest_find(ctx, objects, name);

	if (manifest != NULL && bb_manifest_consistent(manifest))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("timeline \"%s\" already exists", name)));
}

/*
 * Set the time of the end of a branch: that of the last commit before it, if
 * there is one since the last gap.
 */
static void
set_end_time(const BbReqCtx *ctx, BbTimeline *ancestor, BbManifest *branch)
{
	BbKey		key = bb_event_key(BB_KEY_COMMIT_TIME);
	const BbManifest *manifest = bb_timeline_manifest(ancestor);
	const BbGap *gap = bb_gap_before(manifest->gaps, manifest->ngaps,
									 branch->end_lsn);
	BbCommit	commit;
	BbEntry		entry;

	if (gap != NULL && branch->end_lsn != manifest->end_lsn)
		branch->end_time = gap->until_time;
	if (branch->end_lsn != manifest->end_lsn &&
		bb_timeline_get(ctx, ancestor, &key, branch->end_lsn, &entry) &&
		bb_commit_decode(entry.value, entry.length, &commit))
		branch->end_time = timestamptz_to_time_t(commit.time);
}

/* REQUIRES: the locks. */
static void
make_branch(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
			const char *ancestor, XLogRecPtr lsn)
{
	BbTimeline *timeline;
	BbManifest	branch;

	timeline = bb_timeline_open(ctx, objects, ancestor);
	/* the start may have moved since the LSN was looked up, without the lock */
	if (!bb_manifest_has_lsn(bb_timeline_manifest(timeline), lsn))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("LSN " BB_LSN_FORMAT " of timeline \"%s\" cannot be read any more",
						LSN_FORMAT_ARGS(lsn), ancestor),
				 errdetail("It can be read from " BB_LSN_FORMAT " to " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(
							   bb_timeline_manifest(timeline)->start_lsn),
						   LSN_FORMAT_ARGS(
							   bb_timeline_manifest(timeline)->end_lsn)),
				 errhint("What has expired does not come back.")));
	branch = *bb_timeline_manifest(timeline);
	branch.timeline = pstrdup(name);
	branch.generation = 0;
	branch.tag = BB_OBJECT_ABSENT;
	branch.start_lsn = lsn;
	branch.prev_lsn = InvalidXLogRecPtr;
	branch.ancestor = pstrdup(ancestor);
	branch.ancestor_lsn = lsn;
	branch.ngaps = 0;
	branch.gaps_forgotten = false;
	/*
	 * Pins and points are of the ancestor, and so are its retired layers.  A
	 * branch of a copy isn't one.
	 */
	branch.keeps = (BbKeeps){.retention = branch.keeps.retention};
	branch.nlayers = 0;
	bb_manifest_cut(&branch, lsn);
	set_end_time(ctx, timeline, &branch);
	(void) bb_manifest_edit(ctx, objects, &(BbManifestEdit){.base = &branch});
}

void
bb_timeline_branch(const BbReqCtx *ctx, BbObjectStore *objects,
				   const char *name, const char *ancestor, XLogRecPtr lsn)
{
	MemoryContext old = begin_operation();

	bb_manifest_lock_tree(ctx, objects);
	need_name(ctx, objects, name); /* before a lock makes a directory */
	bb_manifest_lock(ctx, objects, name);
	need_name(ctx, objects, name);
	bb_manifest_remove(ctx, objects, name); /* remains of a killed import */
	make_branch(ctx, objects, name, ancestor, lsn);
	end_operation(old);
}

/*
 * Raise an error if there is no such timeline.  *broken: it exists, but its
 * manifest can't be read.
 */
static void
need_timeline(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
			  bool *broken)
{
	ErrorData  *error;

	if (bb_manifest_try(ctx, objects, name, &error) == NULL && error == NULL)
		bb_timeline_report_missing(objects, name);
	bb_manifest_refuse_newer(error);
	*broken = error != NULL;
}

/*
 * Raise an error if another timeline needs the one to be dropped.
 *
 * A timeline whose manifest can't be read may be a branch of it.  That doesn't
 * matter if the one to be dropped is broken, since no branch could read it.
 */
static void
check_not_needed(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
				 bool broken, const char *other)
{
	ErrorData  *error;
	BbManifest *manifest = bb_manifest_try(ctx, objects, other, &error);

	if (!broken)
		bb_manifest_refuse_newer(error);
	if (error != NULL && !broken)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop timeline \"%s\" because timeline \"%s\" might be a branch of it",
						name, other),
				 errdetail("The manifest of timeline \"%s\" cannot be read: %s.",
						   other, error->message),
				 errhint("Restore that manifest from a copy of the page store, or drop timeline \"%s\" first.",
						 other)));
	if (manifest != NULL && manifest->ancestor != NULL &&
		strcmp(manifest->ancestor, name) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop timeline \"%s\" because timeline "
						"\"%s\" is a branch of it",
						name, other),
				 errhint("Drop the branch first.")));
}

void
bb_timeline_drop(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	MemoryContext old = begin_operation();
	bool		broken;
	ListCell   *cell;

	bb_timeline_name_check(name);
	/* before a lock makes a directory */
	need_timeline(ctx, objects, name, &broken);
	bb_manifest_lock_tree(ctx, objects);
	bb_manifest_lock(ctx, objects, name);
	need_timeline(ctx, objects, name, &broken);

	foreach(cell, bb_manifest_list(ctx, objects))
		if (strcmp(lfirst(cell), name) != 0)
			check_not_needed(ctx, objects, name, broken, lfirst(cell));
	bb_manifest_remove(ctx, objects, name);
	end_operation(old);
}
