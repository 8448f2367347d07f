/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  Waiting until a timeline can be read at an LSN.
 *
 * A session that waits asks the follower for a flush, by the control block, and
 * then looks every few milliseconds.  The LSN of a server may lie in the midst
 * of a record or of a page header, so what counts is covered_lsn.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "foreign/foreign.h"
#include "intake/follow.h"
#include "layer/manifest.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "process/waitset.h"
#include "stores/store_access.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Pauses between two looks at a control block, and at a manifest. */
#define FIRST_PAUSE_MS 2
#define CONTROL_PAUSE_MS 50
#define MANIFEST_PAUSE_MS 500

typedef struct Wait
{
	const char *store;
	const char *timeline;
	const char *directory; /* of the spool */
	BbObjectStore *objects;
	MemoryContext context; /* of the control block */
	BbFollowControl *control;
	TimeLineID	tli;	  /* of the source; 0: any */
	bool		followed; /* by this server */
	BbFollowStatus status;
} Wait;

/* Returns the end of the WAL of the timeline's source, and its tli. */
static XLogRecPtr
source_lsn(const BbReqCtx *ctx, const char *store, const char *timeline,
		   const BbFollowing *following, TimeLineID *tli)
{
	const BbReplServer *server;
	MemoryContext context;
	MemoryContext old;
	XLogRecPtr	lsn;

	if (following == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("timeline \"%s\" of page store \"%s\" does not follow a source of this server",
						timeline, store),
				 errhint("Give an LSN to wait for; or follow a source by bb_follow().")));
	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup source LSN",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	server = bb_repl_server(
		bb_repl_connect(ctx, &bb_source_access(following->source)->target));
	lsn = server->lsn;
	*tli = server->tli;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return lsn;
}

/*
 * Is the timeline on the source's tli?  WAL that was received before the source
 * left another one may go further, but isn't the source's.
 */
static bool
is_on_tli(const Wait *wait)
{
	return wait->status.reading_tli >= wait->tli;
}

/*
 * Attach to the control block of the follower, if one runs, and ask it.
 *
 * Of several waiters, the one with the least LSN asks first, and the next one
 * when that is committed: an LSN that never comes keeps nobody else waiting.
 */
static void
ask_follower(Wait *wait, XLogRecPtr lsn)
{
	MemoryContext old;
	BbFollowStatus *status;
	bool		asks;

	if (wait->control != NULL && !bb_followcontrol_is_current(wait->control))
	{
		MemoryContextReset(wait->context);
		wait->control = NULL;
	}
	if (wait->control == NULL)
	{
		old = MemoryContextSwitchTo(wait->context);
		wait->control = bb_followcontrol_attach(wait->directory);
		MemoryContextSwitchTo(old);
		if (wait->control == NULL)
			return;
	}
	bb_followcontrol_get(wait->control, &wait->status);
	if (!is_on_tli(wait))
		return;
	status = bb_followcontrol_lock(wait->control);
	asks = status->wanted_lsn <= status->covered_lsn ||
		lsn < status->wanted_lsn;
	if (asks)
		status->wanted_lsn = lsn;
	bb_followcontrol_unlock(wait->control);
	if (asks)
		bb_followcontrol_wake_leader(wait->control);
}

static void
report_failed(const Wait *wait)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("following of timeline \"%s\" has failed", wait->timeline),
			 errdetail_internal("%s", wait->status.error),
			 errhint("When the cause is gone, bb_follow() starts it again.")));
}

static void
report_timeout(const Wait *wait, XLogRecPtr lsn, XLogRecPtr readable)
{
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("timeline \"%s\" could not be read at " BB_LSN_FORMAT " in time",
					wait->timeline, LSN_FORMAT_ARGS(lsn)),
			 wait->control != NULL
				 ? errdetail("It can be read up to " BB_LSN_FORMAT "; following is %s%s%s.",
							 LSN_FORMAT_ARGS(readable),
							 bb_follow_state_name(bb_follow_state(wait->control)),
							 wait->status.error[0] != '\0' ? ": " : "",
							 wait->status.error)
				 : errdetail("It can be read up to " BB_LSN_FORMAT "; %s.",
							 LSN_FORMAT_ARGS(readable),
							 wait->followed
								 ? "its follower does not run"
								 : "this server does not follow its source")));
}

static XLogRecPtr
manifest_end(const BbReqCtx *ctx, const Wait *wait)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup wait",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbManifest *manifest = bb_manifest_find(ctx, wait->objects,
											wait->timeline);
	XLogRecPtr	end = InvalidXLogRecPtr;

	if (manifest == NULL && !wait->followed)
		bb_timeline_report_missing(wait->objects, wait->timeline);
	if (manifest != NULL && bb_manifest_consistent(manifest) &&
		manifest->tli >= wait->tli)
		end = bb_manifest_readable(manifest).end_lsn;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return end;
}

/* Is the timeline readable at lsn?  Sets *readable to its end. */
static bool
look(const BbReqCtx *ctx, Wait *wait, XLogRecPtr lsn, XLogRecPtr *readable)
{
	ask_follower(wait, lsn);
	if (wait->control == NULL)
		*readable = manifest_end(ctx, wait);
	else
		*readable = wait->status.stored_lsn;
	if (wait->control == NULL)
		return *readable >= lsn;
	if (*readable >= lsn && is_on_tli(wait))
		return true;
	if (wait->status.state == BB_FOLLOW_FAILED)
		report_failed(wait);
	if (!is_on_tli(wait))
		return false;
	return *readable != InvalidXLogRecPtr && wait->status.covered_lsn >= lsn;
}

XLogRecPtr
bb_follow_wait(const BbReqCtx *ctx, const char *store, const char *timeline,
			   XLogRecPtr lsn, int64 timeout_ms)
{
	TimestampTz deadline = timeout_ms < 0
		? 0
		: TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
	BbFollowing *following;
	long		pause_ms = FIRST_PAUSE_MS;
	XLogRecPtr	readable;
	Wait		wait = {.store = store, .timeline = timeline};

	wait.objects = bb_store_open(ctx, store, timeline);
	following = bb_following_find(store, timeline);
	wait.followed = following != NULL;
	wait.directory = bb_followcontrol_path(get_foreign_server_oid(store,
																  false),
										   timeline);
	wait.context = AllocSetContextCreate(CurrentMemoryContext,
										 "bbackup wait control",
										 ALLOCSET_SMALL_SIZES);
	if (XLogRecPtrIsInvalid(lsn))
		lsn = source_lsn(ctx, store, timeline, following, &wait.tli);

	while (!look(ctx, &wait, lsn, &readable))
	{
		TimestampTz now = GetCurrentTimestamp();
		long		wait_ms = pause_ms;

		if (deadline != 0 && now >= deadline)
			report_timeout(&wait, lsn, readable);
		if (deadline != 0)
			wait_ms = Min(wait_ms,
						  TimestampDifferenceMilliseconds(now, deadline));
		bb_latch_wait(ctx, wait_ms);
		pause_ms = Min(pause_ms * 2,
					   wait.control != NULL ? CONTROL_PAUSE_MS
											: MANIFEST_PAUSE_MS);
	}
	MemoryContextDelete(wait.context);
	return readable;
}
