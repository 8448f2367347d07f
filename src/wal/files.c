/*-------------------------------------------------------------------------
 *
 * files.c
 *	  The files of a place of WAL: contents, and a plain directory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/memutils.h"
#include "wal/files.h"

/* ---- contents ---- */

BbWalContent *
bb_walcontent_new(const char *path)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup WAL file",
												  ALLOCSET_SMALL_SIZES);
	BbWalContent *content = MemoryContextAllocZero(context,
												   sizeof(BbWalContent));

	content->context = context;
	content->path = MemoryContextStrdup(context, path);
	return content;
}

BbWalContent *
bb_walcontent_open(const char *path)
{
	BbWalContent *content = bb_walcontent_new(path);
	MemoryContext old = MemoryContextSwitchTo(content->context);
	struct stat st;

	/* without O_NONBLOCK, opening a FIFO would wait for a writer */
	content->fd = bb_fd_open(path, O_RDONLY | O_NONBLOCK | PG_BINARY, 0);
	MemoryContextSwitchTo(old);
	if (content->fd == NULL && errno == ENOENT)
	{
		bb_walcontent_close(content);
		return NULL;
	}
	if (content->fd == NULL || fstat(bb_fd_number(content->fd), &st) < 0)
	{
		content->failed = errno;
		content->complaint = MemoryContextStrdup(
			content->context,
			psprintf("It could not be opened: %s.", strerror(errno)));
		return content;
	}
	content->irregular = !S_ISREG(st.st_mode);
	if (content->irregular)
		content->complaint = "It is not a regular file.";
	else
		content->size = st.st_size;
	return content;
}

void
bb_walcontent_need_file(const BbWalContent *content)
{
	errno = content->failed;
	if (errno != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", content->path)));
	if (content->irregular)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a regular file", content->path)));
	if (content->unsupported)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("could not decompress file \"%s\"", content->path),
				 errdetail("%s", content->complaint),
				 errhint("Decompress it, or build bbackup with the library.")));
}

uint32
bb_walcontent_read(const BbWalContent *content, uint64 offset, void *buffer,
				   uint32 length)
{
	ssize_t		n;

	if (content->complaint != NULL)
		return 0;
	if (content->fd == NULL)
	{
		if (offset >= content->size)
			return 0;
		length = (uint32) Min(length, content->size - offset);
		memcpy(buffer, content->memory + offset, length);
		return length;
	}
	n = bb_fd_read_at(content->fd, buffer, length, offset);
	if (n < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", content->path)));
	return (uint32) n;
}

void
bb_walcontent_close(BbWalContent *content)
{
	MemoryContextDelete(content->context);
}

/* ---- a directory ---- */

typedef struct PlainFiles
{
	BbWalFiles	base;
	char	   *path;
} PlainFiles;

static void
list(const BbReqCtx *ctx, BbWalFiles *files, BbWalFileSeen seen, void *arg)
{
	const char *path = ((const PlainFiles *) files)->path;
	DIR		   *dir = AllocateDir(path);
	struct dirent *entry;

	while ((entry = ReadDir(dir, path)) != NULL)
	{
		bb_reqctx_check(ctx);
		seen(arg, entry->d_name, 0);
	}
	FreeDir(dir);
}

static char *
path_of(const BbWalFiles *files, const char *name)
{
	return psprintf("%s/%s", ((const PlainFiles *) files)->path, name);
}

static BbWalContent *
open_file(const BbReqCtx *ctx, BbWalFiles *files, const char *name, int copy,
		  uint32 need)
{
	return bb_walcontent_open(path_of(files, name));
}

static int
find(const BbReqCtx *ctx, BbWalFiles *files, const char *name, int copy)
{
	return copy == 0 && access(path_of(files, name), F_OK) == 0 ? 0 : -1;
}

static bool
is_pg_wal(const BbWalFiles *files)
{
	return access(path_of(files, "archive_status"), F_OK) == 0;
}

static const BbWalFilesOps ops = {
	.list = list,
	.open = open_file,
	.find = find,
	.is_pg_wal = is_pg_wal,
};

BbWalFiles *
bb_walfiles_directory(const char *path)
{
	PlainFiles *files = palloc0(sizeof(PlainFiles));

	files->base.ops = &ops;
	files->path = pstrdup(path);
	canonicalize_path(files->path);
	files->base.name = psprintf("directory \"%s\"", files->path);
	return &files->base;
}
