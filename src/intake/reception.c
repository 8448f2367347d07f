/*-------------------------------------------------------------------------
 *
 * reception.c
 *	  One connection of a receiver to its source.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "intake/receiver.h"
#include "intake/reception_internal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* ---- the source ---- */

/*
 * Is this the server that is followed, as far as that is known?
 *
 * Of several hosts, one may be another system by mistake.  So this is an error
 * like that of a host that is down.
 */
static void
check_system(BbReception *reception, const BbSource *source,
			 const BbReplServer *server)
{
	BbFollowStatus status;

	bb_followcontrol_get(reception->control, &status);
	if (status.system_identifier == 0 ||
		(status.system_identifier == server->system_identifier &&
		 status.segment_size == server->segment_size))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("source \"%s\" is another server than the one that is followed",
					source->name),
			 errdetail("The server at %s has system identifier " UINT64_FORMAT
					   " and segments of %u bytes instead of " UINT64_FORMAT
					   " and %u.",
					   server->host, server->system_identifier,
					   server->segment_size, status.system_identifier,
					   status.segment_size),
			 errhint("Correct the hosts of the source by ALTER SERVER.  A cluster that was made anew, as by pg_upgrade, takes a new timeline: call bb_unfollow() for this one, and bb_follow() for another, of which bb_set_upgraded_from() notes that it continues this one.")));
}

static void
set_connected(BbReception *reception, const BbReplServer *server)
{
	BbFollowStatus *status = bb_followcontrol_lock(reception->control);

	status->connected = true;
	strlcpy(status->host, server->host, sizeof(status->host));
	bb_followcontrol_unlock(reception->control);
	bb_followcontrol_note_source(reception->control, server->lsn, false);
}

/*
 * Say whether commits on the source wait for us: for confirm 'spool' that is
 * wanted, perhaps; with 'store' a commit takes as long as a flush.
 */
static void
look_at_synchronous(const BbReqCtx *ctx, BbReceptionStream *stream)
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
		reception->was_synchronous == stream->is_synchronous &&
		reception->was_confirm == source->confirm)
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
	if (stream->is_synchronous &&
		strcmp(bb_repl_show(ctx, stream->connection, "synchronous_commit"),
			   "remote_apply") == 0)
		ereport(WARNING,
				(errmsg("commits on source \"%s\" may wait for ever",
						source->name),
				 errdetail("Its synchronous_commit is \"remote_apply\", and a page store applies no WAL."),
				 errhint("Set synchronous_commit to \"on\" there.")));
	reception->has_reported = true;
	reception->was_synchronous = stream->is_synchronous;
	reception->was_confirm = source->confirm;
}

/* ---- the slot ---- */

/*
 * Make the slot.  It was there before if it was found ("was_bad"), if this leader
 * has had it, or if WAL came through it.
 */
static void
make_slot(const BbReqCtx *ctx, BbReceptionStream *stream,
		  const BbFollowStatus *status, bool was_bad)
{
	bool		again = was_bad || status->slot_ready ||
		bb_received_has_wal(stream->reception->received);

	bb_repl_slot_create(ctx, stream->connection, status->slot,
						status->temporary);
	if (status->temporary)
		return;
	ereport(LOG_SERVER_ONLY,
			(again ? errmsg("replication slot \"%s\" of source \"%s\" was created again",
							status->slot, stream->source->name)
				   : errmsg("replication slot \"%s\" of source \"%s\" was created",
							status->slot, stream->source->name),
			 again ? errdetail("It was missing, or its WAL was removed.")
				   : 0));
}

/* Make sure that the slot exists, and keeps WAL. */
static void
prepare_slot(const BbReqCtx *ctx, BbReceptionStream *stream)
{
	BbReception *reception = stream->reception;
	BbFollowStatus status;
	BbFollowStatus *changed;
	BbReplSlot	slot = {0};
	bool		is_bad = false;

	bb_followcontrol_get(reception->control, &status);
	if (!status.temporary)
		slot = bb_repl_slot_read(ctx, stream->connection, status.slot);
	if (slot.exists && !slot.physical)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("replication slot \"%s\" of source \"%s\" isn't a physical one",
						status.slot, stream->source->name)));
	if (slot.exists)
		is_bad = XLogRecPtrIsInvalid(slot.restart_lsn) ||
			reception->slot_is_bad;
	if (is_bad)
		bb_repl_slot_drop(ctx, stream->connection, status.slot);
	if (is_bad || !slot.exists)
		make_slot(ctx, stream, &status, is_bad);
	reception->slot_is_bad = false;

	changed = bb_followcontrol_lock(reception->control);
	changed->slot_ready = true;
	bb_followcontrol_unlock(reception->control);
	bb_followcontrol_wake_leader(reception->control);
}

/* ---- the leader ---- */

static bool
knows_system(const BbFollowStatus *status)
{
	return status->system_identifier != 0;
}

static bool
has_order(const BbFollowStatus *status)
{
	return !XLogRecPtrIsInvalid(status->order_lsn);
}

/*
 * Wait until the leader has said what we need.  Returns false if it has gone.
 *
 * That may last as long as an import.  Meanwhile the source is asked for its
 * position, which also shows whether the connection still stands.
 */
static bool
await(BbReceptionStream *stream, bool (*is_said)(const BbFollowStatus *status))
{
	BbReception *reception = stream->reception;
	TimestampTz asked = GetCurrentTimestamp();

	for (;;)
	{
		BbFollowStatus status;

		check_system(reception, stream->source,
					 bb_repl_server(stream->connection));
		bb_followcontrol_get(reception->control, &status);
		if (is_said(&status))
			return true;
		if (!bb_followcontrol_is_current(reception->control))
			return false;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 BB_RECEPTION_LOOK_MS, PG_WAIT_EXTENSION);
		bb_reception_look_around(stream->ctx);
		if (TimestampDifferenceExceeds(asked, GetCurrentTimestamp(),
									   BB_RECEPTION_LOOK_MS))
		{
			asked = GetCurrentTimestamp();
			bb_followcontrol_note_source(reception->control,
										 bb_repl_identify(stream->ctx,
														  stream->connection)
											 ->lsn,
										 false);
		}
	}
}

/* ---- where to begin ---- */

/* Is the server a standby? */
static bool
is_standby(const BbReqCtx *ctx, BbReplConnection *connection)
{
	return strcmp(bb_repl_show(ctx, connection, "in_hot_standby"), "on") == 0;
}

/*
 * Returns the history of the server's tli, which is ours; NULL if it has none, as
 * a server that was restored without its pg_wal.
 */
static const BbTliHistory *
history_of_same(const BbReqCtx *ctx, BbReplConnection *connection,
				TimeLineID tli)
{
	MemoryContext caller = CurrentMemoryContext;
	const char *volatile text = NULL;

	PG_TRY();
	{
		text = bb_repl_history(ctx, connection, tli);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_UNDEFINED_FILE)
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		FlushErrorState();
	}
	PG_END_TRY();
	return text == NULL ? NULL : bb_tlihistory_parse(text, tli);
}

/*
 * Does the source's WAL go on where ours ends?  If it has left our tli, what
 * was received beyond is dropped.  Returns false if there is a problem.
 */
static bool
join(const BbReqCtx *ctx, BbReceptionStream *stream)
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
	else if (there.tli == here.tli)
	{
		here.history = bb_received_history(ctx, reception->received);
		if (here.history != NULL)
			there.history = history_of_same(ctx, stream->connection,
											there.tli);
	}
	there.is_standby = is_standby(ctx, stream->connection);
	step = bb_position_connect(&here, &there);
	if (step.kind == BB_POSITION_LOST || step.kind == BB_POSITION_OTHER)
		bb_reception_leave_source(stream, step.lsn);
	/* once more, since the leader goes on reading */
	if (!XLogRecPtrIsInvalid(step.lsn))
		step = bb_received_leave(ctx, reception->received, step.lsn);
	return bb_reception_take_step(stream, step);
}

/* ---- one connection ---- */

/*
 * Let the leader have what the spool has, before the source is connected to,
 * which may be lost for good.
 */
static void
begin_offline(const BbReqCtx *ctx, BbReceptionStream *stream,
			  const BbFollowStatus *status)
{
	if (XLogRecPtrIsInvalid(status->order_lsn) ||
		status->system_identifier == 0 || status->segment_size == 0)
		return;
	bb_received_begin(ctx, stream->reception->received,
					  stream->source->confirm);
	stream->reception->order = bb_received_order(stream->reception->received);
}

void
bb_reception_run(const BbReqCtx *ctx, BbReception *reception)
{
	BbReceptionStream stream = {.ctx = ctx, .reception = reception};
	BbFollowStatus status;
	const BbReplServer *server;
	BbSource   *source;

	reception->hosts = 1;
	reception->starts_stream = false;
	reception->streams = false;
	stream.scratch = AllocSetContextCreate(CurrentMemoryContext,
										   "bbackup stream",
										   ALLOCSET_DEFAULT_SIZES);
	bb_followcontrol_get(reception->control, &status);
	reception->order = status.order;
	source = bb_reception_source(status.source);
	source->target.first_host = reception->gaps;
	stream.source = source;
	begin_offline(ctx, &stream, &status);
	reception->hosts = bb_repl_host_count(&source->target);
	stream.connection = bb_repl_connect(ctx, &stream.source->target);
	server = bb_repl_server(stream.connection);
	check_system(reception, stream.source, server);
	set_connected(reception, server);
	stream.interval_ms = bb_feedback_interval_ms(server->sender_timeout_ms);
	look_at_synchronous(ctx, &stream);
	/* so that no other server gets a slot */
	if (!await(&stream, knows_system))
		return;
	prepare_slot(ctx, &stream);
	if (!await(&stream, has_order))
		return;
	bb_received_begin(ctx, reception->received, stream.source->confirm);
	reception->order = bb_received_order(reception->received);
	if (join(ctx, &stream))
		bb_reception_stream(&stream);
}
