/*-------------------------------------------------------------------------
 *
 * reception.c
 *	  One connection of a receiver to its source.
 *
 * In a stream, messages are written to the spool as they arrive.  When none is
 * left, or much has arrived, what was received is checked and confirmed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/foreigntext.h"
#include "intake/receiver.h"
#include "intake/reception.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "process/worker.h"
#include "storage/latch.h"
#include "streaming/walstream.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How often to look whether the leader still runs. */
#define LOOK_MS 5000

/* With confirm 'spool': sync at least after so much WAL. */
#define SYNC_BYTES (8 * 1024 * 1024)

/* So many messages are written before feedback and orders are looked after. */
#define MESSAGES_IN_A_ROW 64

/* A source that was silent is asked for an answer, and then given up. */
#define ASK_MS 30000
#define GIVE_UP_MS 60000

typedef struct Stream
{
	const BbReqCtx *ctx;
	BbReception *reception;
	const BbSource *source;
	BbReplConnection *connection;
	MemoryContext scratch;
	XLogRecPtr	confirmed_lsn;
	BbFeedback	last; /* reported */
	bool		is_requested;
	bool		is_synchronous;
	long		interval_ms;
	TimestampTz heard; /* from the source */
	bool		asked;
} Stream;

void
bb_reception_problem(BbReception *reception, int problem, TimeLineID tli,
					 XLogRecPtr lsn)
{
	BbFollowStatus *status = bb_followcontrol_lock(reception->control);

	if (status->order == reception->order)
	{
		status->problem = problem;
		status->problem_tli = tli;
		status->problem_lsn = lsn;
	}
	bb_followcontrol_unlock(reception->control);
	bb_followcontrol_wake_leader(reception->control);
}

/* Look after interrupts and settings; the latch is reset. */
static void
look_around(const BbReqCtx *ctx)
{
	ResetLatch(MyLatch);
	bb_reqctx_check(ctx);
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* The source's WAL ends at lsn, by its clock at some time. */
static void
note_position(BbReception *reception, XLogRecPtr lsn, TimestampTz time)
{
	BbFollowStatus *status = bb_followcontrol_lock(reception->control);

	status->source_lsn = lsn;
	status->source_time = time;
	bb_followcontrol_unlock(reception->control);
}

/* ---- the source ---- */

static const BbSource *
access_source(const char *name)
{
	MemoryContext context = CurrentMemoryContext;
	const BbSource *source;

	/* a session worker is in a transaction already */
	if (IsTransactionState())
		return bb_source_access(name);
	bb_worker_begin_transaction();
	MemoryContextSwitchTo(context);
	source = bb_source_access(name);
	bb_worker_end_transaction();
	return source;
}

/*
 * Is this the server that is followed?  The first one that a control block sees
 * becomes that, if the leader didn't say which.
 */
static bool
is_same_system(BbReception *reception, const BbReplServer *server)
{
	BbFollowStatus *status = bb_followcontrol_lock(reception->control);
	bool		is_same;

	if (status->system_identifier == 0)
		status->system_identifier = server->system_identifier;
	if (status->segment_size == 0)
		status->segment_size = server->segment_size;
	is_same = status->system_identifier == server->system_identifier &&
		status->segment_size == server->segment_size;
	status->connected = true;
	strlcpy(status->host, server->host, sizeof(status->host));
	status->source_lsn = server->lsn;
	bb_followcontrol_unlock(reception->control);
	return is_same;
}

static void
report_foreign(const BbReception *reception, const BbSource *source,
			   const BbReplServer *server)
{
	BbFollowStatus status;

	bb_followcontrol_get(reception->control, &status);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("source \"%s\" is another server than the one that is followed",
					source->name),
			 errdetail("The server at %s has system identifier " UINT64_FORMAT
					   " and segments of %u bytes instead of " UINT64_FORMAT
					   " and %u.",
					   server->host, server->system_identifier,
					   server->segment_size, status.system_identifier,
					   status.segment_size)));
}

/*
 * Say whether commits on the source wait for us: for confirm 'spool' that is
 * wanted, perhaps; with 'store' a commit takes as long as a flush.
 */
static void
look_at_synchronous(const BbReqCtx *ctx, Stream *stream)
{
	BbReception *reception = stream->reception;
	const BbSource *source = stream->source;
	const char *names = bb_repl_show(ctx, stream->connection,
									 "synchronous_standby_names");
	BbFollowStatus *status;
	bool		is_temporary;

	stream->is_synchronous = bb_sync_names_has(names,
											   source->application_name);
	status = bb_followcontrol_lock(reception->control);
	status->is_synchronous = stream->is_synchronous;
	is_temporary = status->temporary;
	bb_followcontrol_unlock(reception->control);

	if (reception->has_reported &&
		reception->was_synchronous == stream->is_synchronous)
		return;
	if (is_temporary)
		return;
	if (stream->is_synchronous && source->confirm == BB_CONFIRM_STORE)
		ereport(WARNING,
				(errmsg("commits on source \"%s\" wait until the page store has them",
						source->name),
				 errdetail("Its synchronous_standby_names \"%s\" names \"%s\".",
						   names, source->application_name),
				 errhint("Take the name out of that setting, set another "
						 "application_name for the source, or set its option "
						 "confirm to 'spool'.")));
	else if (source->confirm == BB_CONFIRM_SPOOL &&
			 (stream->is_synchronous || !reception->has_reported))
		ereport(LOG_SERVER_ONLY,
				(stream->is_synchronous
					 ? errmsg("this server is a synchronous standby of source \"%s\"",
							  source->name)
					 : errmsg("this server isn't a synchronous standby of source \"%s\"",
							  source->name),
				 errdetail("Its synchronous_standby_names is \"%s\", and our "
						   "application_name is \"%s\".",
						   names, source->application_name)));
	reception->has_reported = true;
	reception->was_synchronous = stream->is_synchronous;
}

/* ---- the slot ---- */

static void
make_slot(const BbReqCtx *ctx, Stream *stream, const BbFollowStatus *status)
{
	bb_repl_slot_create(ctx, stream->connection, status->slot,
						status->temporary);
	if (status->order != 0)
		ereport(LOG_SERVER_ONLY,
				(errmsg("replication slot \"%s\" of source \"%s\" was created again",
						status->slot, stream->source->name),
				 errdetail("It was missing, or its WAL was removed.")));
}

/* Make sure that the slot exists, and keeps WAL. */
static void
prepare_slot(const BbReqCtx *ctx, Stream *stream)
{
	BbReception *reception = stream->reception;
	BbFollowStatus status;
	BbFollowStatus *changed;
	BbReplSlot	slot = {0};

	bb_followcontrol_get(reception->control, &status);
	if (!status.temporary)
		slot = bb_repl_slot_read(ctx, stream->connection, status.slot);
	if (slot.exists && !slot.physical)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("replication slot \"%s\" of source \"%s\" isn't a physical one",
						status.slot, stream->source->name)));
	if (slot.exists &&
		(XLogRecPtrIsInvalid(slot.restart_lsn) || reception->slot_is_bad))
	{
		bb_repl_slot_drop(ctx, stream->connection, status.slot);
		slot.exists = false;
	}
	if (!slot.exists)
		make_slot(ctx, stream, &status);
	reception->slot_is_bad = false;

	changed = bb_followcontrol_lock(reception->control);
	changed->slot_ready = true;
	bb_followcontrol_unlock(reception->control);
	bb_followcontrol_wake_leader(reception->control);
}

/*
 * Wait until there is an order.  Returns false if the leader has gone.
 *
 * That may last as long as an import.  Meanwhile the source is asked for its
 * position, which also shows whether the connection still stands.
 */
static bool
await_order(const BbReqCtx *ctx, BbReception *reception,
			BbReplConnection *connection)
{
	TimestampTz asked = GetCurrentTimestamp();

	for (;;)
	{
		BbFollowStatus status;

		bb_followcontrol_get(reception->control, &status);
		if (!XLogRecPtrIsInvalid(status.order_lsn))
			return true;
		if (!bb_followcontrol_is_current(reception->control))
			return false;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOOK_MS, PG_WAIT_EXTENSION);
		look_around(ctx);
		if (TimestampDifferenceExceeds(asked, GetCurrentTimestamp(), LOOK_MS))
		{
			asked = GetCurrentTimestamp();
			note_position(reception, bb_repl_identify(ctx, connection)->lsn,
						  asked);
		}
	}
}

/* ---- where to begin ---- */

/*
 * The source's WAL isn't what was received before, from lsn on.  Nothing is kept
 * but what is durable; if that isn't in the source, either, it has diverged.
 */
pg_noreturn static void
leave_source(Stream *stream, XLogRecPtr lsn)
{
	BbReception *reception = stream->reception;
	TimeLineID	tli = bb_received_position(reception->received).tli;
	BbPositionStep step = bb_received_distrust(stream->ctx,
											   reception->received, lsn);

	if (step.kind == BB_POSITION_DIVERGED)
		bb_reception_problem(reception, BB_RECEIVER_DIVERGED, tli, lsn);
	else if (step.kind == BB_POSITION_REWIND)
		bb_reception_problem(reception, BB_RECEIVER_REWIND, tli, lsn);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("source \"%s\" has other WAL than it had before",
					stream->source->name),
			 errdetail("It differs from %X/%X on tli %u on, or before that.",
					   LSN_FORMAT_ARGS(lsn), tli),
			 errhint("The server at %s may have lost WAL in a crash, or may "
					 "have been restored from an older copy.",
					 bb_repl_server(stream->connection)->host)));
}

/* Is the server a standby? */
static bool
is_standby(const BbReqCtx *ctx, BbReplConnection *connection)
{
	return strcmp(bb_repl_show(ctx, connection, "in_hot_standby"), "on") == 0;
}

static void
report_step(const Stream *stream, BbPositionStep step)
{
	const BbReplServer *server = bb_repl_server(stream->connection);
	BbPosition	here = bb_received_position(stream->reception->received);
	const char *detail;

	switch (step.kind)
	{
		case BB_POSITION_BEHIND:
			detail = "The standby hasn't yet received what was received here.";
			break;
		case BB_POSITION_OLDER:
			detail = "It is on an older tli, as a former primary is.";
			break;
		case BB_POSITION_UNRELATED:
			detail = "Its history doesn't have our tli.";
			break;
		default:
			detail = "Its history file isn't valid.";
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("source \"%s\" has no WAL that goes on from %X/%X on tli %u",
					stream->source->name, LSN_FORMAT_ARGS(here.received_lsn),
					here.tli),
			 errdetail("The server at %s is at %X/%X on tli %u.  %s",
					   server->host, LSN_FORMAT_ARGS(server->lsn), server->tli,
					   detail)));
}

/* Carry out what was decided.  Returns false if that is a problem. */
static bool
take_step(Stream *stream, BbPositionStep step)
{
	BbReception *reception = stream->reception;
	BbPosition	here = bb_received_position(reception->received);

	switch (step.kind)
	{
		case BB_POSITION_GO:
		case BB_POSITION_CUT:
			return true;
		case BB_POSITION_REWIND:
			bb_reception_problem(reception, BB_RECEIVER_REWIND, here.tli,
								 step.lsn);
			return false;
		case BB_POSITION_DIVERGED:
			bb_reception_problem(reception, BB_RECEIVER_DIVERGED, here.tli,
								 step.lsn);
			return false;
		default:
			report_step(stream, step);
			return false;
	}
}

/*
 * Does the source's WAL go on where ours ends?  If it has left our tli, what
 * was received beyond is dropped.  Returns false if there is a problem.
 */
static bool
join(const BbReqCtx *ctx, Stream *stream)
{
	BbReception *reception = stream->reception;
	const BbReplServer *server = bb_repl_identify(ctx, stream->connection);
	BbPosition	here = bb_received_position(reception->received);
	BbPositionSource there = {.tli = server->tli, .lsn = server->lsn};
	BbPositionStep step;

	if (there.tli > here.tli)
		there.history = bb_tlihistory_parse(bb_repl_history(ctx,
															stream->connection,
															there.tli),
											there.tli);
	there.is_standby = is_standby(ctx, stream->connection);
	step = bb_position_connect(&here, &there);
	if (step.kind == BB_POSITION_LOST)
		leave_source(stream, step.lsn);
	/* once more, since the leader goes on reading */
	if (!XLogRecPtrIsInvalid(step.lsn))
		step = bb_received_leave(ctx, reception->received, step.lsn);
	return take_step(stream, step);
}

/* ---- the stream ---- */

/*
 * Report what is durable, if it is time to.  Returns the time until then.
 *
 * An import of a session reports nothing as durable: its slot ends soon, and a
 * server without such a position is no synchronous standby.
 */
static long
give_feedback(Stream *stream)
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
										   stream->confirmed_lsn);
	next.written = Max(status.received_lsn, next.flushed);
	next.time = GetCurrentTimestamp();
	wait_ms = bb_feedback_wait_ms(&stream->last, &next, stream->is_requested,
								  stream->is_synchronous, stream->interval_ms);
	if (wait_ms > 0)
		return wait_ms;
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

/* A message has arrived. */
static void
note_message(Stream *stream, const BbStreamMessage *message)
{
	BbReception *reception = stream->reception;

	stream->heard = GetCurrentTimestamp();
	stream->asked = false;
	stream->is_requested |= message->reply_requested;
	note_position(reception, message->source_lsn, message->source_time);
	if (!reception->streams)
	{
		reception->streams = true;
		bb_followcontrol_fine(reception->control);
	}
}

/* Write what has arrived.  Returns the last thing that did. */
static BbStreamNext
take_messages(Stream *stream, BbStreamMessage *message)
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
				leave_source(stream, lsn);
		}
		note_message(stream, message);
		if (bb_received_is_full(received) ||
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
look_for_silence(Stream *stream)
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
stream_tli(Stream *stream, const char *slot, BbStreamMessage *message)
{
	BbReception *reception = stream->reception;
	BbReceived *received = reception->received;
	BbFollowControl *control = reception->control;
	TimestampTz looked = 0;
	XLogRecPtr	lsn;
	TimeLineID	tli = bb_received_next(received, &lsn);

	reception->starts_stream = true;
	bb_walstream_start(stream->ctx, stream->connection, slot, tli, lsn);
	stream->last.time = 0;
	stream->heard = GetCurrentTimestamp();
	stream->asked = false;
	for (;;)
	{
		bool		is_full = bb_received_is_full(received);
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
		if (!is_full)
			look_for_silence(stream);
		else
			stream->heard = GetCurrentTimestamp();
		wait_ms = give_feedback(stream);

		bb_followcontrol_get(control, &status);
		if (status.order != bb_received_order(received))
			return false;
		if (TimestampDifferenceExceeds(looked, GetCurrentTimestamp(), LOOK_MS))
		{
			if (!bb_followcontrol_is_current(control))
				return false;
			looked = GetCurrentTimestamp();
		}
		if (next == BB_STREAM_NOTHING)
			bb_walstream_wait(stream->ctx, stream->connection, !is_full,
							  Min(wait_ms, LOOK_MS));
		look_around(stream->ctx);
	}
}

/* ---- one connection ---- */

/* Stream one tli after the other, until there is a reason to stop. */
static void
receive(const BbReqCtx *ctx, Stream *stream)
{
	BbReception *reception = stream->reception;
	BbFollowStatus status;
	BbStreamMessage message;

	bb_followcontrol_get(reception->control, &status);
	while (stream_tli(stream, status.slot, &message))
	{
		BbPositionStep step = bb_received_leave(ctx, reception->received,
												message.switch_lsn);

		if (!take_step(stream, step))
			return;
		bb_received_switch(ctx, reception->received, message.next_tli,
						   bb_repl_history(ctx, stream->connection,
										   message.next_tli),
						   message.switch_lsn);
	}
}

void
bb_reception_run(const BbReqCtx *ctx, BbReception *reception)
{
	Stream		stream = {.ctx = ctx, .reception = reception};
	BbFollowStatus status;
	const BbReplServer *server;

	reception->starts_stream = false;
	reception->streams = false;
	stream.scratch = AllocSetContextCreate(CurrentMemoryContext,
										   "bbackup stream",
										   ALLOCSET_DEFAULT_SIZES);
	bb_followcontrol_get(reception->control, &status);
	reception->order = status.order;
	stream.source = access_source(status.source);
	stream.connection = bb_repl_connect(ctx, &stream.source->target);
	server = bb_repl_server(stream.connection);
	if (!is_same_system(reception, server))
	{
		bb_reception_problem(reception, BB_RECEIVER_FOREIGN, server->tli,
							 server->lsn);
		report_foreign(reception, stream.source, server);
	}
	stream.interval_ms = bb_feedback_interval_ms(server->sender_timeout_ms);
	look_at_synchronous(ctx, &stream);
	prepare_slot(ctx, &stream);
	if (!await_order(ctx, reception, stream.connection))
		return;
	bb_received_begin(ctx, reception->received, stream.source->confirm);
	reception->order = bb_received_order(reception->received);
	if (join(ctx, &stream))
		receive(ctx, &stream);
}
