/*-------------------------------------------------------------------------
 *
 * sink_archives.c
 *	  Write archives, and the manifest, to files in a new directory.
 *
 *	  PATH.part/16400.tar.gz, base.tar.gz, backup_manifest -> PATH
 *
 * The directory gets its name when everything is durable.  If that doesn't
 * happen, the memory context removes the files that this sink created, and no
 * others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "files/outdir.h"
#include "files/outfile.h"
#include "files/pathlist.h"
#include "members/backupmanifest.h"
#include "sinks/destinations.h"
#include "utils/memutils.h"

#define UNFINISHED ".part"

typedef struct ArchivesSink
{
	BbSink		base;
	MemoryContext context; /* of the open file */
	char	   *path;
	BbOutDir   *dir;
	BbPathList *files; /* the names of those created */
	bool		done;
	BbOutFile  *out;
} ArchivesSink;

static void
remove_created(void *arg)
{
	ArchivesSink *archives = arg;

	if (archives->done)
		return;
	for (size_t i = archives->files->count; i > 0; i--)
		(void) unlinkat(bb_fd_number(archives->dir->fd),
						archives->files->paths[i - 1], 0);
}

static void
begin_file(ArchivesSink *archives, const char *name)
{
	MemoryContext old = MemoryContextSwitchTo(archives->context);
	const char *path = psprintf("%s/%s", archives->dir->path, name);
	BbFd	   *fd;

	bb_pathlist_prepare(archives->files, name);
	fd = bb_fd_openat(archives->dir->fd, name,
					  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
					  pg_file_create_mode);
	if (fd == NULL)
		bb_report_file("could not create file \"%s\": %m", path);
	bb_pathlist_add(archives->files);
	bb_outfile_begin(archives->out, fd, path, 0);
	MemoryContextSwitchTo(old);
}

static void
archives_begin_archive(const BbReqCtx *ctx, BbSink *sink, const char *name)
{
	begin_file((ArchivesSink *) sink, name);
}

static void
archives_begin_manifest(const BbReqCtx *ctx, BbSink *sink)
{
	begin_file((ArchivesSink *) sink, BB_MANIFEST_FILE);
}

static void
archives_write(const BbReqCtx *ctx, BbSink *sink, const void *data,
			   size_t length)
{
	bb_outfile_write(ctx, ((ArchivesSink *) sink)->out, data, length);
	BB_COUNT(ctx, bytes_out, length);
}

static void
archives_end_file(const BbReqCtx *ctx, BbSink *sink)
{
	ArchivesSink *archives = (ArchivesSink *) sink;

	bb_outfile_end(ctx, archives->out);
	bb_outfile_sync(archives->out);
	bb_outfile_close(archives->out);
	MemoryContextReset(archives->context);
}

static void
archives_end(const BbReqCtx *ctx, BbSink *sink)
{
	ArchivesSink *archives = (ArchivesSink *) sink;

	bb_outdir_publish(archives->dir, archives->path);
	archives->done = true;
}

static const BbSinkOps archives_ops = {
	.begin_archive = archives_begin_archive,
	.write = archives_write,
	.end_archive = archives_end_file,
	.begin_manifest = archives_begin_manifest,
	.write_manifest = archives_write,
	.end_manifest = archives_end_file,
	.end = archives_end,
};

BbSink *
bb_sink_archives_new(const char *path, List *off_limits)
{
	ArchivesSink *archives = palloc0(sizeof(ArchivesSink));

	archives->base.ops = &archives_ops;
	archives->path = bb_outdir_path(path);
	archives->dir = bb_outdir_new(psprintf("%s" UNFINISHED, archives->path),
								  off_limits);
	bb_outdir_check_absent(archives->dir->parent, archives->path);
	archives->files = bb_pathlist_new();
	archives->out = bb_outfile_new();
	archives->context = AllocSetContextCreate(CurrentMemoryContext,
											  "bbackup archive",
											  ALLOCSET_SMALL_SIZES);
	/* it runs before the directory is closed and removed */
	bb_on_reset(CurrentMemoryContext, remove_created, archives);
	return &archives->base;
}

uint64
bb_sink_archives_written(const BbSink *sink)
{
	return bb_outfile_written(((const ArchivesSink *) sink)->out);
}
