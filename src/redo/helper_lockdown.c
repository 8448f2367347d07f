/*-------------------------------------------------------------------------
 *
 * helper_lockdown.c
 *	  What a redo helper gives up before it sees the first record.
 *
 * Records come out of a store, and redo functions trust them as they trust
 * the server's own WAL: a forged one may overwrite the helper's memory.  So
 * whatever runs in there can compute, allocate memory, read from the files
 * that are open (scratch files, and the socket) and write to the socket; it
 * can't open a file, make a socket, or start a program.  A call that isn't
 * allowed kills the helper.
 *
 * The limits hold without seccomp too: no new descriptors, no writes to
 * files, no core file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "redo/helper.h"

static const int allowed[] = {
	/* the socket, and messages to stderr */
	SCMP_SYS(read), SCMP_SYS(write),
	/* scratch files: lseek finds the end, reads get zeros */
	SCMP_SYS(lseek), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(preadv2),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap),
	SCMP_SYS(madvise), SCMP_SYS(futex),
	/* about itself */
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(clock_gettime),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group)};

static void
limit(__rlimit_resource_t resource)
{
	struct rlimit none = {0, 0};

	if (setrlimit(resource, &none) != 0)
		ereport(FATAL, (errmsg("could not lower a resource limit: %m")));
}

/*
 * 0, or an errno.
 */
static int
load_filter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int			result = filter == NULL ? -ENOMEM : 0;

	for (int i = 0; i < lengthof(allowed) && result == 0; i++)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (result == 0)
		result = seccomp_load(filter);
	if (filter != NULL)
		seccomp_release(filter);
	return -result;
}

const char *
bb_redo_lockdown(bool seccomp)
{
	int			error;

	limit(RLIMIT_CORE);
	limit(RLIMIT_FSIZE);
	limit(RLIMIT_NOFILE);
	/* nothing is executed any more, so nothing may gain by it */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		ereport(FATAL, (errmsg("could not give up new privileges: %m")));

	if (seccomp && (error = load_filter()) != 0)
		return strerror(error);
	return NULL;
}
