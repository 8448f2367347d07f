/*-------------------------------------------------------------------------
 *
 * newfile.c
 *	  A file that gets its name when it is complete.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "common/file_perm.h"
#include "common/file_utils.h"
#include "common/logging.h"
#include "newfile.h"

struct BbNewFile
{
	char	   *path;
	char	   *part; /* NULL: "path" is written to directly */
	int			fd;
};

/*
 * Lock FILE.part.  Returns false if the program that had it before has renamed
 * or removed it.
 */
static bool
lock_part(const BbNewFile *file)
{
	struct stat here;
	struct stat there;

	if (flock(file->fd, LOCK_EX | LOCK_NB) != 0)
	{
		if (errno == EWOULDBLOCK)
			pg_fatal("file \"%s\" is being written by another program",
					 file->part);
		pg_fatal("could not lock file \"%s\": %m", file->part);
	}
	if (fstat(file->fd, &here) != 0)
		pg_fatal("could not stat file \"%s\": %m", file->part);
	return stat(file->part, &there) == 0 && here.st_dev == there.st_dev &&
		here.st_ino == there.st_ino;
}

static void
open_part(BbNewFile *file)
{
	for (;;)
	{
		/* a file that a killed program left is used again */
		file->fd = open(file->part,
						O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
						PG_FILE_MODE_OWNER);
		if (file->fd < 0)
			pg_fatal("could not create file \"%s\": %m", file->part);
		if (lock_part(file))
			break;
		close(file->fd);
	}
	bb_cleanup_file(file->part);
	if (ftruncate(file->fd, 0) != 0)
		pg_fatal("could not truncate file \"%s\": %m", file->part);
}

BbNewFile *
bb_newfile_open(const char *path)
{
	BbNewFile  *file = pg_malloc0(sizeof(BbNewFile));
	struct stat there;

	if (strcmp(path, "-") == 0)
	{
		file->path = pg_strdup("standard output");
		file->fd = STDOUT_FILENO;
		return file;
	}
	file->path = pg_strdup(path);
	if (stat(path, &there) == 0 && !S_ISREG(there.st_mode))
	{
		file->fd = open(path, O_WRONLY | O_CLOEXEC);
		if (file->fd < 0)
			pg_fatal("could not open file \"%s\": %m", path);
		return file;
	}
	file->part = psprintf("%s.part", path);
	open_part(file);
	return file;
}

void
bb_newfile_write(BbNewFile *file, const char *data, size_t length)
{
	bb_write_all(file->fd, file->part ? file->part : file->path, data, length);
}

const char *
bb_newfile_path(const BbNewFile *file)
{
	return file->path;
}

void
bb_newfile_close(BbNewFile *file, bool sync)
{
	if (sync && file->part != NULL && fsync(file->fd) != 0)
		pg_fatal("could not fsync file \"%s\": %m", file->part);
	if (close(file->fd) != 0)
		pg_fatal("could not close file \"%s\": %m",
				 file->part ? file->part : file->path);
}

void
bb_newfile_publish(BbNewFile *file, bool sync)
{
	if (file->part != NULL)
	{
		if (rename(file->part, file->path) != 0)
			pg_fatal("could not rename file \"%s\" to \"%s\": %m", file->part,
					 file->path);
		bb_cleanup_forget_file(file->part);
		if (sync && fsync_parent_path(file->path) != 0)
			exit(1); /* the error was reported */
		pg_free(file->part);
	}
	pg_free(file->path);
	pg_free(file);
}

void
bb_write_all(int fd, const char *name, const char *data, size_t length)
{
	while (length > 0)
	{
		ssize_t		written = write(fd, data, length);

		if (written < 0 && errno != EINTR)
			pg_fatal("could not write to \"%s\": %m", name);
		bb_interrupted();
		if (written > 0)
		{
			data += written;
			length -= written;
		}
	}
}
