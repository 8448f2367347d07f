/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  A process that kills a process group when its backend has ended.
 *
 * The guard is a shell, since a forked backend would keep the server's shared
 * memory attached.  It reads from a pipe to which nothing is ever written.
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
 * One signal kills the whole group, including the guard: all processes receive
 * it before the guard's descriptors are closed.  The guard ignores HUP, INT and
 * TERM, which may be sent to the group.
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
