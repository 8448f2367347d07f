/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  Somebody who kills a process group when the backend has ended.
 *
 *	  backend ──► pipe ──► program and what it starts
 *	     │          ▲        │ joined the group of
 *	     └─ alive ──┴───── guard
 *
 * A backend that is killed has no time for anything, and the kernel closes what
 * it had open before it tells its children.  So whoever reads from it sees an
 * end, as of a stream that is whole.  The guard has the pipe open, too, and
 * closes it only when it has killed all who might read from it: nobody sees an
 * end.
 *
 * Beyond reach is who has left the group.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_GUARD_H
#define BB_GUARD_H

#include <sys/types.h>

/* Zeros: there is none.  It hangs on nothing; the holder ends it. */
typedef struct BbGuard
{
	pid_t		pid; /* and group; 0: not running */
	int			alive;
} BbGuard;

/*
 * bb_guard_start - start one, which leads a process group and holds fd open.
 *
 * It takes a descriptor.  False: there is none, with errno.
 */
extern bool bb_guard_start(BbGuard *guard, int fd);

/*
 * bb_guard_end - end it, and nobody else.  On return it doesn't hold fd any
 * more.  A guard that ended before, or never began, is fine.
 */
extern void bb_guard_end(BbGuard *guard);

#endif /* BB_GUARD_H */
