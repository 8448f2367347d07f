/*-------------------------------------------------------------------------
 *
 * sink_program.c
 *	  Write bytes to the standard input of a program.
 *
 *	  writes ──► pipe ──► /bin/sh -c COMMAND (and what it starts)
 *	                      process group of its guard (process/guard.h)
 *
 * As with COPY TO PROGRAM, the program is a shell command with the server's
 * stdout, stderr and working directory, and its failure is an error with COPY's
 * message.  There are three differences:
 *
 *	- The backend never blocks in a write.  The pipe is non-blocking, and a
 *	  backend that waits for the program wakes up for a cancel, too.
 *	- A program can't distinguish the end of a truncated stream from that of a
 *	  complete one.  So it never sees the end of a truncated one: if a backup
 *	  ends early, its processes are killed before the pipe is closed.  If the
 *	  backend can't do that (it was killed, or there is an immediate shutdown, as
 *	  after a crash of another backend), the guard does.
 *	- It is an error if a program exits with success before it has read
 *	  everything.
 *
 * The pipe reports whether anybody can still read: its write end has an error
 * condition (POLLERR) when no process has the other end open.
 *
 * The memory context of the sink releases everything.  Processes that leave the
 * process group (setsid) aren't killed and see an end, except the shell itself,
 * which is killed if the backend has the time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/collect.h"
#include "base/resource.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "process/guard.h"
#include "process/spawn.h"
#include "process/waitset.h"
#include "sinks/destinations.h"
#include "storage/fd.h"
#include "storage/latch.h"

extern char **environ;

/* The requested size of the pipe, for bytes that the program hasn't read. */
#define PIPE_BYTES (1024 * 1024)

/*
 * As many bytes are collected for a write, which wakes up a waiting program, as
 * a processor's cache keeps between the two.
 */
#define BUFFER_BYTES (256 * 1024)

/* Our pipe, and the guard's. */
#define EXTERNAL_FDS 2

/* How often to check whether a program has exited or read more. */
#define LOOK_MS 5

/* How long a program may take to exit after SIGTERM, or after an early end. */
#define GRACE_MS 1000

typedef struct ProgramSink
{
	BbSink		base;
	const char *command;
	BbGuard		guard; /* until the end of the stream */
	pid_t		group; /* the guard's */
	pid_t		pid;   /* 0: not running, or reaped */
	int			pipe;  /* its write end; -1: closed */
	int			external_fds;
	int			exit_status; /* of waitpid(2), when it is reaped */
	size_t		filled;
	char		buffer[BUFFER_BYTES];
} ProgramSink;

static void
close_pipe(ProgramSink *program)
{
	if (program->pipe >= 0)
		close(program->pipe);
	program->pipe = -1;
	for (; program->external_fds > 0; program->external_fds--)
		ReleaseExternalFD();
}

/* ---- killing the program ---- */

/* Can a process still read from the pipe?  Waits for that to change. */
static bool
has_reader(const ProgramSink *program, int wait_ms)
{
	struct pollfd pipe = {.fd = program->pipe};

	return poll(&pipe, 1, wait_ms) <= 0;
}

/* Has it exited?  It isn't reaped, so that its PID isn't used again. */
static bool
has_ended(const ProgramSink *program)
{
	siginfo_t	info = {0};

	return waitid(P_PID, program->pid, &info, WEXITED | WNOHANG | WNOWAIT) !=
		0 ||
		info.si_pid != 0;
}

/*
 * Signal the group, and the shell if that has left the group ("exec setsid ...").
 * When the guard is reaped, too, another group may get the number.
 */
static void
signal_program(const ProgramSink *program, int signo)
{
	bool		member = getpgid(program->pid) == program->group;

	if (member || program->guard.pid != 0)
		kill(-program->group, signo);
	/* kill_program waits for it */
	if (!member || signo == SIGKILL)
		kill(program->pid, signo);
}

/*
 * SIGTERM first, so that the program can remove its temporary files; after a
 * moment the remaining processes are killed.
 */
static void
kill_program(ProgramSink *program)
{
	signal_program(program, SIGTERM);
	signal_program(program, SIGCONT);
	for (int waited = 0; waited < GRACE_MS; waited += LOOK_MS)
	{
		if (has_ended(program))
		{
			if (!has_reader(program, LOOK_MS))
				break;
		}
		else
			pg_usleep(LOOK_MS * 1000L);
	}
	signal_program(program, SIGKILL);
	while (waitpid(program->pid, &program->exit_status, 0) < 0 &&
		   errno == EINTR)
		;
	program->pid = 0;
}

static void
release_with_context(void *arg)
{
	ProgramSink *program = arg;

	if (program->pid > 0)
		kill_program(program);
	bb_guard_end(&program->guard);
	close_pipe(program);
}

/* ---- waiting for the program ---- */

/* Reap the program if it has exited; returns whether it has. */
static bool
reap(ProgramSink *program)
{
	pid_t		pid = waitpid(program->pid, &program->exit_status, WNOHANG);

	if (pid < 0 && errno != EINTR)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not wait for program \"%s\": %m",
						program->command)));
	if (pid <= 0)
		return false;
	program->pid = 0;
	return true;
}

static void
report_failure(const ProgramSink *program)
{
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("program \"%s\" failed", program->command),
			 errdetail_internal("%s",
								wait_result_to_str(program->exit_status))));
}

/*
 * The program reads no more although there is more.  Report its exit status if
 * it exits soon.
 */
static void
report_early_end(const BbReqCtx *ctx, ProgramSink *program)
{
	for (int waited = 0; program->pid > 0 && waited < GRACE_MS;
		 waited += LOOK_MS)
	{
		if (!reap(program))
			bb_latch_wait(ctx, LOOK_MS);
	}
	if (program->pid == 0 && program->exit_status != 0)
		report_failure(program);
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("program \"%s\" did not read all of the backup",
					program->command),
			 program->pid == 0
				 ? errdetail_internal("%s", wait_result_to_str(
												program->exit_status))
				 : errdetail("It closed its standard input.")));
}

/* ---- the stream ---- */

/* Start the guard, then the shell with the command. */
static bool
start(ProgramSink *program, int input)
{
	char	   *arguments[] = {"/bin/sh", "-c", (char *) program->command,
							   NULL};

	if (!bb_guard_start(&program->guard, program->pipe))
		return false;
	program->group = program->guard.pid;
	program->pid = bb_spawn(
		&(BbSpawn){.arguments = arguments,
				   .environment = environ,
				   .fds = (int[]){[STDIN_FILENO] = input,
								  [STDOUT_FILENO] = STDOUT_FILENO,
								  [STDERR_FILENO] = STDERR_FILENO},
				   .nfds = STDERR_FILENO + 1,
				   .group = program->group});
	return program->pid > 0;
}

static void
program_begin(const BbReqCtx *ctx, BbSink *sink)
{
	ProgramSink *program = (ProgramSink *) sink;
	int			pipes[2];
	bool		started;
	int			save_errno;

	for (; program->external_fds < EXTERNAL_FDS; program->external_fds++)
	{
		if (!AcquireExternalFD())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("too many files are open to start program \"%s\"",
							program->command),
					 errhint("Raise max_files_per_process.")));
	}
	if (pipe2(pipes, O_CLOEXEC) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create a pipe: %m")));
	program->pipe = pipes[1];
	(void) fcntl(program->pipe, F_SETFL, O_NONBLOCK);
	(void) fcntl(program->pipe, F_SETPIPE_SZ, PIPE_BYTES);

	started = start(program, pipes[0]);
	save_errno = errno;
	close(pipes[0]);
	errno = save_errno;
	if (!started)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not execute command \"%s\": %m",
						program->command)));
}

static void
wait_for_room(const BbReqCtx *ctx, const ProgramSink *program)
{
	long		wait_ms = bb_reqctx_wait_ms(ctx);
	int			wake = WL_LATCH_SET | WL_SOCKET_WRITEABLE |
		WL_EXIT_ON_PM_DEATH;

	if (wait_ms >= 0)
		wake |= WL_TIMEOUT;
	if (WaitLatchOrSocket(MyLatch, wake, program->pipe, wait_ms,
						  PG_WAIT_EXTENSION) &
		WL_LATCH_SET)
		ResetLatch(MyLatch);
}

static void
write_collected(const BbReqCtx *ctx, ProgramSink *program)
{
	size_t		done = 0;

	while (done < program->filled)
	{
		ssize_t		n;

		bb_reqctx_check(ctx);
		n = write(program->pipe, program->buffer + done,
				  program->filled - done);
		if (n >= 0)
			done += n;
		else if (errno == EAGAIN)
			wait_for_room(ctx, program);
		else if (errno == EPIPE)
			report_early_end(ctx, program);
		else if (errno != EINTR)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write to program \"%s\": %m",
							program->command)));
	}
	BB_COUNT(ctx, bytes_out, done);
	program->filled = 0;
}

static void
program_write(const BbReqCtx *ctx, BbSink *sink, const void *data,
			  size_t length)
{
	ProgramSink *program = (ProgramSink *) sink;

	while (length > 0)
		if (bb_collect(program->buffer, BUFFER_BYTES, &program->filled, &data,
					   &length))
			write_collected(ctx, program);
}

/*
 * Close the pipe only when it is empty.  So a program that exits with success
 * has read everything.
 */
static void
program_end(const BbReqCtx *ctx, BbSink *sink)
{
	ProgramSink *program = (ProgramSink *) sink;
	int			unread;

	write_collected(ctx, program);
	while (ioctl(program->pipe, FIONREAD, &unread) == 0 && unread > 0)
	{
		if (!has_reader(program, 0))
			report_early_end(ctx, program);
		bb_latch_wait(ctx, LOOK_MS);
	}
	bb_guard_end(&program->guard);
	close_pipe(program);
	while (!reap(program))
		bb_latch_wait(ctx, LOOK_MS);
	if (program->exit_status != 0)
		report_failure(program);
}

static const BbSinkOps program_ops = {
	.begin = program_begin,
	.write = program_write,
	.end = program_end,
};

BbSink *
bb_sink_program_new(const char *command)
{
	ProgramSink *program = palloc(sizeof(ProgramSink));

	program->base.ops = &program_ops;
	program->base.next = NULL;
	program->command = command;
	program->guard.pid = 0;
	program->pid = 0;
	program->pipe = -1;
	program->external_fds = 0;
	program->filled = 0;
	bb_on_reset(CurrentMemoryContext, release_with_context, program);
	return &program->base;
}
