/*-------------------------------------------------------------------------
 *
 * spawn.c
 *	  Starts programs from a backend.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/syscall.h>
#include <unistd.h>

#include "process/spawn.h"

/* Greater than all descriptors of a child. */
#define SAFE_FD 10

static void
close_all_from(int first)
{
	long		limit;

#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
#endif
	limit = sysconf(_SC_OPEN_MAX);
	for (int fd = first; fd < limit; fd++)
		close(fd);
}

/*
 * In the child: make fds the only descriptors, as 0, 1, …
 */
static bool
place_fds(const int *fds, int nfds)
{
	int			moved[SAFE_FD];

	/* first to numbers that don't collide, then to their places */
	for (int n = 0; n < nfds; n++)
	{
		int			fd = fds[n];

		if (fd == BB_SPAWN_NULL)
			fd = open("/dev/null", O_RDWR);
		moved[n] = fcntl(fd, F_DUPFD, SAFE_FD);
	}
	for (int n = 0; n < nfds; n++)
	{
		if (dup2(moved[n], n) != n)
			return false;
	}
	close_all_from(nfds);
	return true;
}

/*
 * In the child: arrange to be killed when the parent ends.  Returns false if it
 * has ended already.
 */
static bool
follow(pid_t parent)
{
#ifdef __linux__
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		return false;
#endif
	return getppid() == parent;
}

/*
 * In the child: execute the program.  Makes system calls only.
 */
static void
become(pid_t parent, const BbSpawn *spawn)
{
	sigset_t	none;

	if ((!spawn->outlives && !follow(parent)) ||
		setpgid(0, spawn->group) != 0 || !place_fds(spawn->fds, spawn->nfds))
		_exit(126);
	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	execve(spawn->arguments[0], spawn->arguments, spawn->environment);
	_exit(127);
}

pid_t
bb_spawn(const BbSpawn *spawn)
{
	sigset_t	all;
	sigset_t	before;
	pid_t		parent = getpid();
	pid_t		pid;
	int			save_errno;

	Assert(spawn->nfds <= SAFE_FD);

	/* the child must not run the backend's signal handlers */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		become(parent, spawn);
	save_errno = errno;
	/* the child does the same; it may run later, or have run already */
	if (pid > 0)
		(void) setpgid(pid, spawn->group);
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = save_errno;
	return pid;
}
