/*-------------------------------------------------------------------------
 *
 * visit.c
 *	  A visit to a store: one job and one piece of each chore a timeline.
 *
 * An error ends the attempt in which it happens, with all that it has opened.
 * The visit goes on in another one, for which the store is opened anew: after a
 * job with the chores of the timeline, so that a timeline whose layers are lost
 * is verified nevertheless, and after a chore with the next timeline.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/foreigntext.h"
#include "base/settings.h"
#include "keeper/keeper.h"
#include "keeper/keeper_internal.h"
#include "layer/manifest.h"
#include "miscadmin.h"
#include "process/retry.h"
#include "process/standingworker.h"
#include "stats/calls.h"
#include "stores/store_access.h"
#include "stores/store_probe.h"
#include "stores/store_timelines.h"
#include "upkeep/pace.h"
#include "upkeep/upkeep.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

typedef struct Visit
{
	const BbKeeperStore *store;
	MemoryContext context; /* of the visit */
	MemoryContext attempt; /* reset after an error */
	ResourceOwner owner;   /* of the attempt; NULL: none */
	const BbReqCtx *ctx;
	BbObjectStore *objects;
	List	   *timelines; /* names, once the store has been looked at */
	bool		listed;
	int			next;	   /* of timelines */
	bool		job_tried; /* of the next timeline */
	bool		more;	   /* something was done */

	/* what is under way, for its error */
	const char *timeline; /* "": the store itself */
	int			kind;
	bool		known; /* an error would be one that was noted before */
	BbUpkeepOutcome outcome;
} Visit;

/* ---- the store ---- */

BbObjectStore *
bb_keeper_open_store(const BbReqCtx *ctx, Oid server)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ForeignServer *foreign;
	BbStoreAccess access;
	Oid			user;
	int			context;

	bb_worker_begin_transaction();
	MemoryContextSwitchTo(caller);
	/* an abort restores the user, too */
	GetUserIdAndSecContext(&user, &context);
	foreign = GetForeignServer(server);
	SetUserIdAndSecContext(foreign->owner,
						   context | SECURITY_RESTRICTED_OPERATION |
							   SECURITY_LOCAL_USERID_CHANGE);
	access = bb_store_access(ctx, foreign->servername, NULL);
	SetUserIdAndSecContext(user, context);
	bb_worker_end_transaction();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	return bb_objstore_open(ctx, access.url, &access.options);
}

/* Called within jobs, too. */
static void
heed_settings(void)
{
	bb_standingworker_reload();
	if (!bb_setting_upkeep)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("upkeep of page stores was switched off")));
}

static BbJobPlace
place_of(const Visit *visit)
{
	return bb_jobplace(visit->store->name, visit->timeline);
}

/* ---- a timeline ---- */

static void
do_chore(Visit *visit, int number, const BbManifest *manifest)
{
	const BbChore *chore = bb_chores[number];
	const BbChorePlace place = {.server = visit->store->server,
								.server_name = visit->store->name,
								.objects = visit->objects,
								.manifest = manifest};
	const BbReqCtx *ctx = bb_reqctx_attached_child(visit->ctx, chore->kind);
	BbJob		job = {.place = place_of(visit),
					   .kind = BB_KEEPER_CHORES + number};
	BbChoreReport report = {0};

	visit->kind = job.kind;
	if (!bb_jobs_may_run(&job.place, job.kind) || !chore->is_due(ctx, &place))
		return;
	bb_jobs_begin(&job);
	chore->run(ctx, &place, &report);
	visit->more |= report.more;
	bb_reqctx_end(ctx);
	if (report.what == NULL)
	{
		bb_jobs_overcome(&job.place, job.kind);
		return;
	}
	bb_text_copy(job.why, report.what, sizeof(job.why));
	job.layers_read = report.objects_read;
	job.bytes_read = report.bytes_read;
	job.bytes_written = report.bytes_written;
	(void) bb_jobs_end(&job);
}

static void
do_chores(Visit *visit)
{
	const BbManifest *manifest;
	BbJobPlace	place = place_of(visit);

	if (bb_nchores == 0)
		return;
	visit->known = !bb_jobs_may_run(&place, BB_KEEPER_LOOK);
	manifest = bb_manifest_find(visit->ctx, visit->objects, visit->timeline);
	visit->known = false;
	for (int i = 0; manifest != NULL && i < bb_nchores; i++)
	{
		heed_settings();
		do_chore(visit, i, manifest);
	}
}

static void
do_job(Visit *visit)
{
	BbUpkeepOptions options = {.place = place_of(visit),
							   .kinds = BB_UPKEEP_ALL};

	if (!bb_jobs_may_run(&options.place, BB_KEEPER_LOOK))
		return;
	bb_upkeep_step(visit->ctx, visit->objects, visit->timeline, &options,
				   &visit->outcome);
	visit->more |= visit->outcome.state == BB_UPKEEP_DONE;
	bb_jobs_overcome(&options.place, BB_KEEPER_LOOK);
}

static void
visit_timeline(Visit *visit)
{
	MemoryContext context = AllocSetContextCreate(visit->attempt,
												  "bbackup upkeep timeline",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	visit->timeline = list_nth(visit->timelines, visit->next);
	visit->kind = BB_KEEPER_LOOK;
	if (!visit->job_tried)
	{
		visit->job_tried = true;
		do_job(visit);
	}
	visit->job_tried = false;
	visit->next++;
	do_chores(visit);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* ---- the cache ---- */

/* Evict what nobody has used for long, and what is too much for the disk. */
static void
make_room(Visit *visit)
{
	BbJob		job = {.place = place_of(visit), .kind = BB_KEEPER_ROOM};
	uint64		min_free = (uint64) bb_setting_cache_free_space_mb * 1024 *
		1024;
	BbEvicted	idle = {0};
	BbEvicted	more = {0};

	if (bb_objstore_residency(visit->objects) != BB_RESIDENT_IN_CACHE ||
		!bb_jobs_may_run(&job.place, BB_KEEPER_ROOM))
		return;
	visit->kind = BB_KEEPER_ROOM;
	if (bb_setting_eviction_threshold_s > 0)
		idle = bb_objstore_evict_idle(visit->ctx, visit->objects,
									  GetCurrentTimestamp() -
										  bb_setting_eviction_threshold_s *
											  USECS_PER_SEC);
	if (min_free > 0)
		more = bb_objstore_relieve(visit->ctx, visit->objects, min_free);
	bb_jobs_overcome(&job.place, BB_KEEPER_ROOM);
	visit->kind = BB_KEEPER_LOOK;
	if (idle.objects + more.objects == 0)
		return;
	bb_jobs_begin(&job);
	snprintf(
		job.why, sizeof(job.why), "%s",
		more.objects > 0
			? "the file system has less than bbackup.cache_free_space free"
			: "layers were not used for bbackup.eviction_threshold");
	job.layers_removed = idle.objects + more.objects;
	(void) bb_jobs_end(&job);
}

/* ---- an attempt ---- */

static void
list_timelines(Visit *visit)
{
	List	   *names = bb_manifest_list(visit->ctx, visit->objects);
	MemoryContext old = MemoryContextSwitchTo(visit->context);
	ListCell   *cell;

	foreach(cell, names)
		visit->timelines = lappend(visit->timelines, pstrdup(lfirst(cell)));
	MemoryContextSwitchTo(old);
	bb_jobs_forget_others(visit->store->name, visit->timelines);
	visit->listed = true;
}

static void
attempt(Visit *visit)
{
	BbJobPlace	place;

	visit->owner = ResourceOwnerCreate(NULL, "bbackup upkeep");
	CurrentResourceOwner = visit->owner;
	MemoryContextSwitchTo(visit->attempt);
	visit->timeline = "";
	visit->kind = BB_KEEPER_LOOK;
	memset(&visit->outcome, 0, sizeof(visit->outcome));
	place = place_of(visit);
	if (!bb_jobs_may_run(&place, BB_KEEPER_LOOK))
	{
		visit->listed = true;
		return;
	}

	visit->ctx = bb_reqctx_uncounted_root(BB_TASK_UPKEEP, BB_DOWNLOAD_ALLOW);
	bb_calls_describe(visit->ctx, &(BbCallAbout){.function = "bb_upkeep"});
	bb_upkeeppace_begin(visit->ctx, heed_settings);
	visit->objects = bb_keeper_open_store(visit->ctx, visit->store->server);
	if (!visit->listed)
	{
		list_timelines(visit);
		make_room(visit);
		if (visit->timelines != NIL)
			bb_store_note_growth(visit->ctx, visit->objects);
	}
	bb_jobs_overcome(&place, BB_KEEPER_LOOK);
	while (visit->next < list_length(visit->timelines))
	{
		heed_settings();
		visit_timeline(visit);
	}
	bb_reqctx_end(visit->ctx);
}

/* Note an error, and log it if it is another one than the last. */
static void
note(Visit *visit, ErrorData *error)
{
	BbJob		job = {.place = place_of(visit), .kind = visit->kind};
	bool		another = visit->outcome.another_error;

	visit->more |= visit->outcome.left_out;
	if (!visit->outcome.noted)
	{
		bb_jobs_begin(&job);
		job.sqlstate = error->sqlerrcode;
		bb_text_copy(job.message, error->message, sizeof(job.message));
		another = bb_jobs_end(&job);
	}
	if (!another)
		return;
	error->elevel = LOG;
	error->context = visit->timeline[0] != '\0'
		? psprintf("upkeep of timeline \"%s\" of page store \"%s\"",
				   visit->timeline, visit->store->name)
		: psprintf("upkeep of page store \"%s\"", visit->store->name);
	ThrowErrorData(error);
}

static void
make_attempt(Visit *visit)
{
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		attempt(visit);
	}
	PG_CATCH();
	{
		error = bb_retry_caught(visit->context);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(visit->context);
	if (error != NULL && !visit->known)
		note(visit, error);
	visit->known = false;
	/*
	 * A store that can't be opened or listed has been visited.  If its cache
	 * is the trouble, its timelines aren't.
	 */
	if (error != NULL && visit->timeline[0] == '\0' &&
		visit->kind != BB_KEEPER_ROOM)
	{
		visit->listed = true;
		visit->next = list_length(visit->timelines);
	}
	bb_retry_clean_up(&visit->owner, visit->attempt, visit->context);
}

bool
bb_visit_store(const BbKeeperStore *store)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup upkeep visit",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Visit		visit = {.store = store, .context = context};

	visit.attempt = AllocSetContextCreate(context, "bbackup upkeep attempt",
										  ALLOCSET_DEFAULT_SIZES);
	do
		make_attempt(&visit);
	while (!visit.listed || visit.next < list_length(visit.timelines));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return visit.more;
}
