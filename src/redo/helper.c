/*-------------------------------------------------------------------------
 *
 * helper.c
 *	  The redo helper: takes control of the process and serves requests.
 *
 * Its only loop reads a request, applies its records, and appends the answer to a
 * buffer.  The buffer is written when it is full or when there is no request left
 * to read; so a backend that sends many requests at once gets many answers at
 * once.
 *
 * An ERROR in redo becomes an answer, and the helper continues.  A worse error
 * ends it: the backend notices the end of the socket, reads the slate, and starts
 * another helper.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <unistd.h>

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogutils.h"
#include "base/compat.h"
#include "miscadmin.h"
#include "redo/helper.h"
#include "redo/protocol.h"
#include "storage/bufmgr.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/pg_shmem.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* The size of the buffer of answers. */
#define OUTPUT_SIZE (16 * (sizeof(BbRedoAnswer) + BB_REDO_MESSAGE_MAX))

static shmem_startup_hook_type previous_shmem_startup_hook = NULL;
static int	backend_pid;
static bool seccomp_wanted;

static BbRedoSlate *slate;

static char *input; /* bytes [input_at, input_end) are not handled yet */
static size_t input_size;
static size_t input_at = 0;
static size_t input_end = 0;
static char *output;
static size_t output_end = 0;

/*
 * The backend has ended or closed the socket.  It has removed the helper's files,
 * so there is nothing to clean up or report.
 */
static void
exit_silently(void)
{
	_exit(0);
}

static void
write_all(const char *data, size_t length)
{
	while (length > 0)
	{
		ssize_t		written = write(BB_REDO_SOCKET_FD, data, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			exit_silently();
		data += written;
		length -= written;
	}
}

static void
flush_output(void)
{
	write_all(output, output_end);
	output_end = 0;
}

/*
 * Read until there are "length" bytes of contiguous input, and return them.
 */
static char *
need_input(size_t length)
{
	if (length > input_size - input_at)
	{
		input_end -= input_at;
		memmove(input, input + input_at, input_end);
		input_at = 0;
		if (length > input_size)
		{
			input = repalloc_huge(input, length);
			input_size = length;
		}
	}
	while (input_end - input_at < length)
	{
		ssize_t		got;

		flush_output();
		got = read(BB_REDO_SOCKET_FD, input + input_end,
				   input_size - input_end);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			exit_silently();
		input_end += got;
	}
	return input + input_at;
}

/*
 * Apply a request's records to the page in its slot.
 */
static void
serve(char *request)
{
	BbRedoRequestHeader *header = (BbRedoRequestHeader *) request;
	BbRelLocator locator = BB_REL_LOCATOR(header->spc, header->db,
										  header->rel);
	char	   *at = header->records_in_slot
		? slate->records[header->slot].data
		: request + sizeof(BbRedoRequestHeader);
	char	   *page = slate->pages[header->slot].data;

	bb_redo_pages_begin(header->fork, header->block,
						header->has_page ? page : NULL);
	for (uint32 i = 0; i < header->nrecords; i++)
	{
		BbRedoRecordHeader *record = (BbRedoRecordHeader *) at;

		at += sizeof(BbRedoRecordHeader);
		slate->record = i;
		bb_redo_record_apply(&locator, header->fork, header->block,
							 (XLogRecord *) at, record->length,
							 record->end_lsn);
		at += BB_REDO_PAD(record->length);
	}
	memcpy(page, bb_redo_pages_target(), BLCKSZ);
	PageSetChecksum((Page) page, header->block);
	bb_redo_pages_end(false);
}

/*
 * Release everything that redo held when it failed, as AbortTransaction() does.
 */
static void
clean_up_after_error(void)
{
	ResourceOwner owner = CurrentResourceOwner;

	HOLD_INTERRUPTS();
	LWLockReleaseAll();
	UnlockBuffers();
	/* from 17 on a released owner doesn't accept new resources */
	CurrentResourceOwner = NULL;
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, true);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, false, true);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, false, true);
	ResourceOwnerDelete(owner);
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "bbackup redo");
	bb_redo_pages_end(true);
	RESUME_INTERRUPTS();
}

/*
 * Serve one request and append the answer to the output.
 */
static void
answer(char *request, MemoryContext context)
{
	BbRedoRequestHeader *header = (BbRedoRequestHeader *) request;
	BbRedoAnswer *reply;
	char	   *content;

	if (OUTPUT_SIZE - output_end < sizeof(BbRedoAnswer) + BB_REDO_MESSAGE_MAX)
		flush_output();
	reply = (BbRedoAnswer *) (output + output_end);
	content = (char *) (reply + 1);
	memset(reply, 0, sizeof(BbRedoAnswer));
	reply->magic = BB_REDO_MAGIC;
	reply->id = header->id;

	slate->record = 0;
	slate->request = header->id;
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		serve(request);
		reply->status = BB_REDO_PAGE;
		reply->length = 0;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		clean_up_after_error();
		memset(content, 0, BB_REDO_MESSAGE_MAX);
		snprintf(content, BB_REDO_MESSAGE_MAX, "%s%s%s", error->message,
				 error->detail ? ": " : "",
				 error->detail ? error->detail : "");
		reply->status = BB_REDO_FAILED;
		reply->record = slate->record;
		reply->length = BB_REDO_MESSAGE_MAX;
	}
	PG_END_TRY();
	MemoryContextReset(context);
	slate->request = 0;

	output_end += sizeof(BbRedoAnswer) + reply->length;
}

static void
serve_forever(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "bbackup redo",
												  ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		BbRedoRequestHeader *header;
		uint32		length;

		header = (BbRedoRequestHeader *) need_input(sizeof(*header));
		if (header->magic != BB_REDO_MAGIC)
			elog(FATAL, "request without magic number");
		length = header->records_in_slot ? sizeof(*header) : header->length;
		answer(need_input(length), context);
		input_at += length;
	}
}

/*
 * The segment by which servers lock their data directory would outlive a helper
 * that is killed.  After IPC_RMID the kernel removes it with its last user.
 * UsedShmemSegID is the key, not the ID (sysv_shmem.c).
 */
static void
give_up_segment(void)
{
	int			id = shmget((key_t) UsedShmemSegID, 0, 0);

	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
}

/*
 * Set up what redo functions expect in the startup process.
 */
static void
become_recovery(void)
{
	set_max_safe_fds();
	InitProcess();
	BaseInit();
	SetProcessingMode(NormalProcessing);
	InRecovery = true;
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "bbackup redo");
	RmgrStartup();
	if (!RecoveryInProgress())
		elog(FATAL, "redo helper is not in recovery");
}

static void
say_hello(const char *why_no_seccomp)
{
	BbRedoHello hello;

	memset(&hello, 0, sizeof(hello));
	hello.magic = BB_REDO_MAGIC;
	hello.protocol = BB_REDO_PROTOCOL;
	hello.status = BB_REDO_READY;
	if (why_no_seccomp != NULL)
	{
		hello.status = BB_REDO_NO_SECCOMP;
		strlcpy(hello.message, why_no_seccomp, sizeof(hello.message));
	}
	write_all((char *) &hello, sizeof(hello));
}

static void
take_over(void)
{
	const char *why_no_seccomp;

	if (previous_shmem_startup_hook != NULL)
		previous_shmem_startup_hook();

	/* first, so that a helper that is killed later leaves no segment */
	give_up_segment();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		ereport(FATAL, (errmsg("could not request a signal at the parent's death: %m")));
	if (getppid() != backend_pid)
		exit_silently();
	signal(SIGPIPE, SIG_IGN);

	slate = mmap(NULL, sizeof(BbRedoSlate), PROT_READ | PROT_WRITE, MAP_SHARED,
				 BB_REDO_SLATE_FD, 0);
	if (slate == MAP_FAILED)
		ereport(FATAL, (errmsg("could not map the slate: %m")));
	close(BB_REDO_SLATE_FD);

	become_recovery();
	bb_redo_pages_init();
	bb_redo_record_init();
	input_size = 1024 * 1024;
	input = MemoryContextAllocHuge(TopMemoryContext, input_size);
	output = MemoryContextAlloc(TopMemoryContext, OUTPUT_SIZE);

	why_no_seccomp = bb_redo_lockdown(seccomp_wanted);
	say_hello(why_no_seccomp);
	if (why_no_seccomp != NULL)
		exit_silently();
	serve_forever();
}

void
bb_redo_helper_init(void)
{
	const char *value = getenv(BB_REDO_ENVIRONMENT);
	int			seccomp;

	if (value == NULL || IsPostmasterEnvironment ||
		!process_shared_preload_libraries_in_progress)
		return;
	if (sscanf(value, "%d %d", &backend_pid, &seccomp) != 2)
		return;
	seccomp_wanted = seccomp != 0;
	previous_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = take_over;
}

/*
 * A name for the user of a helper.
 *
 * "postgres --single" first looks up the name of its effective user, and exits if
 * there is none (get_user_name_or_exit() in main.c, PostgreSQL 15 to 18).  In
 * containers, servers run with user IDs that have no entry in the password
 * file, which a postmaster accepts.  A helper doesn't need the name: it is only
 * the default for the database and the role, and neither is ever used.
 *
 * So a helper has this library in LD_PRELOAD, and there this function
 * replaces libc's.  In all other processes dlopen() loads the library, after the
 * executable and libc, so that libc's function is found first;
 * t/371_no_user_name.pl and test_redo.c test both.  Since the system isn't asked,
 * a helper's start doesn't depend on LDAP and the like either.
 */
extern PGDLLEXPORT struct passwd *getpwuid(uid_t uid);

struct passwd *
getpwuid(uid_t uid)
{
	static struct passwd entry = {.pw_name = "bbackup",
								  .pw_passwd = "x",
								  .pw_gecos = "",
								  .pw_dir = "/",
								  .pw_shell = "/bin/false"};

	entry.pw_uid = uid;
	entry.pw_gid = getegid();
	return &entry;
}
