/*-------------------------------------------------------------------------
 *
 * test_worker.c
 *	  Background workers: their messages, errors and ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

#include "access/xact.h"
#include "base/resource.h"
#include "base/settings.h"
#include "catalog/pg_authid.h"
#include "intake/receiver.h"
#include "miscadmin.h"
#include "process/sessionworker.h"
#include "process/standingworker.h"
#include "storage/dsm.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "unit.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

/* ---- tasks ---- */

/* Sends its payload and its input back. */
static void
task_echo(const void *payload, size_t length)
{
	const BbReqCtx *ctx = bb_reqctx_root(BB_TASK_UNIT_TEST, BB_DOWNLOAD_ALLOW);
	const void *message;
	size_t		message_length;

	(void) bb_sessionworker_put(ctx, payload, length);
	while (bb_sessionworker_get(ctx, &message, &message_length))
		(void) bb_sessionworker_put(ctx, message, message_length);
}

/* Sends numbers, and wakes the starter for the last only. */
static void
task_count(const void *payload, size_t length)
{
	const BbReqCtx *ctx = bb_reqctx_root(BB_TASK_UNIT_TEST, BB_DOWNLOAD_ALLOW);
	int			last = 5000;

	for (int i = 0; i < last; i++)
		(void) bb_sessionworker_put_lazily(ctx, &i, sizeof(i));
	(void) bb_sessionworker_put(ctx, &last, sizeof(last));
}

typedef struct Identity
{
	int			pid;
	Oid			database;
	Oid			user;
	Oid			outer_user;
	int			security_context;
	int			isolation;
	bool		read_only;
	char		application[NAMEDATALEN];
	char		setting[NAMEDATALEN]; /* bbackup.unit */
	char		payload[NAMEDATALEN]; /* of a standing worker */
} Identity;

static Identity
identity(void)
{
	Identity	mine = {.pid = MyProcPid,
						.database = MyDatabaseId,
						.outer_user = GetOuterUserId(),
						.isolation = XactIsoLevel,
						.read_only = XactReadOnly};
	const char *setting = GetConfigOption("bbackup.unit", true, false);

	GetUserIdAndSecContext(&mine.user, &mine.security_context);
	strlcpy(mine.application,
			GetConfigOption("application_name", false, false),
			sizeof(mine.application));
	strlcpy(mine.setting, setting ? setting : "", sizeof(mine.setting));
	return mine;
}

/* Sends its identity, and then waits until it is ended. */
static void
task_stay(const void *payload, size_t length)
{
	const BbReqCtx *ctx = bb_reqctx_root(BB_TASK_UNIT_TEST, BB_DOWNLOAD_ALLOW);
	Identity	mine = identity();

	(void) bb_sessionworker_put(ctx, &mine, sizeof(mine));
	for (;;)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, 0);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
task_fail(const void *payload, size_t length)
{
	ereport(DEBUG1, (errmsg("this does not get through")));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED), errmsg("task failed"),
			 errdetail("Detail: %s", (const char *) payload)));
}

static void
count_last(void *ctx)
{
	BB_COUNT((const BbReqCtx *) ctx, keys_requested, 100);
}

/* Counts for its starter, also in the abort with which it ends. */
static void
task_tally(const void *payload, size_t length)
{
	const BbReqCtx
		*ctx = bb_reqctx_attached_child_of(payload, BB_TASK_UNIT_TEST,
										   bb_sessionworker_counters());

	bb_on_reset(CurrentMemoryContext, count_last, (void *) ctx);
	BB_COUNT(ctx, keys_requested, 1);
	BB_COUNT(ctx, bytes_out, 8);
	task_stay(NULL, 0);
}

/* Where a standing worker writes its identity. */
static const char *
stand_path(void)
{
	return psprintf("%s/bb_unit.stand", DataDir);
}

/*
 * Writes its identity, again each time that its latch is set, until it is
 * ended.
 */
static void
task_stand(const void *payload, size_t length)
{
	char	   *temporary = psprintf("%s.tmp", stand_path());

	for (;;)
	{
		Identity	mine;
		FILE	   *file;

		bb_worker_begin_transaction();
		mine = identity();
		bb_worker_end_transaction();
		memcpy(mine.payload, payload, length);
		strlcpy(mine.setting, GetConfigOption("log_temp_files", false, false),
				sizeof(mine.setting));
		file = AllocateFile(temporary, PG_BINARY_W);
		if (file == NULL || fwrite(&mine, sizeof(mine), 1, file) != 1 ||
			FreeFile(file) != 0 || rename(temporary, stand_path()) != 0)
			elog(ERROR, "could not write \"%s\": %m", temporary);
		bb_standingworker_wait(-1);
	}
}

static const BbWorkerTask tasks[] = {
	{"echo", task_echo},
	{"count", task_count},
	{"stay", task_stay},
	{"fail", task_fail},
	{"tally", task_tally},
	{"stand", task_stand},
	{BB_RECEIVE_TASK, bb_receive_task},
};

void
unit_worker_init(void)
{
	Dl_info		self;

	/* wherever this module was loaded from */
	if (dladdr(unit_worker_init, &self) == 0)
		elog(ERROR, "could not find out the path of this module");
	bb_worker_init(self.dli_fname, tasks, lengthof(tasks));
	/* in workers, too; this module doesn't define the settings */
	bb_setting_spool_size_mb = 64;
}

/* ---- tests ---- */

static BbSessionWorkerRequest
request(const char *task)
{
	return (BbSessionWorkerRequest){.task = task,
									.payload = "payload",
									.payload_length = 8,
									.input_bytes = 1000};
}

static BbSessionWorker *
start(const BbReqCtx *ctx, const char *task)
{
	BbSessionWorkerRequest wanted = request(task);

	return bb_sessionworker_start(ctx, &wanted);
}

/* The last message of a worker. */
static const void *message;
static size_t length;

static BbWorkerEvent
receive(const BbReqCtx *ctx, BbSessionWorker *worker)
{
	return bb_sessionworker_receive(ctx, worker, true, &message, &length);
}

/* Receive the identity of a worker, which proves that it runs. */
static Identity
first_message(const BbReqCtx *ctx, BbSessionWorker *worker)
{

	CHECK(receive(ctx, worker) == BB_WORKER_MESSAGE);
	CHECK(length == sizeof(Identity));
	return *(const Identity *) message;
}

static bool
runs(int pid)
{
	return BackendPidGetProc(pid) != NULL;
}

/* Sleep 1 ms, at most a minute in a test. */
static void
nap(const BbReqCtx *ctx)
{
	bb_reqctx_check(ctx);
	CHECK(!TimestampDifferenceExceeds(ctx->started_at, GetCurrentTimestamp(),
									  60000));
	pg_usleep(1000);
}

static void
await_end(const BbReqCtx *ctx, int pid)
{
	while (runs(pid))
		nap(ctx);
}

UNIT_TEST(worker_streams_both_ways)
{
	BbSessionWorker *worker = start(ctx, "echo");

	CHECK(receive(ctx, worker) == BB_WORKER_MESSAGE);
	CHECK(length == 8 && strcmp(message, "payload") == 0);

	/* longer than the queues, and empty */
	for (size_t size = 0; size <= 10000; size += 5000)
	{
		char	   *sent = palloc(Max(size, 1));

		memset(sent, 'a' + size / 5000, size);
		CHECK(bb_sessionworker_send(ctx, worker, sent, size));
		CHECK(receive(ctx, worker) == BB_WORKER_MESSAGE);
		CHECK(length == size && memcmp(message, sent, size) == 0);
	}
	CHECK(bb_sessionworker_receive(ctx, worker, false, &message, &length) ==
		  BB_WORKER_NOTHING);
	bb_sessionworker_end_input(worker);
	CHECK(receive(ctx, worker) == BB_WORKER_ENDED);
	CHECK(receive(ctx, worker) == BB_WORKER_ENDED);
}

UNIT_TEST(worker_puts_lazily)
{
	BbSessionWorker *worker = start(ctx, "count");

	for (int i = 0; i <= 5000; i++)
	{
		CHECK(receive(ctx, worker) == BB_WORKER_MESSAGE);
		CHECK(length == sizeof(int) && *(const int *) message == i);
	}
	CHECK(receive(ctx, worker) == BB_WORKER_ENDED);
}

UNIT_TEST(worker_has_its_starters_session)
{
	Identity	mine;
	Identity	other;
	Oid			user;
	int			security_context;

	SetConfigOption("application_name", "unit worker", PGC_USERSET,
					PGC_S_SESSION);
	SetConfigOption("bbackup.unit", "set", PGC_USERSET, PGC_S_SESSION);
	/* the worker's transaction ignores the role's defaults */
	SetConfigOption("default_transaction_isolation", "serializable",
					PGC_USERSET, PGC_S_SESSION);
	GetUserIdAndSecContext(&user, &security_context);
	/* an error ends the transaction of the tests, and this with it */
	SetUserIdAndSecContext(ROLE_PG_MONITOR, SECURITY_LOCAL_USERID_CHANGE);
	mine = identity();
	other = first_message(ctx, start(ctx, "stay"));
	SetUserIdAndSecContext(user, security_context);

	CHECK(other.pid != mine.pid);
	CHECK(other.database == mine.database);
	CHECK(other.user == ROLE_PG_MONITOR);
	CHECK(other.outer_user == mine.outer_user);
	CHECK(other.security_context == SECURITY_LOCAL_USERID_CHANGE);
	CHECK(strcmp(other.application, "unit worker") == 0);
	CHECK(strcmp(other.setting, "set") == 0);
	CHECK(other.isolation == XACT_READ_COMMITTED);
	CHECK(other.read_only);
	SetConfigOption("default_transaction_isolation", "read committed",
					PGC_USERSET, PGC_S_SESSION);
}

UNIT_TEST(worker_errors_are_the_starters)
{
	BbSessionWorker *worker = start(ctx, "fail");

	CHECK_ERROR(receive(ctx, worker), ERRCODE_DATA_CORRUPTED);
	CHECK(strcmp(unit_last_error, "task failed") == 0);
	CHECK(strcmp(unit_last_detail, "Detail: payload") == 0);

	worker = start(ctx, "stay");
	kill(first_message(ctx, worker).pid, SIGINT);
	CHECK_ERROR(receive(ctx, worker), ERRCODE_QUERY_CANCELED);
	worker = start(ctx, "stay");
	kill(first_message(ctx, worker).pid, SIGTERM);
	CHECK_ERROR(receive(ctx, worker), ERRCODE_ADMIN_SHUTDOWN);
	/* its error has been raised already */
	CHECK_ERROR(receive(ctx, worker), ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
}

UNIT_TEST(worker_optional_just_ends)
{
	BbSessionWorkerRequest wanted = request("fail");
	BbSessionWorker *worker;

	wanted.errors = BB_WORKER_ERRORS_LOGGED;
	worker = bb_sessionworker_start(ctx, &wanted);
	CHECK(receive(ctx, worker) == BB_WORKER_ENDED);
	wanted.task = "stay";
	worker = bb_sessionworker_start(ctx, &wanted);
	kill(first_message(ctx, worker).pid, SIGTERM);
	CHECK(receive(ctx, worker) == BB_WORKER_ENDED);
	worker = bb_sessionworker_start(ctx, &wanted);
	(void) first_message(ctx, worker);
	CHECK(bb_sessionworker_cancel(worker));
	CHECK(receive(ctx, worker) == BB_WORKER_ENDED);
	bb_sessionworker_stop(worker);
	CHECK(!bb_sessionworker_cancel(worker));
}

UNIT_TEST(worker_ends_with_its_memory)
{
	MemoryContext context = unit_enter();
	BbSessionWorker *worker = start(ctx, "stay");
	int			first = first_message(ctx, worker).pid;
	int			second;

	CHECK(runs(first));
	bb_sessionworker_stop(worker);
	CHECK(!runs(first));
	second = first_message(ctx, start(ctx, "stay")).pid;
	/* a worker that may not have begun yet */
	(void) start(ctx, "stay");
	CHECK(runs(second));
	unit_leave(context);
	CHECK(!runs(second));
}

UNIT_TEST(worker_counts_for_its_starter)
{
	MemoryContext context = unit_enter();
	BbSessionWorkerRequest wanted = {.task = "tally",
									 .payload = ctx,
									 .payload_length = sizeof(*ctx)};
	const BbReqCtx *child = bb_reqctx_attached_child(ctx, BB_TASK_UNIT_TEST);
	BbSessionWorker *worker = bb_sessionworker_start(child, &wanted);

	(void) first_message(ctx, worker);
	CHECK(ctx->counters->keys_requested == 0);
	for (int i = 0; i < 2; i++)
	{
		bb_sessionworker_collect(worker);
		CHECK(child->counters->keys_requested == 1);
		CHECK(ctx->counters->keys_requested == 1);
	}
	unit_leave(context);
	CHECK(ctx->counters->keys_requested == 101);
	CHECK(ctx->counters->bytes_out == 8);
}

UNIT_TEST(worker_continues_detached)
{
	MemoryContext context = unit_enter();
	BbSessionWorker *worker = start(ctx, "stay");
	int			pid = first_message(ctx, worker).pid;

	bb_sessionworker_detach(worker);
	unit_leave(context);
	CHECK(runs(pid));
	kill(pid, SIGTERM);
	await_end(ctx, pid);
}

UNIT_TEST(worker_slots_are_limited)
{
	MemoryContext context = unit_enter();
	BbSessionWorkerRequest wanted = request("stay");
	const char *shortage;
	int			sqlstate = 0;
	int			n;

	for (n = 0; sqlstate == 0 && n <= max_worker_processes; n++)
		ERROR_OF((void) start(ctx, "stay"), sqlstate);
	CHECK(sqlstate == ERRCODE_INSUFFICIENT_RESOURCES);
	CHECK(strstr(unit_last_detail, "max_worker_processes") != NULL);
	CHECK(bb_sessionworker_try_start(ctx, &wanted, &shortage) == NULL);
	CHECK(strcmp(shortage, unit_last_detail) == 0);
	unit_leave(context);
	(void) first_message(ctx, start(ctx, "stay"));
}

UNIT_TEST(worker_segments_are_limited)
{
	BbSessionWorkerRequest wanted = request("stay");
	List	   *segments = NIL;
	dsm_segment *segment;
	const char *shortage;

	while ((segment = dsm_create(1, DSM_CREATE_NULL_IF_MAXSEGMENTS)) != NULL)
		segments = lappend(segments, segment);
	CHECK(bb_sessionworker_try_start(ctx, &wanted, &shortage) == NULL);
	CHECK(strstr(shortage, "shared memory segments") != NULL);
	CHECK_ERROR((void) start(ctx, "stay"), ERRCODE_INSUFFICIENT_RESOURCES);
	CHECK(strcmp(shortage, unit_last_detail) == 0);
	/* all, since the server's statistics may want some for the worker */
	for (int i = 0; i < list_length(segments); i++)
		dsm_detach(list_nth(segments, i));
	(void) first_message(ctx, start(ctx, "stay"));
}

/* ---- standing workers ---- */

static int
start_standing(Oid database, Oid role, int restart_s)
{
	(void) unlink(stand_path());
	return bb_standingworker_start(
		&(BbStandingWorker){.task = "stand",
							.database = database,
							.role = role,
							.payload = "payload",
							.payload_length = sizeof("payload"),
							.restart_s = restart_s});
}

/* Wait for an identity other than the file's at the start, and remove it. */
static Identity
await_identity(const BbReqCtx *ctx)
{
	Identity	found;
	FILE	   *file;

	while ((file = AllocateFile(stand_path(), PG_BINARY_R)) == NULL)
		nap(ctx);
	CHECK(fread(&found, sizeof(found), 1, file) == 1);
	FreeFile(file);
	CHECK(unlink(stand_path()) == 0);
	return found;
}

UNIT_TEST(standingworker_has_its_own_session)
{
	Identity	found;
	int			pid;

	SetConfigOption("application_name", "unit worker", PGC_USERSET,
					PGC_S_SESSION);
	unit_psql("postgres", "CREATE ROLE bb_standing LOGIN;\n");
	AcceptInvalidationMessages();
	pid = start_standing(MyDatabaseId, get_role_oid("bb_standing", false), 0);
	found = await_identity(ctx);
	CHECK(found.pid == pid);
	CHECK(found.database == MyDatabaseId);
	CHECK(found.user == get_role_oid("bb_standing", false));
	CHECK(found.read_only && found.isolation == XACT_READ_COMMITTED);
	CHECK(strcmp(found.payload, "payload") == 0);
	CHECK(strcmp(found.application, "unit worker") != 0);
	/* it rereads settings */
	CHECK(strcmp(found.setting, "-1") == 0);
	unit_psql("postgres",
			  "ALTER SYSTEM SET log_temp_files = 12345;\n"
			  "SELECT pg_reload_conf();\n");
	do
		found = await_identity(ctx);
	while (strcmp(found.setting, "-1") == 0);
	CHECK(strcmp(found.setting, "12345") == 0);
	unit_psql("postgres",
			  psprintf("ALTER SYSTEM RESET log_temp_files;\n"
					   "SELECT pg_terminate_backend(%d, 60000);\n"
					   "DROP ROLE bb_standing;\n",
					   pid));
	CHECK(!runs(pid));
}

UNIT_TEST(standingworker_without_database)
{
	int			pid = start_standing(InvalidOid, InvalidOid, 0);
	Identity	found = await_identity(ctx);

	CHECK(found.pid == pid);
	CHECK(found.database == InvalidOid && found.user == BOOTSTRAP_SUPERUSERID);
	kill(pid, SIGTERM);
	await_end(ctx, pid);
}

UNIT_TEST(standingworker_restarts_after_an_error)
{
	int			first = start_standing(MyDatabaseId, InvalidOid, 1);
	Identity	found = await_identity(ctx);
	int			second;

	CHECK(found.pid == first);
	kill(first, SIGINT);
	await_end(ctx, first);
	while ((second = (found = await_identity(ctx)).pid) == first)
		;
	CHECK(runs(second));
	CHECK(strcmp(found.payload, "payload") == 0);
	/* but not after SIGTERM */
	kill(second, SIGTERM);
	await_end(ctx, second);
	(void) unlink(stand_path());
	pg_usleep(2500000L);
	CHECK(access(stand_path(), F_OK) != 0);
}

UNIT_TEST(standingworker_slots_are_limited)
{
	MemoryContext context = unit_enter();
	BbSessionWorkerRequest wanted = request("stay");
	const char *shortage;

	while (bb_sessionworker_try_start(ctx, &wanted, &shortage) != NULL)
		;
	CHECK_ERROR((void) start_standing(MyDatabaseId, InvalidOid, 0),
				ERRCODE_INSUFFICIENT_RESOURCES);
	CHECK(strcmp(shortage, unit_last_detail) == 0);
	unit_leave(context);
}
