/*-------------------------------------------------------------------------
 *
 * test_worker.c
 *	  Background workers: what goes to them and back, and that none is left.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dlfcn.h>
#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "process/worker.h"
#include "storage/dsm.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "unit.h"
#include "utils/guc.h"

/* ---- tasks ---- */

/* What comes in goes out again. */
static void
task_echo(const void *payload, size_t length)
{
	const BbReqCtx *ctx = bb_reqctx_root(BB_TASK_UNIT_TEST, BB_DOWNLOAD_ALLOW);
	const void *message;
	size_t		message_length;

	(void) bb_worker_put(ctx, payload, length);
	while (bb_worker_get(ctx, &message, &message_length))
		(void) bb_worker_put(ctx, message, message_length);
}

/* Numbers, of which nobody is told before the last. */
static void
task_count(const void *payload, size_t length)
{
	const BbReqCtx *ctx = bb_reqctx_root(BB_TASK_UNIT_TEST, BB_DOWNLOAD_ALLOW);
	int			last = 5000;

	for (int i = 0; i < last; i++)
		(void) bb_worker_put_lazily(ctx, &i, sizeof(i));
	(void) bb_worker_put(ctx, &last, sizeof(last));
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
	char		setting[NAMEDATALEN]; /* of ours */
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

/* Who it is; then it goes on until somebody ends it. */
static void
task_stay(const void *payload, size_t length)
{
	const BbReqCtx *ctx = bb_reqctx_root(BB_TASK_UNIT_TEST, BB_DOWNLOAD_ALLOW);
	Identity	mine = identity();

	(void) bb_worker_put(ctx, &mine, sizeof(mine));
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

/* It counts for its starter, also in the abort with which it ends. */
static void
task_tally(const void *payload, size_t length)
{
	const BbReqCtx *ctx = bb_reqctx_attached_child_of(payload,
													  BB_TASK_UNIT_TEST,
													  bb_worker_counters());
	MemoryContextCallback callback = {.func = count_last, .arg = (void *) ctx};

	MemoryContextRegisterResetCallback(CurrentMemoryContext, &callback);
	BB_COUNT(ctx, keys_requested, 1);
	BB_COUNT(ctx, bytes_out, 8);
	task_stay(NULL, 0);
}

static const BbWorkerTask tasks[] = {
	{"echo", task_echo}, {"count", task_count}, {"stay", task_stay},
	{"fail", task_fail}, {"tally", task_tally},
};

void
unit_worker_init(void)
{
	Dl_info		self;

	/* wherever this module was loaded from */
	if (dladdr(unit_worker_init, &self) == 0)
		elog(ERROR, "could not find out the path of this module");
	bb_worker_init(self.dli_fname, tasks, lengthof(tasks));
}

/* ---- tests ---- */

static BbWorkerRequest
request(const char *task)
{
	return (BbWorkerRequest){.task = task,
							 .payload = "payload",
							 .payload_length = 8,
							 .input_bytes = 1000};
}

static BbWorker *
start(const BbReqCtx *ctx, const char *task)
{
	BbWorkerRequest wanted = request(task);

	return bb_worker_start(ctx, &wanted);
}

/* The worker runs, and says who it is. */
static Identity
first_message(const BbReqCtx *ctx, BbWorker *worker)
{
	const void *message;
	size_t		length;

	CHECK(bb_worker_receive(ctx, worker, true, &message, &length) ==
		  BB_WORKER_MESSAGE);
	CHECK(length == sizeof(Identity));
	return *(const Identity *) message;
}

static bool
runs(int pid)
{
	return BackendPidGetProc(pid) != NULL;
}

UNIT_TEST(worker_streams_both_ways)
{
	BbWorker   *worker = start(ctx, "echo");
	const void *message;
	size_t		length;

	CHECK(bb_worker_receive(ctx, worker, true, &message, &length) ==
		  BB_WORKER_MESSAGE);
	CHECK(length == 8 && strcmp(message, "payload") == 0);

	/* longer than the queues, and of no bytes at all */
	for (size_t size = 0; size <= 10000; size += 5000)
	{
		char	   *sent = palloc(Max(size, 1));

		memset(sent, 'a' + size / 5000, size);
		CHECK(bb_worker_send(ctx, worker, sent, size));
		CHECK(bb_worker_receive(ctx, worker, true, &message, &length) ==
			  BB_WORKER_MESSAGE);
		CHECK(length == size && memcmp(message, sent, size) == 0);
	}
	CHECK(bb_worker_receive(ctx, worker, false, &message, &length) ==
		  BB_WORKER_NOTHING);
	bb_worker_end_input(worker);
	CHECK(bb_worker_receive(ctx, worker, true, &message, &length) ==
		  BB_WORKER_ENDED);
	CHECK(bb_worker_receive(ctx, worker, true, &message, &length) ==
		  BB_WORKER_ENDED);
}

UNIT_TEST(worker_puts_lazily)
{
	BbWorker   *worker = start(ctx, "count");
	const void *message;
	size_t		length;

	for (int i = 0; i <= 5000; i++)
	{
		CHECK(bb_worker_receive(ctx, worker, true, &message, &length) ==
			  BB_WORKER_MESSAGE);
		CHECK(length == sizeof(int) && *(const int *) message == i);
	}
	CHECK(bb_worker_receive(ctx, worker, true, &message, &length) ==
		  BB_WORKER_ENDED);
}

UNIT_TEST(worker_is_who_started_it)
{
	Identity	mine;
	Identity	other;
	Oid			user;
	int			security_context;

	SetConfigOption("application_name", "unit worker", PGC_USERSET,
					PGC_S_SESSION);
	SetConfigOption("bbackup.unit", "set", PGC_USERSET, PGC_S_SESSION);
	/* what the role's transactions are like is nothing to the worker's */
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
	const void *message;
	size_t		length;
	BbWorker   *worker = start(ctx, "fail");

	CHECK_ERROR(bb_worker_receive(ctx, worker, true, &message, &length),
				ERRCODE_DATA_CORRUPTED);
	CHECK(strcmp(unit_last_error, "task failed") == 0);
	CHECK(strcmp(unit_last_detail, "Detail: payload") == 0);

	worker = start(ctx, "stay");
	kill(first_message(ctx, worker).pid, SIGINT);
	CHECK_ERROR(bb_worker_receive(ctx, worker, true, &message, &length),
				ERRCODE_QUERY_CANCELED);
	worker = start(ctx, "stay");
	kill(first_message(ctx, worker).pid, SIGTERM);
	CHECK_ERROR(bb_worker_receive(ctx, worker, true, &message, &length),
				ERRCODE_ADMIN_SHUTDOWN);
	/* its error has been told, and it is gone */
	CHECK_ERROR(bb_worker_receive(ctx, worker, true, &message, &length),
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
}

UNIT_TEST(worker_optional_just_ends)
{
	BbWorkerRequest wanted = request("fail");
	const void *message;
	size_t		length;
	BbWorker   *worker;

	wanted.optional = true;
	worker = bb_worker_start(ctx, &wanted);
	CHECK(bb_worker_receive(ctx, worker, true, &message, &length) ==
		  BB_WORKER_ENDED);
	wanted.task = "stay";
	worker = bb_worker_start(ctx, &wanted);
	kill(first_message(ctx, worker).pid, SIGTERM);
	CHECK(bb_worker_receive(ctx, worker, true, &message, &length) ==
		  BB_WORKER_ENDED);
	worker = bb_worker_start(ctx, &wanted);
	(void) first_message(ctx, worker);
	CHECK(bb_worker_cancel(worker));
	CHECK(bb_worker_receive(ctx, worker, true, &message, &length) ==
		  BB_WORKER_ENDED);
	bb_worker_stop(worker);
	CHECK(!bb_worker_cancel(worker));
}

UNIT_TEST(worker_ends_with_its_memory)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "test",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbWorker   *worker = start(ctx, "stay");
	int			first = first_message(ctx, worker).pid;
	int			second;

	CHECK(runs(first));
	bb_worker_stop(worker);
	CHECK(!runs(first));
	second = first_message(ctx, start(ctx, "stay")).pid;
	/* one that may not have begun yet */
	(void) start(ctx, "stay");
	CHECK(runs(second));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	CHECK(!runs(second));
}

UNIT_TEST(worker_counts_for_its_starter)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "test",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbWorkerRequest wanted = {.task = "tally",
							  .payload = ctx,
							  .payload_length = sizeof(*ctx)};
	const BbReqCtx *child = bb_reqctx_attached_child(ctx, BB_TASK_UNIT_TEST);
	BbWorker   *worker = bb_worker_start(child, &wanted);

	(void) first_message(ctx, worker);
	CHECK(ctx->counters->keys_requested == 0);
	for (int i = 0; i < 2; i++)
	{
		bb_worker_collect(worker);
		CHECK(child->counters->keys_requested == 1);
		CHECK(ctx->counters->keys_requested == 1);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	CHECK(ctx->counters->keys_requested == 101);
	CHECK(ctx->counters->bytes_out == 8);
}

UNIT_TEST(worker_goes_on_alone)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "test",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbWorker   *worker = start(ctx, "stay");
	int			pid = first_message(ctx, worker).pid;

	bb_worker_let_go(worker);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	CHECK(runs(pid));
	kill(pid, SIGTERM);
	while (runs(pid))
	{
		bb_reqctx_check(ctx);
		pg_usleep(1000);
	}
}

UNIT_TEST(worker_slots_are_limited)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "test",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbWorkerRequest wanted = request("stay");
	const char *lack;
	int			sqlstate = 0;
	int			n;

	for (n = 0; sqlstate == 0 && n <= max_worker_processes; n++)
		ERROR_OF((void) start(ctx, "stay"), sqlstate);
	CHECK(sqlstate == ERRCODE_INSUFFICIENT_RESOURCES);
	CHECK(strstr(unit_last_detail, "max_worker_processes") != NULL);
	CHECK(bb_worker_try_start(ctx, &wanted, &lack) == NULL);
	CHECK(strcmp(lack, unit_last_detail) == 0);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	(void) first_message(ctx, start(ctx, "stay"));
}

UNIT_TEST(worker_segments_are_limited)
{
	BbWorkerRequest wanted = request("stay");
	List	   *segments = NIL;
	dsm_segment *segment;
	const char *lack;

	while ((segment = dsm_create(1, DSM_CREATE_NULL_IF_MAXSEGMENTS)) != NULL)
		segments = lappend(segments, segment);
	CHECK(bb_worker_try_start(ctx, &wanted, &lack) == NULL);
	CHECK(strstr(lack, "shared memory segments") != NULL);
	CHECK_ERROR((void) start(ctx, "stay"), ERRCODE_INSUFFICIENT_RESOURCES);
	CHECK(strcmp(lack, unit_last_detail) == 0);
	/* all, since the server's statistics may want some for the worker */
	for (int i = 0; i < list_length(segments); i++)
		dsm_detach(list_nth(segments, i));
	(void) first_message(ctx, start(ctx, "stay"));
}
