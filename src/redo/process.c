/*-------------------------------------------------------------------------
 *
 * process.c
 *	  Starts and ends redo helpers.
 *
 * A helper gets a socket, the slate, and a pipe as stderr.  The pipe is read only
 * after the helper has ended.  It is non-blocking, so messages that don't fit
 * are lost; the helper writes only fatal messages.
 *
 * A helper dies with the backend: it asks the kernel for that as soon as it has
 * nothing left to clean up (take_over() in helper.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miscadmin.h"
#include "process/environment.h"
#include "process/spawn.h"
#include "redo/process.h"
#include "storage/fd.h"

/* The descriptors of a helper in the backend: socket and log. */
#define HELPER_FDS 2

/* Descriptors for the session: a writer's locks, a layer, a WAL segment, … */
#define SPARE_FDS 6

/*
 * A record that takes control of a helper can read its environment.
 *
 * LD_PRELOAD gives the helper's user a name (helper.c).  ld.so ignores a
 * library whose path contains spaces or colons; then the user must have an
 * entry in the password file.
 */
static char **
make_environment(const BbRedoSetup *setup)
{
	return bb_environment_new(
		list_make2(psprintf(BB_REDO_ENVIRONMENT "=%d %d", MyProcPid,
							setup->seccomp),
				   psprintf("LD_PRELOAD=%s", setup->installation.library)));
}

/*
 * Create socket, slate and log, and start the process.  Returns false with errno
 * set if one of these failed.
 */
static bool
start(BbRedoProcess *process, const BbRedoSetup *setup)
{
	char	   *arguments[] = {setup->installation.postgres,
							   "--single",
							   "-D",
							   process->scratch,
							   "postgres",
							   NULL};
	char	  **environment = make_environment(setup);
	int			sockets[2] = {-1, -1};
	int			pipes[2] = {-1, -1};
	int			slate_fd = -1;
	void	   *slate;
	int			save_errno;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0 &&
		pipe2(pipes, O_CLOEXEC | O_NONBLOCK) == 0 &&
		fcntl(sockets[0], F_SETFL, O_NONBLOCK) == 0 &&
		(slate_fd = memfd_create("bbackup redo",
								 MFD_CLOEXEC | MFD_ALLOW_SEALING)) >= 0 &&
		ftruncate(slate_fd, sizeof(BbRedoSlate)) == 0 &&
		fcntl(slate_fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0 &&
		(slate = mmap(NULL, sizeof(BbRedoSlate), PROT_READ | PROT_WRITE,
					  MAP_SHARED, slate_fd, 0)) != MAP_FAILED)
	{
		process->slate = slate;
		process->pid = bb_spawn(
			&(BbSpawn){.arguments = arguments,
					   .environment = environment,
					   .fds = (int[]){[STDIN_FILENO] = BB_SPAWN_NULL,
									  [STDOUT_FILENO] = BB_SPAWN_NULL,
									  [STDERR_FILENO] = pipes[1],
									  [BB_REDO_SOCKET_FD] = sockets[1],
									  [BB_REDO_SLATE_FD] = slate_fd},
					   .nfds = BB_REDO_SLATE_FD + 1});
	}
	save_errno = errno;
	process->socket = sockets[0];
	process->log = pipes[0];
	if (sockets[1] >= 0)
		close(sockets[1]);
	if (pipes[1] >= 0)
		close(pipes[1]);
	if (slate_fd >= 0)
		close(slate_fd);
	errno = save_errno;
	return process->pid > 0;
}

bool
bb_redo_process_affordable(void)
{
	int			acquired = 0;

	while (acquired < HELPER_FDS + SPARE_FDS && AcquireExternalFD())
		acquired++;
	for (int i = 0; i < acquired; i++)
		ReleaseExternalFD();
	return acquired == HELPER_FDS + SPARE_FDS;
}

BbRedoProcess *
bb_redo_process_start(const BbRedoSetup *setup, MemoryContext context)
{
	BbRedoProcess *process = MemoryContextAllocZero(context,
													sizeof(BbRedoProcess));

	process->major = setup->control.major;
	process->socket = -1;
	process->log = -1;
	while (process->external_fds < HELPER_FDS)
	{
		if (!AcquireExternalFD())
		{
			bb_redo_process_free(process);
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("too many files are open to start a redo helper"),
					 errhint("Raise max_files_per_process.")));
		}
		process->external_fds++;
	}

	PG_TRY();
	{
		bb_redo_scratch_sweep();
		process->scratch = MemoryContextStrdup(context,
											   bb_redo_scratch_new(setup));
		if (!start(process, setup))
			ereport(ERROR,
					(errcode(ERRCODE_SYSTEM_ERROR),
					 errmsg("could not start a redo helper: %m")));
	}
	PG_CATCH();
	{
		bb_redo_process_free(process);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return process;
}

void
bb_redo_process_ready(BbRedoProcess *process)
{
	if (process->scratch != NULL)
	{
		bb_redo_scratch_remove(process->scratch);
		pfree(process->scratch);
		process->scratch = NULL;
	}
}

/*
 * Keep the end of the helper's output to stderr.
 */
static void
read_log(BbRedoProcess *process)
{
	char		piece[sizeof(process->last_words) / 2];
	char	   *words = process->last_words;
	size_t		length = 0;
	ssize_t		got;

	while ((got = read(process->log, piece, sizeof(piece))) > 0)
	{
		size_t		excess = 0;

		if (length + got >= sizeof(process->last_words))
			excess = length + got - sizeof(process->last_words) + 1;
		memmove(words, words + excess, length - excess);
		length -= excess;
		memcpy(words + length, piece, got);
		length += got;
	}
	while (length > 0 && words[length - 1] == '\n')
		length--;
	words[length] = '\0';
}

void
bb_redo_process_end(BbRedoProcess *process)
{
	if (process->pid > 0)
	{
		kill(process->pid, SIGKILL);
		while (waitpid(process->pid, &process->exit_status, 0) < 0 &&
			   errno == EINTR)
			;
		process->pid = 0;
	}
	bb_redo_process_ready(process);
	if (process->log >= 0)
	{
		read_log(process);
		close(process->log);
		process->log = -1;
	}
	if (process->socket >= 0)
	{
		close(process->socket);
		process->socket = -1;
	}
	for (; process->external_fds > 0; process->external_fds--)
		ReleaseExternalFD();
}

char *
bb_redo_process_end_text(const BbRedoProcess *process)
{
	char	   *how = wait_result_to_str(process->exit_status);

	if (process->last_words[0] == '\0')
		return psprintf("%s.", how);
	return psprintf("%s; it wrote: %s", how, process->last_words);
}

void
bb_redo_process_free(BbRedoProcess *process)
{
	bb_redo_process_end(process);
	if (process->slate != NULL)
		munmap(process->slate, sizeof(BbRedoSlate));
	pfree(process);
}
