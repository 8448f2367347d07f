/*-------------------------------------------------------------------------
 *
 * spawn.h
 *	  A program of ours, started by a backend.
 *
 * Between fork() and exec() the child is a copy of a backend, with all that
 * this one has open: there it calls nothing but system calls.  It leaves the
 * backend's process group, since the server signals that as a whole
 * (pg_cancel_backend()), for one of its own, of its PID's number, or for that
 * of another child.
 *
 * To end it, and to reap it, is the caller's.  Where the backend ends without
 * a chance to do so (SIGKILL, the SIGQUIT of an immediate shutdown), the kernel
 * kills it, on Linux: the process itself, not what it has started.  (guard.h
 * is for that.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SPAWN_H
#define BB_SPAWN_H

#include <sys/types.h>

/* In the place of a descriptor: /dev/null. */
#define BB_SPAWN_NULL (-1)

typedef struct BbSpawn
{
	char	  **arguments; /* the first is the program's path */
	char	  **environment;
	const int  *fds; /* its descriptors, from 0 on; it has no others */
	int			nfds;
	pid_t		group;	  /* that it joins; 0: leads one */
	bool		outlives; /* the kernel doesn't kill it */
} BbSpawn;

/*
 * bb_spawn - start a program, with signals as they come, in the backend's
 * working directory.
 *
 * It is in its group on return.  Returns its PID, or -1 with errno.  A program
 * that can't be started exits with 126 or 127.
 */
extern pid_t bb_spawn(const BbSpawn *spawn);

#endif /* BB_SPAWN_H */
