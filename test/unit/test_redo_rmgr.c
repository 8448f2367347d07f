/*-------------------------------------------------------------------------
 *
 * test_redo_rmgr.c
 *	  Misbehavior of redo helpers, on demand.
 *
 * Redo helpers load this module as they load bbackup.  It has a resource manager
 * whose records do what no record should, and makes the start of a helper fail
 * as UNIT_HELPER_ENVIRONMENT says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "access/xlog_internal.h"
#include "access/xlogutils.h"
#include "redo/protocol.h"
#include "storage/bufmgr.h"
#include "storage/ipc.h"
#include "test_redo.h"
#include "unit.h"
#include "utils/memutils.h"

/*
 * Append a byte to the page: its number of bytes is in pd_lower.
 */
static void
append_byte(XLogReaderState *record)
{
	Buffer		buffer;

	if (XLogReadBufferForRedo(record, 0, &buffer) == BLK_NEEDS_REDO)
	{
		Page		page = BufferGetPage(buffer);
		PageHeader	header = (PageHeader) page;

		((char *) page)[header->pd_lower++] = XLogRecGetData(record)[0];
		PageSetLSN(page, record->EndRecPtr);
		MarkBufferDirty(buffer);
	}
	UnlockReleaseBuffer(buffer);
}

static void
unit_redo(XLogReaderState *record)
{
	static const char garbage[] = "this is no answer to a request for redo";
	void	   *memory;
	int			fd;

	switch (XLogRecGetInfo(record) & ~XLR_INFO_MASK)
	{
		case UNIT_REDO_APPEND:
			append_byte(record);
			break;
		case UNIT_REDO_ERROR:
			elog(ERROR, "as was asked for");
			break;
		case UNIT_REDO_PANIC:
			elog(PANIC, "as was asked for");
			break;
		case UNIT_REDO_CRASH:
			*(volatile int *) NULL = 1;
			break;
		case UNIT_REDO_EXIT:
			_exit(3);
		case UNIT_REDO_HANG:
			for (;;)
				;
		case UNIT_REDO_GARBAGE:
			if (write(BB_REDO_SOCKET_FD, garbage, sizeof(garbage)) < 0)
				_exit(4);
			append_byte(record);
			break;
		case UNIT_REDO_OPEN:
			fd = open("/dev/null", O_RDONLY);
			elog(ERROR, "opening a file, got %d: %m", fd);
			break;
		case UNIT_REDO_SOCKET:
			fd = socket(AF_UNIX, SOCK_STREAM, 0);
			elog(ERROR, "making a socket, got %d: %m", fd);
			break;
		case UNIT_REDO_FORK:
			elog(ERROR, "forked: %d", (int) fork());
			break;
		case UNIT_REDO_MAP:
			memory = mmap(NULL, BLCKSZ, PROT_READ, MAP_PRIVATE, STDIN_FILENO,
						  0);
			elog(ERROR, "mapping a file, got %p: %m", memory);
			break;
		case UNIT_REDO_CODE:
			memory = mmap(NULL, BLCKSZ, PROT_READ | PROT_EXEC,
						  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			elog(ERROR, "mapping memory, got %p: %m", memory);
			break;
		case UNIT_REDO_MEMORY:
			(void) MemoryContextAllocHuge(TopMemoryContext,
										  (Size) 512 * 1024 * 1024);
			append_byte(record);
			break;
		case UNIT_REDO_NOTHING:
			break;
	}
}

static void
unit_desc(StringInfo buf, XLogReaderState *record)
{
}

static const char *
unit_identify(uint8 info)
{
	return "UNIT";
}

static const RmgrData unit_rmgr = {
	.rm_name = "bb_unit",
	.rm_redo = unit_redo,
	.rm_desc = unit_desc,
	.rm_identify = unit_identify,
};

static bool
is_to(const char *what)
{
	const char *value = getenv(UNIT_HELPER_ENVIRONMENT);

	return value != NULL && strcmp(value, what) == 0;
}

/*
 * What the module calls instead of libseccomp's.
 */
int
seccomp_load(const scmp_filter_ctx filter)
{
	int			(*load)(const scmp_filter_ctx) = dlsym(RTLD_NEXT,
													   "seccomp_load");

	return is_to("have no seccomp") ? -EACCES : load(filter);
}

/*
 * Runs ahead of the helper's own, when the server's segment is there.
 */
static void
hang_at_start(void)
{
	for (;;)
		sleep(1);
}

static void
say_wrong_hello(void)
{
	BbRedoHello hello = {.magic = BB_REDO_MAGIC,
						 .protocol = BB_REDO_PROTOCOL + 1};

	if (write(BB_REDO_SOCKET_FD, &hello, sizeof(hello)) < 0)
		_exit(4);
	hang_at_start();
}

void
unit_helper_init(void)
{
	RegisterCustomRmgr(UNIT_RMGR_ID, (RmgrData *) &unit_rmgr);
	if (is_to("hang"))
		shmem_startup_hook = hang_at_start;
	if (is_to("be of another version"))
		shmem_startup_hook = say_wrong_hello;
}
