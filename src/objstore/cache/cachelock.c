/*-------------------------------------------------------------------------
 *
 * cachelock.c
 *	  Locks on the files of a cache directory, among all its users.
 *
 * A scan may use more files than a process may have open.  So the locks aren't
 * on the files themselves but on bytes of one file ".locks": open file
 * description locks (fcntl(2)), which the kernel releases when the process
 * dies.  In each class of lock, a file has the byte that the hash of its name
 * selects.  Two files may share a byte; then a lock on one is a lock on both,
 * which costs time but nothing else.
 *
 * Such locks don't conflict within a session, so the session counts them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/file_perm.h"
#include "common/hashfn.h"
#include "objstore/cache/cache_internal.h"
#include "utils/memutils.h"

/* The byte of a file is class * CLASS_BYTES + hash % CLASS_BYTES. */
#define CLASS_BYTES ((uint64) 1 << 60)

typedef enum LockClass
{
	CLASS_USE,
	CLASS_FETCH,
	CLASS_ROOM
} LockClass;

/* How often this session has locked a byte. */
typedef struct Held
{
	uint64		byte;
	int			count;
} Held;

struct BbCacheLocks
{
	BbCacheLocks *next;
	char	   *directory;
	BbFd	   *fd;
	HTAB	   *held;
};

typedef struct Lock
{
	BbCacheLocks *locks;
	uint64		byte;
	MemoryContextCallback callback;
} Lock;

static BbCacheLocks *all_locks = NULL;

/*
 * Is this the lock file that other sessions open now?  The directory may have
 * been removed since it was opened.
 */
static bool
is_current(const BbCacheLocks *locks, const char *path)
{
	struct stat ours;
	struct stat theirs;

	return fstat(bb_fd_number(locks->fd), &ours) == 0 &&
		lstat(path, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
		ours.st_ino == theirs.st_ino;
}

BbCacheLocks *
bb_cachelocks(const char *directory)
{
	BbCacheLocks *locks;
	MemoryContext old;
	HASHCTL		control = {.keysize = sizeof(uint64),
						   .entrysize = sizeof(Held)};
	char	   *path = psprintf("%s/.locks", directory);
	BbFd	   *fd;

	for (locks = all_locks; locks != NULL; locks = locks->next)
	{
		/* locks in a removed directory stay: running calls may hold them */
		if (strcmp(locks->directory, directory) == 0 &&
			is_current(locks, path))
			return locks;
	}

	old = MemoryContextSwitchTo(TopMemoryContext);
	fd = bb_fd_open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK,
					pg_file_create_mode);
	if (fd == NULL)
		bb_report_file("could not open lock file \"%s\": %m", path);
	locks = palloc0(sizeof(BbCacheLocks));
	locks->fd = fd;
	locks->directory = pstrdup(directory);
	locks->held = hash_create("bbackup cache locks", 64, &control,
							  HASH_ELEM | HASH_BLOBS);
	MemoryContextSwitchTo(old);
	/* link it when nothing can fail any more */
	locks->next = all_locks;
	all_locks = locks;
	return locks;
}

static uint64
byte_of(LockClass class, const char *file)
{
	uint64		hash = 0;

	if (file != NULL)
		hash = hash_bytes_extended((const unsigned char *) file,
								   (int) strlen(file), 0);
	return class * CLASS_BYTES + hash % CLASS_BYTES;
}

/* Returns false if another session holds the lock. */
static bool
set_lock(BbCacheLocks *locks, uint64 byte, short type)
{
	struct flock flock = {.l_type = type,
						  .l_whence = SEEK_SET,
						  .l_start = (off_t) byte,
						  .l_len = 1};

	while (fcntl(bb_fd_number(locks->fd), F_OFD_SETLK, &flock) < 0)
	{
		if (errno == EAGAIN || errno == EACCES)
			return false;
		if (errno != EINTR)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not lock file \"%s/.locks\": %m",
							locks->directory)));
	}
	return true;
}

static void
release(void *arg)
{
	Lock	   *lock = arg;
	Held	   *held = hash_search(lock->locks->held, &lock->byte, HASH_FIND,
								   NULL);
	struct flock flock = {.l_type = F_UNLCK,
						  .l_whence = SEEK_SET,
						  .l_start = (off_t) lock->byte,
						  .l_len = 1};

	if (held != NULL && --held->count == 0)
	{
		(void) fcntl(bb_fd_number(lock->locks->fd), F_OFD_SETLK, &flock);
		(void) hash_search(lock->locks->held, &lock->byte, HASH_REMOVE, NULL);
	}
}

/* Lock until CurrentMemoryContext is reset. */
static bool
hold(BbCacheLocks *locks, uint64 byte, short type)
{
	Lock	   *lock = palloc0(sizeof(Lock));
	Held	   *held;
	bool		found;

	held = hash_search(locks->held, &byte, HASH_ENTER, &found);
	if (!found)
		held->count = 0;
	if (held->count == 0 && !set_lock(locks, byte, type))
	{
		(void) hash_search(locks->held, &byte, HASH_REMOVE, NULL);
		return false;
	}
	held->count++;
	lock->locks = locks;
	lock->byte = byte;
	/* nothing may fail any more */
	lock->callback.func = release;
	lock->callback.arg = lock;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &lock->callback);
	return true;
}

bool
bb_cachelock_use(BbCacheLocks *locks, const char *file)
{
	return hold(locks, byte_of(CLASS_USE, file), F_RDLCK);
}

bool
bb_cachelock_evict(BbCacheLocks *locks, const char *file)
{
	uint64		byte = byte_of(CLASS_USE, file);

	return hash_search(locks->held, &byte, HASH_FIND, NULL) == NULL &&
		set_lock(locks, byte, F_WRLCK);
}

void
bb_cachelock_unevict(BbCacheLocks *locks, const char *file)
{
	(void) set_lock(locks, byte_of(CLASS_USE, file), F_UNLCK);
}

bool
bb_cachelock_is_fetching(BbCacheLocks *locks, const char *file)
{
	uint64		byte = byte_of(CLASS_FETCH, file);

	return hash_search(locks->held, &byte, HASH_FIND, NULL) != NULL;
}

bool
bb_cachelock_fetch(BbCacheLocks *locks, const char *file)
{
	return hold(locks,
				file != NULL ? byte_of(CLASS_FETCH, file)
							 : byte_of(CLASS_ROOM, NULL),
				F_WRLCK);
}
