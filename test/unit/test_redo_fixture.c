/*-------------------------------------------------------------------------
 *
 * test_redo_fixture.c
 *	  Histories, pages and processes for the tests of redo helpers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "common/controldata_utils.h"
#include "storage/fd.h"
#include "test_redo.h"
#include "unit.h"

ControlFileData
test_redo_control(void)
{
	bool		crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);

	CHECK(crc_ok);
	return *control;
}

ControlFileData
test_redo_other_control(int n)
{
	ControlFileData control = test_redo_control();

	control.system_identifier += n;
	INIT_CRC32C(control.crc);
	COMP_CRC32C(control.crc, &control, offsetof(ControlFileData, crc));
	FIN_CRC32C(control.crc);
	return control;
}

BbRedo *
test_redo_open_as(const BbReqCtx *ctx, const ControlFileData *control)
{
	BbControl	read;

	bb_control_read(bb_major_own(), control, &read);
	return bb_redo_open(ctx, &read);
}

BbRedo *
test_redo_open(const BbReqCtx *ctx)
{
	ControlFileData control = test_redo_control();

	return test_redo_open_as(ctx, &control);
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
 * A history whose base is an empty page.
 */
BbPageHistory
test_redo_new_history(BlockNumber block)
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
void
test_redo_add_record(BbPageHistory *history, uint8 info, char value,
					 uint32 length)
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

void
test_redo_submit_text(const BbReqCtx *ctx, BbRedo *redo, BlockNumber block,
					  const char *text)
{
	BbPageHistory history = test_redo_new_history(block);

	for (; *text != '\0'; text++)
		test_redo_add_record(&history, UNIT_REDO_APPEND, *text, 1);
	bb_redo_submit(ctx, redo, &history);
}

char *
test_redo_next_text(const BbReqCtx *ctx, BbRedo *redo)
{
	PGAlignedBlock page;

	memcpy(page.data, bb_redo_next(ctx, redo), BLCKSZ);
	return pnstrdup(page.data + SizeOfPageHeaderData,
					((PageHeader) page.data)->pd_lower - SizeOfPageHeaderData);
}

void
test_redo_check_works(const BbReqCtx *ctx, BbRedo *redo)
{
	test_redo_submit_text(ctx, redo, 0, "works");
	CHECK(strcmp(test_redo_next_text(ctx, redo), "works") == 0);
}

char *
test_redo_proc_file(int pid, const char *name)
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
 * Does the process run?  A zombie doesn't.
 */
bool
test_redo_is_running(int pid)
{
	char	   *after_name = strrchr(test_redo_proc_file(pid, "stat"), ')');

	return after_name != NULL && after_name[2] != 'Z';
}

/*
 * The child processes of this backend.
 */
List *
test_redo_children(void)
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
		after_name = strrchr(test_redo_proc_file(pid, "stat"), ')');
		if (after_name != NULL &&
			sscanf(after_name, ") %*c %d", &parent) == 1 && parent == getpid())
			result = lappend_int(result, pid);
	}
	closedir(dir);
	return result;
}

int
test_redo_only_child(void)
{
	List	   *pids = test_redo_children();

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

int
test_redo_scratch_directories(void)
{
	return count_entries("base/pgsql_tmp", "pgsql_tmp_bbredo.");
}

int
test_redo_open_files(void)
{
	return count_entries("/proc/self/fd", "");
}

bool
test_redo_has_segment(int pid)
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
 * A client without helpers: those of earlier clients are ended.
 */
BbRedo *
test_redo_open_anew(const BbReqCtx *ctx)
{
	ControlFileData control = test_redo_other_control(1);
	MemoryContext context = unit_enter();

	test_redo_open_as(ctx, &control);
	unit_leave(context);
	CHECK(test_redo_children() == NIL);
	return test_redo_open(ctx);
}

/*
 * Call "function" when the test is over, however it ends.
 */
void
test_redo_at_end_of_test(MemoryContextCallbackFunction function)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = function;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}

void
test_redo_reset_timeouts(void *unused)
{
	bb_setting_redo_timeout_ms = 60000;
	bb_setting_call_timeout_ms = 0;
}
