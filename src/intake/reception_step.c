/*-------------------------------------------------------------------------
 *
 * reception_step.c
 *	  What the parts of a connection of a receiver decide, and what they share.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "intake/receiver.h"
#include "intake/reception_internal.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "process/worker.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"

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

void
bb_reception_look_around(const BbReqCtx *ctx)
{
	ResetLatch(MyLatch);
	bb_reqctx_check(ctx);
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

BbSource *
bb_reception_source(const char *name)
{
	MemoryContext context = CurrentMemoryContext;
	BbSource   *source;

	/* a session worker is in a transaction already */
	if (IsTransactionState())
		return bb_source_access(name);
	bb_worker_begin_transaction();
	MemoryContextSwitchTo(context);
	source = bb_source_access(name);
	bb_worker_end_transaction();
	return source;
}

static bool
same_target(const BbReplTarget *one, const BbReplTarget *other)
{
	int			i;

	for (i = 0; one->keywords[i] != NULL && other->keywords[i] != NULL; i++)
	{
		const char *value = one->values[i];
		const char *now = other->values[i];

		if (strcmp(one->keywords[i], other->keywords[i]) != 0 ||
			(value == NULL) != (now == NULL) ||
			(value != NULL && strcmp(value, now) != 0))
			return false;
	}
	return one->keywords[i] == other->keywords[i] &&
		one->need_password == other->need_password;
}

bool
bb_reception_source_changed(const BbReceptionStream *stream)
{
	const BbSource *then = stream->source;
	MemoryContext old = MemoryContextSwitchTo(stream->scratch);
	const BbSource *now = bb_reception_source(then->name);

	MemoryContextSwitchTo(old);
	return now->server != then->server || now->confirm != then->confirm ||
		strcmp(now->application_name, then->application_name) != 0 ||
		!same_target(&then->target, &now->target);
}

void
bb_reception_leave_source(BbReceptionStream *stream, XLogRecPtr lsn)
{
	BbReception *reception = stream->reception;
	TimeLineID	tli = bb_received_position(reception->received).tli;
	BbPositionStep step = bb_received_distrust(stream->ctx,
											   reception->received, lsn);

	/* this isn't an error of the source: its slot is good */
	reception->starts_stream = false;
	if (step.kind == BB_POSITION_DIVERGED)
		bb_reception_problem(reception, BB_RECEIVER_DIFFERS, tli, lsn);
	else if (step.kind == BB_POSITION_REWIND)
		bb_reception_problem(reception, BB_RECEIVER_REWIND, tli, lsn);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("source \"%s\" has other WAL than it had before",
					stream->source->name),
			 errdetail("It differs from " BB_LSN_FORMAT " on tli %u on, or before that.",
					   LSN_FORMAT_ARGS(lsn), tli),
			 errhint("The server at %s may have lost WAL in a crash, or may "
					 "have been restored from an older copy.",
					 bb_repl_server(stream->connection)->host)));
}

static void
report_step(const BbReceptionStream *stream, BbPositionStep step)
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
			 errmsg("source \"%s\" has no WAL that goes on from " BB_LSN_FORMAT " on tli %u",
					stream->source->name, LSN_FORMAT_ARGS(here.received_lsn),
					here.tli),
			 errdetail("The server at %s is at " BB_LSN_FORMAT " on tli %u.  %s",
					   server->host, LSN_FORMAT_ARGS(server->lsn), server->tli,
					   detail)));
}

bool
bb_reception_take_step(const BbReceptionStream *stream, BbPositionStep step)
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
