/*-------------------------------------------------------------------------
 *
 * follower.c
 *	  The standing worker that follows a source with a timeline.
 *
 *	  row ──► lead the spool ──► attempt ──► error ──► pause ──► attempt …
 *								   │			 └──► fail: wait for another row
 *								   │
 *		  store, source ──► receiver ──► import, if need be ──► heal a gap
 *							──► order the receiver ──► bb_ingest_follow
 *
 * An attempt has a memory context, whose reset ends all that it began: locks,
 * connections, files.  The receiver, another process, goes on meanwhile.
 *
 * Catalogs are read in short transactions.  Everything else happens outside of
 * one, so that following doesn't hold up vacuum, for years.
 *
 * Which errors can't pass: those that say that something isn't there any more,
 * is another one, or isn't supported.  What can't be read is received again from
 * the source, at first.  All others may pass: networks and disks come back,
 * and privileges are granted again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/settings.h"
#include "catalog/pg_authid.h"
#include "foreign/foreign.h"
#include "import/server_import.h"
#include "intake/follower_internal.h"
#include "intake/receiver.h"
#include "intake/serverwal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "process/retry.h"
#include "process/standingworker.h"
#include "stats/calls.h"
#include "stores/store_access.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "wal/walspool.h"

/* WAL that can't be read at one place is received so often. */
#define BAD_TIMES_MAX 3

/* How often a follower that can't lead tries to: for less than a minute. */
#define HIDDEN_FAILURES_MAX 5

/* How often a failed follower looks for another row. */
#define FAILED_LOOK_MS 1000

/* How often the receiver is looked for in a pause. */
#define PAUSE_LOOK_MS 1000

/* ---- an attempt ---- */

/* The store and the source of the row, if the role may use them. */
typedef struct Servers
{
	BbStoreAccess store;
	BbSource   *source;
} Servers;

static Servers
access_servers(const BbReqCtx *ctx, BbFollower *follower)
{
	const BbFollowing *following = follower->following;
	Servers		servers;

	bb_follower_begin(follower);
	MemoryContextSwitchTo(follower->attempt);
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(GetUserId())))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role with OID %u does not exist", GetUserId()),
				 errhint("Call bb_unfollow() and bb_follow() as another role.")));
	servers.store = bb_store_access(ctx, following->store,
									following->timeline);
	servers.source = bb_source_access(following->source);
	bb_follower_end(follower);
	MemoryContextSwitchTo(follower->attempt);
	return servers;
}

/* Become the leader.  Returns false if another process is. */
static bool
lead(BbFollower *follower)
{
	MemoryContext old = MemoryContextSwitchTo(follower->life);

	if (!bb_followcontrol_is_led(follower->directory))
		follower->control = bb_followcontrol_create(follower->directory);
	if (follower->control != NULL)
	{
		bb_followcontrol_source(follower->control, follower->following->source,
								follower->following->slot, false);
		ereport(LOG,
				(errmsg("timeline \"%s\" of page store \"%s\" follows source \"%s\"",
						follower->order.timeline, follower->following->store,
						follower->following->source)));
	}
	MemoryContextSwitchTo(old);
	return follower->control != NULL;
}

static void
need_receiver(BbFollower *follower)
{
	ErrorData  *shortage = bb_watch_receiver(follower);

	bb_watch_owner(follower);
	if (shortage != NULL)
		ThrowErrorData(shortage);
}

/* Has the store a timeline, and not just what is left of one? */
static bool
has_timelines(const BbReqCtx *ctx, BbObjectStore *objects)
{
	ListCell   *cell;

	foreach(cell, bb_manifest_list(ctx, objects))
	{
		ErrorData  *error;

		if (bb_manifest_try(ctx, objects, lfirst(cell), &error) != NULL ||
			error != NULL)
			return true;
	}
	return false;
}

/*
 * A timeline that was complete once doesn't exist any more.
 *
 * A store without any timeline may be a file system that isn't mounted.
 */
pg_noreturn static void
report_missing(const BbReqCtx *ctx, BbFollower *follower,
			   BbObjectStore *objects)
{
	bool		is_empty = !has_timelines(ctx, objects);

	follower->verdict = is_empty ? BB_FOLLOW_RETRY : BB_FOLLOW_HOPELESS;
	ereport(ERROR,
			(errcode(is_empty ? ERRCODE_UNDEFINED_FILE
							  : ERRCODE_UNDEFINED_OBJECT),
			 errmsg("timeline \"%s\" does not exist any more in page store \"%s\"",
					follower->order.timeline, bb_objstore_url(objects)),
			 is_empty ? errdetail("The page store has no timelines.") : 0,
			 is_empty
				 ? errhint("If the page store is lost, go on in a copy of it (bb_detach_copy), or let bb_unfollow() and bb_follow() import the source again.")
				 : errhint("If it is lost, bb_follow() imports it again.")));
}

static BbManifest *
import_source(const BbReqCtx *ctx, BbFollower *follower,
			  BbObjectStore *objects, const BbSource *source)
{
	const BbFollowing *following = follower->following;
	BbServerBackupOptions options =
		{.label = "bbackup",
		 .fast_checkpoint = strcmp(following->checkpoint, "fast") == 0,
		 .max_rate_kb = following->max_rate_kb};
	BbServerWal *wal = bb_serverwal_follower(follower->control,
											 follower->directory);
	MemoryContext context;
	BbImportResult result;

	if (following->imported)
		report_missing(ctx, follower, objects);
	bb_watch_state(follower, BB_FOLLOW_IMPORTING);
	follower->importing = true;
	/* the receiver's position isn't the end of the timeline */
	follower->reorder = true;
	context = AllocSetContextCreate(follower->attempt, "bbackup follow import",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	result = bb_import_server(ctx, objects, following->timeline,
							  bb_repl_connect(ctx, &source->target), &options,
							  wal);
	ereport(LOG,
			(errmsg("source \"%s\" was imported as timeline \"%s\"",
					following->source, following->timeline),
			 errdetail("It can be read from " BB_LSN_FORMAT " on.",
					   LSN_FORMAT_ARGS(result.lsn))));
	MemoryContextSwitchTo(follower->attempt);
	MemoryContextDelete(context);
	follower->importing = false;
	return bb_manifest_read(ctx, objects, following->timeline);
}

/* Let the receiver begin, or begin again, at the end of the timeline. */
static void
order_receiver(BbFollower *follower, const BbManifest *manifest)
{
	BbFollowStatus status;

	bb_watch_begin(follower, manifest);
	bb_followcontrol_get(follower->control, &status);
	if (!follower->reorder && status.order != 0 &&
		status.problem == BB_RECEIVER_FINE)
		return;
	bb_followcontrol_order(follower->control, manifest->tli, manifest->end_lsn,
						   true);
	follower->reorder = false;
}

/*
 * Commits of a source may wait until the spool has them.  So a spool that was
 * confirmed before goes on at once, though the page store may be away.  The
 * receiver begins with the first record of the spool: what is before that is
 * committed.  When the timeline can be read, it gets another order.
 */
static void
receive_early(const BbReqCtx *ctx, BbFollower *follower,
			  const BbSource *source)
{
	BbFollowStatus status;
	BbWalStart	start;
	BbFollowStatus *changed;

	bb_followcontrol_get(follower->control, &status);
	if (status.order != 0 || !follower->following->imported ||
		source->confirm != BB_CONFIRM_SPOOL ||
		!bb_walspool_begin(ctx, follower->directory, &start))
		return;
	changed = bb_followcontrol_lock(follower->control);
	changed->system_identifier = start.stream.system_identifier;
	changed->segment_size = start.stream.segment_size;
	bb_followcontrol_unlock(follower->control);
	bb_followcontrol_order(follower->control, start.stream.tli, start.lsn,
						   true);
	follower->reorder = true;
	need_receiver(follower);
}

/* Never returns: an error ends it. */
static void
follow(BbFollower *follower)
{
	const BbReqCtx *ctx = bb_reqctx_root(BB_TASK_FOLLOW, BB_DOWNLOAD_ALLOW);
	const char *timeline = follower->order.timeline;
	Servers		servers;
	BbObjectStore *objects;
	BbManifest *manifest;

	bb_calls_describe(ctx, &(BbCallAbout){.function = "bb_follow"});
	bb_watch_state(follower, BB_FOLLOW_STARTING);
	servers = access_servers(ctx, follower);
	receive_early(ctx, follower, servers.source);
	objects = bb_objstore_open(ctx, servers.store.url, &servers.store.options);
	manifest = bb_manifest_find(ctx, objects, timeline);
	/* so that the receiver knows which system it must be */
	if (manifest != NULL && bb_manifest_consistent(manifest))
		bb_watch_begin(follower, manifest);
	need_receiver(follower);
	if (manifest == NULL || !bb_manifest_consistent(manifest))
		manifest = import_source(ctx, follower, objects, servers.source);
	if (!follower->following->imported)
		bb_follower_set_imported(follower);
	bb_manifest_check_version(manifest);
	if (follower->is_gap)
	{
		bb_gap_heal(ctx, follower, objects, servers.source, manifest);
		follower->is_gap = false;
		follower->reorder = true;
		manifest = bb_manifest_read(ctx, objects, timeline);
	}

	order_receiver(follower, manifest);
	bb_watch_state(follower, BB_FOLLOW_CATCHING_UP);
	follower->ingesting = true;
	bb_ingest_follow(ctx, objects, timeline,
					 bb_walspool_origin(follower->directory,
										bb_receiver_tail(follower->control)),
					 bb_watch_new(follower));
}

/* End what an attempt has left. */
static void
clean_up(BbFollower *follower)
{
	bb_retry_clean_up(&follower->owner, follower->attempt, follower->life);
}

/*
 * Returns the error that ended the attempt, in "context"; NULL if there is
 * nothing to be followed.
 */
static ErrorData *
attempt(BbFollower *follower, MemoryContext context)
{
	ErrorData *volatile error = NULL;

	follower->verdict = BB_FOLLOW_RETRY;
	follower->importing = false;
	follower->ingesting = false;
	PG_TRY();
	{
		follower->owner = ResourceOwnerCreate(NULL, "bbackup follow");
		CurrentResourceOwner = follower->owner;
		MemoryContextSwitchTo(follower->attempt);
		/* whose spool was removed is followed by another process, with another */
		if (!bb_follower_read_row(follower) ||
			(follower->control == NULL && !lead(follower)) ||
			!bb_followcontrol_is_current(follower->control))
			follower->verdict = BB_FOLLOW_GONE;
		else
			follow(follower);
	}
	PG_CATCH();
	{
		error = bb_retry_caught(context);
	}
	PG_END_TRY();
	clean_up(follower);
	return error;
}

/* ---- after an error ---- */

/* What follows an error, if the code that raised it didn't say. */
static BbFollowVerdict
judge(BbFollower *follower, const ErrorData *error)
{
	BbFollowStatus status;

	switch (error->sqlerrcode)
	{
		case ERRCODE_UNDEFINED_OBJECT: /* a server, the timeline */
			/* the next attempt finds out more */
			if (follower->ingesting)
				return BB_FOLLOW_RETRY;
			return BB_FOLLOW_HOPELESS;
		case ERRCODE_WRONG_OBJECT_TYPE:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_INVALID_PARAMETER_VALUE:
			/*
			 * An archive that isn't mounted comes back.  A base backup fails with
			 * such an error, if the standby that makes it is promoted.
			 */
			return follower->is_gap || follower->importing
				? BB_FOLLOW_RETRY
				: BB_FOLLOW_HOPELESS;
		case ERRCODE_DATA_CORRUPTED:
		case ERRCODE_UNDEFINED_FILE:
			break;
		default:
			return BB_FOLLOW_RETRY;
	}

	/* perhaps the spool is damaged, so receive it again */
	follower->reorder = true;
	bb_followcontrol_get(follower->control, &status);
	if (status.stored_lsn != follower->bad_lsn)
		follower->bad_times = 0;
	follower->bad_lsn = status.stored_lsn;
	if (error->sqlerrcode == ERRCODE_DATA_CORRUPTED &&
		++follower->bad_times >= BAD_TIMES_MAX)
		return BB_FOLLOW_HOPELESS;
	return BB_FOLLOW_RETRY;
}

/* Write an error to the log, unless the last one was the same. */
static void
note(BbFollower *follower, ErrorData *error)
{
	BbFollowStatus *status;

	if (follower->control == NULL)
	{
		/* it doesn't lead, so nobody sees its state */
		if (follower->failures == 0)
		{
			error->elevel = LOG;
			ThrowErrorData(error);
		}
		return;
	}
	bb_followcontrol_error(follower->control, error);
	status = bb_followcontrol_lock(follower->control);
	status->restarts++;
	bb_followcontrol_unlock(follower->control);
}

/* Wait until the row is another one, or gone.  Returns at once if it isn't. */
static void
wait_for_another_row(BbFollower *follower)
{
	BbFollowStatus status;

	bb_watch_state(follower, BB_FOLLOW_FAILED);
	do
	{
		bb_standingworker_wait(FAILED_LOOK_MS);
		bb_followcontrol_get(follower->control, &status);
	} while (status.state != BB_FOLLOW_STOPPED &&
			 bb_followcontrol_is_current(follower->control) &&
			 bb_follower_read_row(follower));
}

/*
 * Wait, though the receiver sets our latch.  The receiver has to go on meanwhile:
 * commits of the source may wait for it.
 */
static void
pause_for(BbFollower *follower, long pause_ms)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													pause_ms);
	long		left_ms = pause_ms;

	while (left_ms > 0)
	{
		bb_standingworker_wait(Min(left_ms, PAUSE_LOOK_MS));
		if (follower->control != NULL && follower->receiver_started_at != 0)
			(void) bb_watch_receiver(follower);
		left_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
												  until);
	}
}

/* Returns whether there will be another attempt. */
static bool
recover(BbFollower *follower, ErrorData *error)
{
	BbFollowVerdict verdict = follower->verdict;

	if (verdict == BB_FOLLOW_RETRY)
		verdict = judge(follower, error);
	switch (verdict)
	{
		case BB_FOLLOW_GONE:
			return false;
		case BB_FOLLOW_AGAIN:
			/* a receiver's problem isn't an error yet */
			return true;
		case BB_FOLLOW_HOPELESS:
			note(follower, error);
			ereport(LOG,
					(errmsg("timeline \"%s\" does not follow source \"%s\" any more, after an error",
							follower->order.timeline,
							follower->following->source),
					 errhint("When the cause is gone, bb_follow() starts it again.")));
			wait_for_another_row(follower);
			return false;
		case BB_FOLLOW_RETRY:
			note(follower, error);
			/* the launcher would start another one each minute */
			if (follower->control == NULL && bb_follow_is_launched() &&
				follower->failures >= HIDDEN_FAILURES_MAX)
				return false;
			if (follower->control != NULL)
				bb_watch_state(follower, BB_FOLLOW_WAITING);
			pause_for(follower, bb_retry_pause_ms(++follower->failures));
			/* the source may have the WAL of a gap by then */
			follower->reorder |= follower->is_gap;
			follower->is_gap = false;
			return true;
	}
	return false;
}

/* ---- the task ---- */

static BbFollower *
follower_new(const BbFollowOrder *order)
{
	MemoryContext life = AllocSetContextCreate(CurrentMemoryContext,
											   "bbackup follower",
											   ALLOCSET_DEFAULT_SIZES);
	BbFollower *follower = MemoryContextAllocZero(life, sizeof(BbFollower));

	follower->order = *order;
	follower->life = life;
	follower->attempt = AllocSetContextCreate(life, "bbackup follow attempt",
											  ALLOCSET_DEFAULT_SIZES);
	follower->row = AllocSetContextCreate(life, "bbackup follow row",
										  ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(life);
	follower->directory = bb_followcontrol_path(order->store, order->timeline);
	return follower;
}

static void
make_attempts(BbFollower *follower)
{
	MemoryContext errors = AllocSetContextCreate(follower->life,
												 "bbackup follow error",
												 ALLOCSET_DEFAULT_SIZES);
	ErrorData  *error;

	do
	{
		MemoryContextReset(errors);
		error = attempt(follower, errors);
		MemoryContextSwitchTo(errors);
	} while (error != NULL && recover(follower, error));
}

/* Has bb_unfollow ended it?  It sends a SIGTERM, for the case of an import. */
static bool
is_stopped(BbFollower *follower)
{
	BbFollowStatus status = {0};

	if (follower->control != NULL)
		bb_followcontrol_get(follower->control, &status);
	return bb_standingworker_terminated() && status.state == BB_FOLLOW_STOPPED;
}

void
bb_follow_task(const void *payload, size_t length)
{
	BbFollower *follower = follower_new(payload);
	BbFollowOrder order = follower->order;
	BbFollowStatus last = {.state = BB_FOLLOW_STOPPED};
	BbFollowControl *former = NULL;

	/* following has no end */
	SetConfigOption("bbackup.call_timeout", "0", PGC_USERSET, PGC_S_OVERRIDE);
	PG_TRY();
	{
		make_attempts(follower);
	}
	PG_CATCH();
	{
		if (!is_stopped(follower))
			PG_RE_THROW();
		FlushErrorState();
		AbortCurrentTransaction();
		clean_up(follower);
	}
	PG_END_TRY();

	if (follower->control != NULL)
	{
		bb_followcontrol_get(follower->control, &last);
		ereport(LOG,
				(errmsg("timeline \"%s\" stops following source \"%s\"",
						order.timeline, last.source)));
	}
	/* a second mapping, which outlasts our lead */
	MemoryContextSwitchTo(TopMemoryContext);
	if (follower->control != NULL &&
		bb_followcontrol_is_current(follower->control))
		former = bb_followcontrol_attach(follower->directory);
	MemoryContextDelete(follower->life);
	/* bb_unfollow, which may be rolled back, does this itself */
	if (last.state != BB_FOLLOW_STOPPED)
		bb_successor_start(&order, former);
}
