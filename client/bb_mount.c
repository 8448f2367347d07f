/*-------------------------------------------------------------------------
 *
 * bb_mount.c
 *	  A program that mounts a clone whose files are read when they are touched.
 *
 * The program forks: its parent waits until the clone is mounted, or why it isn't
 * has been said.  mount/ has the parts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backup_call.h"
#include "cleanup.h"
#include "clone.h"
#include "common/logging.h"
#include "fe_utils/option_utils.h"
#include "fuse_ops.h"
#include "hydrate.h"
#include "mounts.h"
#include "option_table.h"
#include "source_server.h"

#define LOG_PATH BB_STATE_DIRECTORY "/log"
#define FUSE_THREADS 16
#define HYDRATE_THREADS 2

static const BbOption own_options[] = {
	{NULL, 0, NULL, "Options controlling the mount"},
	{"overlay", OPTION_OVERLAY, "DIRECTORY",
	 "directory for what is local (default: the mount point with \".overlay\")"},
	{"read-only", OPTION_READ_ONLY, NULL,
	 "mount read-only; what is read is not stored"},
	{"hydrate", OPTION_HYDRATE, NULL,
	 "fetch all in the background; after that, the overlay is a data directory"},
	{"ephemeral", OPTION_EPHEMERAL, NULL,
	 "remove the overlay and the lease when it is unmounted"},
	{"jobs", 'j', "NUM", "use this many connections (default: 4)"},
	{"timeout", OPTION_TIMEOUT, "SECS",
	 "try that long to read from the server, then report an I/O error (default: 60)"},
	{"reserve", OPTION_RESERVE, "MB",
	 "store nothing that is read when less is free on the disk (default: 1024)"},
	{"foreground", OPTION_FOREGROUND, NULL, "stay in the foreground"},
};

static const BbOption general_options[] = {
	{NULL, 0, NULL, "Other actions"},
	{"list", OPTION_LIST, NULL, "list the mounts of this machine, then exit"},
	{"finish", OPTION_FINISH, NULL,
	 "fetch the rest of a mount, wait until all is local, then exit"},
	{NULL, 0, NULL, "General options"},
	{"json", OPTION_JSON, NULL, "output JSON instead of a table"},
	{"verbose", 'v', NULL, "output verbose messages"},
	{"version", 'V', NULL, "output version information, then exit"},
	{"help", '?', NULL, "show this help, then exit"},
};

const BbProgram bb_program = {
	.name = "bb_mount",
	.summary =
		"bb_mount mounts a clone of a cluster at any LSN, read when it is touched.",
	.usage = "[OPTION]... DIRECTORY",
	.tables = {BB_OPTION_TABLE(own_options),
			   BB_OPTION_TABLE(bb_content_options),
			   BB_OPTION_TABLE(general_options),
			   BB_OPTION_TABLE(bb_connection_options)},
	.notes = "Unmount with \"fusermount3 -u DIRECTORY\".",
};

typedef struct MountOptions
{
	ConnParams	connection;
	BbBackupOptions backup;
	char	   *mountpoint;
	char	   *overlay;
	bool		read_only;
	bool		hydrate;
	bool		ephemeral;
	bool		foreground;
	bool		verbose;
	bool		list;
	bool		finish;
	bool		json;
	int			jobs;
	int			timeout;
	int			reserve;
} MountOptions;

/* ---- the command line ---- */

static bool
number_option(int letter, MountOptions *options)
{
	switch (letter)
	{
		case 'j':
			if (!option_parse_int(optarg, "-j/--jobs", 1, 64, &options->jobs))
				exit(1);
			return true;
		case OPTION_TIMEOUT:
			if (!option_parse_int(optarg, "--timeout", 0, 86400,
								  &options->timeout))
				exit(1);
			return true;
		case OPTION_RESERVE:
			if (!option_parse_int(optarg, "--reserve", 0, INT_MAX,
								  &options->reserve))
				exit(1);
			return true;
		default:
			return false;
	}
}

static bool *
flag_of(int letter, MountOptions *options)
{
	switch (letter)
	{
		case OPTION_READ_ONLY:
			return &options->read_only;
		case OPTION_HYDRATE:
			return &options->hydrate;
		case OPTION_EPHEMERAL:
			return &options->ephemeral;
		case OPTION_FOREGROUND:
			return &options->foreground;
		case OPTION_LIST:
			return &options->list;
		case OPTION_FINISH:
			return &options->finish;
		case OPTION_JSON:
			return &options->json;
		case 'v':
			return &options->verbose;
		default:
			return NULL;
	}
}

static MountOptions
parse(int argc, char **argv)
{
	MountOptions options = {.connection = BB_CONNECTION_DEFAULT,
							.jobs = 4,
							.timeout = 60,
							.reserve = 1024};
	int			letter;

	bb_option_start(argc, argv);
	while ((letter = bb_option_next(argc, argv)) != -1)
	{
		if (bb_connection_option(letter, &options.connection) ||
			number_option(letter, &options))
			continue;
		if (letter == OPTION_OVERLAY)
			options.overlay = pg_strdup(optarg);
		else if (flag_of(letter, &options) != NULL)
			*flag_of(letter, &options) = true;
		else if (!bb_backup_option(letter, &options.backup))
			bb_option_try_help();
	}
	if (options.list)
	{
		bb_option_no_arguments(argc - optind, argv + optind);
		return options;
	}
	if (optind >= argc)
	{
		pg_log_error("no mount point specified");
		bb_option_try_help();
	}
	options.mountpoint = make_absolute_path(argv[optind]);
	canonicalize_path(options.mountpoint);
	optind++;
	bb_option_no_arguments(argc, argv);
	if (options.overlay == NULL)
		options.overlay = psprintf("%s.overlay", options.mountpoint);
	options.overlay = make_absolute_path(options.overlay);
	canonicalize_path(options.overlay);
	if (options.backup.thin)
		pg_fatal("--thin can't be used with bb_mount");
	if (options.read_only && options.hydrate)
		pg_fatal("--read-only and --hydrate can't be used together");
	bb_backup_options_check(&options.backup);
	return options;
}

/* ---- the parent ---- */

/* Where the child says that it is mounted; -1: it doesn't have to. */
static int	ready_pipe = -1;

/* Return in the child; the parent ends when the child is ready, or has ended. */
static void
go_to_background(void)
{
	int			ends[2];
	char		ready;
	pid_t		child;

	if (pipe(ends) < 0 || (child = fork()) < 0)
		pg_fatal("could not create a process: %m");
	if (child == 0)
	{
		close(ends[0]);
		ready_pipe = ends[1];
		return;
	}
	close(ends[1]);
	while (read(ends[0], &ready, 1) < 0 && errno == EINTR)
		ready = 0;
	_exit(ready == 'r' ? 0 : 1);
}

/* It is mounted: messages go to a file of the overlay from now on. */
static void
mounted(void *arg)
{
	const BbOverlay *overlay = arg;
	int			null;
	int			log;

	if (ready_pipe < 0)
		return;
	log = openat(overlay->root, LOG_PATH,
				 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	(void) setsid();
	if (write(ready_pipe, "r", 1) < 0)
		pg_log_warning("could not report that it is mounted: %m");
	close(ready_pipe);
	dup2(null, 0);
	dup2(null, 1);
	dup2(log >= 0 ? log : null, 2);
	close(null);
	if (log >= 0)
		close(log);
}

/* ---- the lease ---- */

typedef struct Renewal
{
	BbSource   *source;
	char	   *query;
	pthread_t	thread;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool		end;
} Renewal;

static void *
renew(void *arg)
{
	Renewal	   *renewal = arg;
	int			seconds = BB_CLONE_RENEW_SECONDS;

	pthread_mutex_lock(&renewal->lock);
	while (!renewal->end)
	{
		struct timespec until;
		char	   *message;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += seconds;
		if (pthread_cond_timedwait(&renewal->ended, &renewal->lock, &until) !=
			ETIMEDOUT)
			continue;
		pthread_mutex_unlock(&renewal->lock);
		seconds = BB_CLONE_RENEW_SECONDS;
		if (!bb_source_server_ask(renewal->source, renewal->query, &message))
		{
			pg_log_warning("could not renew the lease: %s", message);
			pg_free(message);
			seconds = 60;
		}
		pthread_mutex_lock(&renewal->lock);
	}
	pthread_mutex_unlock(&renewal->lock);
	return NULL;
}

static void
start_renewal(Renewal *renewal, BbSource *source, char *query)
{
	renewal->source = source;
	renewal->query = query;
	pthread_mutex_init(&renewal->lock, NULL);
	pthread_cond_init(&renewal->ended, NULL);
	if (pthread_create(&renewal->thread, NULL, renew, renewal) != 0)
		pg_fatal("could not create a thread");
}

static void
end_renewal(Renewal *renewal)
{
	pthread_mutex_lock(&renewal->lock);
	renewal->end = true;
	pthread_cond_signal(&renewal->ended);
	pthread_mutex_unlock(&renewal->lock);
	pthread_join(renewal->thread, NULL);
}

/* ---- setting up ---- */

/* Of each open file of the clone, the mount has a descriptor. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
	{
		limit.rlim_cur = limit.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void
check_fuse(void)
{
	if (access("/dev/fuse", F_OK) < 0)
		bb_fatal_hint("Load the kernel module fuse, or give the container the "
					  "device; or make a copy with bb_restore or "
					  "bb_basebackup.",
					  "there is no FUSE here: /dev/fuse: %m");
}

static void
lock_overlay(BbOverlay *overlay, const MountOptions *options)
{
	int			error = bb_overlay_lock(overlay, options->overlay);

	if (error == -EBUSY)
		pg_fatal("overlay \"%s\" is mounted already", options->overlay);
	if (error != 0)
		pg_fatal("could not open directory \"%s\": %s", options->overlay,
				 strerror(-error));
}

static void
open_old(BbOverlay *overlay, const MountOptions *options, BbClone *clone)
{
	bool		restarted;
	int			error;

	if (options->backup.time != NULL ||
		options->backup.recovery_target != NULL)
		bb_fatal_hint("Omit the time or the target, or use another overlay.",
					  "overlay \"%s\" has a clone already", options->overlay);
	error = bb_overlay_open(overlay, &restarted);
	if (error != 0)
		pg_fatal("could not open overlay \"%s\": %s", options->overlay,
				 strerror(-error));
	*clone = bb_clone_read(overlay);
	if (options->backup.lsn != NULL &&
		strcmp(options->backup.lsn, clone->lsn) != 0)
		bb_fatal_hint("Omit the LSN, or use another overlay.",
					  "overlay \"%s\" has a clone at LSN %s", options->overlay,
					  clone->lsn);
	if (restarted)
		pg_log_info(
			"the machine was restarted: what wasn't synced is read again");
}

static void
make_directory(const char *path)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		pg_fatal("could not create directory \"%s\": %m", path);
}

static int
remove_entry(const char *path, const struct stat *status, int type,
			 struct FTW *walk)
{
	return remove(path);
}

/* All that a mount needs. */
typedef struct Setup
{
	MountOptions options;
	BbOverlay	overlay;
	BbClone		clone;
	char	   *lease_query;
	char	   *release_query;
} Setup;

/* Open or make the overlay, and connect to the server if it is needed. */
static void
set_up(Setup *setup)
{
	MountOptions *options = &setup->options;
	BbOverlay  *overlay = &setup->overlay;
	struct stat status;
	BbServer   *server;
	char		host[256] = "";
	char	   *reason;
	bool		exists;

	(void) gethostname(host, sizeof(host) - 1);
	reason = psprintf("bb_mount of %s:%s", host, options->mountpoint);
	overlay->reserve = (uint64) options->reserve * 1024 * 1024;
	overlay->read_only = options->read_only;
	exists = stat(psprintf("%s/%s/complete", options->overlay,
						   BB_STATE_DIRECTORY),
				  &status) == 0;
	bb_cleanup_init(true);
	if (!exists)
		bb_cleanup_directory(options->overlay, "overlay");
	lock_overlay(overlay, options);
	if (exists)
	{
		open_old(overlay, options, &setup->clone);
		if (overlay->whole)
			return;
	}
	server = bb_server_connect(&options->connection);
	if (!exists)
	{
		bb_server_find_lsn(server, &options->backup, false);
		setup->clone = bb_clone_create(server, &options->backup, reason);
		bb_clone_fill(server, &setup->clone, &options->backup, overlay);
		bb_cleanup_success();
	}
	setup->lease_query = bb_clone_lease_query(server, &setup->clone, reason);
	setup->release_query = bb_clone_release_query(server, &setup->clone);
	if (exists)
		PQclear(bb_server_ask(server, setup->lease_query,
							  "could not renew the lease"));
	overlay->source = bb_source_server(&(
		BbServerSourceOptions){.model = server->connection,
							   .read_query = bb_clone_read_query(server,
																 &setup
																	  ->clone),
							   .connections = options->jobs,
							   .timeout = options->timeout});
	bb_server_close(server);
}

/* ---- the mount ---- */

static int
serve(Setup *setup)
{
	BbOverlay  *overlay = &setup->overlay;
	BbTree	   *tree = bb_tree_new(overlay);
	BbHydration *hydration = NULL;
	Renewal		renewal = {0};
	char	   *message;
	bool		good;
	int			error;

	bb_cleanup_default_signals();
	bb_mounts_begin(overlay, setup->options.mountpoint);
	if (overlay->source != NULL)
	{
		start_renewal(&renewal, overlay->source, setup->lease_query);
		if (!setup->options.read_only)
			hydration = bb_hydrate_start(tree, HYDRATE_THREADS,
										 setup->options.hydrate);
	}
	good = bb_mount_serve(tree,
						  &(BbMountOptions){.mountpoint = setup->options
															  .mountpoint,
											.name = setup->options.overlay,
											.read_only = setup->options
															 .read_only,
											.threads = FUSE_THREADS,
											.ready = mounted,
											.arg = overlay});
	if (overlay->source != NULL)
	{
		bb_source_server_stop(overlay->source);
		end_renewal(&renewal);
		if (hydration != NULL)
			bb_hydrate_end(hydration);
		/* a clone that is whole, or that goes, needs its LSN no more */
		if ((overlay->whole || setup->options.ephemeral || !good) &&
			!bb_source_server_ask(overlay->source, setup->release_query,
								  &message))
			pg_log_warning("could not release the lease: %s", message);
		overlay->source->ops->close(overlay->source);
	}
	bb_mounts_end(overlay);
	/* while it is locked, nobody else mounts it */
	if (setup->options.ephemeral)
		(void) nftw(setup->options.overlay, remove_entry, 16,
					FTW_DEPTH | FTW_PHYS);
	error = bb_overlay_close(overlay, !setup->options.ephemeral);
	if (error != 0)
		pg_log_error("could not sync overlay \"%s\": %s",
					 setup->options.overlay, strerror(-error));
	if (!good)
		bb_fatal_hint("As another user than root, fusermount3 has to be "
					  "installed; where FUSE can't be used, make a copy with "
					  "bb_restore or bb_basebackup.",
					  "could not mount \"%s\"", setup->options.mountpoint);
	return error == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	Setup		setup = {0};

	pg_logging_init(argv[0]);
	set_pglocale_pgservice(argv[0], PG_TEXTDOMAIN("bb_mount"));
	setup.options = parse(argc, argv);
	if (setup.options.list)
		return bb_mounts_list(setup.options.json);
	if (setup.options.finish)
		return bb_mounts_finish(setup.options.mountpoint,
								setup.options.overlay);
	if (geteuid() == 0)
		bb_fatal_hint("Use the user that the clone's server will run as.",
					  "bb_mount cannot be run as root");
	umask(0077);
	check_fuse();
	make_directory(setup.options.mountpoint);
	raise_descriptor_limit();
	if (!setup.options.foreground)
		go_to_background();
	set_up(&setup);
	return serve(&setup);
}
