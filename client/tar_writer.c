/*-------------------------------------------------------------------------
 *
 * tar_writer.c
 *	  A tar of files, written front to back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/logging.h"
#include "pgtar.h"
#include "tar_writer.h"

#define READ_SIZE (256 * 1024)

/* Two blocks of zeros end an archive. */
#define END_BLOCKS 2

/* The names of members are this long at most: the field has 100 bytes. */
static bool
put_header(const BbTarWriter *writer, const char *name, const char *target,
		   uint64 size, const struct stat *st)
{
	char		header[TAR_BLOCK_SIZE];

	if (tarCreateHeader(header, name, target, (pgoff_t) size, st->st_mode,
						st->st_uid, st->st_gid, st->st_mtime) != TAR_OK)
		return false;
	writer->put(writer->arg, header, sizeof(header));
	return true;
}

static void
put_zeros(const BbTarWriter *writer, size_t length)
{
	static const char zeros[END_BLOCKS * TAR_BLOCK_SIZE];

	if (length > 0)
		writer->put(writer->arg, zeros, length);
}

static void
put_content(const BbTarWriter *writer, int fd, const char *path, uint64 left)
{
	static char buffer[READ_SIZE];

	while (left > 0)
	{
		ssize_t		got = read(fd, buffer, Min(left, READ_SIZE));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			pg_fatal("could not read file \"%s\": %m", path);
		if (got == 0)
			pg_fatal("file \"%s\" has become shorter while it was read", path);
		writer->put(writer->arg, buffer, got);
		left -= got;
	}
}

bool
bb_tar_file(const BbTarWriter *writer, const char *path, const char *name)
{
	int			fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool		fits;

	if (fd < 0)
		pg_fatal("could not open file \"%s\": %m", path);
	if (fstat(fd, &st) != 0)
		pg_fatal("could not stat file \"%s\": %m", path);
	fits = put_header(writer, name, NULL, st.st_size, &st);
	if (fits)
	{
		put_content(writer, fd, path, st.st_size);
		put_zeros(writer, tarPaddingBytesRequired(st.st_size));
	}
	close(fd);
	return fits;
}

bool
bb_tar_directory(const BbTarWriter *writer, const char *name,
				 const struct stat *st)
{
	return put_header(writer, name, NULL, 0, st);
}

bool
bb_tar_link(const BbTarWriter *writer, const char *name, const char *target,
			const struct stat *st)
{
	return put_header(writer, name, target, 0, st);
}

void
bb_tar_end(const BbTarWriter *writer)
{
	put_zeros(writer, END_BLOCKS * TAR_BLOCK_SIZE);
}
