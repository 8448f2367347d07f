/*-------------------------------------------------------------------------
 *
 * test_redo_start.c
 *	  Redo helpers: failures to start, and cleanup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <poll.h>
#include <sys/wait.h>

#include "base/settings.h"
#include "redo/process.h"
#include "storage/fd.h"
#include "test_redo.h"
#include "unit.h"

static void
reset_libraries(void *unused)
{
	bb_setting_redo_preload_libraries = "";
}

UNIT_TEST(redo_helper_does_not_start)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);
	ControlFileData control = test_redo_control();
	int			files = test_redo_open_files();

	test_redo_at_end_of_test(reset_libraries);
	bb_setting_redo_preload_libraries = "bb_no_such_library";
	redo = test_redo_open(ctx);
	test_redo_submit_text(ctx, redo, 1, "never");
	test_redo_submit_text(ctx, redo, 1, "never");
	CHECK_REDO_FAILS(ctx, redo);
	CHECK(strcmp(unit_last_error, "redo helper did not start") == 0);
	CHECK(strstr(unit_last_detail, "bb_no_such_library") != NULL);
	CHECK_REDO_FAILS(ctx, redo);

	/* a control file with a wrong CRC, which nothing but the server checks */
	bb_setting_redo_preload_libraries = "";
	control.system_identifier += 3;
	control.crc++;
	redo = test_redo_open_as(ctx, &control);
	test_redo_submit_text(ctx, redo, 1, "never");
	CHECK_REDO_FAILS(ctx, redo);
	CHECK(strstr(unit_last_detail, "control file") != NULL);

	CHECK(test_redo_children() == NIL);
	CHECK(test_redo_scratch_directories() == 0);
	CHECK(test_redo_open_files() == files);
}

static void
reset_start(void *unused)
{
	unsetenv(UNIT_HELPER_ENVIRONMENT);
	test_redo_reset_timeouts(unused);
}

/*
 * Start a helper that fails as test_redo_rmgr.c does for "how".
 */
static void
check_start(const BbReqCtx *ctx, const char *how, int sqlerrcode,
			const char *message)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);
	int			result;
	int			pid;

	test_redo_at_end_of_test(reset_start);
	setenv(UNIT_HELPER_ENVIRONMENT, how, 1);
	test_redo_submit_text(ctx, redo, 1, "never");
	pid = test_redo_only_child();
	ERROR_OF((void) test_redo_next_text(ctx, redo), result);
	if (result != sqlerrcode || strstr(unit_last_error, message) == NULL)
		elog(ERROR, "helper that was to %s: %s", how, unit_last_error);
	CHECK(!test_redo_is_running(pid));
	CHECK(!test_redo_has_segment(pid));
	CHECK(test_redo_scratch_directories() == 0);
	unsetenv(UNIT_HELPER_ENVIRONMENT);
	test_redo_check_works(ctx, redo);
}

UNIT_TEST(redo_where_seccomp_is_not_to_be_had)
{
	check_start(ctx, "have no seccomp", ERRCODE_FEATURE_NOT_SUPPORTED,
				"could not lock itself down");
}

UNIT_TEST(redo_helper_hangs_at_start)
{
	bb_setting_redo_timeout_ms = 500;
	check_start(ctx, "hang", ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
				"did nothing for 500 ms");
}

UNIT_TEST(redo_helper_is_of_another_version)
{
	check_start(ctx, "be of another version",
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION, "another version");
}

UNIT_TEST(redo_helper_leaves_nothing_behind)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "client",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	BbRedo	   *redo = test_redo_open_anew(ctx);
	int			files = test_redo_open_files();
	List	   *pids;
	ListCell   *cell;

	for (int i = 0; i < 100; i++)
		test_redo_submit_text(ctx, redo, i, "text");
	for (int i = 0; i < 100; i++)
		(void) test_redo_next_text(ctx, redo);
	CHECK(test_redo_scratch_directories() == 0);
	MemoryContextSwitchTo(caller);
	pids = test_redo_children();
	CHECK(list_length(pids) == 2);

	MemoryContextDelete(context);
	(void) test_redo_open_anew(ctx);
	foreach(cell, pids)
	{
		CHECK(kill(lfirst_int(cell), 0) != 0 && errno == ESRCH);
		CHECK(!test_redo_has_segment(lfirst_int(cell)));
	}
	CHECK(test_redo_open_files() == files);
}

/*
 * In a copy of this process: start a helper, report its PID, and get killed.
 */
static void
start_and_die(const BbRedoSetup *setup, int pipe_fd, bool wait)
{
	BbRedoProcess *process;
	struct pollfd hello;

	MyProcPid = getpid();
	process = bb_redo_process_start(setup, CurrentMemoryContext);
	hello.fd = process->socket;
	hello.events = POLLIN;
	if (wait && poll(&hello, 1, 10000) != 1)
		_exit(1);
	if (write(pipe_fd, &process->pid, sizeof(int)) != sizeof(int))
		_exit(1);
	kill(MyProcPid, SIGKILL);
}

UNIT_TEST(redo_backend_is_killed)
{
	BbRedoSetup setup = {.installation = bb_redo_installation_own(),
						 .preload_libraries = "",
						 .seccomp = true};
	ControlFileData control = test_redo_control();

	bb_control_read(bb_major_own(), &control, &setup.control);
	for (int wait = 0; wait <= 1; wait++)
	{
		MemoryContext context;
		int			pipes[2];
		pid_t		backend;
		int			helper;
		int			status;
		int			tries = 0;

		CHECK(pipe(pipes) == 0);
		backend = fork();
		if (backend == 0)
			start_and_die(&setup, pipes[1], wait);
		close(pipes[1]);
		CHECK(read(pipes[0], &helper, sizeof(int)) == sizeof(int));
		close(pipes[0]);
		CHECK(waitpid(backend, &status, 0) == backend);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

		while (test_redo_is_running(helper) && tries++ < 500)
			pg_usleep(10000);
		CHECK(tries < 500);
		CHECK(!test_redo_has_segment(helper));
		CHECK(test_redo_scratch_directories() == 1);

		/* the next start sweeps */
		context = unit_enter();
		test_redo_check_works(ctx, test_redo_open_anew(ctx));
		CHECK(test_redo_scratch_directories() == 0);
		unit_leave(context);
	}
}
