/*-------------------------------------------------------------------------
 *
 * trial_place.c
 *	  The private directory of a restore test, and who cleans up after it.
 *
 *	  backend ── pipe "alive" ──► supervisor ──► postmaster and its children
 *	     ▲  │      "start"          │ waits         │ log
 *	     │  └── backup ──► data     └ rm -r		    │
 *	     └───────── pipe "status" ◄─────────────────┘ open as long as one lives
 *
 * The supervisor is a shell, started before the first file is written.  The end
 * of its input is the end of the test, however that comes about: success, an
 * error, a cancel, or the end of this process by SIGKILL.  Then it ends the
 * server by SIGQUIT, with which a postmaster ends its children and removes its
 * shared memory, and removes the directory.
 *
 * What a crash of the machine leaves is removed by the next test: the directory
 * is locked (flock) as long as this process or the supervisor is there.  By
 * default it is below base/pgsql_tmp and named like a temporary file, so that
 * base backups omit it, and a server that starts after a crash removes it
 * (RemovePgTempFiles in PostgreSQL's fd.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/foreigntext.h"
#include "base/resource.h"
#include "base/settings.h"
#include "common/file_perm.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "process/environment.h"
#include "process/spawn.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "trial/trial_internal.h"

#define DEFAULT_DIRECTORY "base/" PG_TEMP_FILES_DIR
#define NAME_PREFIX PG_TEMP_FILE_PREFIX "_bbtest."

/* Of the log, show so many bytes. */
#define LOG_BYTES 1000

/* How often the supervisor is looked at, and how long an error waits for it. */
#define LOOK_MS 5
#define RELEASE_MS 60000

/*
 * $1: the directory.  $2: postgres.  Descriptors: 0 alive, 3 status, 4 the lock.
 *
 * SIGKILL follows if the postmaster takes too long; it gives its children 5 s.
 * Its children may still write when it has been killed, so rm may have to be
 * repeated.
 */
#define SCRIPT                                                     \
	"trap '' HUP INT TERM\n"                                       \
	"if read -r word && [ \"$word\" = start ]; then\n"             \
	"  \"$2\" -D \"$1/data\" </dev/null >\"$1/log\" 2>&1 4>&- &\n" \
	"  server=$!\n"                                                \
	"  exec 3>&-\n"                                                \
	"  read -r word\n"                                             \
	"  kill -QUIT $server 2>/dev/null\n"                           \
	"  left=200\n"                                                 \
	"  while kill -0 $server 2>/dev/null; do\n"                    \
	"    [ $left -gt 0 ] || kill -KILL $server\n"                  \
	"    left=$((left - 1))\n"                                     \
	"    sleep 0.05\n"                                             \
	"  done\n"                                                     \
	"fi\n"                                                         \
	"for i in 1 2 3 4 5 6 7 8 9 10; do\n"                          \
	"  rm -rf -- \"$1\" 2>/dev/null && break\n"                    \
	"  sleep 1\n"                                                  \
	"done\n"

struct BbTrialPlace
{
	char	   *path;
	char	   *data;
	BbFd	   *directory;	/* locked */
	pid_t		supervisor; /* 0: not running, or reaped */
	int			alive;		/* -1: closed */
	int			status;
};

/* ---- the end ---- */

static void
close_pipes(BbTrialPlace *place)
{
	if (place->alive >= 0)
		close(place->alive);
	place->alive = -1;
	if (place->status >= 0)
		close(place->status);
	place->status = -1;
}

/* Has the supervisor ended?  Then nothing is left, unless it was killed. */
static bool
reap(BbTrialPlace *place)
{
	pid_t		pid;

	if (place->supervisor == 0)
		return true;
	pid = waitpid(place->supervisor, NULL, WNOHANG);
	if (pid == 0 || (pid < 0 && errno == EINTR))
		return false;
	place->supervisor = 0;
	if (access(place->path, F_OK) == 0)
		rmtree(place->path, true);
	return true;
}

static void
release(void *arg)
{
	BbTrialPlace *place = arg;

	close_pipes(place);
	for (int waited = 0; !reap(place) && waited < RELEASE_MS;
		 waited += LOOK_MS)
		pg_usleep(LOOK_MS * 1000L);
}

void
bb_trial_place_end(const BbReqCtx *ctx, BbTrialPlace *place)
{
	close_pipes(place);
	while (!reap(place))
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOOK_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		bb_reqctx_check(ctx);
	}
	(void) bb_fd_close(place->directory);
}

/* ---- directories ---- */

/* The directory for the directories of tests, an absolute path. */
static char *
parent_directory(void)
{
	char	   *path;

	if (bb_setting_restore_test_directory[0] != '\0')
		return pstrdup(bb_setting_restore_test_directory);
	path = psprintf("%s/" DEFAULT_DIRECTORY, DataDir);
	/* the server also creates it when it is first needed */
	if (MakePGDirectory(path) < 0 && errno != EEXIST)
		bb_report_file("could not create directory \"%s\": %m", path);
	return path;
}

static bool
lock(BbFd *directory)
{
	return flock(bb_fd_number(directory), LOCK_EX | LOCK_NB) == 0;
}

static BbFd *
open_directory(const char *path)
{
	return bb_fd_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

static void
sweep(const char *parent)
{
	DIR		   *dir = AllocateDir(parent);
	struct dirent *entry;

	while ((entry = ReadDir(dir, parent)) != NULL)
	{
		char	   *path;
		BbFd	   *left;

		if (strncmp(entry->d_name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0)
			continue;
		path = psprintf("%s/%s", parent, entry->d_name);
		left = open_directory(path);
		if (left == NULL)
			continue;
		if (lock(left))
			rmtree(path, true);
		(void) bb_fd_close(left);
	}
	FreeDir(dir);
}

/* Make and lock the directory. */
static void
make_directory(BbTrialPlace *place, const char *parent)
{
	static int	number = 0;

	/* another test, in its sweep, may be faster than the lock */
	for (;;)
	{
		place->path = psprintf("%s/" NAME_PREFIX "%d.%d", parent, MyProcPid,
							   ++number);
		if (mkdir(place->path, S_IRWXU) < 0)
		{
			if (errno == EEXIST)
				continue;
			bb_report_file("could not create directory \"%s\": %m",
						   place->path);
		}
		place->directory = open_directory(place->path);
		if (place->directory != NULL && lock(place->directory))
			return;
		if (place->directory != NULL)
			(void) bb_fd_close(place->directory);
		else if (errno != ENOENT)
			bb_report_file("could not open directory \"%s\": %m", place->path);
	}
}

/* ---- the supervisor ---- */

static bool
start_supervisor(BbTrialPlace *place)
{
	char	   *arguments[] = {"/bin/sh",	"-c",		  SCRIPT, "sh",
							   place->path, my_exec_path, NULL};
	char	  **environment = bb_environment_new(
		list_make1("PATH=/usr/local/bin:/usr/bin:/bin"));
	int			alive[2] = {-1, -1};
	int			status[2] = {-1, -1};
	int			save_errno;

	if (pipe2(alive, O_CLOEXEC) == 0 && pipe2(status, O_CLOEXEC) == 0)
		place->supervisor = bb_spawn(&(
			BbSpawn){.arguments = arguments,
					 .environment = environment,
					 .fds = (int[]){alive[0], BB_SPAWN_NULL, BB_SPAWN_NULL,
									status[1], bb_fd_number(place->directory)},
					 .nfds = 5,
					 .outlives = true});
	save_errno = errno;
	place->alive = alive[1];
	place->status = status[0];
	if (alive[0] >= 0)
		close(alive[0]);
	if (status[1] >= 0)
		close(status[1]);
	errno = save_errno;
	if (place->supervisor > 0)
		return true;
	place->supervisor = 0;
	return false;
}

BbTrialPlace *
bb_trial_place_new(void)
{
	BbTrialPlace *place = palloc0(sizeof(BbTrialPlace));
	char	   *parent = parent_directory();

	place->alive = -1;
	place->status = -1;
	sweep(parent);
	make_directory(place, parent);
	place->data = psprintf("%s/data", place->path);
	bb_on_reset(CurrentMemoryContext, release, place);
	if (!start_supervisor(place))
	{
		int			save_errno = errno;

		rmtree(place->path, true);
		errno = save_errno;
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not start a process for a restore test: %m")));
	}
	return place;
}

const char *
bb_trial_place_data(const BbTrialPlace *place)
{
	return place->data;
}

void
bb_trial_place_start(BbTrialPlace *place)
{
	static const char word[] = "start\n";

	/* if the supervisor was killed, SIGPIPE is ignored, as in all backends */
	if (write(place->alive, word, strlen(word)) != (ssize_t) strlen(word))
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not start the server of a restore test: %m")));
}

bool
bb_trial_place_ended(const BbTrialPlace *place)
{
	struct pollfd status = {.fd = place->status};

	return poll(&status, 1, 0) > 0 &&
		(status.revents & (POLLHUP | POLLERR)) != 0;
}

const char *
bb_trial_place_log(const BbTrialPlace *place)
{
	char		text[LOG_BYTES + 1];
	BbFd	   *fd = bb_fd_openat(place->directory, "log", O_RDONLY, 0);
	ssize_t		length = 0;
	off_t		size;

	if (fd == NULL)
		return pstrdup("");
	size = lseek(bb_fd_number(fd), 0, SEEK_END);
	if (size > 0)
		length = bb_fd_read_at(fd, text, LOG_BYTES,
							   size > LOG_BYTES ? size - LOG_BYTES : 0);
	(void) bb_fd_close(fd);
	text[Max(length, 0)] = '\0';
	return bb_text_valid(pchomp(text));
}
