/*-------------------------------------------------------------------------
 *
 * move.c
 *	  Moving a timeline to another page store.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "upkeep/move.h"
#include "utils/memutils.h"

static bool
is_copy_of(const BbManifest *manifest, const BbObjectStore *objects)
{
	const char *source = manifest->keeps.copy.source;

	return source != NULL && strcmp(source, bb_objstore_url(objects)) == 0;
}

/*
 * A timeline whose manifest can't be read may be a branch, as when a timeline is
 * dropped.
 */
static void
check_branches(const BbReqCtx *ctx, BbObjectStore *objects,
			   const char *timeline)
{
	ListCell   *cell;

	foreach(cell, bb_manifest_list(ctx, objects))
	{
		ErrorData  *error;
		BbManifest *other = bb_manifest_try(ctx, objects, lfirst(cell),
											&error);

		bb_manifest_refuse_newer(error);
		if (error != NULL ||
			(other != NULL && other->ancestor != NULL &&
			 strcmp(other->ancestor, timeline) == 0))
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 error != NULL
						 ? errmsg("cannot move timeline \"%s\" because timeline \"%s\" might be a branch of it",
								  timeline, (char *) lfirst(cell))
						 : errmsg("cannot move timeline \"%s\" because timeline \"%s\" is a branch of it",
								  timeline, (char *) lfirst(cell)),
					 error != NULL ? errdetail("Its manifest cannot be read: %s.",
											   error->message)
								   : 0,
					 errhint("Move or drop that timeline first.")));
	}
}

/*
 * Mark the source as a copy of the target, which has all of it.  Returns false if
 * the source has changed since it was copied.
 */
static bool
make_switch(const BbReqCtx *ctx, BbObjectStore *from, BbObjectStore *to,
			const BbReplicated *copied)
{
	BbManifest *source = bb_manifest_read(ctx, from, copied->timeline);
	BbManifest *target = bb_manifest_read(ctx, to, copied->timeline);

	if (source->generation != copied->generation)
		return false;
	source->keeps.copy = (BbCopyMark){.source = pstrdup(bb_objstore_url(to)),
									  .generation = target->generation,
									  .copied_at = time(NULL)};
	return bb_manifest_commit(ctx, from, source);
}

/*
 * The switch was made: the target is the timeline now.
 *
 * The source goes before the target is detached.  So a source that is a copy of
 * a timeline which is none was never switched: it is a second copy, and perhaps
 * all that is whole.
 *
 * REQUIRES: the locks of the source.
 */
static void
finish(const BbReqCtx *ctx, BbObjectStore *from, BbObjectStore *to,
	   const BbManifest *source)
{
	BbManifest *target = bb_manifest_find(ctx, to, source->timeline);

	if (target == NULL || target->end_lsn < source->end_lsn ||
		target->system_identifier != source->system_identifier)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("timeline \"%s\" was moved, but page store \"%s\" does not have all of it",
						source->timeline, bb_objstore_url(to)),
				 errdetail("The one in page store \"%s\" is whole, and can be read.",
						   bb_objstore_url(from)),
				 errhint("bb_detach_copy() makes that one independent.")));
	if (!is_copy_of(target, from))
		bb_manifest_check_no_copy(source);
	bb_manifest_remove(ctx, from, source->timeline);
	bb_replication_detach(ctx, to, source->timeline);
}

/* The rest of a move, under the locks of the source. */
static void
complete(const BbReqCtx *ctx, BbObjectStore *from, BbObjectStore *to,
		 BbReplicated *copied)
{
	const char *timeline = copied->timeline;
	BbManifest *source;

	bb_manifest_lock_tree(ctx, from);
	bb_manifest_lock(ctx, from, timeline);
	check_branches(ctx, from, timeline);
	source = bb_manifest_read(ctx, from, timeline);
	while (!is_copy_of(source, to))
	{
		BbReplicated *rest;

		bb_manifest_check_no_copy(source);
		rest = bb_replication_one(ctx, from, to, timeline);
		copied->layers_copied += rest->layers_copied;
		copied->bytes_copied += rest->bytes_copied;
		copied->layers_found += rest->layers_found;
		copied->end_lsn = rest->end_lsn;
		copied->end_time = rest->end_time;
		(void) make_switch(ctx, from, to, rest);
		source = bb_manifest_read(ctx, from, timeline);
	}
	finish(ctx, from, to, source);
}

/*
 * The source has no such timeline.  Was a move killed after it had removed the
 * manifest?  Then remove what is left, and detach the target.
 */
static bool
finish_removed(const BbReqCtx *ctx, BbObjectStore *from, BbObjectStore *to,
			   const char *timeline)
{
	BbManifest *target = bb_manifest_find(ctx, to, timeline);

	if (target == NULL ||
		(!is_copy_of(target, from) &&
		 bb_objstore_list(ctx, from,
						  psprintf("timelines/%s/layers", timeline)) == NIL))
		return false;
	bb_manifest_lock(ctx, from, timeline);
	if (bb_manifest_find(ctx, from, timeline) != NULL)
		return false;
	bb_manifest_remove(ctx, from, timeline);
	if (is_copy_of(target, from))
		bb_replication_detach(ctx, to, timeline);
	return true;
}

/* The row of a timeline that is in the target already. */
static BbReplicated *
moved_row(const BbReqCtx *ctx, BbObjectStore *to, const char *timeline)
{
	BbReplicated *row = palloc0(sizeof(BbReplicated));
	BbManifest *target = bb_manifest_find(ctx, to, timeline);

	row->timeline = pstrdup(timeline);
	if (target != NULL)
	{
		row->end_lsn = target->end_lsn;
		row->end_time = target->end_time;
	}
	return row;
}

List *
bb_moving_run(const BbReqCtx *ctx, BbObjectStore *from, BbObjectStore *to,
			  const char *timeline)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext operation = AllocSetContextCreate(caller, "bbackup move",
													ALLOCSET_DEFAULT_SIZES);
	BbManifest *source = bb_manifest_find(ctx, from, timeline);
	List	   *done;
	bool		removed = false;

	if (source == NULL)
	{
		MemoryContextSwitchTo(operation);
		removed = finish_removed(ctx, from, to, timeline);
		MemoryContextSwitchTo(caller);
		if (!removed)
			bb_timeline_report_missing(from, timeline);
	}
	if (source == NULL || is_copy_of(source, to))
		done = list_make1(moved_row(ctx, to, timeline));
	else
	{
		bb_manifest_check_no_copy(source);
		check_branches(ctx, from, timeline);
		done = bb_replication_run(ctx, from, to, timeline);
	}
	if (source != NULL)
	{
		MemoryContextSwitchTo(operation);
		complete(ctx, from, to, llast(done));
		MemoryContextSwitchTo(caller);
	}
	MemoryContextDelete(operation);
	return done;
}
