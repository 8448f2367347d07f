/*-------------------------------------------------------------------------
 *
 * test_redo_helper.c
 *	  Redo helpers: order of pages, long histories, faults, and cleanup.
 *
 * The records belong to the resource manager of test_redo_rmgr.c, which appends
 * bytes to a page, or does harm.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access/xlogrecord.h"
#include "base/compat.h"
#include "base/settings.h"
#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "redo/process.h"
#include "storage/bufpage.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "test_redo.h"
#include "unit.h"

#define TEST_SPC 1663
#define TEST_DB 5
#define TEST_REL 4711

static ControlFileData
own_control(void)
{
	bool		crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);

	CHECK(crc_ok);
	return *control;
}

static ControlFileData
other_control(int n)
{
	ControlFileData control = own_control();

	control.system_identifier += n;
	INIT_CRC32C(control.crc);
	COMP_CRC32C(control.crc, &control, offsetof(ControlFileData, crc));
	FIN_CRC32C(control.crc);
	return control;
}

BbRedo *
test_redo_open(const BbReqCtx *ctx)
{
	ControlFileData control = own_control();

	return bb_redo_open(ctx, &control, sizeof(control));
}

void
test_redo_add(BbPageHistory *history, BbEntryType type, const void *data,
			  uint32 length, XLogRecPtr lsn)
{
	if (history->nchanges == history->allocated)
	{
		history->allocated = Max(16, 2 * history->allocated);
		history->changes = history->changes == NULL
			? palloc(history->allocated * sizeof(BbChange))
			: repalloc(history->changes,
					   history->allocated * sizeof(BbChange));
	}
	history->changes[history->nchanges++] = (BbChange){.lsn = lsn,
													   .type = type,
													   .data = data,
													   .length = length};
}

/*
 * A history of a page that is empty so far.
 */
static BbPageHistory
new_history(BlockNumber block)
{
	BbPageHistory history = {0};
	char	   *page = palloc(BLCKSZ);

	PageInit((Page) page, BLCKSZ, 0);
	history.key = bb_key_rel_block(TEST_SPC, TEST_DB, TEST_REL, MAIN_FORKNUM,
								   block);
	history.complete = true;
	history.base = (uint8 *) page;
	history.base_length = BLCKSZ;
	return history;
}

/*
 * Append a record, of our resource manager and of "length" bytes of data, to
 * a history.
 */
static void
add_record(BbPageHistory *history, uint8 info, char value, uint32 length)
{
	BbRelLocator locator = BB_REL_LOCATOR(TEST_SPC, TEST_DB, TEST_REL);
	BlockNumber block = bb_key_fields(&history->key).block;
	XLogRecordBlockHeader block_header = {.fork_flags = MAIN_FORKNUM};
	XLogRecord	header = {.xl_info = info, .xl_rmid = UNIT_RMGR_ID};
	char	   *data = palloc0(length);
	StringInfoData record;

	data[0] = value;
	initStringInfo(&record);
	appendBinaryStringInfo(&record, (char *) &header, SizeOfXLogRecord);
	appendBinaryStringInfo(&record, (char *) &block_header,
						   SizeOfXLogRecordBlockHeader);
	appendBinaryStringInfo(&record, (char *) &locator, sizeof(locator));
	appendBinaryStringInfo(&record, (char *) &block, sizeof(block));
	appendStringInfoChar(&record, (char) XLR_BLOCK_ID_DATA_LONG);
	appendBinaryStringInfo(&record, (char *) &length, sizeof(length));
	appendBinaryStringInfo(&record, data, length);
	((XLogRecord *) record.data)->xl_tot_len = record.len;
	test_redo_add(history, BB_ENTRY_RECORD, record.data, record.len,
				  1000 + 8 * history->nchanges);
}

static void
submit_text(const BbReqCtx *ctx, BbRedo *redo, BlockNumber block,
			const char *text)
{
	BbPageHistory history = new_history(block);

	for (; *text != '\0'; text++)
		add_record(&history, UNIT_REDO_APPEND, *text, 1);
	bb_redo_submit(ctx, redo, &history);
}

static char *
next_text(const BbReqCtx *ctx, BbRedo *redo)
{
	PGAlignedBlock page;

	memcpy(page.data, bb_redo_next(ctx, redo), BLCKSZ);
	return pnstrdup(page.data + SizeOfPageHeaderData,
					((PageHeader) page.data)->pd_lower - SizeOfPageHeaderData);
}

static void
check_works(const BbReqCtx *ctx, BbRedo *redo)
{
	submit_text(ctx, redo, 0, "works");
	CHECK(strcmp(next_text(ctx, redo), "works") == 0);
}

/*
 * One record that does something, after one that appends a byte.
 */
static void
submit_deed(const BbReqCtx *ctx, BbRedo *redo, uint8 info)
{
	BbPageHistory history = new_history(17);

	add_record(&history, UNIT_REDO_APPEND, 'a', 1);
	add_record(&history, info, 'b', 1);
	bb_redo_submit(ctx, redo, &history);
}

static char *
proc_file(int pid, const char *name)
{
	char		content[4096];
	int			fd = open(psprintf("/proc/%d/%s", pid, name), O_RDONLY);
	ssize_t		length;

	if (fd < 0)
		return "";
	length = read(fd, content, sizeof(content));
	close(fd);
	return pnstrdup(content, Max(length, 0));
}

/*
 * Not one that is dead and waits for whoever inherited it.
 */
static bool
is_running(int pid)
{
	char	   *after_name = strrchr(proc_file(pid, "stat"), ')');

	return after_name != NULL && after_name[2] != 'Z';
}

/*
 * The processes that this backend has started and not buried.
 */
static List *
children(void)
{
	List	   *result = NIL;
	DIR		   *dir = opendir("/proc");
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
	{
		int			pid = atoi(entry->d_name);
		char	   *after_name;
		int			parent;

		if (pid == 0)
			continue;
		after_name = strrchr(proc_file(pid, "stat"), ')');
		if (after_name != NULL &&
			sscanf(after_name, ") %*c %d", &parent) == 1 && parent == getpid())
			result = lappend_int(result, pid);
	}
	closedir(dir);
	return result;
}

static int
only_child(void)
{
	List	   *pids = children();

	CHECK(list_length(pids) == 1);
	return linitial_int(pids);
}

static int
count_entries(const char *path, const char *prefix)
{
	DIR		   *dir = opendir(path);
	struct dirent *entry;
	int			count = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	if (dir != NULL)
		closedir(dir);
	return count;
}

static int
scratch_directories(void)
{
	return count_entries("base/pgsql_tmp", "pgsql_tmp_bbredo.");
}

static int
open_files(void)
{
	return count_entries("/proc/self/fd", "");
}

static bool
has_segment(int pid)
{
	FILE	   *file = fopen("/proc/sysvipc/shm", "r");
	char		line[512];
	bool		found = false;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
	{
		int			creator;
		long		created;

		/* others' segments outlive their creators, whose pids come again */
		if (sscanf(line,
				   "%*d %*d %*o %*u %d %*d %*d %*d %*d %*d %*d %*d %*d %ld",
				   &creator, &created) == 2 &&
			creator == pid && created >= MyStartTime)
			found = true;
	}
	if (file != NULL)
		fclose(file);
	return found;
}

/*
 * A client without helpers: those of clients that are gone are ended.
 */
static BbRedo *
open_anew(const BbReqCtx *ctx)
{
	ControlFileData control = other_control(1);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "other cluster",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);

	bb_redo_open(ctx, &control, sizeof(control));
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	CHECK(children() == NIL);
	return test_redo_open(ctx);
}

UNIT_TEST(redo_applies_records_in_order)
{
	BbRedo	   *redo = test_redo_open(ctx);

	submit_text(ctx, redo, 3, "abc");
	submit_text(ctx, redo, 4, "");
	CHECK(bb_redo_pending(redo) == 2);
	CHECK(strcmp(next_text(ctx, redo), "abc") == 0);
	CHECK(strcmp(next_text(ctx, redo), "") == 0);
	CHECK(bb_redo_pending(redo) == 0);
	CHECK(ctx->counters->pages_redone == 2);
	CHECK(ctx->counters->records_applied == 3);
}

UNIT_TEST(redo_skips_what_the_page_has)
{
	BbRedo	   *redo = test_redo_open(ctx);
	BbPageHistory history = new_history(5);

	PageSetLSN((Page) history.base, (XLogRecPtr) 1008);
	for (const char *text = "abc"; *text != '\0'; text++)
		add_record(&history, UNIT_REDO_APPEND, *text, 1);
	bb_redo_submit(ctx, redo, &history);
	CHECK(strcmp(next_text(ctx, redo), "c") == 0);
}

UNIT_TEST(redo_of_many_pages_keeps_their_order)
{
	BbRedo	   *redo = open_anew(ctx);

	/* long and short ones, so that helpers overtake each other */
	for (int i = 0; i < 600; i++)
		submit_text(ctx, redo, i, psprintf("%0*d", i % 7 == 0 ? 1000 : 4, i));
	CHECK(bb_redo_pending(redo) == 600);
	CHECK(list_length(children()) == bb_setting_redo_processes);
	for (int i = 0; i < 600; i++)
		CHECK(atoi(next_text(ctx, redo)) == i);
	CHECK(bb_redo_depth(redo) >= 2);
}

UNIT_TEST(redo_of_one_page_starts_one_helper)
{
	BbRedo	   *redo = open_anew(ctx);

	check_works(ctx, redo);
	check_works(ctx, redo);
	CHECK(list_length(children()) == 1);
}

UNIT_TEST(redo_of_a_long_history)
{
	BbRedo	   *redo = test_redo_open(ctx);
	BbPageHistory history = new_history(1);
	char	   *text;

	/* 6 MB of records in pieces, one of them of the largest size there is */
	for (int i = 0; i < 500; i++)
		add_record(&history, UNIT_REDO_APPEND, 'a' + i % 26,
				   i == 250 ? BB_VALUE_MAX_SIZE - 100 : 10000);
	bb_redo_submit(ctx, redo, &history);
	submit_text(ctx, redo, 2, "next");
	text = next_text(ctx, redo);
	CHECK(strlen(text) == 500);
	for (int i = 0; i < 500; i++)
		CHECK(text[i] == 'a' + i % 26);
	CHECK(strcmp(next_text(ctx, redo), "next") == 0);
}

UNIT_TEST(redo_refuses_wrong_lengths)
{
	BbRedo	   *redo = test_redo_open(ctx);
	BbPageHistory history = new_history(1);

	add_record(&history, UNIT_REDO_APPEND, 'a', 1);
	history.changes[0].length--;
	CHECK_ERROR(bb_redo_submit(ctx, redo, &history), ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, "relation 1663/5/4711 main block 1") !=
		  NULL);
	CHECK(strstr(unit_last_detail, "0/3E8") != NULL);
	history.changes[0].length = 10;
	CHECK_ERROR(bb_redo_submit(ctx, redo, &history), ERRCODE_DATA_CORRUPTED);

	history = new_history(1);
	history.base_length--;
	CHECK_ERROR(bb_redo_submit(ctx, redo, &history), ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(bb_redo_open(ctx, "short", 5), ERRCODE_DATA_CORRUPTED);
	CHECK(bb_redo_pending(redo) == 0);
	check_works(ctx, redo);
}

UNIT_TEST(redo_error_is_answered)
{
	BbRedo	   *redo = open_anew(ctx);
	BbPageHistory history;
	int			pid;

	check_works(ctx, redo);
	pid = only_child();
	submit_deed(ctx, redo, UNIT_REDO_ERROR);
	submit_text(ctx, redo, 1, "after");
	CHECK_ERROR((void) next_text(ctx, redo),
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	CHECK(strcmp(unit_last_error,
				 "redo of relation 1663/5/4711 main block "
				 "17 failed: as was asked for") == 0);
	CHECK(strstr(unit_last_detail, "record 2 of 2") != NULL);
	CHECK(strstr(unit_last_detail, "0/3F0") != NULL);
	CHECK(strcmp(next_text(ctx, redo), "after") == 0);

	/* a page that no record initialises, and none did before */
	history = new_history(2);
	history.base = NULL;
	add_record(&history, UNIT_REDO_NOTHING, 'a', 1);
	bb_redo_submit(ctx, redo, &history);
	CHECK_ERROR((void) next_text(ctx, redo),
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	CHECK(strstr(unit_last_error, "base image is missing") != NULL);

	/* a record of another page */
	history = new_history(3);
	add_record(&history, UNIT_REDO_APPEND, 'a', 1);
	history.key = bb_key_rel_block(TEST_SPC, TEST_DB, TEST_REL, MAIN_FORKNUM,
								   4);
	bb_redo_submit(ctx, redo, &history);
	CHECK_ERROR((void) next_text(ctx, redo),
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	CHECK(strstr(unit_last_error, "does not refer to the page") != NULL);

	check_works(ctx, redo);
	CHECK(only_child() == pid);
}

/*
 * Submit a deed that costs the helper its life, and others around it.
 */
static void
check_deadly(const BbReqCtx *ctx, BbRedo *redo, uint8 deed, const char *what,
			 const char *detail)
{
	check_works(ctx, redo);
	submit_text(ctx, redo, 1, "before");
	submit_deed(ctx, redo, deed);
	submit_text(ctx, redo, 2, "after");
	CHECK(strcmp(next_text(ctx, redo), "before") == 0);
	CHECK_ERROR((void) next_text(ctx, redo),
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	if (strstr(unit_last_error, what) == NULL ||
		strstr(unit_last_error, "relation 1663/5/4711 main block 17") ==
			NULL ||
		unit_last_detail == NULL ||
		strstr(unit_last_detail, "record 2 of 2") == NULL ||
		strstr(unit_last_detail, detail) == NULL)
		elog(ERROR, "deed %X: %s: %s", deed, unit_last_error,
			 unit_last_detail);
	CHECK(strcmp(next_text(ctx, redo), "after") == 0);
	check_works(ctx, redo);
	CHECK(list_length(children()) <= bb_setting_redo_processes);
	CHECK(scratch_directories() == 0);
}

UNIT_TEST(redo_helper_dies)
{
	BbRedo	   *redo = open_anew(ctx);

	check_deadly(ctx, redo, UNIT_REDO_PANIC, "died",
				 "PANIC:  as was asked for");
	check_deadly(ctx, redo, UNIT_REDO_CRASH, "died", "signal 11");
	check_deadly(ctx, redo, UNIT_REDO_EXIT, "died", "exit code 3");

	submit_deed(ctx, redo, UNIT_REDO_GARBAGE);
	CHECK_ERROR((void) next_text(ctx, redo),
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	CHECK(strstr(unit_last_error, "sent an invalid answer") != NULL);
	check_works(ctx, redo);
}

UNIT_TEST(redo_helper_is_locked_down)
{
	BbRedo	   *redo = open_anew(ctx);
	char	   *status;

	check_works(ctx, redo);
	status = proc_file(only_child(), "status");
	CHECK(strstr(status, "\nSeccomp:\t2\n") != NULL);
	CHECK(strstr(status, "\nNoNewPrivs:\t1\n") != NULL);
	/* the server signals the backend's process group */
	CHECK(getpgid(only_child()) == only_child());
	check_deadly(ctx, redo, UNIT_REDO_OPEN, "died", "signal 31");
	check_deadly(ctx, redo, UNIT_REDO_SOCKET, "died", "signal 31");
	check_deadly(ctx, redo, UNIT_REDO_FORK, "died", "signal 31");
	check_deadly(ctx, redo, UNIT_REDO_MAP, "died", "signal 31");
	check_deadly(ctx, redo, UNIT_REDO_CODE, "died", "signal 31");
}

/*
 * Call "function" when the test is over, however it ends.
 */
static void
at_end_of_test(MemoryContextCallbackFunction function)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = function;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
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

	at_end_of_test(remove_variables);
	setenv("AWS_SECRET_ACCESS_KEY", "planted", 1);
	setenv("LANGUAGE_KEY", "planted", 1);
	setenv("MALLOC_TOP_PAD_", "65536", 1);
	redo = open_anew(ctx);
	check_works(ctx, redo);
	environment = environment_of(only_child());
	CHECK(strstr(environment, "BB_REDO_HELPER=") != NULL);
	CHECK(strstr(environment, "MALLOC_TOP_PAD_=65536\n") != NULL);
	CHECK(strstr(environment, "planted") == NULL);
	CHECK(strstr(environment, "PGDATA") == NULL);
	CHECK(strstr(environment, "PATH=") == NULL ||
		  strstr(environment, "LD_LIBRARY_PATH=") != NULL);
}

UNIT_TEST(redo_helper_takes_no_more_memory)
{
	BbRedo	   *redo = open_anew(ctx);
	int			pid;
	char	   *space;

	check_works(ctx, redo);
	pid = only_child();
	space = strstr(proc_file(pid, "limits"), "Max address space");
	CHECK(space != NULL &&
		  strtoul(space + strlen("Max address space"), NULL, 10) > 0);

	/* it is an error, of which it doesn't die */
	submit_deed(ctx, redo, UNIT_REDO_MEMORY);
	CHECK_ERROR((void) next_text(ctx, redo),
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	CHECK(strstr(unit_last_error, "out of memory") != NULL);
	check_works(ctx, redo);
	CHECK(only_child() == pid);
}

static void
reset_seccomp(void *unused)
{
	bb_setting_redo_seccomp = true;
}

UNIT_TEST(redo_without_seccomp)
{
	BbRedo	   *redo;

	at_end_of_test(reset_seccomp);
	bb_setting_redo_seccomp = false;
	redo = test_redo_open(ctx);
	check_works(ctx, redo);
	CHECK(strstr(proc_file(only_child(), "status"), "\nSeccomp:\t0\n") !=
		  NULL);
	/* limits hold all the same */
	submit_deed(ctx, redo, UNIT_REDO_OPEN);
	CHECK_ERROR((void) next_text(ctx, redo),
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	CHECK(strstr(unit_last_error, strerror(EMFILE)) != NULL);
}

UNIT_TEST(redo_helper_is_killed)
{
	BbRedo	   *redo = open_anew(ctx);
	int			pid;

	check_works(ctx, redo);
	pid = only_child();
	kill(pid, SIGKILL);
	/* it had nothing to do, so nobody need know */
	check_works(ctx, redo);
	CHECK(only_child() != pid);
	CHECK(!has_segment(pid));

	pid = only_child();
	submit_deed(ctx, redo, UNIT_REDO_HANG);
	pg_usleep(100000);
	kill(pid, SIGKILL);
	CHECK_ERROR((void) next_text(ctx, redo),
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	CHECK(strstr(unit_last_error, "died") != NULL);
	CHECK(strstr(unit_last_detail, "signal 9") != NULL);
	check_works(ctx, redo);
	CHECK(only_child() != pid);
}

static void
reset_timeouts(void *unused)
{
	bb_setting_redo_timeout_ms = 60000;
	bb_setting_call_timeout_ms = 0;
}

UNIT_TEST(redo_helper_hangs)
{
	BbRedo	   *redo = open_anew(ctx);

	at_end_of_test(reset_timeouts);
	bb_setting_redo_timeout_ms = 500;
	check_deadly(ctx, redo, UNIT_REDO_HANG, "did nothing for 500 ms", "");
}

UNIT_TEST(redo_helper_is_stopped)
{
	BbRedo	   *redo = open_anew(ctx);
	int			pid;

	at_end_of_test(reset_timeouts);
	bb_setting_redo_timeout_ms = 500;
	check_works(ctx, redo);
	pid = only_child();
	kill(pid, SIGSTOP);
	submit_text(ctx, redo, 1, "stopped");
	CHECK_ERROR((void) next_text(ctx, redo),
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	CHECK(strstr(unit_last_error, "did nothing for 500 ms") != NULL);
	check_works(ctx, redo);
	CHECK(only_child() != pid);
}

UNIT_TEST(redo_waits_within_the_deadline)
{
	BbRedo	   *redo = open_anew(ctx);
	const BbReqCtx *hasty;
	int			pid;

	at_end_of_test(reset_timeouts);
	check_works(ctx, redo);
	pid = only_child();
	kill(pid, SIGSTOP);
	submit_text(ctx, redo, 1, "later");
	bb_setting_call_timeout_ms = 200;
	hasty = bb_reqctx_root(BB_TASK_UNIT_TEST, BB_DOWNLOAD_ALLOW);
	CHECK_ERROR((void) next_text(hasty, redo), ERRCODE_QUERY_CANCELED);
	CHECK(strstr(unit_last_error, "bbackup.call_timeout") != NULL);

	/* nothing is lost by that */
	kill(pid, SIGCONT);
	CHECK(strcmp(next_text(ctx, redo), "later") == 0);
	CHECK(only_child() == pid);
}

UNIT_TEST(redo_wait_is_canceled)
{
	BbRedo	   *redo = open_anew(ctx);
	int			pid;

	check_works(ctx, redo);
	pid = only_child();
	kill(pid, SIGSTOP);
	submit_text(ctx, redo, 1, "later");
	CHECK(system(psprintf("(sleep 0.3; kill -INT %d) &", MyProcPid)) == 0);
	CHECK_ERROR((void) next_text(ctx, redo), ERRCODE_QUERY_CANCELED);
	kill(pid, SIGCONT);
	CHECK(strcmp(next_text(ctx, redo), "later") == 0);

	/* as pg_cancel_backend() does it */
	kill(-MyProcPid, SIGINT);
	CHECK_ERROR(pg_usleep(1000);
				CHECK_FOR_INTERRUPTS(), ERRCODE_QUERY_CANCELED);
	check_works(ctx, redo);
	CHECK(only_child() == pid);
}

/* A wait set that couldn't be made must not be there for the next wait. */
UNIT_TEST(redo_wait_set_is_whole_or_none)
{
	BbRedo	   *redo = open_anew(ctx);
	int			owner = MyLatch->owner_pid;

	submit_text(ctx, redo, 1, "later");
	MyLatch->owner_pid = 0; /* which no set may have */
	CHECK_ERROR((void) next_text(ctx, redo), ERRCODE_INTERNAL_ERROR);
	MyLatch->owner_pid = owner;
	CHECK(strcmp(next_text(ctx, redo), "later") == 0);
}

UNIT_TEST(redo_client_leaves_requests_behind)
{
	BbRedo	   *redo = open_anew(ctx);

	for (int i = 0; i < 5; i++)
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
													  "client",
													  ALLOCSET_SMALL_SIZES);
		MemoryContext caller = MemoryContextSwitchTo(context);
		BbRedo	   *other = test_redo_open(ctx);

		for (int block = 0; block < 100; block++)
			submit_text(ctx, other, block, "unwanted");
		CHECK(strcmp(next_text(ctx, other), "unwanted") == 0);
		MemoryContextSwitchTo(caller);
		MemoryContextDelete(context);
		check_works(ctx, redo);
	}
}

UNIT_TEST(redo_two_clients_at_once)
{
	ControlFileData control = other_control(2);
	BbRedo	   *one = open_anew(ctx);
	BbRedo	   *two = test_redo_open(ctx);
	BbRedo	   *elsewhere;

	elsewhere = bb_redo_open(ctx, &control, sizeof(control));
	for (int i = 0; i < 100; i++)
	{
		submit_text(ctx, one, i, psprintf("one %d", i));
		submit_text(ctx, two, i, psprintf("two %d", i));
		submit_text(ctx, elsewhere, i, psprintf("elsewhere %d", i));
	}
	submit_deed(ctx, two, UNIT_REDO_EXIT);
	for (int i = 0; i < 100; i++)
	{
		CHECK(strcmp(next_text(ctx, two), psprintf("two %d", i)) == 0);
		CHECK(strcmp(next_text(ctx, elsewhere), psprintf("elsewhere %d", i)) ==
			  0);
	}
	CHECK_ERROR((void) next_text(ctx, two),
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	for (int i = 0; i < 100; i++)
		CHECK(strcmp(next_text(ctx, one), psprintf("one %d", i)) == 0);
}

static void
reset_libraries(void *unused)
{
	bb_setting_redo_preload_libraries = "";
}

UNIT_TEST(redo_helper_does_not_start)
{
	BbRedo	   *redo = open_anew(ctx);
	ControlFileData control = own_control();
	int			files = open_files();

	at_end_of_test(reset_libraries);
	bb_setting_redo_preload_libraries = "bb_no_such_library";
	redo = test_redo_open(ctx);
	submit_text(ctx, redo, 1, "never");
	submit_text(ctx, redo, 1, "never");
	CHECK_ERROR((void) next_text(ctx, redo),
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	CHECK(strcmp(unit_last_error, "redo helper did not start") == 0);
	CHECK(strstr(unit_last_detail, "bb_no_such_library") != NULL);
	CHECK_ERROR((void) next_text(ctx, redo),
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);

	/* a control file with a wrong CRC, which nothing but the server checks */
	bb_setting_redo_preload_libraries = "";
	control.system_identifier += 3;
	control.crc++;
	redo = bb_redo_open(ctx, &control, sizeof(control));
	submit_text(ctx, redo, 1, "never");
	CHECK_ERROR((void) next_text(ctx, redo),
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	CHECK(strstr(unit_last_detail, "control file") != NULL);

	CHECK(children() == NIL);
	CHECK(scratch_directories() == 0);
	CHECK(open_files() == files);
}

static void
reset_start(void *unused)
{
	unsetenv(UNIT_HELPER_ENVIRONMENT);
	reset_timeouts(unused);
}

/*
 * Have a helper that fails to start in a way of test_redo_rmgr.c's.
 */
static void
check_start(const BbReqCtx *ctx, const char *how, int sqlerrcode,
			const char *message)
{
	BbRedo	   *redo = open_anew(ctx);
	int			result;
	int			pid;

	at_end_of_test(reset_start);
	setenv(UNIT_HELPER_ENVIRONMENT, how, 1);
	submit_text(ctx, redo, 1, "never");
	pid = only_child();
	ERROR_OF((void) next_text(ctx, redo), result);
	if (result != sqlerrcode || strstr(unit_last_error, message) == NULL)
		elog(ERROR, "helper that was to %s: %s", how, unit_last_error);
	CHECK(!is_running(pid));
	CHECK(!has_segment(pid));
	CHECK(scratch_directories() == 0);
	unsetenv(UNIT_HELPER_ENVIRONMENT);
	check_works(ctx, redo);
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
	BbRedo	   *redo = open_anew(ctx);
	int			files = open_files();
	List	   *pids;
	ListCell   *cell;

	for (int i = 0; i < 100; i++)
		submit_text(ctx, redo, i, "text");
	for (int i = 0; i < 100; i++)
		(void) next_text(ctx, redo);
	CHECK(scratch_directories() == 0);
	MemoryContextSwitchTo(caller);
	pids = children();
	CHECK(list_length(pids) == 2);

	MemoryContextDelete(context);
	(void) open_anew(ctx);
	foreach(cell, pids)
	{
		CHECK(kill(lfirst_int(cell), 0) != 0 && errno == ESRCH);
		CHECK(!has_segment(lfirst_int(cell)));
	}
	CHECK(open_files() == files);
}

/*
 * In a copy of this process: start a helper, tell of it, and be killed.
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
	BbRedoSetup setup = {.control = own_control(),
						 .library = bb_redo_setup_library(),
						 .preload_libraries = "",
						 .seccomp = true};

	for (int wait = 0; wait <= 1; wait++)
	{
		MemoryContext context;
		MemoryContext caller;
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

		while (is_running(helper) && tries++ < 500)
			pg_usleep(10000);
		CHECK(tries < 500);
		CHECK(!has_segment(helper));
		CHECK(scratch_directories() == 1);

		/* the next start sweeps */
		context = AllocSetContextCreate(CurrentMemoryContext, "client",
										ALLOCSET_SMALL_SIZES);
		caller = MemoryContextSwitchTo(context);
		check_works(ctx, open_anew(ctx));
		CHECK(scratch_directories() == 0);
		MemoryContextSwitchTo(caller);
		MemoryContextDelete(context);
	}
}
