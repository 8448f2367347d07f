/*-------------------------------------------------------------------------
 *
 * receiver.c
 *	  The receiver: WAL of a source into a spool, and feedback to the source.
 *
 *	  attach ──► receive (reception.h) ──► a new order
 *				   ▲	 │ error			  │ a problem: wait for an order
 *				   └pause┘					  │ no leader: end
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "intake/receiver.h"
#include "intake/reception.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "process/retry.h"
#include "process/standingworker.h"
#include "process/waitset.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How often to look for the leader, or for the end of another receiver. */
#define LOOK_MS 1000
#define OTHER_MS 30000

/*
 * For a moment the source may not have noticed that the last connection ended;
 * so that its slot is in use is an error only if it stays so.
 */
#define PATIENCE 3

/* ---- the leader's end of the spool ---- */

typedef struct Tail
{
	BbWalTail	base;
	BbFollowControl *control;

	/* the position when "wait" was called last */
	TimeLineID	seen_tli;
	XLogRecPtr	seen_lsn;
} Tail;

static void
tail_position(const BbWalTail *base, TimeLineID *tli, XLogRecPtr *lsn)
{
	const Tail *tail = (const Tail *) base;
	BbFollowStatus *status = bb_followcontrol_lock(tail->control);

	*tli = status->received_tli;
	*lsn = status->received_lsn;
	/* what was received for a former order may not go on from here */
	if (status->receiving_order != status->order)
		*tli = 0;
	else
	{
		/* other records take the place of one that began, and was covered */
		if (status->reading_tli != *tli || *lsn < status->covered_lsn)
			status->covered_lsn = Min(status->covered_lsn, status->stored_lsn);
		status->reading_tli = *tli;
	}
	bb_followcontrol_unlock(tail->control);
}

/*
 * The reader looks at the position, and then waits; it may have changed in
 * between.  So a wait after a change returns at once, and only the next one, if
 * nothing has changed since, really waits.  The receiver that changes the
 * position clears "waiting", and wakes us.
 */
static void
tail_wait(const BbReqCtx *ctx, const BbWalTail *base, long timeout_ms)
{
	Tail	   *tail = (Tail *) base;
	BbFollowStatus *status = bb_followcontrol_lock(tail->control);
	bool		has_changed = status->received_tli != tail->seen_tli ||
		status->received_lsn != tail->seen_lsn;
	bool		is_full = status->spool_full;

	tail->seen_tli = status->received_tli;
	tail->seen_lsn = status->received_lsn;
	status->waiting = !has_changed;
	bb_followcontrol_unlock(tail->control);
	if (has_changed)
		return;
	if (is_full)
		bb_followcontrol_wake_receiver(tail->control);
	bb_latch_wait(ctx, timeout_ms);
}

static void
tail_committed(const BbReqCtx *ctx, const BbWalTail *base, XLogRecPtr lsn)
{
	const Tail *tail = (const Tail *) base;
	TimestampTz now = GetCurrentTimestamp();
	BbFollowStatus *status = bb_followcontrol_lock(tail->control);

	if (lsn > status->stored_lsn)
	{
		status->stored_lsn = lsn;
		status->stored_time = now;
	}
	bb_followcontrol_unlock(tail->control);
	bb_followcontrol_wake_receiver(tail->control);
}

const BbWalTail *
bb_receiver_tail(BbFollowControl *control)
{
	Tail	   *tail = palloc0(sizeof(Tail));

	tail->base.position = tail_position;
	tail->base.wait = tail_wait;
	tail->base.committed = tail_committed;
	tail->control = control;
	return &tail->base;
}

/* ---- the worker ---- */

/* Wait for the latch, and look after interrupts and settings. */
static void
nap(long timeout_ms)
{
	bb_standingworker_wait(timeout_ms);
}

/*
 * Attach to the control block of a leader, as its only receiver; NULL: there is
 * no leader, or it has a receiver.
 *
 * The receiver of a former leader will notice that it has gone, and end.
 */
static BbFollowControl *
attach(const char *directory)
{
	BbFollowControl *control = bb_followcontrol_attach(directory);
	TimestampTz start = GetCurrentTimestamp();

	while (control != NULL && !bb_followcontrol_receive(control))
	{
		nap(LOOK_MS / 10);
		if (!bb_followcontrol_is_current(control) ||
			TimestampDifferenceExceeds(start, GetCurrentTimestamp(), OTHER_MS))
			return NULL;
	}
	return control;
}

static void
set_disconnected(BbFollowControl *control)
{
	BbFollowStatus *status = bb_followcontrol_lock(control);

	status->connected = false;
	bb_followcontrol_unlock(control);
}

/*
 * Does an error say that the source has removed WAL?  The spool's files are
 * local; an error with them is one of the spool.
 */
static bool
is_gap(const BbReception *reception, int sqlstate)
{
	return sqlstate == ERRCODE_UNDEFINED_FILE && reception->starts_stream &&
		!bb_received_is_broken(reception->received);
}

/* Decide what an error of a connection means. */
static void
look_at_error(BbReception *reception, const ErrorData *error, int failures)
{
	bool		removed = is_gap(reception, error->sqlerrcode);

	/* a standby may not have what another host has */
	if (reception->streams)
		reception->gaps = removed;
	else if (removed || reception->gaps > 0)
		reception->gaps++;
	if (removed && reception->gaps >= reception->hosts)
	{
		XLogRecPtr	lsn;
		TimeLineID	tli = bb_received_next(reception->received, &lsn);

		bb_reception_problem(reception, BB_RECEIVER_GAP, tli, lsn);
		reception->gaps = 0;
	}
	/* a slot may be invalid for other reasons than that WAL was removed */
	if (error->sqlerrcode == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE &&
		reception->starts_stream && !reception->streams)
		reception->slot_is_bad = true;
	if (bb_received_is_broken(reception->received))
		bb_received_close(reception->received);
	if (error->sqlerrcode != ERRCODE_OBJECT_IN_USE || failures >= PATIENCE)
	{
		bb_followcontrol_error(reception->control, error);
		reception->has_logged = false;
	}
}

/*
 * Connect and receive.  Returns false after an error.
 *
 * Without one, there is a new order, and the next connection comes at once.
 */
static bool
try_once(BbReception *reception, int failures)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "bbackup reception",
												  ALLOCSET_DEFAULT_SIZES);
	volatile bool is_fine = false;

	PG_TRY();
	{
		const BbReqCtx *ctx;

		MemoryContextSwitchTo(context);
		ctx = bb_reqctx_root(BB_TASK_RECEIVE, BB_DOWNLOAD_ALLOW);
		bb_reception_run(ctx, reception);
		bb_reqctx_end(ctx);
		is_fine = true;
	}
	PG_CATCH();
	{
		ErrorData  *error = bb_retry_caught(context);

		look_at_error(reception, error, failures);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	if (!is_fine)
		set_disconnected(reception->control);
	return is_fine;
}

/* Pause after a failure.  A new order ends the pause. */
static void
pause_for(BbReception *reception, int failures)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													bb_retry_pause_ms(
														failures));
	BbFollowStatus status;

	for (;;)
	{
		long		left_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
													  until);

		bb_followcontrol_get(reception->control, &status);
		if (left_ms <= 0 || status.order != reception->order ||
			!bb_followcontrol_is_current(reception->control))
			return;
		nap(left_ms);
	}
}

/* Receive until the leader has gone. */
static void
receive_for_ever(BbReception *reception)
{
	int			failures = 0;

	while (bb_followcontrol_is_current(reception->control))
	{
		BbFollowStatus status;

		bb_followcontrol_get(reception->control, &status);
		if (status.problem != BB_RECEIVER_FINE)
		{
			set_disconnected(reception->control);
			failures = 0;
			nap(LOOK_MS);
			continue;
		}
		if (try_once(reception, failures + 1))
			failures = 0;
		else
		{
			failures = reception->streams ? 1 : failures + 1;
			pause_for(reception, failures);
		}
	}
}

/*
 * Receive for one import.  An error is raised in the session that imports, and
 * so is a problem.
 */
static void
receive_once(BbReception *reception, uint64 parent_call_id)
{
	const BbReqCtx *ctx = bb_reqctx_detached_child_of(parent_call_id,
													  BB_TASK_RECEIVE,
													  BB_DOWNLOAD_ALLOW);
	BbFollowStatus status;

	bb_reception_run(ctx, reception);
	bb_reqctx_end(ctx);
	bb_followcontrol_get(reception->control, &status);
	if (status.problem != BB_RECEIVER_FINE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("source \"%s\" left tli %u at " BB_LSN_FORMAT,
						status.source, status.problem_tli,
						LSN_FORMAT_ARGS(status.problem_lsn)),
				 errdetail("WAL beyond that has been used already.")));
}

void
bb_receive_task(const void *payload, size_t length)
{
	BbReceiverOrder order;
	char	   *directory;
	BbReception reception = {0};
	BbFollowStatus status;

	memcpy(&order, payload, sizeof(order));
	directory = bb_followcontrol_path(order.store, order.timeline);
	reception.control = attach(directory);
	if (reception.control == NULL)
		return;
	reception.received = bb_received_new(reception.control, directory);
	bb_followcontrol_get(reception.control, &status);
	if (status.temporary)
	{
		receive_once(&reception, order.parent_call_id);
		return;
	}
	/* a limit for calls of users isn't one for a worker that never ends */
	SetConfigOption("bbackup.call_timeout", "0", PGC_USERSET, PGC_S_OVERRIDE);
	receive_for_ever(&reception);
}
