/*-------------------------------------------------------------------------
 *
 * recorder.c
 *	  Records what a server does to the files of a page store.
 *
 * The library is loaded into a server by LD_PRELOAD.  BB_CRASH_STORE is the
 * directory of the store, without symbolic links in it; BB_CRASH_LOG is the
 * file to which each change below the directory, and each fsync there, is
 * appended.  Nothing is recorded while that file doesn't exist.
 *
 * A lock is held while a change is made and recorded.  So the record has the
 * changes of all processes in the order in which they were made.  A record is
 *
 *	  NAME \t INODE \t OFFSET \t LENGTH \t PATH \t PATH \n DATA
 *
 * with paths below the store, and LENGTH bytes of data.  NAME is
 *
 *	  create, mkdir			a new file or directory, with its inode
 *	  truncate				of a file to a length, which is OFFSET
 *	  write					of bytes at an offset
 *	  fsync					of a file or a directory
 *	  rename, unlink, rmdir
 *	  other					a change that this library can't record; the path
 *							is the name of the call
 *
 * A descriptor is the store's if it was when it was opened.  That is remembered
 * in memory, because a redo helper, in which this library is, too, must not
 * make system calls of its own.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

#define DESCRIPTORS 65536
#define AT_POSITION ((off_t) -1)

/* The next function of that name, of the C library. */
#define REAL(name)                     \
	({                                 \
		static __typeof__(&name) next; \
                                       \
		if (next == NULL)              \
			next = real(#name);        \
		next;                          \
	})

/* What some callers of open(2) call; there is no declaration of them. */
extern int __open_2(const char *path, int flags);
extern int __open64_2(const char *path, int flags);
extern int __openat_2(int directory, const char *path, int flags);
extern int __openat64_2(int directory, const char *path, int flags);

static const char *store;
static const char *log_path;
static bool of_store[DESCRIPTORS];

__attribute__((constructor)) static void
begin(void)
{
	const char *directory = getenv("BB_CRASH_STORE");
	const char *log = getenv("BB_CRASH_LOG");

	if (directory == NULL || log == NULL)
		return;
	/* the server overwrites its environment with the title of the process */
	store = strdup(directory);
	log_path = strdup(log);
}

static void *
real(const char *name)
{
	void	   *function = dlsym(RTLD_NEXT, name);

	if (function == NULL)
		abort();
	return function;
}

/* ---- paths ---- */

/* The path of a descriptor, or of the working directory. */
static bool
path_of(int fd, char *path)
{
	char		link[64];
	ssize_t		length;

	if (fd == AT_FDCWD)
		return getcwd(path, PATH_MAX) != NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, PATH_MAX - 1);
	if (length < 0)
		return false;
	path[length] = '\0';
	return true;
}

/* The part of a path below the store, "" for the store; NULL if it isn't. */
static const char *
below(const char *path)
{
	size_t		length;

	if (store == NULL)
		return NULL;
	length = strlen(store);
	if (strncmp(path, store, length) != 0 ||
		(path[length] != '\0' && path[length] != '/'))
		return NULL;
	return path[length] == '/' ? path + length + 1 : path + length;
}

/* The path of a name in a directory, if it is the store's. */
static bool
locate(int directory, const char *name, char *path)
{
	char		whole[2 * PATH_MAX];
	char		above[PATH_MAX];
	const char *found;

	if (store == NULL)
		return false;
	if (name[0] == '/')
		snprintf(whole, sizeof(whole), "%s", name);
	else if (path_of(directory, above))
		snprintf(whole, sizeof(whole), "%s/%s", above, name);
	else
		return false;
	found = below(whole);
	if (found == NULL)
		return false;
	snprintf(path, PATH_MAX, "%s", found);
	return true;
}

/* ---- the record ---- */

/*
 * Take the lock.  Returns -1 if nothing is recorded.  It is a file of its own
 * for each record, so that processes that were forked exclude each other.
 */
static int
lock_record(void)
{
	int			save_errno = errno;
	int			fd;

	fd = REAL(open)(log_path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd >= 0)
		while (flock(fd, LOCK_EX) < 0)
			if (errno != EINTR)
				abort();
	errno = save_errno;
	return fd;
}

static void
unlock_record(int record)
{
	int			save_errno = errno;

	if (record >= 0)
		REAL(close)(record);
	errno = save_errno;
}

static void
put(int record, const void *data, size_t length)
{
	const char *at = data;

	while (length > 0)
	{
		ssize_t		n = REAL(write)(record, at, length);

		if (n < 0 && errno != EINTR)
			abort();
		if (n > 0)
		{
			at += n;
			length -= n;
		}
	}
}

static void
note(int record, const char *name, ino_t inode, off_t offset, const char *path,
	 const char *other, const void *data, size_t length)
{
	int			save_errno = errno;
	char		line[3 * PATH_MAX];

	if (record < 0)
		return;
	snprintf(line, sizeof(line), "%s\t%llu\t%lld\t%zu\t%s\t%s\n", name,
			 (unsigned long long) inode, (long long) offset, length, path,
			 other);
	put(record, line, strlen(line));
	put(record, data, length);
	errno = save_errno;
}

static ino_t
inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static bool
is_of_store(int fd)
{
	return fd >= 0 && fd < DESCRIPTORS && of_store[fd];
}

/* A change of an open file that can't be replayed. */
static void
note_other(int fd, const char *call)
{
	int			record;

	if (!is_of_store(fd))
		return;
	record = lock_record();
	note(record, "other", 0, 0, call, "", "", 0);
	unlock_record(record);
}

/* ---- opening and closing ---- */

typedef struct Opening
{
	char		path[PATH_MAX];
	int			record; /* -1: not recorded */
	bool		there;	/* was there a file? */
} Opening;

/* Before a file is opened. */
static void
before_open(Opening *opening, int directory, const char *path, int flags)
{
	int			save_errno = errno;
	struct stat st;

	opening->record = -1;
	if ((flags & (O_CREAT | O_TRUNC)) != 0 &&
		(flags & O_TMPFILE) != O_TMPFILE &&
		locate(directory, path, opening->path))
	{
		opening->record = lock_record();
		opening->there = fstatat(directory, path, &st, AT_SYMLINK_NOFOLLOW) ==
			0;
	}
	errno = save_errno;
}

/* After it. */
static int
after_open(Opening *opening, int fd, int flags)
{
	int			save_errno = errno;
	char		path[PATH_MAX];

	if (fd >= 0 && fd < DESCRIPTORS && store != NULL)
		of_store[fd] = path_of(fd, path) && below(path) != NULL;
	if (fd >= 0 && opening->record >= 0)
	{
		if (!opening->there)
			note(opening->record, "create", inode_of(fd), 0, opening->path, "",
				 "", 0);
		else if ((flags & O_TRUNC) != 0)
			note(opening->record, "truncate", inode_of(fd), 0, opening->path,
				 "", "", 0);
	}
	unlock_record(opening->record);
	if ((flags & O_TMPFILE) == O_TMPFILE)
		note_other(fd, "O_TMPFILE");
	errno = save_errno;
	return fd;
}

static int
open_recorded(int directory, const char *path, int flags, mode_t mode)
{
	Opening		opening;

	before_open(&opening, directory, path, flags);
	return after_open(&opening, REAL(openat)(directory, path, flags, mode),
					  flags);
}

static mode_t
mode_argument(int flags, va_list arguments)
{
	return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE
		? va_arg(arguments, mode_t)
		: 0;
}

#define DEFINE_OPEN(name)                                  \
	int name(const char *path, int flags, ...)             \
	{                                                      \
		va_list		arguments;                             \
		mode_t		mode;                                  \
                                                           \
		va_start(arguments, flags);                        \
		mode = mode_argument(flags, arguments);            \
		va_end(arguments);                                 \
		return open_recorded(AT_FDCWD, path, flags, mode); \
	}

#define DEFINE_OPENAT(name)                                   \
	int name(int directory, const char *path, int flags, ...) \
	{                                                         \
		va_list		arguments;                                \
		mode_t		mode;                                     \
                                                              \
		va_start(arguments, flags);                           \
		mode = mode_argument(flags, arguments);               \
		va_end(arguments);                                    \
		return open_recorded(directory, path, flags, mode);   \
	}

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

int
__open_2(const char *path, int flags)
{
	return open_recorded(AT_FDCWD, path, flags, 0);
}

int
__open64_2(const char *path, int flags)
{
	return open_recorded(AT_FDCWD, path, flags, 0);
}

int
__openat_2(int directory, const char *path, int flags)
{
	return open_recorded(directory, path, flags, 0);
}

int
__openat64_2(int directory, const char *path, int flags)
{
	return open_recorded(directory, path, flags, 0);
}

/* The product opens files by openat2(2), for which there is no function. */
long
syscall(long number, ...)
{
	va_list		arguments;
	long		a[6];

	va_start(arguments, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);
	if (number == SYS_openat2)
	{
		/* the first member of struct open_how */
		int			flags = (int) *(const uint64_t *) a[2];
		Opening		opening;

		before_open(&opening, (int) a[0], (const char *) a[1], flags);
		return after_open(&opening,
						  (int) REAL(syscall)(number, a[0], a[1], a[2], a[3]),
						  flags);
	}
	return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int
close(int fd)
{
	if (fd >= 0 && fd < DESCRIPTORS)
		of_store[fd] = false;
	return REAL(close)(fd);
}

int
closedir(DIR *dir)
{
	int			fd = dirfd(dir);

	if (fd >= 0 && fd < DESCRIPTORS)
		of_store[fd] = false;
	return REAL(closedir)(dir);
}

/* ---- data ---- */

static ssize_t
write_recorded(int fd, const void *data, size_t length, off_t offset)
{
	int			record = lock_record();
	ssize_t		n;

	if (offset == AT_POSITION)
	{
		offset = lseek(fd, 0, SEEK_CUR);
		n = REAL(write)(fd, data, length);
	}
	else
		n = REAL(pwrite)(fd, data, length, offset);
	if (n > 0)
		note(record, "write", inode_of(fd), offset, "", "", data, n);
	unlock_record(record);
	return n;
}

ssize_t
write(int fd, const void *data, size_t length)
{
	if (!is_of_store(fd))
		return REAL(write)(fd, data, length);
	return write_recorded(fd, data, length, AT_POSITION);
}

ssize_t
pwrite(int fd, const void *data, size_t length, off_t offset)
{
	if (!is_of_store(fd))
		return REAL(pwrite)(fd, data, length, offset);
	return write_recorded(fd, data, length, offset);
}

ssize_t
pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
	return pwrite(fd, data, length, offset);
}

int
ftruncate(int fd, off_t length)
{
	int			record = is_of_store(fd) ? lock_record() : -1;
	int			result = REAL(ftruncate)(fd, length);

	if (result == 0 && record >= 0)
		note(record, "truncate", inode_of(fd), length, "", "", "", 0);
	unlock_record(record);
	return result;
}

int
ftruncate64(int fd, off64_t length)
{
	return ftruncate(fd, length);
}

#define DEFINE_OTHER(type, name, declared, passed) \
	type name declared                             \
	{                                              \
		note_other(fd, #name);                     \
		return REAL(name) passed;                  \
	}

DEFINE_OTHER(ssize_t, writev, (int fd, const struct iovec *vector, int n),
			 (fd, vector, n))
DEFINE_OTHER(ssize_t, pwritev,
			 (int fd, const struct iovec *vector, int n, off_t offset),
			 (fd, vector, n, offset))
DEFINE_OTHER(ssize_t, pwritev64,
			 (int fd, const struct iovec *vector, int n, off64_t offset),
			 (fd, vector, n, offset))
DEFINE_OTHER(int, fallocate, (int fd, int mode, off_t offset, off_t length),
			 (fd, mode, offset, length))
DEFINE_OTHER(int, posix_fallocate, (int fd, off_t offset, off_t length),
			 (fd, offset, length))

/* ---- fsync ---- */

static int
sync_recorded(int fd, int (*sync_file)(int))
{
	int			record = is_of_store(fd) ? lock_record() : -1;
	int			result = sync_file(fd);

	if (result == 0 && record >= 0)
		note(record, "fsync", inode_of(fd), 0, "", "", "", 0);
	unlock_record(record);
	return result;
}

int
fsync(int fd)
{
	return sync_recorded(fd, REAL(fsync));
}

int
fdatasync(int fd)
{
	return sync_recorded(fd, REAL(fdatasync));
}

/* ---- names ---- */

static int
rename_recorded(int from_directory, const char *from, int to_directory,
				const char *to, unsigned flags)
{
	char		from_path[PATH_MAX];
	char		to_path[PATH_MAX];
	bool		of_from = locate(from_directory, from, from_path);
	bool		of_to = locate(to_directory, to, to_path);
	int			record = of_from || of_to ? lock_record() : -1;
	int			result = REAL(renameat2)(from_directory, from, to_directory,
										 to, flags);

	if (result == 0 && record >= 0)
	{
		if (of_from && of_to && flags == 0)
			note(record, "rename", 0, 0, from_path, to_path, "", 0);
		else
			note(record, "other", 0, 0, "rename", "", "", 0);
	}
	unlock_record(record);
	return result;
}

int
rename(const char *from, const char *to)
{
	return rename_recorded(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
renameat(int from_directory, const char *from, int to_directory,
		 const char *to)
{
	return rename_recorded(from_directory, from, to_directory, to, 0);
}

int
renameat2(int from_directory, const char *from, int to_directory,
		  const char *to, unsigned flags)
{
	return rename_recorded(from_directory, from, to_directory, to, flags);
}

int
unlinkat(int directory, const char *name, int flags)
{
	char		path[PATH_MAX];
	int			record = locate(directory, name, path) ? lock_record() : -1;
	int			result = REAL(unlinkat)(directory, name, flags);

	if (result == 0 && record >= 0)
		note(record, (flags & AT_REMOVEDIR) != 0 ? "rmdir" : "unlink", 0, 0,
			 path, "", "", 0);
	unlock_record(record);
	return result;
}

int
unlink(const char *name)
{
	return unlinkat(AT_FDCWD, name, 0);
}

int
rmdir(const char *name)
{
	return unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}

int
mkdirat(int directory, const char *name, mode_t mode)
{
	char		path[PATH_MAX];
	int			record = locate(directory, name, path) ? lock_record() : -1;
	int			result = REAL(mkdirat)(directory, name, mode);
	struct stat st;

	if (result == 0 && record >= 0 &&
		fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		note(record, "mkdir", st.st_ino, 0, path, "", "", 0);
	unlock_record(record);
	return result;
}

int
mkdir(const char *name, mode_t mode)
{
	return mkdirat(AT_FDCWD, name, mode);
}

int
linkat(int from_directory, const char *from, int to_directory, const char *to,
	   int flags)
{
	char		path[PATH_MAX];
	int			record = locate(to_directory, to, path) ? lock_record() : -1;
	int			result = REAL(linkat)(from_directory, from, to_directory, to,
									  flags);

	if (result == 0 && record >= 0)
		note(record, "other", 0, 0, "link", "", "", 0);
	unlock_record(record);
	return result;
}

int
link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}
