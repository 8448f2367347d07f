/*-------------------------------------------------------------------------
 *
 * mounts.c
 *	  The mounts of this machine: listing them, and waiting until one is whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/logging.h"
#include "hydrate.h"
#include "mounts.h"

#define PID_PATH BB_STATE_DIRECTORY "/pid"

void
bb_mounts_begin(const BbOverlay *overlay, const char *mountpoint)
{
	int			fd = openat(overlay->root, PID_PATH,
							O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || dprintf(fd, "%d\n%s\n", (int) getpid(), mountpoint) < 0)
		pg_fatal("could not write \"%s\" in the overlay: %m", PID_PATH);
	close(fd);
}

void
bb_mounts_end(const BbOverlay *overlay)
{
	(void) unlinkat(overlay->root, PID_PATH, 0);
}

/* A string of JSON. */
static void
print_json(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++)
	{
		if (*text == '"' || *text == '\\')
			putchar('\\');
		if ((unsigned char) *text < 0x20)
			printf("\\u%04x", (unsigned char) *text);
		else
			putchar(*text);
	}
	putchar('"');
}

/* Is all of an overlay local?  Without the right to look, it isn't known. */
static const char *
whole_text(const char *overlay)
{
	char		state[MAXPGPATH];
	char		hidden[MAXPGPATH];

	snprintf(state, sizeof(state), "%s/" BB_STATE_DIRECTORY "/complete",
			 overlay);
	snprintf(hidden, sizeof(hidden), "%s/" BB_CONTROL_HIDDEN, overlay);
	if (access(state, F_OK) < 0)
		return "unknown";
	return access(hidden, F_OK) < 0 ? "yes" : "no";
}

int
bb_mounts_list(bool json)
{
	FILE	   *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *mount;
	int			count = 0;

	if (mounts == NULL)
		pg_fatal("could not open \"/proc/self/mounts\": %m");
	if (json)
		printf("{\"mounts\": [");
	while ((mount = getmntent(mounts)) != NULL)
	{
		const char *whole;

		if (strcmp(mount->mnt_type, "fuse.bb_mount") != 0)
			continue;
		whole = whole_text(mount->mnt_fsname);
		if (!json)
		{
			printf("%s on %s, all local: %s\n", mount->mnt_fsname,
				   mount->mnt_dir, whole);
			continue;
		}
		printf("%s{\"mount_point\": ", count++ > 0 ? ", " : "");
		print_json(mount->mnt_dir);
		printf(", \"overlay\": ");
		print_json(mount->mnt_fsname);
		printf(", \"all_local\": %s}",
			   strcmp(whole, "yes") == 0	  ? "true"
				   : strcmp(whole, "no") == 0 ? "false"
											  : "null");
	}
	if (json)
		printf("]}\n");
	endmntent(mounts);
	return 0;
}

/* Does a process have the overlay mounted? */
static bool
is_mounted(int root)
{
	if (flock(root, LOCK_SH | LOCK_NB) == 0)
	{
		(void) flock(root, LOCK_UN);
		return false;
	}
	return true;
}

int
bb_mounts_finish(const char *mountpoint, const char *overlay)
{
	int			root = open(overlay, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char		text[32] = "";
	int			fd;
	int			pid;

	if (root < 0)
		pg_fatal("could not open overlay \"%s\": %m", overlay);
	if (faccessat(root, BB_CONTROL_HIDDEN, F_OK, 0) < 0 &&
		faccessat(root, BB_CONTROL_PATH, F_OK, 0) == 0)
		return 0;
	fd = openat(root, PID_PATH, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !is_mounted(root) || read(fd, text, sizeof(text) - 1) <= 0 ||
		(pid = atoi(text)) <= 1)
		pg_fatal("\"%s\" isn't mounted", mountpoint);
	close(fd);
	if (kill(pid, BB_HYDRATE_SIGNAL) < 0)
		pg_fatal("could not signal process %d: %m", pid);
	while (faccessat(root, BB_CONTROL_HIDDEN, F_OK, 0) == 0)
	{
		if (!is_mounted(root))
			pg_fatal("\"%s\" was unmounted before all was local", mountpoint);
		pg_usleep(100000L);
	}
	close(root);
	return 0;
}
