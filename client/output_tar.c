/*-------------------------------------------------------------------------
 *
 * output_tar.c
 *	  Outputs that write archives unchanged: one file, or a directory of files.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "cleanup.h"
#include "common/file_utils.h"
#include "common/logging.h"
#include "newfile.h"
#include "output.h"
#include "progress.h"

typedef struct WrittenFile
{
	struct WrittenFile *next;
	BbNewFile  *file;
} WrittenFile;

typedef struct TarOutput
{
	BbOutput	base;
	const char *path;
	bool		directory; /* "path" is one, for a file of each archive */
	bool		sync;
	BbNewFile  *file;	/* the open file */
	WrittenFile *files; /* all of them, the last one first */
} TarOutput;

/*
 * The name of an archive comes from the stream.  Check that it names a file in
 * the directory.
 */
static void
check_name(const char *name)
{
	if (name[0] == '\0' || name[0] == '.' ||
		name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-")] != '\0')
		pg_fatal("stream has an archive with the invalid name \"%s\"", name);
}

static void
tar_begin_archive(BbOutput *output, const char *name)
{
	TarOutput  *tar = (TarOutput *) output;
	WrittenFile *written;

	check_name(name);
	if (tar->directory)
	{
		char	   *path = psprintf("%s/%s", tar->path, name);

		for (written = tar->files; written != NULL; written = written->next)
			if (strcmp(bb_newfile_path(written->file), path) == 0)
				pg_fatal("stream has the archive \"%s\" twice", name);
		tar->file = bb_newfile_open(path);
		bb_progress_file(path);
		pg_free(path);
	}
	else if (tar->files == NULL)
	{
		tar->file = bb_newfile_open(tar->path);
		bb_progress_file(strcmp(tar->path, "-") == 0 ? name : tar->path);
	}
	else
		bb_fatal_hint(
			"Use --format=tar and --pgdata, with a directory for them.",
			"stream has several archives, and one file can't hold them");

	written = pg_malloc(sizeof(WrittenFile));
	written->file = tar->file;
	written->next = tar->files;
	tar->files = written;
}

static void
tar_write(BbOutput *output, const char *data, size_t length)
{
	bb_newfile_write(((TarOutput *) output)->file, data, length);
}

static void
tar_end_archive(BbOutput *output)
{
	TarOutput  *tar = (TarOutput *) output;

	bb_newfile_close(tar->file, tar->sync);
}

/* The archive with the data directory is the last, and gets its name last. */
static void
publish(WrittenFile *written, bool sync)
{
	if (written == NULL)
		return;
	publish(written->next, sync);
	bb_newfile_publish(written->file, sync);
	pg_free(written);
}

static void
tar_finish(BbOutput *output)
{
	TarOutput  *tar = (TarOutput *) output;

	bb_interrupted();
	publish(tar->files, tar->sync);
	if (tar->directory && tar->sync && fsync_parent_path(tar->path) != 0)
		exit(1); /* the error was reported */
	pg_free(tar);
}

static const BbOutputOps tar_ops = {
	.begin_archive = tar_begin_archive,
	.write = tar_write,
	.end_archive = tar_end_archive,
	.finish = tar_finish,
};

static BbOutput *
new_output(const char *path, bool directory, bool sync)
{
	TarOutput  *tar = pg_malloc0(sizeof(TarOutput));

	tar->base.ops = &tar_ops;
	tar->path = path;
	tar->directory = directory;
	tar->sync = sync;
	return &tar->base;
}

BbOutput *
bb_output_file_new(const char *path, bool sync)
{
	return new_output(path, false, sync);
}

BbOutput *
bb_output_archives_new(const char *directory, bool sync)
{
	bb_cleanup_directory(directory, "directory");
	return new_output(directory, true, sync);
}
