/*-------------------------------------------------------------------------
 *
 * cleanup.c
 *	  What has to go if the program doesn't succeed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "cleanup.h"
#include "common/file_perm.h"
#include "common/logging.h"

typedef struct MadeThing
{
	struct MadeThing *next;
	char	   *path;
	const char *what; /* of a directory; NULL: a file */
	bool		made; /* rather than found empty */
} MadeThing;

static MadeThing *things; /* the last one first */
static bool cleaning;
static bool success;

static volatile sig_atomic_t signal_number;
static int	signal_pipe[2] = {-1, -1};

static void
note_signal(int number)
{
	int			save_errno = errno;

	signal_number = number;
	/* if the pipe is full, it can be read as well */
	if (write(signal_pipe[1], "", 1) < 0)
		errno = save_errno;
	errno = save_errno;
}

static void
remove_thing(const MadeThing *thing)
{
	if (thing->what == NULL)
	{
		if (unlink(thing->path) != 0 && errno != ENOENT)
			pg_log_error("could not remove file \"%s\": %m", thing->path);
		return;
	}
	if (thing->made)
		pg_log_info("removing %s \"%s\"", thing->what, thing->path);
	else
		pg_log_info("removing contents of %s \"%s\"", thing->what,
					thing->path);
	if (!rmtree(thing->path, thing->made))
		pg_log_error("failed to remove %s", thing->what);
}

static void
clean_up(void)
{
	if (success)
		return;
	for (const MadeThing *thing = things; thing != NULL; thing = thing->next)
	{
		if (cleaning)
			remove_thing(thing);
		else
			pg_log_info("%s \"%s\" not removed at user's request",
						thing->what ? thing->what : "file", thing->path);
	}
}

void
bb_cleanup_init(bool clean)
{
	static const int ends[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction action = {.sa_handler = note_signal};

	cleaning = clean;
	atexit(clean_up);

	if (pipe2(signal_pipe, O_NONBLOCK | O_CLOEXEC) != 0)
		pg_fatal("could not create a pipe: %m");
	/* without SA_RESTART: what waits for a disk or a pipe is to come back */
	sigemptyset(&action.sa_mask);
	for (int i = 0; i < lengthof(ends); i++)
	{
		struct sigaction before;

		/* what nohup ignores stays ignored */
		if (sigaction(ends[i], NULL, &before) == 0 &&
			before.sa_handler == SIG_IGN)
			continue;
		sigaction(ends[i], &action, NULL);
	}
	/* errors of write() rather than the end of us */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

void
bb_cleanup_success(void)
{
	success = true;
}

static MadeThing *
remember(const char *path, const char *what, bool made)
{
	MadeThing  *thing = pg_malloc0(sizeof(MadeThing));

	thing->path = pg_strdup(path);
	thing->what = what;
	thing->made = made;
	thing->next = things;
	things = thing;
	return thing;
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
			pg_log_error("directory \"%s\" exists but is not empty", path);
			pg_log_error_hint("Remove or empty it, or name another one.");
			exit(1);
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
	for (MadeThing **link = &things; *link != NULL; link = &(*link)->next)
	{
		MadeThing  *thing = *link;

		if (thing->what == NULL && strcmp(thing->path, path) == 0)
		{
			*link = thing->next;
			pg_free(thing->path);
			pg_free(thing);
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

int
bb_interrupt_descriptor(void)
{
	return signal_pipe[0];
}
