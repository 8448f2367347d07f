/*-------------------------------------------------------------------------
 *
 * beneath.c
 *	  Opens files beneath a directory without following symbolic links, and
 *	  checks paths that are read from a store.
 *
 * The C library has a function for openat2(2) only from glibc 2.43 on; its
 * number and structure are taken from Linux's include/uapi/linux/openat2.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/beneath.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

#define RESOLVE_NO_MAGICLINKS_BIT 0x02
#define RESOLVE_NO_SYMLINKS_BIT 0x04
#define RESOLVE_BENEATH_BIT 0x08

/* The number of lookups of a path that is being renamed. */
#define MAX_TRIES 100

typedef struct OpenHow
{
	uint64		flags;
	uint64		mode;
	uint64		resolve;
} OpenHow;

static void
close_keeping_errno(int fd)
{
	int			save_errno = errno;

	(void) close(fd);
	errno = save_errno;
}

/* Copy a part of a path.  Returns false with errno set if it is refused. */
static bool
copy_part(const char *part, size_t length, char *copy)
{
	if (length >= MAXPGPATH)
	{
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(copy, part, length);
	copy[length] = '\0';
	if (length == 0 || strcmp(copy, "..") == 0)
	{
		errno = EXDEV;
		return false;
	}
	return true;
}

int
bb_openat_by_parts(int directory, const char *path, int flags, mode_t mode)
{
	int			at = directory;
	char		part[MAXPGPATH];
	const char *slash;
	int			fd = -1;

	while ((slash = strchr(path, '/')) != NULL)
	{
		int			next = -1;

		if (copy_part(path, slash - path, part))
			next = openat(at, part,
						  O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (at != directory)
			close_keeping_errno(at);
		if (next < 0)
			return -1;
		at = next;
		path = slash + 1;
	}
	if (copy_part(path, strlen(path), part))
		fd = openat(at, part, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	if (at != directory)
		close_keeping_errno(at);
	return fd;
}

/* The kernel allows ".." unless it leads above the directory. */
static bool
goes_up(const char *path)
{
	size_t		length = strlen(path);

	return strcmp(path, "..") == 0 || strncmp(path, "../", 3) == 0 ||
		strstr(path, "/../") != NULL ||
		(length >= 3 && strcmp(path + length - 3, "/..") == 0);
}

int
bb_openat_beneath(int directory, const char *path, int flags, mode_t mode)
{
	static bool missing = false;
	OpenHow		how = {
		.flags = (uint32) (flags | O_NOFOLLOW | O_CLOEXEC),
		.mode = (flags & O_CREAT) != 0 ? mode : 0,
		.resolve = RESOLVE_BENEATH_BIT | RESOLVE_NO_SYMLINKS_BIT |
			RESOLVE_NO_MAGICLINKS_BIT,
	};
	int			fd = -1;

	if (goes_up(path))
	{
		errno = EXDEV;
		return -1;
	}
	for (int tries = 0; !missing && tries < MAX_TRIES; tries++)
	{
		fd = (int) syscall(SYS_openat2, directory, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	if (fd >= 0)
		return fd;
	/* a seccomp filter may refuse a system call that it doesn't know */
	if (missing || errno == ENOSYS || errno == EPERM)
	{
		missing = missing || errno == ENOSYS;
		return bb_openat_by_parts(directory, path, flags, mode);
	}
	return -1;
}

int
bb_open_parent_beneath(int directory, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char		parent[MAXPGPATH];

	*name = slash != NULL ? slash + 1 : path;
	if (**name == '\0' || strcmp(*name, "..") == 0)
	{
		errno = EXDEV;
		return -1;
	}
	if (slash == NULL)
		strcpy(parent, ".");
	else if (!copy_part(path, slash - path, parent))
		return -1;
	return bb_openat_beneath(directory, parent, O_PATH | O_DIRECTORY, 0);
}

const char *
bb_storedpath_error(const char *path)
{
	if (path[0] == '\0')
		return "The path is empty.";
	if (path[0] == '/')
		return "The path is absolute.";
	if (strlen(path) >= MAXPGPATH)
		return "The path is too long.";

	for (const char *part = path; part != NULL;)
	{
		const char *slash = strchr(part, '/');
		size_t		length = slash != NULL ? slash - part : strlen(part);

		if (length == 0)
			return "The path has an empty part.";
		if (length > BB_STOREDPATH_PART_MAX)
			return "A part of the path is too long.";
		if ((length == 1 && part[0] == '.') ||
			(length == 2 && part[0] == '.' && part[1] == '.'))
			return "The path has a part \".\" or \"..\".";
		part = slash != NULL ? slash + 1 : NULL;
	}
	return NULL;
}
