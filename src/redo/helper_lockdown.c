/*-------------------------------------------------------------------------
 *
 * helper_lockdown.c
 *	  The rights that a redo helper gives up before it reads the first record.
 *
 * Records are read from a store, and redo functions trust them as they trust the
 * server's WAL: a forged record may overwrite the helper's memory.  So code in
 * the helper can compute, allocate memory, read from open files (scratch files
 * and the socket) and write to the socket, but it can't open a file, create a
 * socket, or start a program.  Any other system call kills the helper.  Memory
 * is allocated by anonymous mappings that can't be executed: a mapped file could
 * be written in spite of the limit on writes.
 *
 * The resource limits also apply without seccomp: no new descriptors, no writes
 * to files, no core file, and a limited amount of additional memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "redo/helper.h"

static const int allowed[] = {
	/* the socket, and messages to stderr */
	SCMP_SYS(read), SCMP_SYS(write),
	/* scratch files: lseek finds the end, reads get zeros */
	SCMP_SYS(lseek), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(preadv2),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(futex),
	/* process and time */
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(clock_gettime),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group)};

/*
 * The memory that a locked-down helper may add, in bytes.  The longest record
 * that a store can contain, and the piece of a history around it, need some
 * megabytes; real WAL needs almost no more than a helper has at its start (a
 * backup of a pgbench database with 1.5 million records: nothing).
 */
#define MEMORY_BYTES ((rlim_t) 256 * 1024 * 1024)

/* The limit if the size of the address space is unknown. */
#define ADDRESS_SPACE_BYTES ((rlim_t) 8 * 1024 * 1024 * 1024)

static void
limit(__rlimit_resource_t resource, rlim_t value)
{
	struct rlimit limits;

	if (getrlimit(resource, &limits) != 0)
		ereport(FATAL, (errmsg("could not read a resource limit: %m")));
	if (limits.rlim_max != RLIM_INFINITY && limits.rlim_max < value)
		value = limits.rlim_max;
	limits.rlim_cur = limits.rlim_max = value;
	if (setrlimit(resource, &limits) != 0)
		ereport(FATAL, (errmsg("could not lower a resource limit: %m")));
}

/* The address space in use, in bytes; 0: unknown. */
static rlim_t
address_space(void)
{
	FILE	   *file = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return (rlim_t) pages * sysconf(_SC_PAGESIZE);
}

/* mmap(address, length, prot, flags, …): arguments 2 and 3. */
static int
allow_anonymous_mmap(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
							SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
							SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS,
									MAP_ANONYMOUS));
}

/*
 * Returns 0 or an errno.
 */
static int
load_filter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int			result = filter == NULL ? -ENOMEM : 0;

	for (int i = 0; i < lengthof(allowed) && result == 0; i++)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (result == 0)
		result = allow_anonymous_mmap(filter);
	if (result == 0)
		result = seccomp_load(filter);
	if (filter != NULL)
		seccomp_release(filter);
	return -result;
}

const char *
bb_redo_lockdown(bool seccomp)
{
	rlim_t		used = address_space();
	int			error;

	limit(RLIMIT_AS,
		  used > 0 ? used + MEMORY_BYTES : (rlim_t) ADDRESS_SPACE_BYTES);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_NOFILE, 0);
	/* no program is executed after this */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		ereport(FATAL, (errmsg("could not disable new privileges: %m")));

	if (seccomp && (error = load_filter()) != 0)
		return strerror(error);
	return NULL;
}
