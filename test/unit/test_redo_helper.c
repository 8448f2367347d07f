/*-------------------------------------------------------------------------
 *
 * test_redo_helper.c
 *	  Redo helpers: order of pages, long histories, and faults.
 *
 * The records belong to the resource manager of test_redo_rmgr.c, which appends
 * bytes to a page, or does harm.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "test_redo.h"
#include "unit.h"

/*
 * One record that does something, after one that appends a byte.
 */
static void
submit_deed(const BbReqCtx *ctx, BbRedo *redo, uint8 info)
{
	BbPageHistory history = test_redo_new_history(17);

	test_redo_add_record(&history, UNIT_REDO_APPEND, 'a', 1);
	test_redo_add_record(&history, info, 'b', 1);
	bb_redo_submit(ctx, redo, &history);
}

UNIT_TEST(redo_applies_records_in_order)
{
	BbRedo	   *redo = test_redo_open(ctx);

	test_redo_submit_text(ctx, redo, 3, "abc");
	test_redo_submit_text(ctx, redo, 4, "");
	CHECK(bb_redo_pending(redo) == 2);
	CHECK(strcmp(test_redo_next_text(ctx, redo), "abc") == 0);
	CHECK(strcmp(test_redo_next_text(ctx, redo), "") == 0);
	CHECK(bb_redo_pending(redo) == 0);
	CHECK(ctx->counters->pages_redone == 2);
	CHECK(ctx->counters->records_applied == 3);
}

UNIT_TEST(redo_skips_what_the_page_has)
{
	BbRedo	   *redo = test_redo_open(ctx);
	BbPageHistory history = test_redo_new_history(5);

	PageSetLSN((Page) history.base, (XLogRecPtr) 1008);
	for (const char *text = "abc"; *text != '\0'; text++)
		test_redo_add_record(&history, UNIT_REDO_APPEND, *text, 1);
	bb_redo_submit(ctx, redo, &history);
	CHECK(strcmp(test_redo_next_text(ctx, redo), "c") == 0);
}

UNIT_TEST(redo_of_many_pages_keeps_their_order)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);

	/* long and short ones, so that helpers overtake each other */
	for (int i = 0; i < 600; i++)
		test_redo_submit_text(ctx, redo, i,
							  psprintf("%0*d", i % 7 == 0 ? 1000 : 4, i));
	CHECK(bb_redo_pending(redo) == 600);
	CHECK(list_length(test_redo_children()) == bb_setting_redo_processes);
	for (int i = 0; i < 600; i++)
		CHECK(atoi(test_redo_next_text(ctx, redo)) == i);
	CHECK(bb_redo_depth(redo) >= 2);
}

UNIT_TEST(redo_of_one_page_starts_one_helper)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);

	test_redo_check_works(ctx, redo);
	test_redo_check_works(ctx, redo);
	CHECK(list_length(test_redo_children()) == 1);
}

UNIT_TEST(redo_of_a_long_history)
{
	BbRedo	   *redo = test_redo_open(ctx);
	BbPageHistory history = test_redo_new_history(1);
	char	   *text;

	/* 6 MB of records in pieces, one of them of the largest size there is */
	for (int i = 0; i < 500; i++)
		test_redo_add_record(&history, UNIT_REDO_APPEND, 'a' + i % 26,
							 i == 250 ? BB_VALUE_MAX_SIZE - 100 : 10000);
	bb_redo_submit(ctx, redo, &history);
	test_redo_submit_text(ctx, redo, 2, "next");
	text = test_redo_next_text(ctx, redo);
	CHECK(strlen(text) == 500);
	for (int i = 0; i < 500; i++)
		CHECK(text[i] == 'a' + i % 26);
	CHECK(strcmp(test_redo_next_text(ctx, redo), "next") == 0);
}

UNIT_TEST(redo_refuses_wrong_lengths)
{
	BbRedo	   *redo = test_redo_open(ctx);
	BbPageHistory history = test_redo_new_history(1);

	test_redo_add_record(&history, UNIT_REDO_APPEND, 'a', 1);
	history.changes[0].length--;
	CHECK_ERROR(bb_redo_submit(ctx, redo, &history), ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, "relation 1663/5/4711 main block 1") !=
		  NULL);
	CHECK(strstr(unit_last_detail, unit_lsn(0x3E8)) != NULL);
	history.changes[0].length = 10;
	CHECK_ERROR(bb_redo_submit(ctx, redo, &history), ERRCODE_DATA_CORRUPTED);

	history = test_redo_new_history(1);
	history.base_length--;
	CHECK_ERROR(bb_redo_submit(ctx, redo, &history), ERRCODE_DATA_CORRUPTED);
	CHECK(bb_redo_pending(redo) == 0);
	test_redo_check_works(ctx, redo);
}

UNIT_TEST(redo_error_is_answered)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);
	BbPageHistory history;
	int			pid;

	test_redo_check_works(ctx, redo);
	pid = test_redo_only_child();
	submit_deed(ctx, redo, UNIT_REDO_ERROR);
	test_redo_submit_text(ctx, redo, 1, "after");
	CHECK_REDO_FAILS(ctx, redo);
	CHECK(strcmp(unit_last_error,
				 "redo of relation 1663/5/4711 main block "
				 "17 failed: as was asked for") == 0);
	CHECK(strstr(unit_last_detail, "record 2 of 2") != NULL);
	CHECK(strstr(unit_last_detail, unit_lsn(0x3F0)) != NULL);
	CHECK(strcmp(test_redo_next_text(ctx, redo), "after") == 0);

	/* a page that no record initialises, and none did before */
	history = test_redo_new_history(2);
	history.base = NULL;
	test_redo_add_record(&history, UNIT_REDO_NOTHING, 'a', 1);
	bb_redo_submit(ctx, redo, &history);
	CHECK_REDO_FAILS(ctx, redo);
	CHECK(strstr(unit_last_error, "base image is missing") != NULL);

	/* a record of another page */
	history = test_redo_new_history(3);
	test_redo_add_record(&history, UNIT_REDO_APPEND, 'a', 1);
	history.key = bb_key_rel_block(TEST_SPC, TEST_DB, TEST_REL, MAIN_FORKNUM,
								   4);
	bb_redo_submit(ctx, redo, &history);
	CHECK_REDO_FAILS(ctx, redo);
	CHECK(strstr(unit_last_error, "does not refer to the page") != NULL);

	test_redo_check_works(ctx, redo);
	CHECK(test_redo_only_child() == pid);
}

/*
 * Submit a deed that costs the helper its life, and others around it.
 */
static void
check_deadly(const BbReqCtx *ctx, BbRedo *redo, uint8 deed, const char *what,
			 const char *detail)
{
	test_redo_check_works(ctx, redo);
	test_redo_submit_text(ctx, redo, 1, "before");
	submit_deed(ctx, redo, deed);
	test_redo_submit_text(ctx, redo, 2, "after");
	CHECK(strcmp(test_redo_next_text(ctx, redo), "before") == 0);
	CHECK_REDO_FAILS(ctx, redo);
	if (strstr(unit_last_error, what) == NULL ||
		strstr(unit_last_error, "relation 1663/5/4711 main block 17") ==
			NULL ||
		unit_last_detail == NULL ||
		strstr(unit_last_detail, "record 2 of 2") == NULL ||
		strstr(unit_last_detail, detail) == NULL)
		elog(ERROR, "deed %X: %s: %s", deed, unit_last_error,
			 unit_last_detail);
	CHECK(strcmp(test_redo_next_text(ctx, redo), "after") == 0);
	test_redo_check_works(ctx, redo);
	CHECK(list_length(test_redo_children()) <= bb_setting_redo_processes);
	CHECK(test_redo_scratch_directories() == 0);
}

UNIT_TEST(redo_helper_dies)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);

	check_deadly(ctx, redo, UNIT_REDO_PANIC, "died",
				 "PANIC:  as was asked for");
	check_deadly(ctx, redo, UNIT_REDO_CRASH, "died", "signal 11");
	check_deadly(ctx, redo, UNIT_REDO_EXIT, "died", "exit code 3");

	submit_deed(ctx, redo, UNIT_REDO_GARBAGE);
	CHECK_REDO_FAILS(ctx, redo);
	CHECK(strstr(unit_last_error, "sent an invalid answer") != NULL);
	test_redo_check_works(ctx, redo);
}

UNIT_TEST(redo_helper_is_locked_down)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);
	char	   *status;

	test_redo_check_works(ctx, redo);
	status = test_redo_proc_file(test_redo_only_child(), "status");
	CHECK(strstr(status, "\nSeccomp:\t2\n") != NULL);
	CHECK(strstr(status, "\nNoNewPrivs:\t1\n") != NULL);
	/* the server signals the backend's process group */
	CHECK(getpgid(test_redo_only_child()) == test_redo_only_child());
	check_deadly(ctx, redo, UNIT_REDO_OPEN, "died", "signal 31");
	check_deadly(ctx, redo, UNIT_REDO_SOCKET, "died", "signal 31");
	check_deadly(ctx, redo, UNIT_REDO_FORK, "died", "signal 31");
	check_deadly(ctx, redo, UNIT_REDO_MAP, "died", "signal 31");
	check_deadly(ctx, redo, UNIT_REDO_CODE, "died", "signal 31");
}

/* A helper's environment, a variable a line. */
static char *
environment_of(int pid)
{
	char	   *content = palloc0(256 * 1024);
	int			fd = open(psprintf("/proc/%d/environ", pid), O_RDONLY);
	ssize_t		length = 0;
	ssize_t		got;

	CHECK(fd >= 0);
	while ((got = read(fd, content + length, 256 * 1024 - 1 - length)) > 0)
		length += got;
	close(fd);
	for (ssize_t i = 0; i < length; i++)
		if (content[i] == '\0')
			content[i] = '\n';
	return content;
}

static void
remove_variables(void *unused)
{
	unsetenv("AWS_SECRET_ACCESS_KEY");
	unsetenv("LANGUAGE_KEY");
	unsetenv("MALLOC_TOP_PAD_");
}

UNIT_TEST(redo_helper_gets_no_secrets)
{
	BbRedo	   *redo;
	char	   *environment;

	test_redo_at_end_of_test(remove_variables);
	setenv("AWS_SECRET_ACCESS_KEY", "planted", 1);
	setenv("LANGUAGE_KEY", "planted", 1);
	setenv("MALLOC_TOP_PAD_", "65536", 1);
	redo = test_redo_open_anew(ctx);
	test_redo_check_works(ctx, redo);
	environment = environment_of(test_redo_only_child());
	CHECK(strstr(environment, "BB_REDO_HELPER=") != NULL);
	CHECK(strstr(environment, "MALLOC_TOP_PAD_=65536\n") != NULL);
	CHECK(strstr(environment, "planted") == NULL);
	CHECK(strstr(environment, "PGDATA") == NULL);
	CHECK(strstr(environment, "PATH=") == NULL ||
		  strstr(environment, "LD_LIBRARY_PATH=") != NULL);
}

UNIT_TEST(redo_helper_takes_no_more_memory)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);
	int			pid;
	char	   *space;

	test_redo_check_works(ctx, redo);
	pid = test_redo_only_child();
	space = strstr(test_redo_proc_file(pid, "limits"), "Max address space");
	CHECK(space != NULL &&
		  strtoul(space + strlen("Max address space"), NULL, 10) > 0);

	/* it is an error, of which it doesn't die */
	submit_deed(ctx, redo, UNIT_REDO_MEMORY);
	CHECK_REDO_FAILS(ctx, redo);
	CHECK(strstr(unit_last_error, "out of memory") != NULL);
	test_redo_check_works(ctx, redo);
	CHECK(test_redo_only_child() == pid);
}

static void
reset_seccomp(void *unused)
{
	bb_setting_redo_seccomp = true;
}

UNIT_TEST(redo_without_seccomp)
{
	BbRedo	   *redo;

	test_redo_at_end_of_test(reset_seccomp);
	bb_setting_redo_seccomp = false;
	redo = test_redo_open(ctx);
	test_redo_check_works(ctx, redo);
	CHECK(strstr(test_redo_proc_file(test_redo_only_child(), "status"),
				 "\nSeccomp:\t0\n") != NULL);
	/* limits hold all the same */
	submit_deed(ctx, redo, UNIT_REDO_OPEN);
	CHECK_REDO_FAILS(ctx, redo);
	CHECK(strstr(unit_last_error, strerror(EMFILE)) != NULL);
}

UNIT_TEST(redo_helper_is_killed)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);
	int			pid;

	test_redo_check_works(ctx, redo);
	pid = test_redo_only_child();
	kill(pid, SIGKILL);
	/* it had no requests, so no error is reported */
	test_redo_check_works(ctx, redo);
	CHECK(test_redo_only_child() != pid);
	CHECK(!test_redo_has_segment(pid));

	pid = test_redo_only_child();
	submit_deed(ctx, redo, UNIT_REDO_HANG);
	pg_usleep(100000);
	kill(pid, SIGKILL);
	CHECK_REDO_FAILS(ctx, redo);
	CHECK(strstr(unit_last_error, "died") != NULL);
	CHECK(strstr(unit_last_detail, "signal 9") != NULL);
	test_redo_check_works(ctx, redo);
	CHECK(test_redo_only_child() != pid);
}

UNIT_TEST(redo_helper_hangs)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);

	test_redo_at_end_of_test(test_redo_reset_timeouts);
	bb_setting_redo_timeout_ms = 500;
	check_deadly(ctx, redo, UNIT_REDO_HANG, "did nothing for 500 ms", "");
}

UNIT_TEST(redo_helper_is_stopped)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);
	int			pid;

	test_redo_at_end_of_test(test_redo_reset_timeouts);
	bb_setting_redo_timeout_ms = 500;
	test_redo_check_works(ctx, redo);
	pid = test_redo_only_child();
	kill(pid, SIGSTOP);
	test_redo_submit_text(ctx, redo, 1, "stopped");
	CHECK_REDO_FAILS(ctx, redo);
	CHECK(strstr(unit_last_error, "did nothing for 500 ms") != NULL);
	test_redo_check_works(ctx, redo);
	CHECK(test_redo_only_child() != pid);
}

UNIT_TEST(redo_waits_within_the_deadline)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);
	const BbReqCtx *hasty;
	int			pid;

	test_redo_at_end_of_test(test_redo_reset_timeouts);
	test_redo_check_works(ctx, redo);
	pid = test_redo_only_child();
	kill(pid, SIGSTOP);
	test_redo_submit_text(ctx, redo, 1, "later");
	bb_setting_call_timeout_ms = 200;
	hasty = bb_reqctx_root(BB_TASK_UNIT_TEST, BB_DOWNLOAD_ALLOW);
	CHECK_ERROR((void) test_redo_next_text(hasty, redo),
				ERRCODE_QUERY_CANCELED);
	CHECK(strstr(unit_last_error, "bbackup.call_timeout") != NULL);

	/* nothing is lost by that */
	kill(pid, SIGCONT);
	CHECK(strcmp(test_redo_next_text(ctx, redo), "later") == 0);
	CHECK(test_redo_only_child() == pid);
}

UNIT_TEST(redo_wait_is_canceled)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);
	int			pid;

	test_redo_check_works(ctx, redo);
	pid = test_redo_only_child();
	kill(pid, SIGSTOP);
	test_redo_submit_text(ctx, redo, 1, "later");
	CHECK(system(psprintf("(sleep 0.3; kill -INT %d) &", MyProcPid)) == 0);
	CHECK_ERROR((void) test_redo_next_text(ctx, redo), ERRCODE_QUERY_CANCELED);
	kill(pid, SIGCONT);
	CHECK(strcmp(test_redo_next_text(ctx, redo), "later") == 0);

	/* as pg_cancel_backend() does it */
	kill(-MyProcPid, SIGINT);
	CHECK_ERROR(pg_usleep(1000);
				CHECK_FOR_INTERRUPTS(), ERRCODE_QUERY_CANCELED);
	test_redo_check_works(ctx, redo);
	CHECK(test_redo_only_child() == pid);
}

/* A wait set that couldn't be made must not be there for the next wait. */
UNIT_TEST(redo_wait_set_is_whole_or_none)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);
	int			owner = MyLatch->owner_pid;

	test_redo_submit_text(ctx, redo, 1, "later");
	MyLatch->owner_pid = 0; /* which no set may have */
	CHECK_ERROR((void) test_redo_next_text(ctx, redo), ERRCODE_INTERNAL_ERROR);
	MyLatch->owner_pid = owner;
	CHECK(strcmp(test_redo_next_text(ctx, redo), "later") == 0);
}

UNIT_TEST(redo_client_leaves_requests_behind)
{
	BbRedo	   *redo = test_redo_open_anew(ctx);

	for (int i = 0; i < 5; i++)
	{
		MemoryContext context = unit_enter();
		BbRedo	   *other = test_redo_open(ctx);

		for (int block = 0; block < 100; block++)
			test_redo_submit_text(ctx, other, block, "unwanted");
		CHECK(strcmp(test_redo_next_text(ctx, other), "unwanted") == 0);
		unit_leave(context);
		test_redo_check_works(ctx, redo);
	}
}

UNIT_TEST(redo_two_clients_at_once)
{
	ControlFileData control = test_redo_other_control(2);
	BbRedo	   *one = test_redo_open_anew(ctx);
	BbRedo	   *two = test_redo_open(ctx);
	BbRedo	   *elsewhere;

	elsewhere = test_redo_open_as(ctx, &control);
	for (int i = 0; i < 100; i++)
	{
		test_redo_submit_text(ctx, one, i, psprintf("one %d", i));
		test_redo_submit_text(ctx, two, i, psprintf("two %d", i));
		test_redo_submit_text(ctx, elsewhere, i, psprintf("elsewhere %d", i));
	}
	submit_deed(ctx, two, UNIT_REDO_EXIT);
	for (int i = 0; i < 100; i++)
	{
		CHECK(strcmp(test_redo_next_text(ctx, two), psprintf("two %d", i)) ==
			  0);
		CHECK(strcmp(test_redo_next_text(ctx, elsewhere),
					 psprintf("elsewhere %d", i)) == 0);
	}
	CHECK_REDO_FAILS(ctx, two);
	for (int i = 0; i < 100; i++)
		CHECK(strcmp(test_redo_next_text(ctx, one), psprintf("one %d", i)) ==
			  0);
}
