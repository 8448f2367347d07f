/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  A process that kills a process group when its backend has ended.
 *
 *	  backend ──► pipe ──► program and what it starts
 *	     │          ▲        │ joined the group of
 *	     └─ alive ──┴───── guard
 *
 * A backend that is killed by SIGKILL can't clean up, and the kernel closes its
 * descriptors before it signals its children.  So a program that reads from the
 * backend would see the end of its input, as if the stream were complete.  The
 * guard holds the pipe open, too, and closes it only after it has killed all
 * programs that might read from it: none of them sees an end.
 *
 * It can't kill processes that have left the group.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_GUARD_H
#define BB_GUARD_H

#include <sys/types.h>

/* All zeros if there is no guard.  The caller ends it; no memory context does. */
typedef struct BbGuard
{
	pid_t		pid; /* and group; 0: not running */
	int			alive;
} BbGuard;

/*
 * bb_guard_start - start a guard, which leads a process group and holds fd open.
 *
 * It uses one descriptor.  Returns false with errno set if it failed.
 */
extern bool bb_guard_start(BbGuard *guard, int fd);

/*
 * bb_guard_end - end the guard, and no other process.  Afterwards it doesn't hold
 * fd.  Does nothing if the guard has ended or was never started.
 */
extern void bb_guard_end(BbGuard *guard);

#endif /* BB_GUARD_H */
