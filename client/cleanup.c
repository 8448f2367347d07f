/*-------------------------------------------------------------------------
 *
 * cleanup.c
 *	  Removal of the files that the program created, unless it succeeds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "cleanup.h"
#include "common/file_perm.h"
#include "common/logging.h"

typedef struct CreatedPath
{
	struct CreatedPath *next;
	char	   *path;
	const char *what; /* of a directory; NULL: a file */
	bool		new;  /* a new directory, not one found empty */
} CreatedPath;

static CreatedPath *all_created; /* the last one first */
static bool cleaning;
static bool success;

static volatile sig_atomic_t signal_number;
static volatile sig_atomic_t signal_count;
static int	signal_pipe[2] = {-1, -1};

static void
note_signal(int number)
{
	int			save_errno = errno;

	signal_number = number;
	signal_count = signal_count + 1;
	/* a full pipe can be read, too */
	if (write(signal_pipe[1], "", 1) < 0)
		errno = save_errno;
	errno = save_errno;
}

static void
remove_path(const CreatedPath *created)
{
	if (created->what == NULL)
	{
		if (unlink(created->path) != 0 && errno != ENOENT)
			pg_log_error("could not remove file \"%s\": %m", created->path);
		return;
	}
	if (created->new)
		pg_log_info("removing %s \"%s\"", created->what, created->path);
	else
		pg_log_info("removing contents of %s \"%s\"", created->what,
					created->path);
	if (!rmtree(created->path, created->new))
		pg_log_error("failed to remove %s", created->what);
}

static void
clean_up(void)
{
	if (success)
		return;
	for (const CreatedPath *created = all_created; created != NULL;
		 created = created->next)
	{
		if (cleaning)
			remove_path(created);
		else
			pg_log_info("%s \"%s\" not removed at user's request",
						created->what ? created->what : "file", created->path);
	}
}

static const int ends[] = {SIGHUP, SIGINT, SIGTERM};

void
bb_cleanup_init(bool clean)
{
	struct sigaction action = {.sa_handler = note_signal};

	cleaning = clean;
	atexit(clean_up);

	if (pipe2(signal_pipe, O_NONBLOCK | O_CLOEXEC) != 0)
		pg_fatal("could not create a pipe: %m");
	/* without SA_RESTART, so that waits for a disk or a pipe return */
	sigemptyset(&action.sa_mask);
	for (int i = 0; i < lengthof(ends); i++)
	{
		struct sigaction before;

		/* a signal that nohup ignores stays ignored */
		if (sigaction(ends[i], NULL, &before) == 0 &&
			before.sa_handler == SIG_IGN)
			continue;
		sigaction(ends[i], &action, NULL);
	}
	/* write() reports these as errors */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

void
bb_cleanup_default_signals(void)
{
	for (int i = 0; i < lengthof(ends); i++)
	{
		struct sigaction now;

		if (sigaction(ends[i], NULL, &now) == 0 &&
			now.sa_handler == note_signal)
			signal(ends[i], SIG_DFL);
	}
}

void
bb_cleanup_success(void)
{
	success = true;
}

static void
remember(const char *path, const char *what, bool new)
{
	CreatedPath *created = pg_malloc0(sizeof(CreatedPath));

	created->path = pg_strdup(path);
	created->what = what;
	created->new = new;
	created->next = all_created;
	all_created = created;
}

void
bb_cleanup_directory(const char *path, const char *what)
{
	char	   *writable = pg_strdup(path);

	switch (pg_check_dir(path))
	{
		case 0:
			if (pg_mkdir_p(writable, PG_DIR_MODE_OWNER) != 0)
				pg_fatal("could not create directory \"%s\": %m", path);
			remember(path, what, true);
			break;
		case 1:
			remember(path, what, false);
			break;
		case -1:
			pg_fatal("could not access directory \"%s\": %m", path);
		default:
			bb_fatal_hint("Remove or empty it, or name another one.",
						  "directory \"%s\" exists but is not empty", path);
	}
	pg_free(writable);
}

void
bb_cleanup_file(const char *path)
{
	remember(path, NULL, true);
}

void
bb_cleanup_forget_file(const char *path)
{
	for (CreatedPath **link = &all_created; *link != NULL;
		 link = &(*link)->next)
	{
		CreatedPath *created = *link;

		if (created->what == NULL && strcmp(created->path, path) == 0)
		{
			*link = created->next;
			pg_free(created->path);
			pg_free(created);
			return;
		}
	}
}

void
bb_interrupted(void)
{
	if (signal_number != 0)
		pg_fatal("interrupted by signal %d: %s", (int) signal_number,
				 pg_strsignal(signal_number));
}

void
bb_wait_readable(int fd, const char *what)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
						   {.fd = signal_pipe[0], .events = POLLIN}};

	while (fds[0].revents == 0)
	{
		if (poll(fds, lengthof(fds), -1) < 0 && errno != EINTR)
			pg_fatal("could not wait for %s: %m", what);
		bb_interrupted();
	}
}

bool
bb_wait_server(int fd, bool write, bool give_up)
{
	struct pollfd fds[] = {{.fd = fd,
							.events = POLLIN | (write ? POLLOUT : 0)},
						   {.fd = signal_pipe[0], .events = POLLIN}};

	while (fds[0].revents == 0)
	{
		char		bytes[16];

		if (poll(fds, lengthof(fds), -1) < 0 && errno != EINTR)
			pg_fatal("could not wait for the server: %m");
		if (signal_count > 1)
			bb_interrupted();
		if (fds[1].revents != 0 &&
			read(signal_pipe[0], bytes, sizeof(bytes)) < 0 && errno != EAGAIN)
			pg_fatal("could not read from a pipe: %m");
		if (signal_count > 0 && give_up)
			return false;
	}
	return true;
}
