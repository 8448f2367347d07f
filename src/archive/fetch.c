/*-------------------------------------------------------------------------
 *
 * fetch.c
 *	  Fetches files of WAL by a command, as recovery does by restore_command.
 *
 * The private directory is one of the server's for temporary files, so that a
 * restart removes it after a crash.  A command may write other files there
 * (pgBackRest and WAL-G do), and directories.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access/xlog_internal.h"
#include "archive/fetch.h"
#include "base/resource.h"
#include "common/file_perm.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "process/guard.h"
#include "process/spawn.h"
#include "process/waitset.h"
#include "storage/fd.h"

extern char **environ;

/* So many commands run at once, or have left a file that wasn't asked for. */
#define AHEAD 4

/* How often to look whether a command has ended. */
#define LOOK_MS 5

/* How long a command may take to exit after SIGTERM. */
#define GRACE_MS 1000

/* From this exit code on, recovery ends (wait_result_is_any_signal). */
#define EXIT_FATAL 126

typedef enum FileState
{
	FILE_RUNNING, /* its command runs */
	FILE_ENDED,	  /* see status */
	FILE_MISSING  /* it was asked for, and isn't there */
} FileState;

typedef struct FetchedFile
{
	char		name[MAXFNAMELEN];
	const char *path;
	FileState	state;
	pid_t		pid;	/* while it runs */
	int			status; /* of waitpid(2) */
	uint64		begun;	/* the number of the fetcher's gets, when it began */
	uint64		asked;	/* and when it was asked for; 0: ahead */
} FetchedFile;

struct BbFetcher
{
	MemoryContext context;
	const char *command;
	char		oldest[MAXFNAMELEN];
	char		directory[MAXPGPATH]; /* "": not created */
	BbGuard		guard;
	bool		external; /* the guard's descriptor is counted */
	List	   *files;	  /* FetchedFile * */
	uint64		gets;	  /* successful ones */
	char	   *missing; /* of the last segment that wasn't there, the command */
	int			missing_status;
};

/* ---- the end ---- */

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
	(void) remove(path);
	return 0;
}

/* Remove a directory with all that is in it. */
static void
remove_tree(const char *path)
{
	(void) nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Look at a command; returns whether it has ended. */
static bool
reap(FetchedFile *file)
{
	if (file->state == FILE_RUNNING &&
		waitpid(file->pid, &file->status, WNOHANG) == file->pid)
		file->state = FILE_ENDED;
	return file->state != FILE_RUNNING;
}

static bool
reap_all(const BbFetcher *fetcher)
{
	bool		all = true;
	ListCell   *cell;

	foreach(cell, fetcher->files)
		all &= reap(lfirst(cell));
	return all;
}

/*
 * SIGTERM first, so that commands can remove what they have made.  What then
 * still lives is killed, also what the commands have started.
 */
static void
end_commands(BbFetcher *fetcher)
{
	ListCell   *cell;

	kill(-fetcher->guard.pid, SIGTERM);
	kill(-fetcher->guard.pid, SIGCONT);
	for (int waited = 0; waited < GRACE_MS && !reap_all(fetcher);
		 waited += LOOK_MS)
		pg_usleep(LOOK_MS * 1000L);
	kill(-fetcher->guard.pid, SIGKILL);
	foreach(cell, fetcher->files)
	{
		FetchedFile *file = lfirst(cell);

		/* it may have left the group */
		if (file->state != FILE_RUNNING)
			continue;
		kill(file->pid, SIGKILL);
		while (waitpid(file->pid, &file->status, 0) < 0 && errno == EINTR)
			;
		file->state = FILE_ENDED;
	}
}

static void
release_with_context(void *arg)
{
	BbFetcher  *fetcher = arg;

	if (fetcher->guard.pid != 0)
		end_commands(fetcher);
	bb_guard_end(&fetcher->guard);
	if (fetcher->external)
		ReleaseExternalFD();
	fetcher->external = false;
	if (fetcher->directory[0] != '\0')
		remove_tree(fetcher->directory);
	fetcher->directory[0] = '\0';
}

/* ---- the beginning ---- */

BbFetcher *
bb_fetcher_new(const char *command)
{
	BbFetcher  *fetcher = palloc0(sizeof(BbFetcher));

	fetcher->context = CurrentMemoryContext;
	fetcher->command = pstrdup(command);
	bb_on_reset(CurrentMemoryContext, release_with_context, fetcher);
	return fetcher;
}

void
bb_fetcher_begin(BbFetcher *fetcher, const char *oldest)
{
	strlcpy(fetcher->oldest, oldest, MAXFNAMELEN);
}

/* Create the private directory, where a restart removes it. */
static void
make_directory(BbFetcher *fetcher)
{
	static uint32 number = 0;
	char		parent[MAXPGPATH];
	char		path[MAXPGPATH];

	snprintf(parent, sizeof(parent), "%s/base/%s", DataDir, PG_TEMP_FILES_DIR);
	snprintf(path, sizeof(path), "%s/%s_bbfetch%d.%u", parent,
			 PG_TEMP_FILE_PREFIX, MyProcPid, number++);
	if (MakePGDirectory(parent) < 0 && errno != EEXIST)
		bb_report_file("could not create directory \"%s\": %m", parent);
	remove_tree(path);
	if (mkdir(path, S_IRWXU) < 0)
		bb_report_file("could not create directory \"%s\": %m", path);
	strlcpy(fetcher->directory, path, MAXPGPATH);
}

static void
start(BbFetcher *fetcher)
{
	if (fetcher->directory[0] == '\0')
		make_directory(fetcher);
	if (fetcher->guard.pid != 0)
		return;
	if (!fetcher->external && !AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("too many files are open to start restore_command"),
				 errhint("Raise max_files_per_process.")));
	fetcher->external = true;
	if (!bb_guard_start(&fetcher->guard, BB_SPAWN_NULL))
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not start a guard of restore_command: %m")));
}

/* ---- commands ---- */

static char *
command_for(const BbFetcher *fetcher, const FetchedFile *file)
{
	StringInfoData text;

	initStringInfo(&text);
	for (const char *c = fetcher->command; *c != '\0'; c++)
	{
		const char *value = NULL;

		if (c[0] == '%')
			switch (c[1])
			{
				case 'f':
					value = file->name;
					break;
				case 'p':
					value = file->path;
					break;
				case 'r':
					value = fetcher->oldest;
					break;
				case '%':
					value = "%";
					break;
			}
		if (value != NULL)
		{
			appendStringInfoString(&text, value);
			c++;
		}
		else
			appendStringInfoChar(&text, *c);
	}
	return text.data;
}

static void
run(BbFetcher *fetcher, FetchedFile *file)
{
	char	   *command = command_for(fetcher, file);
	char	   *arguments[] = {"/bin/sh", "-c", command, NULL};

	(void) unlink(file->path);
	file->pid = bb_spawn(
		&(BbSpawn){.arguments = arguments,
				   .environment = environ,
				   .fds = (int[]){[STDIN_FILENO] = BB_SPAWN_NULL,
								  [STDOUT_FILENO] = STDOUT_FILENO,
								  [STDERR_FILENO] = STDERR_FILENO},
				   .nfds = STDERR_FILENO + 1,
				   .group = fetcher->guard.pid});
	if (file->pid < 0)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not execute command \"%s\": %m", command)));
	file->state = FILE_RUNNING;
	pfree(command);
}

static FetchedFile *
find_file(const BbFetcher *fetcher, const char *name)
{
	ListCell   *cell;

	foreach(cell, fetcher->files)
	{
		FetchedFile *file = lfirst(cell);

		if (strcmp(file->name, name) == 0)
			return file;
	}
	return NULL;
}

/* Begin to fetch a file. */
static FetchedFile *
begin_file(BbFetcher *fetcher, const char *name)
{
	MemoryContext old = MemoryContextSwitchTo(fetcher->context);
	FetchedFile *file = palloc0(sizeof(FetchedFile));

	start(fetcher);
	strlcpy(file->name, name, MAXFNAMELEN);
	file->path = psprintf("%s/%s", fetcher->directory, name);
	file->begun = fetcher->gets;
	file->state = FILE_ENDED;
	/* first, so that the list has all processes */
	fetcher->files = lappend(fetcher->files, file);
	run(fetcher, file);
	MemoryContextSwitchTo(old);
	return file;
}

static void
forget_file(BbFetcher *fetcher, FetchedFile *file)
{
	(void) unlink(file->path);
	fetcher->files = list_delete_ptr(fetcher->files, file);
	pfree(file);
}

/* ---- asking ---- */

pg_noreturn static void
raise_failure(const BbFetcher *fetcher, const FetchedFile *file)
{
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("restore_command failed for \"%s\"", file->name),
			 errdetail("Command \"%s\": %s.", command_for(fetcher, file),
					   wait_result_to_str(file->status)),
			 errhint("An exit code of at most 125 says that there is no such file. The server's log has the command's messages.")));
}

/* The command has ended.  Is the file there? */
static bool
is_there(const BbFetcher *fetcher, const FetchedFile *file)
{
	struct stat st;

	if (WIFSIGNALED(file->status) || WEXITSTATUS(file->status) >= EXIT_FATAL)
		raise_failure(fetcher, file);
	if (file->status != 0)
		return false;
	if (stat(file->path, &st) == 0)
		return true;
	ereport(WARNING,
			(errmsg("restore_command returned zero for \"%s\", but wrote no file",
					file->name),
			 errdetail("It should have written \"%s\", the value of %%p.",
					   file->path)));
	return false;
}

static void
wait_for(const BbReqCtx *ctx, FetchedFile *file)
{
	while (!reap(file))
		bb_latch_wait(ctx, LOOK_MS);
}

/* Remove files that were asked for before the last one, or that nobody wants. */
static void
remove_old(BbFetcher *fetcher)
{
	for (int i = list_length(fetcher->files) - 1; i >= 0; i--)
	{
		FetchedFile *file = list_nth(fetcher->files, i);

		if (file->state == FILE_ENDED &&
			(file->asked != 0 ? file->asked + 1 < fetcher->gets
							  : file->begun + 2 * AHEAD < fetcher->gets))
			forget_file(fetcher, file);
	}
}

static void
note_missing(BbFetcher *fetcher, const FetchedFile *file)
{
	if (fetcher->missing != NULL)
		pfree(fetcher->missing);
	fetcher->missing = MemoryContextStrdup(fetcher->context,
										   command_for(fetcher, file));
	fetcher->missing_status = file->status;
}

const char *
bb_fetcher_get(const BbReqCtx *ctx, BbFetcher *fetcher, const char *name)
{
	FetchedFile *file = find_file(fetcher, name);
	bool		is_new = file == NULL;

	if (!is_new && file->state == FILE_MISSING)
		return NULL;
	if (is_new)
		file = begin_file(fetcher, name);
	wait_for(ctx, file);
	if (!is_there(fetcher, file) && !is_new && file->asked == 0)
	{
		/* it may have arrived since it was fetched ahead */
		run(fetcher, file);
		wait_for(ctx, file);
	}
	if (!is_there(fetcher, file))
	{
		file->state = FILE_MISSING;
		if (IsXLogFileName(name))
			note_missing(fetcher, file);
		return NULL;
	}
	/* asking for the last file again changes nothing */
	if (file->asked == 0 || file->asked != fetcher->gets)
		file->asked = ++fetcher->gets;
	remove_old(fetcher);
	return file->path;
}

void
bb_fetcher_ahead(const BbReqCtx *ctx, BbFetcher *fetcher, const char *name)
{
	int			count = 0;
	ListCell   *cell;

	(void) reap_all(fetcher);
	foreach(cell, fetcher->files)
	{
		const FetchedFile *file = lfirst(cell);

		count += file->asked == 0 && file->state != FILE_MISSING;
	}
	if (count < AHEAD && find_file(fetcher, name) == NULL)
		(void) begin_file(fetcher, name);
}

void
bb_fetcher_report_nothing(const BbFetcher *fetcher)
{
	/* of a command without a file there is a WARNING */
	if (fetcher->gets > 0 || fetcher->missing == NULL ||
		fetcher->missing_status == 0)
		return;
	ereport(NOTICE,
			(errmsg("restore_command has fetched nothing"),
			 errdetail("Command \"%s\": %s.", fetcher->missing,
					   wait_result_to_str(fetcher->missing_status)),
			 errhint("That is right if the archive has no WAL after the end of the timeline. Otherwise, the server's log has the command's messages.")));
}

void
bb_fetcher_forget(BbFetcher *fetcher)
{
	for (int i = list_length(fetcher->files) - 1; i >= 0; i--)
	{
		FetchedFile *file = list_nth(fetcher->files, i);

		if (file->state == FILE_MISSING)
			forget_file(fetcher, file);
	}
}
