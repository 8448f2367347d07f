/*-------------------------------------------------------------------------
 *
 * control.c
 *	  What the processes that follow a server tell each other, and the views.
 *
 *	  lock		byte 0: the leader's lock; byte 1: the receiver's
 *				content: the generation of the control block, a random number
 *	  control	the block, with the same number
 *
 * Locks are those of open file descriptions (F_OFD_SETLK), so that a process
 * may also look whether it holds one itself, by another descriptor.
 *
 * A new leader writes zero to the lock's file, makes the new block, renames it
 * into place, and writes the block's generation to the lock's file.  So a block
 * whose generation the file has, while the leader's lock is held, is the
 * leader's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/settings.h"
#include "common/file_perm.h"
#include "intake/control_internal.h"
#include "intake/receiver.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/memutils.h"

/* Bytes of the lock's file that are locked. */
#define LEADER 0
#define RECEIVER 1

char *
bb_followcontrol_path(Oid store, const char *timeline)
{
	const char *parent = bb_setting_spool_directory[0] != '\0'
		? bb_setting_spool_directory
		: psprintf("%s.bbackup_spool", DataDir);

	if (!OidIsValid(store))
		return psprintf("%s/%s", parent, timeline);
	return psprintf("%s/%u-%u-%s", parent, MyDatabaseId, store, timeline);
}

/* ---- locks ---- */

static char *
path_in(const char *directory, const char *name)
{
	return psprintf("%s/%s", directory, name);
}

/* Lock a byte.  Returns false if another process has. */
static bool
lock_byte(const BbFd *fd, off_t byte)
{
	struct flock wanted = {.l_type = F_WRLCK,
						   .l_whence = SEEK_SET,
						   .l_start = byte,
						   .l_len = 1};

	while (fcntl(bb_fd_number(fd), F_OFD_SETLK, &wanted) < 0)
	{
		if (errno == EAGAIN || errno == EACCES)
			return false;
		if (errno != EINTR)
			bb_report_file("could not lock file \"%s\": %m", "lock");
	}
	return true;
}

/* Is a byte locked by another descriptor? */
static bool
byte_is_locked(const BbFd *fd, off_t byte)
{
	struct flock found = {.l_type = F_WRLCK,
						  .l_whence = SEEK_SET,
						  .l_start = byte,
						  .l_len = 1};

	while (fcntl(bb_fd_number(fd), F_OFD_GETLK, &found) < 0)
	{
		if (errno != EINTR)
			bb_report_file("could not test the lock of file \"%s\": %m",
						   "lock");
	}
	return found.l_type != F_UNLCK;
}

/* Open the lock's file; NULL: there is none, or no directory. */
static BbFd *
open_lock(const char *directory, int flags)
{
	char	   *path = path_in(directory, "lock");
	BbFd	   *fd = bb_fd_open(path, O_RDWR | flags, pg_file_create_mode);

	if (fd == NULL && errno != ENOENT)
		bb_report_file("could not open file \"%s\": %m", path);
	return fd;
}

/* Does the file still have a name? */
static bool
is_linked(const BbFd *lock)
{
	struct stat st;

	return fstat(bb_fd_number(lock), &st) == 0 && st.st_nlink > 0;
}

static uint64
read_generation(const BbFd *lock)
{
	uint64		generation = 0;

	if (pg_pread(bb_fd_number(lock), &generation, sizeof(generation), 0) !=
		sizeof(generation))
		return 0;
	return generation;
}

static void
write_generation(const BbFd *lock, uint64 generation)
{
	errno = 0;
	if (pg_pwrite(bb_fd_number(lock), &generation, sizeof(generation), 0) !=
		sizeof(generation))
	{
		if (errno == 0)
			errno = ENOSPC;
		bb_report_file("could not write file \"%s\": %m", "lock");
	}
}

/* ---- mapping ---- */

/* The memory context of a control block ends. */
static void
release(void *arg)
{
	BbFollowControl *control = arg;
	BbFollowStatus *status = bb_followcontrol_lock(control);
	int			receiver = 0;

	if (control->leads)
	{
		status->leader_pid = 0;
		receiver = status->receiver_pid;
	}
	if (control->receives)
	{
		status->receiver_pid = 0;
		status->connected = false;
		status->slot_ready = false;
	}
	bb_followcontrol_unlock(control);
	bb_fd_close(control->lock);
	if (control->leads && receiver != 0)
		bb_followcontrol_wake_receiver(control);
	if (control->receives)
		bb_followcontrol_wake_leader(control);
	munmap(control->block, sizeof(Block));
}

static BbFollowControl *
map(const char *directory, BbFd *lock, const BbFd *fd, const char *path)
{
	BbFollowControl *control = palloc0(sizeof(BbFollowControl));

	control->lock = lock;
	control->lock_path = path_in(directory, "lock");
	control->context = CurrentMemoryContext;
	control->noted_code = -1;
	control->block = mmap(NULL, sizeof(Block), PROT_READ | PROT_WRITE,
						  MAP_SHARED, bb_fd_number(fd), 0);
	if (control->block == MAP_FAILED)
		bb_report_file("could not map file \"%s\": %m", path);
	bb_on_reset(CurrentMemoryContext, release, control);
	return control;
}

/* Make a directory, durably. */
static void
make_directory(const char *path)
{
	char	   *parent = pstrdup(path);

	if (MakePGDirectory(path) < 0)
	{
		if (errno == EEXIST)
			return;
		bb_report_file("could not create directory \"%s\": %m", path);
	}
	get_parent_directory(parent);
	fsync_fname(path, true);
	fsync_fname(parent, true);
}

/* Write all of a block, since a page that can't be allocated later is a SIGBUS. */
static bool
write_block(const BbFd *fd, const Block *block)
{
	errno = 0;
	if (pg_pwrite(bb_fd_number(fd), block, sizeof(Block), 0) == sizeof(Block))
		return true;
	if (errno == 0)
		errno = ENOSPC;
	return false;
}

/*
 * Make the file of a block, with its generation.
 *
 * On a disk that the spool has filled there is no room for a second block.  Then
 * the former one goes first: without a leader nothing empties the spool.
 */
static BbFd *
make_block(const char *directory, const char *path, uint64 generation)
{
	char	   *temporary = path_in(directory, "control.new");
	BbFd	   *fd = bb_fd_open(temporary, O_RDWR | O_CREAT | O_TRUNC,
								pg_file_create_mode);
	Block	   *block = palloc0(sizeof(Block));

	if (fd == NULL)
		bb_report_file("could not create file \"%s\": %m", temporary);
	block->generation = generation;
	SpinLockInit(&block->mutex);
	if (!write_block(fd, block) &&
		((errno != ENOSPC && errno != EDQUOT) || unlink(path) < 0 ||
		 !write_block(fd, block)))
		bb_report_file("could not write file \"%s\": %m", temporary);
	if (rename(temporary, path) < 0)
		bb_report_file("could not rename file to \"%s\": %m", path);
	pfree(block);
	return fd;
}

/*
 * Make a directory, and lock it as its leader; NULL: another process removed it
 * meanwhile.
 */
static BbFd *
try_lock(const char *directory)
{
	BbFd	   *lock;

	make_directory(directory);
	lock = open_lock(directory, O_CREAT);
	if (lock == NULL)
		return NULL;
	if (!lock_byte(lock, LEADER))
	{
		bb_fd_close(lock);
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("the spool \"%s\" is in use by another process",
						directory)));
	}
	if (is_linked(lock))
		return lock;
	bb_fd_close(lock);
	return NULL;
}

BbFollowControl *
bb_followcontrol_create(const char *directory)
{
	char	   *path = path_in(directory, "control");
	char	   *parent = pstrdup(directory);
	uint64		generation = 0;
	BbFollowControl *control;
	BbFd	   *lock;
	BbFd	   *fd;

	get_parent_directory(parent);
	make_directory(parent);
	while ((lock = try_lock(directory)) == NULL)
		CHECK_FOR_INTERRUPTS();
	write_generation(lock, 0);
	while (generation == 0)
	{
		if (!pg_strong_random(&generation, sizeof(generation)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate a random number")));
	}
	fd = make_block(directory, path, generation);
	control = map(directory, lock, fd, path);
	bb_fd_close(fd);
	write_generation(lock, generation);
	control->leads = true;
	control->block->status.leader_pid = MyProcPid;
	return control;
}

BbFollowControl *
bb_followcontrol_attach(const char *directory)
{
	char	   *path = path_in(directory, "control");
	BbFd	   *lock = open_lock(directory, 0);
	uint64		generation;
	struct stat st;
	uint64		found = 0;
	BbFd	   *fd = NULL;

	if (lock == NULL)
		return NULL;
	generation = read_generation(lock);
	if (generation != 0 && byte_is_locked(lock, LEADER))
	{
		fd = bb_fd_open(path, O_RDWR, 0);
		if (fd == NULL && errno != ENOENT)
			bb_report_file("could not open file \"%s\": %m", path);
	}
	/* a file of another size would be one of another version */
	if (fd != NULL && fstat(bb_fd_number(fd), &st) == 0 &&
		st.st_size == sizeof(Block) &&
		pg_pread(bb_fd_number(fd), &found, sizeof(found), 0) ==
			sizeof(found) &&
		found == generation)
	{
		BbFollowControl *control = map(directory, lock, fd, path);

		bb_fd_close(fd);
		return control;
	}
	if (fd != NULL)
		bb_fd_close(fd);
	bb_fd_close(lock);
	return NULL;
}

bool
bb_followcontrol_remove(const char *directory, BbFollowRemove remove)
{
	BbFd	   *lock = open_lock(directory, O_CREAT);
	bool		is_free;

	if (lock == NULL)
		return true;
	is_free = lock_byte(lock, LEADER) && lock_byte(lock, RECEIVER);
	if (is_free)
		remove(directory);
	bb_fd_close(lock);
	return is_free;
}

bool
bb_followcontrol_is_led(const char *directory)
{
	BbFd	   *lock = open_lock(directory, 0);
	bool		is_led;

	if (lock == NULL)
		return false;
	is_led = byte_is_locked(lock, LEADER);
	bb_fd_close(lock);
	return is_led;
}

/* Is the lock still where other processes look for it? */
static bool
lock_is_in_place(const BbFollowControl *control)
{
	struct stat ours;
	struct stat there;

	return fstat(bb_fd_number(control->lock), &ours) == 0 &&
		stat(control->lock_path, &there) == 0 && ours.st_dev == there.st_dev &&
		ours.st_ino == there.st_ino;
}

bool
bb_followcontrol_is_current(const BbFollowControl *control)
{
	return lock_is_in_place(control) &&
		(control->leads ||
		 (byte_is_locked(control->lock, LEADER) &&
		  read_generation(control->lock) == control->block->generation));
}

bool
bb_followcontrol_receive(BbFollowControl *control)
{
	BbFollowStatus *status;

	if (!lock_byte(control->lock, RECEIVER))
		return false;
	control->receives = true;
	status = bb_followcontrol_lock(control);
	status->receiver_pid = MyProcPid;
	bb_followcontrol_unlock(control);
	return true;
}

bool
bb_followcontrol_has_receiver(const BbFollowControl *control)
{
	return control->receives || byte_is_locked(control->lock, RECEIVER);
}

/* ---- fields ---- */

void
bb_followcontrol_get(BbFollowControl *control, BbFollowStatus *status)
{
	SpinLockAcquire(&control->block->mutex);
	*status = control->block->status;
	SpinLockRelease(&control->block->mutex);
}

BbFollowStatus *
bb_followcontrol_lock(BbFollowControl *control)
{
	SpinLockAcquire(&control->block->mutex);
	return &control->block->status;
}

void
bb_followcontrol_unlock(BbFollowControl *control)
{
	SpinLockRelease(&control->block->mutex);
}

void
bb_followcontrol_source(BbFollowControl *control, const char *source,
						const char *slot, bool temporary)
{
	BbFollowStatus *status = bb_followcontrol_lock(control);

	strlcpy(status->source, source, sizeof(status->source));
	strlcpy(status->slot, slot, sizeof(status->slot));
	status->temporary = temporary;
	bb_followcontrol_unlock(control);
}

void
bb_followcontrol_order(BbFollowControl *control, TimeLineID tli,
					   XLogRecPtr lsn, bool stored)
{
	BbFollowStatus *status = bb_followcontrol_lock(control);

	status->order++;
	status->order_tli = tli;
	status->order_lsn = lsn;
	status->applied_lsn = lsn;
	if (stored)
		status->stored_lsn = lsn;
	else
	{
		/* what an import that failed has committed is no part of this one */
		status->stored_lsn = InvalidXLogRecPtr;
		status->covered_lsn = InvalidXLogRecPtr;
		status->confirmed_lsn = InvalidXLogRecPtr;
		status->promised_lsn = InvalidXLogRecPtr;
	}
	status->problem = BB_RECEIVER_FINE;
	status->problem_tli = 0;
	status->problem_lsn = InvalidXLogRecPtr;
	bb_followcontrol_unlock(control);
	bb_followcontrol_wake_receiver(control);
}

/* ---- waking ---- */

/* Set the latch of a process, if there is one with this PID. */
static void
wake(int pid)
{
	PGPROC	   *process = pid == 0 ? NULL : BackendPidGetProc(pid);

	if (process != NULL)
		SetLatch(&process->procLatch);
}

void
bb_followcontrol_wake_leader(BbFollowControl *control)
{
	int			pid;

	SpinLockAcquire(&control->block->mutex);
	pid = control->block->status.leader_pid;
	SpinLockRelease(&control->block->mutex);
	wake(pid);
}

void
bb_followcontrol_wake_receiver(BbFollowControl *control)
{
	int			pid;

	SpinLockAcquire(&control->block->mutex);
	pid = control->block->status.receiver_pid;
	SpinLockRelease(&control->block->mutex);
	wake(pid);
}
