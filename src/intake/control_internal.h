/*-------------------------------------------------------------------------
 *
 * control_internal.h
 *	  The control block of a spool, and a process that has mapped it.
 *
 *	  control.c			files, locks, fields
 *	  control_note.c	errors, and the lag
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INTAKE_CONTROL_INTERNAL_H
#define BB_INTAKE_CONTROL_INTERNAL_H

#include "base/resource.h"
#include "intake/control.h"
#include "intake/lag.h"
#include "storage/spin.h"

typedef struct Block
{
	uint64		generation;
	slock_t		mutex;
	BbFollowStatus status;
	BbLag		lag;
} Block;

struct BbFollowControl
{
	Block	   *block;
	BbFd	   *lock;
	char	   *lock_path;
	MemoryContext context;
	bool		leads;
	bool		receives;

	/* the error that this process has noted last; -1: none */
	int			noted_code;
	char		noted[1024];
};

#endif /* BB_INTAKE_CONTROL_INTERNAL_H */
