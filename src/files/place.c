/*-------------------------------------------------------------------------
 *
 * place.c
 *	  A file by an open directory and a path beneath it.
 *
 * The kernel only gets the last part of a path, with the descriptor of the
 * directory that it is in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/beneath.h"
#include "files/place.h"

/* The directory that a place is in, open, and the last part of the path. */
typedef struct Parent
{
	int			fd; /* -1 with errno set if it can't be opened */
	const char *name;
} Parent;

static Parent
open_parent(BbPlace place)
{
	Parent		parent;

	parent.fd = bb_open_parent_beneath(bb_fd_number(place.directory),
									   place.path, &parent.name);
	return parent;
}

/* Close it; returns the result of the operation, with its errno. */
static int
close_parent(Parent parent, int result)
{
	int			save_errno = errno;

	if (parent.fd >= 0)
		(void) close(parent.fd);
	errno = save_errno;
	return result;
}

int
bb_place_stat(BbPlace place, struct stat *st)
{
	Parent		parent = open_parent(place);
	int			result = -1;

	if (parent.fd >= 0)
		result = fstatat(parent.fd, parent.name, st, AT_SYMLINK_NOFOLLOW);
	return close_parent(parent, result);
}

int
bb_place_unlink(BbPlace place, bool directory)
{
	Parent		parent = open_parent(place);
	int			result = -1;

	if (parent.fd >= 0)
		result = unlinkat(parent.fd, parent.name,
						  directory ? AT_REMOVEDIR : 0);
	return close_parent(parent, result);
}

int
bb_place_make_directory(BbPlace place)
{
	Parent		parent = open_parent(place);
	int			result = -1;

	if (parent.fd >= 0)
		result = mkdirat(parent.fd, parent.name, S_IRWXU);
	return close_parent(parent, result);
}

int
bb_place_make_link(BbPlace place, const char *target)
{
	Parent		parent = open_parent(place);
	int			result = -1;

	if (parent.fd >= 0)
		result = symlinkat(target, parent.fd, parent.name);
	return close_parent(parent, result);
}

ssize_t
bb_place_read_link(BbPlace place, char *target, size_t size)
{
	Parent		parent = open_parent(place);
	ssize_t		result = -1;

	if (parent.fd >= 0)
		result = readlinkat(parent.fd, parent.name, target, size);
	return close_parent(parent, (int) result);
}

/*
 * To do this without following a link, the C library needs /proc.  Where that
 * isn't mounted, only the mode of readable directories can be set.
 */
int
bb_place_set_mode(BbPlace place, mode_t mode)
{
	Parent		parent = open_parent(place);
	int			result = -1;

	if (parent.fd >= 0)
		result = fchmodat(parent.fd, parent.name, mode, AT_SYMLINK_NOFOLLOW);
	if (parent.fd >= 0 && result < 0 && errno == EOPNOTSUPP)
	{
		int			fd = openat(parent.fd, parent.name,
								O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
									O_CLOEXEC);

		if (fd >= 0)
			result = close_parent((Parent){fd, NULL}, fchmod(fd, mode));
	}
	return close_parent(parent, result);
}

int
bb_place_rename(BbPlace from, BbPlace to)
{
	Parent		source = open_parent(from);
	Parent		target = {-1, NULL};
	int			result = -1;

	if (source.fd >= 0)
		target = open_parent(to);
	if (target.fd >= 0)
		result = renameat(source.fd, source.name, target.fd, target.name);
	return close_parent(source, close_parent(target, result));
}
