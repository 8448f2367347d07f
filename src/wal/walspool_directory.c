/*-------------------------------------------------------------------------
 *
 * walspool_directory.c
 *	  The directory of a spool: which files there are, and opening them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "storage/fd.h"
#include "wal/walspool_internal.h"

BbSpoolDirectory
bb_spooldir_open(const char *path, uint32 segment_size)
{
	BbSpoolDirectory directory = {
		.path = path,
		.fd = bb_fd_open(path, O_RDONLY | O_DIRECTORY, 0),
		.segment_size = segment_size,
	};

	if (directory.fd == NULL)
		bb_report_file("could not open directory \"%s\": %m", path);
	return directory;
}

void
bb_spooldir_report(const BbSpoolDirectory *directory, const char *message,
				   const char *name)
{
	int			save_errno = errno;
	char	   *path = bb_spooldir_path(directory, name);

	errno = save_errno;
	bb_report_file(message, path);
}

/* Files that the processes that follow a server keep in the same directory. */
static bool
is_neighbour(const char *name)
{
	return strcmp(name, "lock") == 0 || strcmp(name, "control") == 0 ||
		strcmp(name, "control.new") == 0 ||
		strcmp(name, BB_SPOOL_TEMPORARY_NAME) == 0;
}

List *
bb_spooldir_list(const BbSpoolDirectory *directory, bool warn)
{
	BbDir	   *dir = bb_dir_openat(directory->fd, ".");
	List	   *files = NIL;
	const char *name;

	if (dir == NULL)
		bb_report_file("could not open directory \"%s\": %m", directory->path);
	while ((name = bb_dir_next(dir)) != NULL)
	{
		bool		is_segment = IsXLogFileName(name);
		BbSpoolFile *file;

		if (!is_segment && !IsTLHistoryFileName(name))
		{
			if (warn && !is_neighbour(name))
				ereport(WARNING,
						(errmsg("file \"%s\" does not belong to a spool",
								bb_spooldir_path(directory, name)),
						 errdetail("It is kept.")));
			continue;
		}
		file = palloc0(sizeof(BbSpoolFile));
		strlcpy(file->name, name, sizeof(file->name));
		file->is_segment = is_segment;
		if (is_segment)
			XLogFromFileName(name, &file->tli, &file->number,
							 directory->segment_size);
		files = lappend(files, file);
	}
	if (errno != 0)
		bb_report_file("could not read directory \"%s\": %m", directory->path);
	bb_dir_close(dir);
	return files;
}

BbFd *
bb_spooldir_file(const BbSpoolDirectory *directory, const char *name,
				 int flags, uint64 *size)
{
	/* without O_NONBLOCK, opening a FIFO would wait for a reader */
	BbFd	   *fd = bb_fd_open_beneath(directory->fd, name,
										flags | O_NONBLOCK,
										pg_file_create_mode);
	struct stat st;

	if (fd == NULL && errno == ENOENT)
		return NULL;
	if (fd == NULL || fstat(bb_fd_number(fd), &st) < 0)
		bb_spooldir_report(directory, "could not open file \"%s\": %m", name);
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a regular file",
						bb_spooldir_path(directory, name))));
	*size = (uint64) st.st_size;
	return fd;
}

void
bb_spooldir_sync(const BbSpoolDirectory *directory)
{
	if (pg_fsync(bb_fd_number(directory->fd)) < 0)
		bb_report_file("could not fsync directory \"%s\": %m",
					   directory->path);
}

void
bb_spooldir_remove(const BbSpoolDirectory *directory, const char *name)
{
	if (unlinkat(bb_fd_number(directory->fd), name, 0) < 0 && errno != ENOENT)
		bb_spooldir_report(directory, "could not remove file \"%s\": %m",
						   name);
}
