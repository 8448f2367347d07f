/*-------------------------------------------------------------------------
 *
 * reception_stream.c
 *	  The stream of a receiver: messages and feedback.
 *
 * Messages are written to the spool as they arrive.  When none is left, or much
 * has arrived, what was received is checked and confirmed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "intake/reception_internal.h"
#include "streaming/walstream.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* With confirm 'spool': sync at least after so much WAL. */
#define SYNC_BYTES (8 * 1024 * 1024)

/* So many messages are written before feedback and orders are looked after. */
#define MESSAGES_IN_A_ROW 64

/* A source that was silent is asked for an answer, and then given up. */
#define ASK_MS 30000
#define GIVE_UP_MS 60000

/* A stream that has lasted so long works. */
#define FINE_MS 2000

/*
 * Report what is durable, if it is time to.  Returns the time until then.
 *
 * An import of a session reports nothing as durable: its slot ends soon, and a
 * server without such a position is no synchronous standby.
 */
static long
give_feedback(BbReceptionStream *stream)
{
	BbReception *reception = stream->reception;
	BbFollowStatus status;
	BbFollowStatus *changed;
	BbFeedback	next;
	long		wait_ms;

	bb_followcontrol_get(reception->control, &status);
	next.flushed = InvalidXLogRecPtr;
	if (!status.temporary)
		next.flushed = bb_feedback_flushed(stream->source->confirm,
										   status.stored_lsn,
										   status.synced_lsn,
										   status.received_lsn,
										   stream->confirmed_lsn);
	next.written = Max(status.received_lsn, next.flushed);
	next.time = GetCurrentTimestamp();
	wait_ms = bb_feedback_wait_ms(&stream->last, &next, stream->is_requested,
								  stream->is_synchronous, stream->interval_ms);
	if (wait_ms > 0)
		return wait_ms;
	/* a message that is only half sent may have arrived */
	changed = bb_followcontrol_lock(reception->control);
	if (changed->order == reception->order)
		changed->promised_lsn = Max(changed->promised_lsn, next.flushed);
	bb_followcontrol_unlock(reception->control);
	bb_walstream_feedback(stream->ctx, stream->connection, next.written,
						  next.flushed, stream->asked);
	stream->last = next;
	stream->is_requested = false;
	stream->confirmed_lsn = next.flushed;
	changed = bb_followcontrol_lock(reception->control);
	if (changed->confirmed_lsn != next.flushed)
	{
		changed->confirmed_lsn = next.flushed;
		changed->confirmed_time = next.time;
	}
	bb_followcontrol_unlock(reception->control);
	return stream->interval_ms;
}

/* The stream goes on where former ones ended, or has stood for a moment. */
static void
note_success(BbReceptionStream *stream)
{
	BbReception *reception = stream->reception;
	BbPosition	here = bb_received_position(reception->received);

	stream->is_fine = true;
	bb_followcontrol_fine(reception->control);
	if (reception->has_logged)
		return;
	reception->has_logged = true;
	ereport(LOG_SERVER_ONLY,
			(errmsg("receiving WAL of source \"%s\" from %s at " BB_LSN_FORMAT " on tli %u",
					stream->source->name,
					bb_repl_server(stream->connection)->host,
					LSN_FORMAT_ARGS(here.received_lsn), here.tli)));
}

/* A message has arrived. */
static void
note_message(BbReceptionStream *stream, const BbStreamMessage *message,
			 bool is_keepalive)
{
	BbReception *reception = stream->reception;

	stream->heard = GetCurrentTimestamp();
	stream->asked = false;
	stream->is_requested |= message->reply_requested;
	bb_followcontrol_note_source(reception->control, message->source_lsn,
								 true);
	reception->streams = true;
	/* a full disk, say, lets the source send what is here already */
	if (!stream->is_fine &&
		(is_keepalive ||
		 bb_received_position(reception->received).received_lsn >
			 stream->known_lsn))
		note_success(stream);
}

/* Write what has arrived.  Returns the last thing that did. */
static BbStreamNext
take_messages(BbReceptionStream *stream, BbStreamMessage *message)
{
	BbReceived *received = stream->reception->received;

	for (int i = 0; i < MESSAGES_IN_A_ROW; i++)
	{
		BbStreamNext next = bb_walstream_next(stream->ctx, stream->connection,
											  message);

		if (next == BB_STREAM_NOTHING || next == BB_STREAM_SWITCH)
			return next;
		if (next == BB_STREAM_WAL)
		{
			XLogRecPtr	lsn = bb_received_write(stream->ctx, received,
												message->lsn, message->data,
												message->length);

			if (!XLogRecPtrIsInvalid(lsn))
				bb_reception_leave_source(stream, lsn);
		}
		note_message(stream, message, next == BB_STREAM_KEEPALIVE);
		if (bb_received_is_full(stream->ctx, received) ||
			bb_received_unchecked(received) >= SYNC_BYTES)
			return next;
	}
	return BB_STREAM_WAL;
}

/*
 * A server that is idle says nothing unless it is asked; so silence after a
 * question means that it can't be reached.
 */
static void
look_for_silence(BbReceptionStream *stream)
{
	TimestampTz now = GetCurrentTimestamp();

	if (TimestampDifferenceExceeds(stream->heard, now, GIVE_UP_MS) &&
		stream->asked)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("source \"%s\" doesn't answer any more",
						stream->source->name),
				 errdetail("The server at %s was silent for %d s.",
						   bb_repl_server(stream->connection)->host,
						   GIVE_UP_MS / 1000)));
	if (TimestampDifferenceExceeds(stream->heard, now, ASK_MS) &&
		!stream->asked)
	{
		stream->asked = true;
		stream->is_requested = true;
	}
}

/*
 * Receive the WAL of one tli.  Returns true at its end, which *message has;
 * false if there is a new order, or no leader.
 */
static bool
stream_tli(BbReceptionStream *stream, const char *slot,
		   BbStreamMessage *message)
{
	BbReception *reception = stream->reception;
	BbReceived *received = reception->received;
	BbFollowControl *control = reception->control;
	TimestampTz looked = GetCurrentTimestamp();
	XLogRecPtr	lsn;
	TimeLineID	tli = bb_received_next(received, &lsn);

	reception->starts_stream = true;
	bb_walstream_start(stream->ctx, stream->connection, slot, tli, lsn);
	stream->known_lsn = bb_received_position(received).received_lsn;
	stream->last.time = 0;
	stream->heard = stream->begun = GetCurrentTimestamp();
	stream->asked = false;
	/* on a full disk, writing fails before this makes room */
	bb_received_trim(stream->ctx, received);
	for (;;)
	{
		bool		is_full = bb_received_is_full(stream->ctx, received);
		BbStreamNext next = BB_STREAM_NOTHING;
		BbFollowStatus status;
		long		wait_ms;

		MemoryContextReset(stream->scratch);
		if (!is_full)
			next = take_messages(stream, message);
		if (next == BB_STREAM_SWITCH)
		{
			reception->starts_stream = false;
			return true;
		}
		if (next == BB_STREAM_NOTHING ||
			bb_received_unchecked(received) >= SYNC_BYTES)
			(void) bb_received_check(stream->ctx, received);
		bb_received_trim(stream->ctx, received);
		if (!stream->is_fine && reception->streams &&
			TimestampDifferenceExceeds(stream->begun, GetCurrentTimestamp(),
									   FINE_MS))
			note_success(stream);
		if (!is_full)
			look_for_silence(stream);
		else
			stream->heard = GetCurrentTimestamp();
		wait_ms = give_feedback(stream);
		wait_ms = Min(wait_ms, bb_received_wake(received));

		bb_followcontrol_get(control, &status);
		if (status.order != bb_received_order(received))
			return false;
		/* a leader that ends clears its PID, and wakes us */
		if (status.leader_pid == 0 ||
			TimestampDifferenceExceeds(looked, GetCurrentTimestamp(),
									   BB_RECEPTION_LOOK_MS))
		{
			if (!bb_followcontrol_is_current(control))
				return false;
			/* the next connection comes at once */
			if (!status.temporary && bb_reception_source_changed(stream))
			{
				ereport(LOG_SERVER_ONLY,
						(errmsg("connecting to source \"%s\" again, since its options have changed",
								stream->source->name)));
				return false;
			}
			looked = GetCurrentTimestamp();
		}
		if (next == BB_STREAM_NOTHING)
			bb_walstream_wait(stream->ctx, stream->connection, !is_full,
							  Min(wait_ms,
								  stream->is_fine ? BB_RECEPTION_LOOK_MS
												  : FINE_MS));
		bb_reception_look_around(stream->ctx);
	}
}

void
bb_reception_stream(BbReceptionStream *stream)
{
	BbReception *reception = stream->reception;
	BbFollowStatus status;
	BbStreamMessage message;

	bb_followcontrol_get(reception->control, &status);
	while (stream_tli(stream, status.slot, &message))
	{
		TimeLineID	tli = bb_received_position(reception->received).tli;
		BbPositionStep step = bb_received_leave(stream->ctx,
												reception->received,
												message.switch_lsn);

		if (!bb_reception_take_step(stream, step))
			return;
		bb_received_switch(stream->ctx, reception->received, message.next_tli,
						   bb_repl_history(stream->ctx, stream->connection,
										   message.next_tli),
						   message.switch_lsn);
		ereport(LOG_SERVER_ONLY,
				(errmsg("source \"%s\" went from tli %u to tli %u at " BB_LSN_FORMAT,
						stream->source->name, tli, message.next_tli,
						LSN_FORMAT_ARGS(message.switch_lsn))));
	}
}
