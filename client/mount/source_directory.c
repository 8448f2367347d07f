/*-------------------------------------------------------------------------
 *
 * source_directory.c
 *	  A source that reads files below a directory; tests compare with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <unistd.h>

#include "source.h"

typedef struct DirectorySource
{
	BbSource	base;
	int			root;
} DirectorySource;

static int
directory_read(BbSource *source, const char *path, uint32 first, uint32 count,
			   char *data, bool background)
{
	int			fd = openat(((DirectorySource *) source)->root, path,
							O_RDONLY);
	ssize_t		done;
	int			error = 0;

	if (fd < 0)
		return -errno;
	done = pread(fd, data, (size_t) count * BLCKSZ, (off_t) first * BLCKSZ);
	if (done < 0)
		error = -errno;
	else if (done != (ssize_t) count * BLCKSZ)
		error = -EIO;
	close(fd);
	return error;
}

static void
directory_close(BbSource *source)
{
	close(((DirectorySource *) source)->root);
	free(source);
}

static const BbSourceOps directory_ops = {
	.read = directory_read,
	.close = directory_close,
};

BbSource *
bb_source_directory(const char *path)
{
	int			root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DirectorySource *source;

	if (root < 0)
		return NULL;
	source = pg_malloc0(sizeof(DirectorySource));
	source->base.ops = &directory_ops;
	source->root = root;
	return &source->base;
}
