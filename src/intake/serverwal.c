/*-------------------------------------------------------------------------
 *
 * serverwal.c
 *	  The WAL of a base backup, received beside it.
 *
 * The spool of a session is the directory "import-PID-RANDOM" beside the spools
 * of timelines.  The memory context of the import ends the receiver, then the
 * control block, and then removes the directory.  A session that is killed
 * leaves a directory whose lock is free.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/resource.h"
#include "intake/serverwal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "process/sessionworker.h"
#include "process/waitset.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#define PREFIX "import-"
#define LOOK_MS 1000

/*
 * The receiver may be at another server than the import: hosts are chosen by
 * each connection, and options may have changed.  So a connection isn't kept
 * longer for a slot that isn't made; the import begins again.
 */
#define RESERVE_MS 30000

typedef struct ServerWal
{
	BbServerWal base;
	BbFollowControl *control;
	const char *directory;
	BbSessionWorker *worker; /* NULL: of a follower */
	const BbWalTail *spool_tail;
	BbWalTail	tail; /* that, and watches the worker */
} ServerWal;

/* ---- directories ---- */

/*
 * Remove a directory with its files.  What can't be removed is left to the next
 * session: this is called when memory contexts end.
 */
static void
remove_directory(const char *directory)
{
	char		path[MAXPGPATH];
	DIR		   *dir = opendir(directory);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
	{
		if (strcmp(entry->d_name, ".") == 0 ||
			strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		(void) unlink(path);
	}
	closedir(dir);
	(void) rmdir(directory);
}

static void
remove_with_context(void *directory)
{
	remove_directory(directory);
}

/*
 * Remove what killed sessions have left.
 *
 * A directory is led as soon as it is locked; one that isn't yet may be another
 * session's.  So each is locked here before it is removed, which makes that
 * session choose another name.
 */
static void
remove_leftovers(const char *parent)
{
	DIR		   *dir = AllocateDir(parent);
	struct dirent *entry;

	if (dir == NULL && errno == ENOENT)
		return;
	while ((entry = ReadDir(dir, parent)) != NULL)
	{
		char	   *path;

		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		path = psprintf("%s/%s", parent, entry->d_name);
		bb_followcontrol_remove(path, remove_directory);
		pfree(path);
	}
	FreeDir(dir);
}

/* ---- waiting ---- */

/* Raise the error of the receiver, if it has one. */
static void
look_at_worker(const BbReqCtx *ctx, ServerWal *wal)
{
	const void *message;
	size_t		length;

	if (wal->worker != NULL &&
		bb_sessionworker_receive(ctx, wal->worker, false, &message, &length) ==
			BB_WORKER_ENDED)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("the receiver of WAL has ended")));
}

/* Raise what the receiver of a follower can't decide. */
static void
look_at_problem(ServerWal *wal)
{
	BbFollowStatus status;

	bb_followcontrol_get(wal->control, &status);
	if (status.problem == BB_RECEIVER_FINE)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the WAL of the base backup can't be received"),
			 errdetail("%s", status.problem == BB_RECEIVER_GAP
						   ? psprintf("The source has no WAL at " BB_LSN_FORMAT " on tli %u any more.",
									  LSN_FORMAT_ARGS(status.problem_lsn),
									  status.problem_tli)
						   : psprintf("The source left tli %u at " BB_LSN_FORMAT ", or before.",
									  status.problem_tli,
									  LSN_FORMAT_ARGS(status.problem_lsn)))));
}

/*
 * Say which system is to be received.  A receiver that has a slot of another one,
 * since there is one in the source's list of hosts, connects again.
 */
static void
set_system(ServerWal *wal, const BbReplServer *server)
{
	BbFollowStatus *status = bb_followcontrol_lock(wal->control);

	if (status->system_identifier != server->system_identifier ||
		status->segment_size != server->segment_size)
		status->slot_ready = false;
	status->system_identifier = server->system_identifier;
	status->segment_size = server->segment_size;
	bb_followcontrol_unlock(wal->control);
	bb_followcontrol_wake_receiver(wal->control);
}

pg_noreturn static void
report_no_slot(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the WAL of the base backup can't be received"),
			 errdetail("There has been no replication slot for it for %d s.",
					   RESERVE_MS / 1000)));
}

static void
reserve(const BbReqCtx *ctx, BbServerWal *base, const BbReplServer *server)
{
	ServerWal  *wal = (ServerWal *) base;
	TimestampTz start = GetCurrentTimestamp();

	set_system(wal, server);
	for (;;)
	{
		BbFollowStatus status;

		bb_followcontrol_get(wal->control, &status);
		if (status.slot_ready)
			return;
		look_at_worker(ctx, wal);
		look_at_problem(wal);
		/* a session's receiver that fails ends */
		if (wal->worker == NULL &&
			TimestampDifferenceExceeds(start, GetCurrentTimestamp(),
									   RESERVE_MS))
			report_no_slot();
		bb_latch_wait(ctx, LOOK_MS);
	}
}

static void
receive(const BbReqCtx *ctx, BbServerWal *base, TimeLineID tli, XLogRecPtr lsn)
{
	ServerWal  *wal = (ServerWal *) base;

	look_at_worker(ctx, wal);
	bb_followcontrol_order(wal->control, tli, lsn, false);
}

static void
check(const BbReqCtx *ctx, BbServerWal *base)
{
	ServerWal  *wal = (ServerWal *) base;

	look_at_worker(ctx, wal);
	look_at_problem(wal);
}

/* ---- the tail ---- */

static const ServerWal *
wal_of(const BbWalTail *tail)
{
	return (const ServerWal *) ((const char *) tail -
								offsetof(ServerWal, tail));
}

static void
tail_position(const BbWalTail *tail, TimeLineID *tli, XLogRecPtr *lsn)
{
	const BbWalTail *spool_tail = wal_of(tail)->spool_tail;

	spool_tail->position(spool_tail, tli, lsn);
}

static void
tail_wait(const BbReqCtx *ctx, const BbWalTail *tail, long timeout_ms)
{
	ServerWal  *wal = (ServerWal *) wal_of(tail);

	look_at_worker(ctx, wal);
	look_at_problem(wal);
	wal->spool_tail->wait(ctx, wal->spool_tail, timeout_ms);
}

static void
tail_committed(const BbReqCtx *ctx, const BbWalTail *tail, XLogRecPtr lsn)
{
	const BbWalTail *spool_tail = wal_of(tail)->spool_tail;

	spool_tail->committed(ctx, spool_tail, lsn);
}

static const BbWalOrigin *
origin(const BbReqCtx *ctx, BbServerWal *base)
{
	ServerWal  *wal = (ServerWal *) base;

	wal->spool_tail = bb_receiver_tail(wal->control);
	wal->tail.position = tail_position;
	wal->tail.wait = tail_wait;
	wal->tail.committed = tail_committed;
	return bb_walspool_origin(wal->directory, &wal->tail);
}

static ServerWal *
new_wal(void)
{
	ServerWal  *wal = palloc0(sizeof(ServerWal));

	wal->base.reserve = reserve;
	wal->base.receive = receive;
	wal->base.check = check;
	wal->base.origin = origin;
	return wal;
}

/* ---- whose WAL ---- */

BbServerWal *
bb_serverwal_follower(BbFollowControl *control, const char *directory)
{
	ServerWal  *wal = new_wal();

	wal->control = control;
	wal->directory = pstrdup(directory);
	return &wal->base;
}

static uint64
random_number(void)
{
	uint64		number;

	if (!pg_strong_random(&number, sizeof(number)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number")));
	return number;
}

BbServerWal *
bb_serverwal_session(const BbReqCtx *ctx, const char *source)
{
	ServerWal  *wal = new_wal();
	uint64		number = random_number();
	BbReceiverOrder order = {.store = InvalidOid,
							 .parent_call_id = ctx->call_id};
	char	   *parent;

	snprintf(order.timeline, sizeof(order.timeline), PREFIX "%d-%08x",
			 MyProcPid, (uint32) number);
	wal->directory = bb_followcontrol_path(InvalidOid, order.timeline);
	parent = pstrdup(wal->directory);
	get_parent_directory(parent);
	remove_leftovers(parent);

	/* the last that ends is the first that begins */
	bb_on_reset(CurrentMemoryContext, remove_with_context,
				pstrdup(wal->directory));
	wal->control = bb_followcontrol_create(wal->directory);
	bb_followcontrol_source(wal->control, source,
							psprintf("bbackup_import_%016llx",
									 (unsigned long long) number),
							true);
	wal->worker = bb_sessionworker_start(
		ctx,
		&(BbSessionWorkerRequest){.task = BB_RECEIVE_TASK,
								  .payload = &order,
								  .payload_length = sizeof(order)});
	return &wal->base;
}
