/*-------------------------------------------------------------------------
 *
 * sourcefile.c
 *	  Reading a file of a data directory that another user may own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/resource.h"
#include "import/sourcefile.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

struct BbSourceFile
{
	MemoryContext context; /* owns the file */
	BbFd	   *fd;
	char	   *path;
	uint64		size;
	uint64		at; /* where the next read begins */
};

BbSourceFile *
bb_sourcefile_open(const BbReqCtx *ctx, const char *directory,
				   const char *path)
{
	MemoryContext context;
	MemoryContext old;
	BbSourceFile *file;
	struct stat st;

	bb_reqctx_check(ctx);
	context = AllocSetContextCreate(CurrentMemoryContext,
									"bbackup source file",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	file = palloc0(sizeof(BbSourceFile));
	file->context = context;
	file->path = psprintf("%s/%s", directory, path);

	/* check before opening, since opening a FIFO waits for a writer */
	if (stat(file->path, &st) < 0)
	{
		if (errno != ENOENT)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not stat file \"%s\": %m", file->path)));
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
		return NULL;
	}
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a regular file", file->path)));

	file->fd = bb_fd_open(file->path, O_RDONLY, 0);
	if (file->fd == NULL || fstat(bb_fd_number(file->fd), &st) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", file->path)));
	file->size = st.st_size;
	MemoryContextSwitchTo(old);
	return file;
}

uint64
bb_sourcefile_size(const BbSourceFile *file)
{
	return file->size;
}

void
bb_sourcefile_read(const BbReqCtx *ctx, BbSourceFile *file, void *data,
				   size_t length)
{
	char	   *to = data;

	while (length > 0)
	{
		ssize_t		n;

		bb_reqctx_check(ctx);
		pgstat_report_wait_start(WAIT_EVENT_COPY_FILE_READ);
		n = pg_pread(bb_fd_number(file->fd), to, length, (off_t) file->at);
		pgstat_report_wait_end();

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m", file->path)));
		if (n == 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("file \"%s\" became shorter while it was read",
							file->path),
					 errdetail("It ends at byte " UINT64_FORMAT ".",
							   file->at),
					 errhint("Do not change the data directory during "
							 "an import.")));
		to += n;
		length -= n;
		file->at += n;
	}
}

void
bb_sourcefile_close(BbSourceFile *file)
{
	MemoryContextDelete(file->context);
}

char *
bb_sourcefile_load(const BbReqCtx *ctx, const char *directory,
				   const char *path, size_t max_length, size_t *length)
{
	BbSourceFile *file = bb_sourcefile_open(ctx, directory, path);
	char	   *data;

	if (file == NULL)
		return NULL;
	if (file->size > max_length)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" is too large", file->path),
				 errdetail("It has " UINT64_FORMAT
						   " bytes; at most %zu are expected.",
						   file->size, max_length)));
	*length = file->size;
	data = palloc(*length + 1);
	bb_sourcefile_read(ctx, file, data, *length);
	data[*length] = '\0';
	bb_sourcefile_close(file);
	return data;
}
