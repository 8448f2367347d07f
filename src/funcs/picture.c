/*-------------------------------------------------------------------------
 *
 * picture.c
 *	  A picture of a timeline's layers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/caught.h"
#include "base/events.h"
#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "stores/store_access.h"
#include "timeline/timeline.h"
#include "upkeep/picture.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_layer_map);

/* Looks up the times of commits; gives up when a layer can't be read. */
typedef struct Times
{
	const BbReqCtx *ctx;
	BbObjectStore *objects;
	const BbManifest *manifest;
	BbTimeline *timeline; /* NULL: not opened yet */
	bool		failed;
} Times;

static bool
read_time(Times *times, XLogRecPtr lsn, int64 *time)
{
	BbKey		key = bb_event_key(BB_KEY_COMMIT_TIME);
	BbCommit	commit;
	BbEntry		entry;

	if (times->timeline == NULL)
		times->timeline = bb_timeline_open_manifest(times->ctx, times->objects,
													times->manifest);
	if (!bb_timeline_get(times->ctx, times->timeline, &key, lsn, &entry) ||
		!bb_commit_decode(entry.value, entry.length, &commit))
		return false;
	*time = timestamptz_to_time_t(commit.time);
	return true;
}

/* A store whose layers are broken is a reason to look at its picture. */
static bool
time_at(void *arg, XLogRecPtr lsn, int64 *time)
{
	MemoryContext context = CurrentMemoryContext;
	Times	   *times = arg;
	volatile bool found = false;

	if (times->failed)
		return false;
	PG_TRY();
	{
		found = read_time(times, lsn, time);
	}
	PG_CATCH();
	{
		ErrorData  *error = bb_caught(context);

		times->failed = true;
		ereport(NOTICE,
				(errcode(error->sqlerrcode),
				 errmsg("the picture has no times: %s", error->message)));
	}
	PG_END_TRY();
	return found;
}

/* Find the branches of a timeline; those that can't be read are left out. */
static void
find_branches(const BbReqCtx *ctx, BbObjectStore *objects, BbPicture *picture)
{
	List	   *names = bb_manifest_list(ctx, objects);
	BbPictureBranch *branches = palloc((list_length(names) + 1) *
									   sizeof(BbPictureBranch));
	ListCell   *cell;

	picture->branches = branches;
	foreach(cell, names)
	{
		ErrorData  *error;
		BbManifest *manifest = bb_manifest_try(ctx, objects, lfirst(cell),
											   &error);

		if (manifest != NULL && manifest->ancestor != NULL &&
			strcmp(manifest->ancestor, picture->manifest->timeline) == 0)
			branches[picture->nbranches++] =
				(BbPictureBranch){manifest->timeline, manifest->ancestor_lsn};
	}
}

/* bb_layer_map(store name, timeline text) */
static Datum
bb_sql_layer_map_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	char	   *server = bb_arg_name(fcinfo, 0, "store");
	char	   *timeline = bb_arg_text(fcinfo, 1, "timeline");
	BbObjectStore *objects = bb_store_open(ctx, server, timeline);
	BbManifest *manifest = bb_manifest_read(ctx, objects, timeline);
	Times		times = {.ctx = ctx, .objects = objects, .manifest = manifest};
	BbPicture	picture = {.manifest = manifest,
						   .store = server,
						   .time_at = time_at,
						   .arg = &times};
	char	   *svg;

	find_branches(ctx, objects, &picture);
	svg = bb_picture_svg(ctx, &picture);
	bb_reqctx_end(ctx);
	PG_RETURN_TEXT_P(cstring_to_text(svg));
}
