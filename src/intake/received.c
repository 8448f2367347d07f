/*-------------------------------------------------------------------------
 *
 * received.c
 *	  What a receiver has received: the spool, and the position in it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/compat.h"
#include "intake/received_internal.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/*
 * The leader is woken not more often than this, unless somebody waits for it.
 * Otherwise it would read record by record, with a commit of the source each time,
 * and take the processor away from the receiver.
 */
#define WAKE_MS 10

BbReceived *
bb_received_new(BbFollowControl *control, const char *directory)
{
	BbReceived *received = palloc0(sizeof(BbReceived));

	received->control = control;
	received->directory = pstrdup(directory);
	received->parent = CurrentMemoryContext;
	return received;
}

void
bb_received_publish_quietly(BbReceived *received)
{
	TimestampTz now = GetCurrentTimestamp();
	uint64		bytes = bb_walspool_bytes(received->spool);
	XLogRecPtr	lsn = bb_received_tail(received);
	BbFollowStatus *status = bb_followcontrol_lock(received->control);

	received->is_wake_due |= status->received_lsn != lsn ||
		status->received_tli != received->stream.tli ||
		status->receiving_order != received->order;
	status->receiving_order = received->order;
	status->received_tli = received->stream.tli;
	status->received_lsn = lsn;
	status->received_time = now;
	status->spool_bytes = bytes;
	bb_followcontrol_unlock(received->control);
}

static void
wake_leader(BbReceived *received, TimestampTz now)
{
	BbFollowStatus *status = bb_followcontrol_lock(received->control);
	bool		waits = status->waiting;

	status->waiting = false;
	bb_followcontrol_unlock(received->control);
	received->is_wake_due = false;
	if (!waits)
		return;
	received->woken = now;
	bb_followcontrol_wake_leader(received->control);
}

/* Does a session wait until what arrives can be read? */
static bool
is_wanted(BbReceived *received)
{
	BbFollowStatus *status = bb_followcontrol_lock(received->control);
	bool		wanted = status->wanted_lsn > status->covered_lsn;

	bb_followcontrol_unlock(received->control);
	return wanted;
}

long
bb_received_wake(BbReceived *received)
{
	TimestampTz now;
	long		idle_ms = received->held != NULL ? BB_RECEIVED_ROOM_MS
												 : PG_INT32_MAX;

	if (!received->is_wake_due)
		return idle_ms;
	now = GetCurrentTimestamp();
	/* a clock that was set back is no reason to wait */
	if (now >= received->woken && now < received->woken + WAKE_MS * 1000 &&
		!is_wanted(received))
		return WAKE_MS - (long) (now - received->woken) / 1000;
	wake_leader(received, now);
	return idle_ms;
}

void
bb_received_publish(BbReceived *received)
{
	bb_received_publish_quietly(received);
	if (received->is_wake_due)
		wake_leader(received, GetCurrentTimestamp());
}

/* ---- the beginning ---- */

/* Read the history file of a tli that was received; NULL: there is none. */
static BbTliHistory *
read_history(const BbReqCtx *ctx, const BbReceived *received, TimeLineID tli)
{
	return bb_tlihistory_read(ctx, bb_walfiles_directory(received->directory),
							  tli);
}

/*
 * Return the tli at lsn, which was received, by the history of the tli that was
 * received last.
 */
static TimeLineID
tli_at(const BbReqCtx *ctx, const BbReceived *received, TimeLineID last_tli,
	   XLogRecPtr lsn)
{
	BbTliHistory *history = read_history(ctx, received, last_tli);
	ListCell   *cell;

	if (history == NULL)
		return last_tli;
	foreach(cell, history->tlis)
	{
		BbTliRange *range = lfirst(cell);

		if (range->begin <= lsn)
			return range->tli;
	}
	return last_tli;
}

/*
 * Where the records begin that the leader still needs: at the order, or at what
 * was committed since.
 */
static BbWalStart
start_of(const BbReqCtx *ctx, BbReceived *received)
{
	BbFollowStatus status;
	BbWalStart	start = {.prev_lsn = InvalidXLogRecPtr};

	bb_followcontrol_get(received->control, &status);
	received->order = status.order;
	start.stream.system_identifier = status.system_identifier;
	start.stream.segment_size = status.segment_size;
	start.stream.tli = status.order_tli;
	start.lsn = status.order_lsn;
	if (status.receiving_order == status.order &&
		status.stored_lsn > status.order_lsn)
	{
		start.lsn = status.stored_lsn;
		start.stream.tli = tli_at(ctx, received, status.received_tli,
								  status.stored_lsn);
	}
	return start;
}

static void
checked_position(const BbWalTail *tail, TimeLineID *tli, XLogRecPtr *lsn)
{
	const BbReceived *received = (const BbReceived *) ((const char *) tail -
													   offsetof(BbReceived,
																tail));

	*tli = received->stream.tli;
	*lsn = received->check_lsn;
}

/* The reader never waits. */
static void
checked_wait(const BbReqCtx *ctx, const BbWalTail *tail, long timeout_ms)
{
	bb_reqctx_check(ctx);
}

/* Begin to read records at lsn. */
static void
open_reader(const BbReqCtx *ctx, BbReceived *received, XLogRecPtr lsn)
{
	BbWalStart	start = {.stream = received->stream, .lsn = lsn};
	const BbWalOrigin *origin;

	received->tail.position = checked_position;
	received->tail.wait = checked_wait;
	received->checked_lsn = lsn;
	received->check_lsn = bb_received_tail(received);
	origin = bb_walspool_origin(received->directory, &received->tail);
	received->reader = origin->open(ctx, origin, &start);
}

/* Find the end of what the spool has for the present order. */
static void
open_spool(const BbReqCtx *ctx, BbReceived *received, bool checks)
{
	BbWalStart	start = start_of(ctx, received);
	uint32		segment_size = start.stream.segment_size;
	XLogRecPtr	end_lsn;

	received->spool = bb_walspool_open(ctx, received->directory,
									   start.stream.system_identifier,
									   segment_size);
	received->stream = start.stream;
	received->begin_lsn = start.lsn;
	received->trimmed_lsn = InvalidXLogRecPtr;
	received->room_lsn = InvalidXLogRecPtr;
	end_lsn = bb_walspool_end(ctx, received->spool, &start,
							  &received->stream.tli);
	/* what has no records may not even have the bytes before them */
	received->tail_lsn = end_lsn > start.lsn ? end_lsn : InvalidXLogRecPtr;
	received->known_lsn = end_lsn;
	received->write_lsn = end_lsn - XLogSegmentOffset(end_lsn, segment_size);
	received->checks = checks;
	received->checked_lsn = InvalidXLogRecPtr;
	if (checks)
		open_reader(ctx, received, end_lsn);
}

void
bb_received_begin(const BbReqCtx *ctx, BbReceived *received, BbConfirm confirm)
{
	bool		checks = confirm == BB_CONFIRM_SPOOL;
	BbFollowStatus *status;
	BbFollowStatus now;

	bb_followcontrol_get(received->control, &now);
	if (received->context != NULL &&
		(received->order != now.order || received->checks != checks))
		bb_received_close(received);
	if (received->context == NULL)
	{
		MemoryContext caller = CurrentMemoryContext;

		received->context = AllocSetContextCreate(received->parent,
												  "bbackup spool",
												  ALLOCSET_DEFAULT_SIZES);
		received->scratch = AllocSetContextCreate(received->context,
												  "bbackup records",
												  ALLOCSET_DEFAULT_SIZES);
		received->is_changing = true;
		MemoryContextSwitchTo(received->context);
		open_spool(ctx, received, checks);
		MemoryContextSwitchTo(caller);
		received->is_changing = false;
		status = bb_followcontrol_lock(received->control);
		status->synced_lsn = received->checked_lsn;
		bb_followcontrol_unlock(received->control);
	}
	else
	{
		received->tail_lsn = bb_received_tail(received);
		received->write_lsn = received->tail_lsn -
			XLogSegmentOffset(received->tail_lsn,
							  received->stream.segment_size);
		received->known_lsn = Max(received->known_lsn, received->tail_lsn);
	}
	/* it will be sent again */
	if (received->held != NULL)
	{
		pfree(received->held);
		received->held = NULL;
		received->room_at = GetCurrentTimestamp();
	}
	bb_received_publish(received);
}

void
bb_received_close(BbReceived *received)
{
	if (received->context != NULL)
		MemoryContextDelete(received->context);
	received->context = NULL;
	received->spool = NULL;
	received->reader = NULL;
	received->held = NULL;
	received->is_changing = false;
}

bool
bb_received_is_broken(const BbReceived *received)
{
	return received->is_changing;
}

/* ---- the position ---- */

TimeLineID
bb_received_next(const BbReceived *received, XLogRecPtr *lsn)
{
	*lsn = received->write_lsn;
	return received->stream.tli;
}

const BbTliHistory *
bb_received_history(const BbReqCtx *ctx, const BbReceived *received)
{
	return read_history(ctx, received, received->stream.tli);
}

uint64
bb_received_order(const BbReceived *received)
{
	return received->order;
}

/*
 * Up to where the source has been told that nothing can be lost, or could be.
 * What was confirmed under 'spool' stays so under 'store', which confirms less.
 */
static XLogRecPtr
durable_of(const BbReceived *received, const BbFollowStatus *status)
{
	return Max(Max(status->stored_lsn, status->promised_lsn),
			   received->checked_lsn);
}

BbPosition
bb_received_position(const BbReceived *received)
{
	BbPosition	here = {.tli = received->stream.tli};
	BbFollowStatus status;

	bb_followcontrol_get(received->control, &status);
	here.received_lsn = bb_received_tail(received);
	here.durable_lsn = durable_of(received, &status);
	here.read_lsn = Max(status.applied_lsn, here.durable_lsn);
	return here;
}

/* ---- checking ---- */

uint64
bb_received_unchecked(const BbReceived *received)
{
	return received->checks ? bb_received_tail(received) - received->check_lsn
							: 0;
}

XLogRecPtr
bb_received_check(const BbReqCtx *ctx, BbReceived *received)
{
	BbWalNext	next = BB_WAL_WAIT;
	BbFollowStatus *status;

	if (bb_received_unchecked(received) > 0)
	{
		MemoryContext caller = MemoryContextSwitchTo(received->scratch);

		received->is_changing = true;
		bb_walspool_sync(ctx, received->spool);
		received->check_lsn = bb_received_tail(received);
		while ((next = bb_walsource_next(ctx, received->reader)) ==
			   BB_WAL_RECORD)
			received->checked_lsn = received->reader->reader->EndRecPtr;
		if (next != BB_WAL_WAIT)
			bb_walsource_raise(ctx, received->reader, received->check_lsn);
		received->is_changing = false;
		MemoryContextSwitchTo(caller);
		MemoryContextReset(received->scratch);
		status = bb_followcontrol_lock(received->control);
		status->synced_lsn = received->checked_lsn;
		bb_followcontrol_unlock(received->control);
	}
	return received->checked_lsn;
}

/* ---- tlis ---- */

BbPositionStep
bb_received_leave(const BbReqCtx *ctx, BbReceived *received, XLogRecPtr lsn)
{
	BbFollowStatus *status = bb_followcontrol_lock(received->control);
	BbPosition	here;
	BbPositionStep step;
	XLogRecPtr	durable = durable_of(received, status);

	/* from now on the leader reads no further, but for what is durable */
	status->received_lsn = Min(status->received_lsn, Max(lsn, durable));
	bb_followcontrol_unlock(received->control);

	here = bb_received_position(received);
	step = bb_position_leave(&here, lsn);
	/* what the leader forgets isn't offered to it again */
	if (step.kind != BB_POSITION_CUT && step.kind != BB_POSITION_REWIND)
		return step;
	received->is_changing = true;
	bb_walspool_cut(ctx, received->spool, received->stream.tli, lsn);
	received->is_changing = false;
	received->tail_lsn = lsn;
	received->write_lsn = lsn -
		XLogSegmentOffset(lsn, received->stream.segment_size);
	received->known_lsn = lsn;
	received->check_lsn = Min(received->check_lsn, lsn);
	bb_received_publish(received);
	return step;
}

BbPositionStep
bb_received_distrust(const BbReqCtx *ctx, BbReceived *received, XLogRecPtr lsn)
{
	BbPosition	here = bb_received_position(received);
	BbPositionStep step = {BB_POSITION_CUT, lsn};
	BbFollowStatus *status;
	BbTliHistory *history;
	ListCell   *cell;

	if (here.durable_lsn > lsn)
		return (BbPositionStep){BB_POSITION_DIVERGED, lsn};
	status = bb_followcontrol_lock(received->control);
	status->received_lsn = Min(status->received_lsn, here.durable_lsn);
	if (Max(status->applied_lsn, status->stored_lsn) > here.durable_lsn)
		step.kind = BB_POSITION_REWIND;
	bb_followcontrol_unlock(received->control);

	received->is_changing = true;
	bb_walspool_cut(ctx, received->spool, received->stream.tli,
					here.durable_lsn);
	history = read_history(ctx, received, received->stream.tli);
	if (history != NULL)
	{
		foreach(cell, history->tlis)
			bb_walspool_cut(ctx, received->spool,
							((BbTliRange *) lfirst(cell))->tli,
							here.durable_lsn);
	}
	bb_received_close(received);
	return step;
}

void
bb_received_switch(const BbReqCtx *ctx, BbReceived *received,
				   TimeLineID next_tli, const char *text, XLogRecPtr lsn)
{
	BbTliHistory *history = bb_tlihistory_parse(text, next_tli);
	BbTliRange *left = list_length(history->tlis) > 1 ? lsecond(history->tlis)
													  : NULL;

	if (left == NULL || left->tli != received->stream.tli || left->end != lsn)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the source's history of tli %u doesn't agree with "
						"what it sent",
						next_tli),
				 errdetail("It sent tli %u up to " BB_LSN_FORMAT ".",
						   received->stream.tli, LSN_FORMAT_ARGS(lsn))));
	received->is_changing = true;
	bb_walspool_history(ctx, received->spool, next_tli, text);
	received->is_changing = false;
	received->stream.tli = next_tli;
	received->write_lsn = lsn -
		XLogSegmentOffset(lsn, received->stream.segment_size);
	/* up to lsn, readers take the old tli's file until the new one has it */
	received->tail_lsn = InvalidXLogRecPtr;
	received->known_lsn = InvalidXLogRecPtr;
	received->check_lsn = received->write_lsn;
	bb_received_publish(received);
}
