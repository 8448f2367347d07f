/*-------------------------------------------------------------------------
 *
 * watch.c
 *	  What a follower does between two records.
 *
 * Ingest asks every few records and in each wait whether a flush is wanted.
 * That is where the follower sees what others want of it: that the receiver
 * has a problem, that bb_unfollow stops it, that its row is gone.  An error that
 * is raised here ends the attempt, without a flush.
 *
 * A gap or a divergence isn't raised before all that was received is committed.
 * But if the source has left its tli before a record that was read, then what
 * isn't committed has to be forgotten at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/settings.h"
#include "intake/follower_internal.h"
#include "intake/receiver.h"
#include "miscadmin.h"
#include "process/standingworker.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define LOOK_MS 1000
#define ROW_MS 10000

/* A receiver that was started isn't missed before this. */
#define RECEIVER_MS 5000

typedef struct Watch
{
	BbIngestControl base;
	BbFollower *follower;
} Watch;

/* ---- the receiver ---- */

/* A worker whose role may not log in ends at once, with a FATAL error. */
static bool
owner_can_login(BbFollower *follower)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		can_login;

	bb_follower_begin(follower);
	can_login = bb_follow_owner_obstacle(follower->following->owner)[0] ==
		'\0';
	bb_follower_end(follower);
	MemoryContextSwitchTo(caller);
	return can_login;
}

ErrorData *
bb_watch_receiver(BbFollower *follower)
{
	BbReceiverOrder order = {.store = follower->order.store};
	BbStandingWorker worker = {.task = BB_RECEIVE_TASK,
							   .database = MyDatabaseId,
							   .role = follower->following->owner,
							   .payload = &order,
							   .payload_length = sizeof(order)};
	TimestampTz now = GetCurrentTimestamp();
	BbFollowStatus *status;
	const char *shortage;

	if (bb_followcontrol_has_receiver(follower->control) ||
		(follower->receiver_started_at != 0 &&
		 !TimestampDifferenceExceeds(follower->receiver_started_at, now,
									 RECEIVER_MS)))
		return NULL;
	follower->is_barred = !owner_can_login(follower);
	if (follower->is_barred)
		return NULL;
	if (follower->receiver_started_at != 0)
	{
		status = bb_followcontrol_lock(follower->control);
		status->restarts++;
		bb_followcontrol_unlock(follower->control);
	}
	follower->receiver_started_at = now;
	strlcpy(order.timeline, follower->order.timeline, sizeof(order.timeline));
	shortage = bb_standingworker_register(&worker);
	return shortage == NULL ? NULL : bb_worker_shortage(worker.task, shortage);
}

/* ---- figures ---- */

void
bb_watch_state(BbFollower *follower, BbFollowState state)
{
	BbFollowStatus *status = bb_followcontrol_lock(follower->control);

	if (status->state != BB_FOLLOW_STOPPED)
		status->state = state;
	bb_followcontrol_unlock(follower->control);
}

void
bb_watch_begin(BbFollower *follower, const BbManifest *manifest)
{
	TimestampTz now = GetCurrentTimestamp();
	BbFollowStatus *status = bb_followcontrol_lock(follower->control);
	bool		moved;

	status->system_identifier = manifest->system_identifier;
	status->segment_size = manifest->wal_segment_size;
	moved = status->stored_lsn != manifest->end_lsn;
	status->stored_lsn = manifest->end_lsn;
	if (status->stored_time == 0)
		status->stored_time = now;
	status->applied_lsn = manifest->end_lsn;
	status->covered_lsn = manifest->end_lsn;
	bb_followcontrol_unlock(follower->control);
	bb_followcontrol_note_stored(follower->control,
								 time_t_to_timestamptz(manifest->end_time));
	/* an import, a gap's WAL, or another session */
	follower->reorder |= moved;
}

/* ---- what others want ---- */

static void
stop_attempt(BbFollower *follower, BbFollowVerdict verdict, const char *why)
{
	follower->verdict = verdict;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("timeline \"%s\": %s", follower->order.timeline, why)));
}

void
bb_watch_owner(BbFollower *follower)
{
	if (follower->is_barred)
		stop_attempt(follower, BB_FOLLOW_GONE,
					 "its owner is not permitted to log in");
}

static void
raise_diverged(BbFollower *follower, const BbFollowStatus *status)
{
	const BbFollowing *following = follower->following;

	follower->verdict = BB_FOLLOW_HOPELESS;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("source \"%s\" has diverged from timeline \"%s\"",
					following->source, following->timeline),
			 errdetail("The source left timeline ID %u at " BB_LSN_FORMAT ", but WAL of it is stored up to " BB_LSN_FORMAT ".",
					   status->problem_tli,
					   LSN_FORMAT_ARGS(status->problem_lsn),
					   LSN_FORMAT_ARGS(status->stored_lsn)),
			 errhint("Go on in a branch: SELECT bb_create_branch('NEW', '%s', '" BB_LSN_FORMAT "', %s); SELECT bb_follow(%s, store => %s, timeline => 'NEW').",
					 following->timeline, LSN_FORMAT_ARGS(status->problem_lsn),
					 quote_literal_cstr(following->store),
					 quote_literal_cstr(following->source),
					 quote_literal_cstr(following->store))));
}

/* No branch can be offered, since nobody knows where it would begin. */
static void
raise_differs(BbFollower *follower, const BbFollowStatus *status)
{
	const BbFollowing *following = follower->following;

	follower->verdict = BB_FOLLOW_HOPELESS;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("source \"%s\" has diverged from timeline \"%s\"",
					following->source, following->timeline),
			 errdetail("The source has other WAL of timeline ID %u than what is stored up to " BB_LSN_FORMAT ". Where that begins is not known; it is at " BB_LSN_FORMAT ", or before.",
					   status->problem_tli,
					   LSN_FORMAT_ARGS(status->stored_lsn),
					   LSN_FORMAT_ARGS(status->problem_lsn)),
			 errhint("The source may have lost WAL in a crash, or may have been restored from an older copy. Follow it with a new timeline: SELECT bb_follow(%s, store => %s, timeline => 'NEW').",
					 quote_literal_cstr(following->source),
					 quote_literal_cstr(following->store))));
}

/* Raise the problem of the receiver. */
static void
raise_problem(BbFollower *follower, const BbFollowStatus *status)
{
	switch ((BbReceiverProblem) status->problem)
	{
		case BB_RECEIVER_FINE:
			return;
		case BB_RECEIVER_REWIND:
			follower->reorder = true;
			stop_attempt(
				follower, BB_FOLLOW_AGAIN,
				"the source left its timeline ID before WAL that was read");
			break;
		case BB_RECEIVER_GAP:
			follower->is_gap = true;
			stop_attempt(follower, BB_FOLLOW_AGAIN,
						 "the source has removed WAL that is needed");
			break;
		case BB_RECEIVER_DIVERGED:
			raise_diverged(follower, status);
			break;
		case BB_RECEIVER_DIFFERS:
			raise_differs(follower, status);
			break;
	}
}

/* The memory context of an ingest lasts for as long as the source is idle. */
static void
look_for_receiver(BbFollower *follower)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup look",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	ErrorData  *shortage = bb_watch_receiver(follower);

	if (shortage != NULL)
		bb_followcontrol_error(follower->control, shortage);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	bb_watch_owner(follower);
}

/* What needn't be done every few records. */
static void
look_around(BbFollower *follower, TimestampTz now)
{
	follower->looked_at = now;
	bb_standingworker_reload();
	if (!bb_followcontrol_is_current(follower->control))
		stop_attempt(follower, BB_FOLLOW_GONE, "its spool was removed");
	look_for_receiver(follower);
	if (TimestampDifferenceExceeds(follower->row_read_at, now, ROW_MS) &&
		!bb_follower_read_row(follower))
		stop_attempt(follower, BB_FOLLOW_GONE, "it is not followed any more");
}

/* ---- callbacks ---- */

static inline BbFollower *
follower_of(const BbIngestControl *control)
{
	return ((const Watch *) control)->follower;
}

static int
flush_interval_ms(const BbIngestControl *control)
{
	return bb_setting_flush_interval_ms > 0 ? bb_setting_flush_interval_ms
											: PG_INT32_MAX;
}

static XLogRecPtr
wanted(const BbIngestControl *control, XLogRecPtr done_lsn)
{
	BbFollower *follower = follower_of(control);
	TimestampTz now = GetCurrentTimestamp();
	BbFollowStatus *status = bb_followcontrol_lock(follower->control);
	XLogRecPtr	lsn = status->wanted_lsn;
	bool		stopped = status->state == BB_FOLLOW_STOPPED;
	bool		problem = status->problem != BB_RECEIVER_FINE;

	/* the receiver waits for a flush, which may be due in an hour, or never */
	XLogRecPtr	received_lsn = status->spool_full ? status->received_lsn
												  : InvalidXLogRecPtr;
	BbFollowStatus copy;

	status->applied_lsn = done_lsn;
	bb_followcontrol_unlock(follower->control);

	if (stopped)
		stop_attempt(follower, BB_FOLLOW_GONE, "it is not followed any more");
	if (problem)
	{
		bb_followcontrol_get(follower->control, &copy);
		if (copy.problem == BB_RECEIVER_REWIND ||
			copy.covered_lsn >= copy.received_lsn)
			raise_problem(follower, &copy);
		lsn = copy.received_lsn;
	}
	else if (received_lsn != InvalidXLogRecPtr)
		lsn = received_lsn;
	if (TimestampDifferenceExceeds(follower->looked_at, now, LOOK_MS))
		look_around(follower, now);
	return lsn;
}

static void
committed(const BbIngestControl *control, XLogRecPtr end_lsn,
		  XLogRecPtr covered_lsn)
{
	BbFollower *follower = follower_of(control);
	BbFollowStatus *status = bb_followcontrol_lock(follower->control);

	/* the tail has moved stored_lsn (receiver.h) */
	status->covered_lsn = covered_lsn;
	bb_followcontrol_unlock(follower->control);

	if (end_lsn > follower->bad_lsn)
		follower->bad_times = 0;
	follower->failures = 0;
	bb_followcontrol_fine(follower->control);
}

const BbIngestControl *
bb_watch_new(BbFollower *follower)
{
	Watch	   *watch = palloc0(sizeof(Watch));

	watch->base.flush_interval_ms = flush_interval_ms;
	watch->base.wanted = wanted;
	watch->base.committed = committed;
	watch->follower = follower;
	return &watch->base;
}
