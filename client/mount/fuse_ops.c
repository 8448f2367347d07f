/*-------------------------------------------------------------------------
 *
 * fuse_ops.c
 *	  What the kernel asks of a mount, by libfuse's low-level interface.
 *
 * A function answers one request.  The inode number is the address of the node,
 * which lives as long as the kernel has looked it up.  Nobody but the mount changes
 * its files, so the kernel may keep names, attributes and contents as long as it
 * likes.
 *
 *-------------------------------------------------------------------------
 */
#define FUSE_USE_VERSION 312
#include "postgres_fe.h"

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <sys/statvfs.h>

#include "common/logging.h"
#include "content.h"
#include "fuse_ops.h"

/* Seconds that the kernel may keep names and attributes. */
#define CACHE_SECONDS 86400.0

#define MAX_WRITE (1024 * 1024)

typedef struct Mount
{
	BbTree	   *tree;
	const BbMountOptions *options;
} Mount;

static BbTree *
tree_of(fuse_req_t request)
{
	return ((Mount *) fuse_req_userdata(request))->tree;
}

static BbNode *
node_of(fuse_req_t request, fuse_ino_t inode)
{
	return inode == FUSE_ROOT_ID ? &tree_of(request)->root
								 : (BbNode *) (uintptr_t) inode;
}

/* ---- answers ---- */

/* Fill in what is said of a node that was looked up. */
static int
fill_entry(fuse_req_t request, BbNode *node, struct fuse_entry_param *entry)
{
	memset(entry, 0, sizeof(*entry));
	entry->ino = (fuse_ino_t) (uintptr_t) node;
	entry->attr_timeout = entry->entry_timeout = CACHE_SECONDS;
	return bb_content_stat(tree_of(request), node, &entry->attr);
}

static void
answer_entry(fuse_req_t request, int error, BbNode *node)
{
	struct fuse_entry_param entry;

	if (error == 0 && (error = fill_entry(request, node, &entry)) != 0)
		bb_tree_forget(tree_of(request), node, 1);
	if (error != 0)
		fuse_reply_err(request, -error);
	else if (fuse_reply_entry(request, &entry) < 0)
		bb_tree_forget(tree_of(request), node, 1);
}

/* ---- names ---- */

static void
op_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	BbNode	   *node;
	int			error = bb_tree_lookup(tree_of(request),
									   node_of(request, parent), name, &node);

	if (error == -ENOENT)
	{
		/* the kernel may remember that there is no such name */
		struct fuse_entry_param entry = {.entry_timeout = CACHE_SECONDS};

		fuse_reply_entry(request, &entry);
		return;
	}
	answer_entry(request, error, node);
}

static void
op_forget(fuse_req_t request, fuse_ino_t inode, uint64_t lookups)
{
	if (inode != FUSE_ROOT_ID)
		bb_tree_forget(tree_of(request), node_of(request, inode), lookups);
	fuse_reply_none(request);
}

static void
op_forget_multi(fuse_req_t request, size_t count,
				struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		if (forgets[i].ino != FUSE_ROOT_ID)
			bb_tree_forget(tree_of(request), node_of(request, forgets[i].ino),
						   forgets[i].nlookup);
	fuse_reply_none(request);
}

static void
op_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
	BbNode	   *node = NULL;
	int			error = bb_tree_mkdir(tree_of(request),
									  node_of(request, parent), name, mode,
									  &node);

	answer_entry(request, error, node);
}

static void
op_symlink(fuse_req_t request, const char *target, fuse_ino_t parent,
		   const char *name)
{
	BbNode	   *node = NULL;
	int			error = bb_tree_symlink(tree_of(request), target,
										node_of(request, parent), name, &node);

	answer_entry(request, error, node);
}

static void
op_readlink(fuse_req_t request, fuse_ino_t inode)
{
	char		target[BB_PATH_SIZE];
	int			error = bb_tree_readlink(tree_of(request),
										 node_of(request, inode), target,
										 sizeof(target));

	if (error != 0)
		fuse_reply_err(request, -error);
	else
		fuse_reply_readlink(request, target);
}

static void
op_link(fuse_req_t request, fuse_ino_t inode, fuse_ino_t parent,
		const char *name)
{
	BbNode	   *node = node_of(request, inode);

	answer_entry(request,
				 bb_tree_link(tree_of(request), node, node_of(request, parent),
							  name),
				 node);
}

static void
op_unlink(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(request,
				   -bb_tree_unlink(tree_of(request), node_of(request, parent),
								   name));
}

static void
op_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(request,
				   -bb_tree_rmdir(tree_of(request), node_of(request, parent),
								  name));
}

static void
op_rename(fuse_req_t request, fuse_ino_t parent, const char *name,
		  fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	fuse_reply_err(request,
				   -bb_tree_rename(tree_of(request), node_of(request, parent),
								   name, node_of(request, new_parent),
								   new_name, flags));
}

/* ---- attributes ---- */

static void
answer_attributes(fuse_req_t request, int error, BbNode *node)
{
	struct stat status;

	if (error == 0)
		error = bb_content_stat(tree_of(request), node, &status);
	if (error != 0)
		fuse_reply_err(request, -error);
	else
		fuse_reply_attr(request, &status, CACHE_SECONDS);
}

static void
op_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	answer_attributes(request, 0, node_of(request, inode));
}

static int
set_times(BbTree *tree, BbNode *node, const struct stat *status, int which)
{
	struct timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};

	if (which & FUSE_SET_ATTR_ATIME_NOW)
		times[0].tv_nsec = UTIME_NOW;
	else if (which & FUSE_SET_ATTR_ATIME)
		times[0] = status->st_atim;
	if (which & FUSE_SET_ATTR_MTIME_NOW)
		times[1].tv_nsec = UTIME_NOW;
	else if (which & FUSE_SET_ATTR_MTIME)
		times[1] = status->st_mtim;
	return bb_tree_utimes(tree, node, times);
}

static int
set_size(BbTree *tree, BbNode *node, off_t size)
{
	int			error = bb_tree_open(tree, node, 0);

	/* of a file without a name, it is open already */
	if (error != 0)
		return error;
	error = bb_content_truncate(tree, node, size);
	bb_tree_release(tree, node);
	return error;
}

static void
op_setattr(fuse_req_t request, fuse_ino_t inode, struct stat *status,
		   int which, struct fuse_file_info *info)
{
	BbTree	   *tree = tree_of(request);
	BbNode	   *node = node_of(request, inode);
	int			error = 0;

	if (which & FUSE_SET_ATTR_SIZE)
		error = set_size(tree, node, status->st_size);
	if (error == 0 && (which & FUSE_SET_ATTR_MODE))
		error = bb_tree_chmod(tree, node, status->st_mode);
	if (error == 0 && (which & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)))
		error = bb_tree_chown(tree, node,
							  which & FUSE_SET_ATTR_UID ? status->st_uid
														: (uid_t) -1,
							  which & FUSE_SET_ATTR_GID ? status->st_gid
														: (gid_t) -1);
	if (error == 0 && (which & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)))
		error = set_times(tree, node, status, which);
	answer_attributes(request, error, node);
}

static void
op_statfs(fuse_req_t request, fuse_ino_t inode)
{
	struct statvfs status;

	if (fstatvfs(tree_of(request)->overlay->root, &status) < 0)
		fuse_reply_err(request, errno);
	else
		fuse_reply_statfs(request, &status);
}

/* ---- files ---- */

static void
op_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
		  struct fuse_file_info *info)
{
	BbTree	   *tree = tree_of(request);
	struct fuse_entry_param entry;
	BbNode	   *node;
	int			error = bb_tree_create(tree, node_of(request, parent), name,
									   mode, info->flags, &node);

	if (error == 0 && (error = fill_entry(request, node, &entry)) != 0)
	{
		bb_tree_release(tree, node);
		bb_tree_forget(tree, node, 1);
	}
	if (error != 0)
	{
		fuse_reply_err(request, -error);
		return;
	}
	info->keep_cache = 1;
	if (fuse_reply_create(request, &entry, info) < 0)
	{
		bb_tree_release(tree, node);
		bb_tree_forget(tree, node, 1);
	}
}

static void
op_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	BbTree	   *tree = tree_of(request);
	BbNode	   *node = node_of(request, inode);
	int			error = bb_tree_open(tree, node, info->flags);

	if (error != 0)
	{
		fuse_reply_err(request, -error);
		return;
	}
	info->keep_cache = 1;
	if (fuse_reply_open(request, info) < 0)
		bb_tree_release(tree, node);
}

static void
op_release(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	bb_tree_release(tree_of(request), node_of(request, inode));
	fuse_reply_err(request, 0);
}

static void
op_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
		struct fuse_file_info *info)
{
	char	   *data = malloc(size);
	ssize_t		done = -ENOMEM;

	if (data != NULL)
		done = bb_content_read(tree_of(request), node_of(request, inode), data,
							   size, offset);
	if (done < 0)
		fuse_reply_err(request, (int) -done);
	else
		fuse_reply_buf(request, data, done);
	free(data);
}

static void
op_write(fuse_req_t request, fuse_ino_t inode, const char *data, size_t size,
		 off_t offset, struct fuse_file_info *info)
{
	ssize_t		done = bb_content_write(tree_of(request),
										node_of(request, inode), data, size,
										offset);

	if (done < 0)
		fuse_reply_err(request, (int) -done);
	else
		fuse_reply_write(request, done);
}

static void
op_fsync(fuse_req_t request, fuse_ino_t inode, int data_only,
		 struct fuse_file_info *info)
{
	fuse_reply_err(request,
				   -bb_content_sync(tree_of(request), node_of(request, inode),
									data_only != 0));
}

static void
op_fallocate(fuse_req_t request, fuse_ino_t inode, int mode, off_t offset,
			 off_t length, struct fuse_file_info *info)
{
	fuse_reply_err(request,
				   -bb_content_allocate(tree_of(request),
										node_of(request, inode), mode, offset,
										length));
}

/* ---- directories ---- */

typedef struct Directory
{
	BbTreeEntry *entries;
	uint32		count;
} Directory;

static void
op_opendir(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	Directory  *directory = pg_malloc0(sizeof(Directory));
	int			error = bb_tree_list(tree_of(request), node_of(request, inode),
									 &directory->entries, &directory->count);

	if (error != 0)
	{
		pg_free(directory);
		fuse_reply_err(request, -error);
		return;
	}
	info->fh = (uintptr_t) directory;
	fuse_reply_open(request, info);
}

/* Entry 0 is ".", entry 1 is "..". */
static void
op_readdir(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
		   struct fuse_file_info *info)
{
	const Directory *directory = (const Directory *) (uintptr_t) info->fh;
	char	   *buffer = pg_malloc(size);
	size_t		used = 0;

	for (; offset < (off_t) directory->count + 2; offset++)
	{
		const char *name = offset == 0 ? "."
			: offset == 1			   ? ".."
									   : directory->entries[offset - 2].name;
		struct stat status = {.st_mode = offset < 2
								  ? S_IFDIR
								  : directory->entries[offset - 2].type,
							  .st_ino = 1 + offset};
		size_t		length = fuse_add_direntry(request, buffer + used,
											   size - used, name, &status,
											   offset + 1);

		if (length > size - used)
			break;
		used += length;
	}
	fuse_reply_buf(request, buffer, used);
	pg_free(buffer);
}

static void
op_releasedir(fuse_req_t request, fuse_ino_t inode,
			  struct fuse_file_info *info)
{
	Directory  *directory = (Directory *) (uintptr_t) info->fh;

	bb_tree_list_free(directory->entries, directory->count);
	pg_free(directory);
	fuse_reply_err(request, 0);
}

static void
op_fsyncdir(fuse_req_t request, fuse_ino_t inode, int data_only,
			struct fuse_file_info *info)
{
	fuse_reply_err(request,
				   -bb_tree_sync_directory(tree_of(request),
										   node_of(request, inode)));
}

/* ---- the session ---- */

static void
op_init(void *data, struct fuse_conn_info *connection)
{
	const Mount *mount = data;

	connection->want &= ~(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS |
						  FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_ATOMIC_O_TRUNC);
	connection->want |= connection->capable &
		(FUSE_CAP_ASYNC_DIO | FUSE_CAP_PARALLEL_DIROPS);
	connection->max_write = Min(connection->max_write, MAX_WRITE);
	mount->options->ready(mount->options->arg);
}

static const struct fuse_lowlevel_ops operations = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.create = op_create,
	.release = op_release,
	.read = op_read,
	.write = op_write,
	.fsync = op_fsync,
	.fallocate = op_fallocate,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.releasedir = op_releasedir,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
};

static bool
serve(struct fuse_session *session, const BbMountOptions *options)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	bool		mounted = false;

	fuse_loop_cfg_set_clone_fd(config, 0);
	fuse_loop_cfg_set_max_threads(config, options->threads);
	fuse_loop_cfg_set_idle_threads(config, options->threads);
	if (fuse_set_signal_handlers(session) == 0)
	{
		mounted = fuse_session_mount(session, options->mountpoint) == 0;
		if (mounted)
		{
			(void) fuse_session_loop_mt(session, config);
			fuse_session_unmount(session);
		}
		fuse_remove_signal_handlers(session);
	}
	fuse_loop_cfg_destroy(config);
	return mounted;
}

bool
bb_mount_serve(BbTree *tree, const BbMountOptions *options)
{
	Mount		mount = {tree, options};
	char *
		settings = psprintf("default_permissions,subtype=bb_mount,fsname=%s%s",
							options->name, options->read_only ? ",ro" : "");
	char	   *arguments[] = {"bb_mount", "-o", settings, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(3, arguments);
	struct fuse_session *session = fuse_session_new(&args, &operations,
													sizeof(operations),
													&mount);
	bool		mounted = false;

	if (session != NULL)
	{
		mounted = serve(session, options);
		fuse_session_destroy(session);
	}
	fuse_opt_free_args(&args);
	pg_free(settings);
	return mounted;
}
