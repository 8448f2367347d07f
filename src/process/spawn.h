/*-------------------------------------------------------------------------
 *
 * spawn.h
 *	  Starts programs from a backend.
 *
 * Between fork() and exec() the child is a copy of the backend, with all open
 * descriptors: there it only makes system calls.  It leaves the backend's
 * process group, because the server signals that as a whole
 * (pg_cancel_backend()), and either leads a new group or joins that of another
 * child.
 *
 * The caller has to end and reap the program.  If the backend ends without a
 * chance to do so (SIGKILL, or the SIGQUIT of an immediate shutdown), the kernel
 * kills the program, on Linux, but not the processes that it has started; see
 * guard.h for those.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SPAWN_H
#define BB_SPAWN_H

#include <sys/types.h>

/* Instead of a descriptor: /dev/null. */
#define BB_SPAWN_NULL (-1)

typedef struct BbSpawn
{
	char	  **arguments; /* the first is the program's path */
	char	  **environment;
	const int  *fds; /* its only descriptors, numbered from 0 */
	int			nfds;
	pid_t		group;	  /* to join; 0: it leads a new one */
	bool		outlives; /* the kernel doesn't kill it */
} BbSpawn;

/*
 * bb_spawn - start a program with default signal handlers, in the backend's
 * working directory.
 *
 * Returns its PID, or -1 with errno set.  On return it is in its group.  If the
 * program can't be executed, the process exits with 126 or 127.
 */
extern pid_t bb_spawn(const BbSpawn *spawn);

#endif /* BB_SPAWN_H */
