/*-------------------------------------------------------------------------
 *
 * sink_delta.c
 *	  Write members to the files of an existing cluster, where they differ.
 *
 *	  pg_control -> pg_control.replaced; each file compared and changed; others
 *	  removed; pg_control.new -> fsync of all -> pg_control
 *
 * So a server doesn't start while the files are incomplete, and after an
 * interruption the next call finds out from the replaced control file which
 * cluster it is.
 *
 * A file with the right content may not be durable yet: an interrupted call, cp
 * or a server without fsync may have written it.  So this sink makes all files
 * durable, as pg_rewind does.
 *
 * Nothing outside of the tree is changed.  A symbolic link is replaced by what
 * the backup has there, except those of mapped tablespaces.  A file with more
 * than one hard link is replaced by a new file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xlog_internal.h"
#include "base/clusterfile.h"
#include "sinks/treesink.h"
#include "utils/memutils.h"

#define LOCK_FILE "postmaster.pid"

typedef struct DeltaSink
{
	BbTreeSink	base;	 /* its lists have what is in the backup */
	bool		resumed; /* an earlier call was interrupted */
	mode_t		mode;
} DeltaSink;

/* ---- checks ---- */

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
					   bb_tree_full_path(tree, LOCK_FILE)),
			 errhint("Shut the server down. If no server is running, remove "
					 "the file, which a crash has left.")));
}

/*
 * Read the control file of that name, of the major version control->major; false
 * if there is none.
 */
static bool
read_control(const BbTree *tree, const char *path, BbControl *control)
{
	const BbMajor *major = control->major;
	uint8		data[BB_CONTROL_SIZE_MAX];
	BbFd	   *fd = bb_tree_open_file(tree, path, O_RDONLY);
	ssize_t		length;

	if (fd == NULL && errno == ENOENT)
		return false;
	length = fd == NULL
		? -1
		: pg_pread(bb_fd_number(fd), data, major->control_size, 0);
	if (length < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m",
						bb_tree_full_path(tree, path))));
	(void) bb_fd_close(fd);

	if (length == major->control_size)
		bb_control_read(major, data, control);
	if (length != major->control_size ||
		control->crc != bb_control_crc(major, data))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" is not a control file of PostgreSQL %d",
						bb_tree_full_path(tree, path), major->number),
				 errhint("Restore into an empty directory.")));
	return true;
}

static void
check_system(DeltaSink *delta, const BbControl *ours)
{
	const char *directory = delta->base.tree->root->path;
	BbControl	control = {.major = ours->major};

	if (!read_control(delta->base.tree, XLOG_CONTROL_FILE, &control))
	{
		delta->resumed = read_control(delta->base.tree, BB_CONTROL_REPLACED,
									  &control);
		if (!delta->resumed)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("\"%s\" is not a data directory", directory),
					 errdetail("It has no file " XLOG_CONTROL_FILE "."),
					 errhint("Restore into an empty directory.")));
	}
	if (control.system_identifier != ours->system_identifier)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("data directory \"%s\" is from a different database system",
						directory),
				 errdetail("Its system identifier is " UINT64_FORMAT
						   ", that of the backup " UINT64_FORMAT ".",
						   control.system_identifier,
						   ours->system_identifier)));
}

/* ---- members ---- */

/*
 * Without a control file no server starts.  A server that has read it has a
 * lock file already.
 */
static void
delta_begin(const BbReqCtx *ctx, BbSink *sink)
{
	DeltaSink  *delta = (DeltaSink *) sink;

	if (is_running(delta->base.tree))
		report_running(delta->base.tree);
	if (delta->resumed)
		return;
	bb_tree_rename(delta->base.tree, XLOG_CONTROL_FILE, BB_CONTROL_REPLACED);
	if (is_running(delta->base.tree))
	{
		bb_tree_rename(delta->base.tree, BB_CONTROL_REPLACED,
					   XLOG_CONTROL_FILE);
		report_running(delta->base.tree);
	}
	bb_tree_sync_directory(delta->base.tree, "global");
	bb_tree_set_mode(delta->base.tree, "", delta->mode);
}

/* Is it a symbolic link to the target? */
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
	const BbTree *tree = delta->base.tree;
	const char *path = member->path;
	const char *target = bb_tree_mapped_directory(tree, path);
	struct stat st;
	bool		exists = bb_tree_stat(tree, path, &st);
	bool		right = exists &&
		(target != NULL ? leads_to(tree, path, &st, target)
						: S_ISDIR(st.st_mode));

	bb_pathlist_prepare(delta->base.directories, path);
	bb_pathlist_add(delta->base.directories);
	if (exists && !right)
		delta->base.result.files_removed += bb_tree_remove(ctx, tree, path);
	if (!right && target != NULL)
		bb_tree_make_link(tree, path, target);
	else if (!right)
		bb_tree_make_directory(tree, path);
	bb_tree_set_mode(tree, path, member->mode);
}

/* May the file be changed in place? */
static bool
may_change(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink == 1;
}

static void
begin_file(const BbReqCtx *ctx, DeltaSink *delta, const BbMember *member)
{
	const BbTree *tree = delta->base.tree;
	const char *path = bb_member_file_path(member);
	struct stat st = {0};
	bool		exists = bb_tree_stat(tree, path, &st);
	BbFd	   *fd = NULL;

	bb_pathlist_prepare(delta->base.files, path);
	bb_pathlist_add(delta->base.files);
	if (exists && may_change(&st))
		fd = bb_tree_open_file(tree, path, O_RDWR);
	if (fd == NULL)
	{
		if (exists)
			(void) bb_tree_remove(ctx, tree, path);
		fd = bb_tree_create_file(tree, path);
		st.st_size = 0;
		st.st_mode = 0;
	}
	if ((st.st_mode & 07777) != member->mode)
		bb_tree_set_file_mode(tree, path, fd, member->mode);
	bb_treesink_begin_file(&delta->base, member, fd, st.st_size);
}

static void
delta_begin_member(const BbReqCtx *ctx, BbSink *sink, const BbMember *member)
{
	DeltaSink  *delta = (DeltaSink *) sink;
	MemoryContext old = MemoryContextSwitchTo(delta->base.context);

	if (member->kind == BB_MEMBER_DIRECTORY)
		begin_directory(ctx, delta, member);
	else
		begin_file(ctx, delta, member);
	MemoryContextSwitchTo(old);
}

/* ---- the end ---- */

/*
 * Remove what the backup doesn't have from a directory that it has, and from
 * those below.
 *
 * In the directory of a mapped tablespace, only the subdirectory that the server
 * creates there is checked.
 */
static void
remove_others(const BbReqCtx *ctx, DeltaSink *delta, const char *directory)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup directory",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		shared = bb_tree_mapped_directory(delta->base.tree,
												  directory) != NULL;
	ListCell   *cell;

	bb_reqctx_check(ctx);
	foreach(cell, bb_tree_list(delta->base.tree, directory))
	{
		const char *name = lfirst(cell);
		char	   *path = *directory == '\0'
			? pstrdup(name)
			: psprintf("%s/%s", directory, name);

		if (bb_pathlist_contains(delta->base.directories, path))
			remove_others(ctx, delta, path);
		else if (!shared && !bb_pathlist_contains(delta->base.files, path) &&
				 strcmp(path, BB_CONTROL_REPLACED) != 0)
			delta->base.result
				.files_removed += bb_tree_remove(ctx, delta->base.tree, path);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static void
delta_end(const BbReqCtx *ctx, BbSink *sink)
{
	DeltaSink  *delta = (DeltaSink *) sink;
	MemoryContext old = MemoryContextSwitchTo(delta->base.context);

	bb_pathlist_sort(delta->base.files);
	bb_pathlist_sort(delta->base.directories);
	remove_others(ctx, delta, "");

	bb_tree_sync(ctx, delta->base.tree, delta->base.files,
				 delta->base.directories);
	bb_tree_publish(delta->base.tree);
	bb_tree_try_remove(delta->base.tree, BB_CONTROL_REPLACED, false);
	bb_tree_commit(delta->base.tree);
	MemoryContextSwitchTo(old);
	MemoryContextReset(delta->base.context);
}

static const BbSinkOps delta_ops = {
	.begin = delta_begin,
	.begin_member = delta_begin_member,
	.write = bb_treesink_write,
	.end_member = bb_treesink_end_member,
	.end = delta_end,
};

BbSink *
bb_sink_delta_new(BbTree *tree, mode_t mode, const BbControl *control)
{
	DeltaSink  *delta = palloc0(sizeof(DeltaSink));

	bb_treesink_init(&delta->base, &delta_ops, tree);
	delta->mode = mode;
	if (is_running(tree))
		report_running(tree);
	check_system(delta, control);
	return &delta->base.base;
}
