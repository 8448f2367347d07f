/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  Somebody who kills a process group when the backend has ended.
 *
 * A shell, since a mere copy of a backend would hold on to the server's shared
 * memory.  It reads from a pipe into which nothing is ever written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/guard.h"
#include "process/spawn.h"

/*
 * One signal for all in the group, the guard with them: all have it before the
 * guard's descriptors are closed.  A polite one, for them, isn't for the guard.
 */
#define SCRIPT "trap '' HUP INT TERM; read -r never; kill -KILL 0"

bool
bb_guard_start(BbGuard *guard, int fd)
{
	char	   *arguments[] = {"/bin/sh", "-c", SCRIPT, NULL};
	char	   *environment[] = {NULL};
	int			pipes[2];
	int			save_errno;
	pid_t		pid;

	if (pipe2(pipes, O_CLOEXEC) != 0)
		return false;
	pid = bb_spawn(
		&(BbSpawn){.arguments = arguments,
				   .environment = environment,
				   .fds = (int[]){pipes[0], BB_SPAWN_NULL, BB_SPAWN_NULL, fd},
				   .nfds = 4,
				   .outlives = true});
	save_errno = errno;
	close(pipes[0]);
	if (pid > 0)
		*guard = (BbGuard){.pid = pid, .alive = pipes[1]};
	else
		close(pipes[1]);
	errno = save_errno;
	return pid > 0;
}

void
bb_guard_end(BbGuard *guard)
{
	if (guard->pid == 0)
		return;
	kill(guard->pid, SIGKILL);
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(guard->alive);
	guard->pid = 0;
}
