/*-------------------------------------------------------------------------
 *
 * sink_delta.c
 *	  Members to the files of a cluster that is there, where they differ.
 *
 *	  pg_control -> pg_control.replaced; each file compared and mended; others
 *	  removed; pg_control.new -> fsync of all -> pg_control
 *
 * So a server can't start in what is half-made, and the next call knows by
 * the old control file whose files they are.
 *
 * A file that is as it should be may be so in memory only: a delta that was
 * interrupted, cp, a server without fsync may have written it.  So all files
 * are made durable, as pg_rewind does.
 *
 * Nothing outside of the tree is changed: a symbolic link that isn't that of a
 * mapped tablespace is replaced by what the backup has there, and a file with
 * another name elsewhere (a hard link) by a new file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xlog_internal.h"
#include "base/clusterfile.h"
#include "files/outfile.h"
#include "files/tree.h"
#include "sinks/sink.h"
#include "utils/memutils.h"

#define LOCK_FILE "postmaster.pid"

typedef struct DeltaSink
{
	BbSink		base;
	MemoryContext context; /* of the open file */
	BbTree	   *tree;
	bool		resumed;	 /* a call before didn't come to its end */
	BbPathList *files;		 /* of the backup */
	BbPathList *directories; /* the same, and what leads to tablespaces */
	mode_t		mode;

	bool		open; /* in the midst of a file */
	BbOutFile  *out;
	BbRestored	result;
} DeltaSink;

/* ---- is it the right one? ---- */

static bool
is_running(const BbTree *tree)
{
	struct stat st;

	return bb_tree_stat(tree, LOCK_FILE, &st);
}

static void
report_running(const BbTree *tree)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a server is running in data directory \"%s\"",
					tree->root->path),
			 errdetail("Lock file \"%s\" exists.",
					   bb_tree_text(tree, LOCK_FILE)),
			 errhint("Shut the server down. If there is none, the file is "
					 "left over from a crash: remove it.")));
}

/* The control file of that name; false: there is none. */
static bool
read_control(const BbTree *tree, const char *path, ControlFileData *control)
{
	BbFd	   *fd = bb_tree_open(tree, path, O_RDONLY);
	ssize_t		length;

	if (fd == NULL && errno == ENOENT)
		return false;
	length = fd == NULL
		? -1
		: pg_pread(bb_fd_number(fd), control, sizeof(*control), 0);
	if (length < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m",
						bb_tree_text(tree, path))));
	(void) bb_fd_close(fd);

	if (length != sizeof(*control) || control->crc != bb_control_crc(control))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" is no control file of PostgreSQL %d",
						bb_tree_text(tree, path), PG_VERSION_NUM / 10000),
				 errhint("Restore into an empty directory.")));
	return true;
}

static void
check_system(DeltaSink *delta, uint64 system_identifier)
{
	const char *directory = delta->tree->root->path;
	ControlFileData control;

	if (!read_control(delta->tree, XLOG_CONTROL_FILE, &control))
	{
		delta->resumed = read_control(delta->tree, BB_CONTROL_REPLACED,
									  &control);
		if (!delta->resumed)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("\"%s\" is not a data directory", directory),
					 errdetail("It has no file " XLOG_CONTROL_FILE "."),
					 errhint("Restore into an empty directory.")));
	}
	if (control.system_identifier != system_identifier)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("data directory \"%s\" is of another system",
						directory),
				 errdetail("Its system identifier is " UINT64_FORMAT
						   ", that of the backup " UINT64_FORMAT ".",
						   control.system_identifier, system_identifier)));
}

/* ---- members ---- */

/*
 * From here on no server starts there.  One that was faster has made its lock
 * file before it read the control file.
 */
static void
delta_begin(const BbReqCtx *ctx, BbSink *sink)
{
	DeltaSink  *delta = (DeltaSink *) sink;

	if (is_running(delta->tree))
		report_running(delta->tree);
	if (delta->resumed)
		return;
	bb_tree_rename(delta->tree, XLOG_CONTROL_FILE, BB_CONTROL_REPLACED);
	if (is_running(delta->tree))
	{
		bb_tree_rename(delta->tree, BB_CONTROL_REPLACED, XLOG_CONTROL_FILE);
		report_running(delta->tree);
	}
	bb_tree_sync_directory(delta->tree, "global");
	bb_tree_set_mode(delta->tree, "", delta->mode);
}

/* Is the tablespace's symbolic link as it should be? */
static bool
leads_to(const BbTree *tree, const char *path, const struct stat *st,
		 const char *target)
{
	return S_ISLNK(st->st_mode) &&
		strcmp(bb_tree_read_link(tree, path), target) == 0;
}

static void
begin_directory(const BbReqCtx *ctx, DeltaSink *delta, const BbMember *member)
{
	const char *path = member->path;
	const char *target = bb_tree_mapped(delta->tree, path);
	struct stat st;
	bool		there = bb_tree_stat(delta->tree, path, &st);
	bool		right = there &&
		(target != NULL ? leads_to(delta->tree, path, &st, target)
						: S_ISDIR(st.st_mode));

	bb_pathlist_prepare(delta->directories, path);
	bb_pathlist_add(delta->directories);
	if (there && !right)
		delta->result.files_removed += bb_tree_remove(ctx, delta->tree, path);
	if (!right && target != NULL)
		bb_tree_make_link(delta->tree, path, target);
	else if (!right)
		bb_tree_make_directory(delta->tree, path);
	bb_tree_set_mode(delta->tree, path, member->mode);
}

/* May it be changed where it is? */
static bool
may_change(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink == 1;
}

static void
begin_file(const BbReqCtx *ctx, DeltaSink *delta, const BbMember *member)
{
	const char *path = bb_member_file_path(member);
	struct stat st = {0};
	bool		there = bb_tree_stat(delta->tree, path, &st);
	BbFd	   *fd = NULL;

	bb_pathlist_prepare(delta->files, path);
	bb_pathlist_add(delta->files);
	if (there && may_change(&st))
		fd = bb_tree_open(delta->tree, path, O_RDWR);
	if (fd == NULL)
	{
		if (there)
			(void) bb_tree_remove(ctx, delta->tree, path);
		fd = bb_tree_create(delta->tree, path);
		st.st_size = 0;
		st.st_mode = 0;
	}
	if ((st.st_mode & 07777) != member->mode)
		bb_tree_set_file_mode(delta->tree, path, fd, member->mode);
	bb_outfile_begin(delta->out, fd, bb_tree_text(delta->tree, path),
					 st.st_size);
	delta->open = true;
	delta->result.files++;
	delta->result.bytes += member->size;
}

static void
delta_begin_member(const BbReqCtx *ctx, BbSink *sink, const BbMember *member)
{
	DeltaSink  *delta = (DeltaSink *) sink;
	MemoryContext old = MemoryContextSwitchTo(delta->context);

	if (member->kind == BB_MEMBER_DIRECTORY)
		begin_directory(ctx, delta, member);
	else
		begin_file(ctx, delta, member);
	MemoryContextSwitchTo(old);
}

static void
delta_write(const BbReqCtx *ctx, BbSink *sink, const void *data, size_t length)
{
	bb_outfile_write(ctx, ((DeltaSink *) sink)->out, data, length);
	BB_COUNT(ctx, bytes_out, length);
}

static void
delta_end_member(const BbReqCtx *ctx, BbSink *sink)
{
	DeltaSink  *delta = (DeltaSink *) sink;

	if (delta->open)
	{
		bb_outfile_end(ctx, delta->out);
		bb_outfile_close(delta->out);
		delta->open = false;
	}
	MemoryContextReset(delta->context);
}

/* ---- the end ---- */

/*
 * Remove what isn't in the backup, below a directory that is.
 *
 * In the directory of a mapped tablespace, only the subdirectory that the
 * server makes there is ours.
 */
static void
remove_others(const BbReqCtx *ctx, DeltaSink *delta, const char *directory)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup directory",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		shared = bb_tree_mapped(delta->tree, directory) != NULL;
	ListCell   *cell;

	bb_reqctx_check(ctx);
	foreach(cell, bb_tree_list(delta->tree, directory))
	{
		const char *name = lfirst(cell);
		char	   *path = *directory == '\0'
			? pstrdup(name)
			: psprintf("%s/%s", directory, name);

		if (bb_pathlist_contains(delta->directories, path))
			remove_others(ctx, delta, path);
		else if (!shared && !bb_pathlist_contains(delta->files, path) &&
				 strcmp(path, BB_CONTROL_REPLACED) != 0)
			delta->result.files_removed += bb_tree_remove(ctx, delta->tree,
														  path);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static void
delta_end(const BbReqCtx *ctx, BbSink *sink)
{
	DeltaSink  *delta = (DeltaSink *) sink;
	MemoryContext old = MemoryContextSwitchTo(delta->context);

	bb_pathlist_sort(delta->files);
	bb_pathlist_sort(delta->directories);
	remove_others(ctx, delta, "");

	bb_tree_sync(ctx, delta->tree, delta->files, delta->directories);
	bb_tree_publish(delta->tree);
	bb_tree_discard(delta->tree, BB_CONTROL_REPLACED, false);
	bb_tree_keep(delta->tree);
	delta->result.bytes_written = bb_outfile_written(delta->out);
	MemoryContextSwitchTo(old);
	MemoryContextReset(delta->context);
}

static const BbSinkOps delta_ops = {
	.begin = delta_begin,
	.begin_member = delta_begin_member,
	.write = delta_write,
	.end_member = delta_end_member,
	.end = delta_end,
};

BbSink *
bb_sink_delta_new(BbTree *tree, mode_t mode, uint64 system_identifier)
{
	DeltaSink  *delta = palloc0(sizeof(DeltaSink));

	delta->base.ops = &delta_ops;
	delta->tree = tree;
	delta->mode = mode;
	delta->files = bb_pathlist_new();
	delta->directories = bb_pathlist_new();
	delta->out = bb_outfile_new();
	delta->context = AllocSetContextCreate(CurrentMemoryContext,
										   "bbackup file",
										   ALLOCSET_SMALL_SIZES);
	if (is_running(tree))
		report_running(tree);
	check_system(delta, system_identifier);
	return &delta->base;
}

BbRestored
bb_sink_delta_result(const BbSink *sink)
{
	return ((const DeltaSink *) sink)->result;
}
