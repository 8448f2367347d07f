/*-------------------------------------------------------------------------
 *
 * content.c
 *	  The contents of files of a mount: reading, writing, sizes, syncing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "blocks.h"
#include "content.h"
#include "tree.h"

/* Sequential reading starts with this many blocks more. */
#define WINDOW_MIN 16

/* ---- opening ---- */

int
bb_content_open_locked(BbTree *tree, BbNode *node, bool create)
{
	char		path[BB_PATH_SIZE];
	int			error;
	int			fd;

	pthread_mutex_lock(&node->lock);
	if (atomic_load(&node->fd) >= 0)
		error = 0;
	else if (node->names == NULL)
		error = -ENOENT;
	else if ((error = bb_name_path(tree, node, path)) == 0)
	{
		if (atomic_load(&node->partial) &&
			(error = bb_blocks_load(tree, node)) == 0)
		{
			if (create || !node->blocks->remote)
				error = bb_blocks_create_file(tree, node, path);
		}
		else if (error == 0)
		{
			fd = openat(tree->overlay->root, path,
						O_RDWR | O_CLOEXEC | O_NOFOLLOW);
			if (fd < 0 && (errno == EACCES || errno == EROFS))
				fd = openat(tree->overlay->root, path,
							O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
			if (fd < 0)
				error = -errno;
			else
				atomic_store(&node->fd, fd);
		}
	}
	pthread_mutex_unlock(&node->lock);
	return error;
}

int
bb_content_open(BbTree *tree, BbNode *node, bool create)
{
	int			error;

	if (atomic_load(&node->fd) >= 0)
		return 0;
	pthread_rwlock_rdlock(&tree->lock);
	error = bb_content_open_locked(tree, node, create);
	pthread_rwlock_unlock(&tree->lock);
	return error;
}

/* ---- attributes ---- */

int
bb_content_stat(BbTree *tree, BbNode *node, struct stat *status)
{
	char		path[BB_PATH_SIZE];
	int			error = 0;

	pthread_rwlock_rdlock(&tree->lock);
	pthread_mutex_lock(&node->lock);
	if (atomic_load(&node->fd) >= 0)
		error = fstat(node->fd, status) < 0 ? -errno : 0;
	else if (atomic_load(&node->partial) &&
			 bb_map_record(tree->overlay->map, node->base).state ==
				 BB_FILE_REMOTE)
	{
		const BbBaseFile *file = &tree->overlay->list.files[node->base];

		/* its owner is that of the overlay, as all files at the first mount */
		error = fstat(tree->overlay->root, status) < 0 ? -errno : 0;
		status->st_mode = S_IFREG | file->mode;
		status->st_nlink = 1;
		status->st_size = (off_t) file->blocks * BLCKSZ;
		status->st_blocks = status->st_size / 512;
	}
	else if (node->names == NULL && node != &tree->root)
		error = -ENOENT;
	else if ((error = bb_name_path(tree, node, path)) == 0)
		error = fstatat(tree->overlay->root, path[0] == '\0' ? "." : path,
						status, AT_SYMLINK_NOFOLLOW) < 0
			? -errno
			: 0;
	pthread_mutex_unlock(&node->lock);
	pthread_rwlock_unlock(&tree->lock);
	status->st_ino = node->number;
	status->st_blksize = 4096;
	return error;
}

/* ---- reading ---- */

/* How many blocks to read beyond those that are wanted. */
static uint32
read_ahead(BbTree *tree, BbNode *node, uint32 first, uint32 end)
{
	BbBlocks   *blocks;
	uint32		window = 0;

	pthread_mutex_lock(&node->lock);
	blocks = node->blocks;
	if (blocks != NULL)
	{
		if (first != blocks->next_block || first == 0)
			blocks->window = 0;
		else if (blocks->window == 0)
			blocks->window = Min(WINDOW_MIN, tree->window_max);
		else
			blocks->window = Min(2 * blocks->window, tree->window_max);
		blocks->next_block = end;
		window = blocks->window;
	}
	pthread_mutex_unlock(&node->lock);
	return window;
}

/* Read without storing: there is no room, or the overlay can't be written. */
static ssize_t
read_through(BbTree *tree, BbNode *node, char *data, size_t size, off_t offset)
{
	uint32		first = offset / BLCKSZ;
	uint32		end = (offset + size + BLCKSZ - 1) / BLCKSZ;
	const BbBaseFile *file = &tree->overlay->list.files[node->base];
	char	   *blocks;
	ssize_t		result = 0;
	int			error = 0;

	end = Min(end, file->blocks);
	if (first >= end)
		return 0;
	blocks = malloc((size_t) (end - first) * BLCKSZ);
	if (blocks == NULL)
		return -ENOMEM;
	error = tree->overlay->source->ops->read(tree->overlay->source, file->path,
											 first, end - first, blocks,
											 false);
	if (error != 0)
		tree->source_errors++;
	pthread_mutex_lock(&node->lock);
	if (error == 0 && atomic_load(&node->fd) >= 0)
	{
		/* the overlay's bytes count, except in blocks that it hasn't */
		result = pread(node->fd, data, size, offset);
		if (result < 0)
			error = -errno;
	}
	else if (error == 0)
		result = Min((off_t) size, (off_t) file->blocks * BLCKSZ - offset);
	for (uint32 block = first;
		 error == 0 && node->blocks != NULL && block < end; block++)
	{
		off_t		from = Max((off_t) block * BLCKSZ, offset);
		off_t		to = Min((off_t) (block + 1) * BLCKSZ, offset + result);

		if (to > from && !bb_blocks_have(node->blocks, block))
			memcpy(data + (from - offset),
				   blocks + (from - (off_t) first * BLCKSZ), to - from);
	}
	tree->blocks_unstored += end - first;
	pthread_mutex_unlock(&node->lock);
	free(blocks);
	return error != 0 ? error : result;
}

ssize_t
bb_content_read(BbTree *tree, BbNode *node, char *data, size_t size,
				off_t offset)
{
	int			error = 0;
	ssize_t		done;

	if (size == 0)
		return 0;
	if (atomic_load(&node->partial))
	{
		uint32		first = Min(offset / BLCKSZ, PG_UINT32_MAX);
		uint32		end = Min((offset + (off_t) size + BLCKSZ - 1) / BLCKSZ,
							  PG_UINT32_MAX);

		if (first < tree->overlay->list.files[node->base].blocks)
		{
			error = tree->overlay->read_only
				? -ENOSPC
				: bb_content_open(tree, node, true);
			if (error == 0)
				error = bb_blocks_fetch(tree, node, first, end,
										read_ahead(tree, node, first, end),
										false);
			if (error == -ENOSPC || error == -EDQUOT || error == -EFBIG)
			{
				error = bb_content_open(tree, node, false);
				return error != 0
					? error
					: read_through(tree, node, data, size, offset);
			}
		}
		else
			error = bb_content_open(tree, node, false);
	}
	else
		error = bb_content_open(tree, node, false);
	if (error != 0)
		return error;
	if (atomic_load(&node->fd) < 0)
		return 0; /* beyond the end of a remote file */
	done = pread(node->fd, data, size, offset);
	return done < 0 ? -errno : done;
}

/* ---- writing ---- */

/*
 * A file that ends within a block may have been truncated before a power cut.  What
 * was cut off of the block must not come back after another one, so the map has to
 * say durably that the block is local before the file grows.
 */
static int
settle_end(BbTree *tree, BbNode *node)
{
	int			error = bb_content_sync(tree, node, true);

	if (error == 0)
		atomic_store(&node->settle_first, false);
	return error;
}

/*
 * Before a file changes from "offset" to "end": blocks that change in part have to
 * be local.  On success, the node is locked, so that they stay so.
 */
static int
prepare(BbTree *tree, BbNode *node, off_t offset, off_t end)
{
	for (;;)
	{
		BbBlocks   *blocks;
		int64		wanted = -1;
		bool		settle;
		int			error;

		pthread_mutex_lock(&node->lock);
		if (node->blocks == NULL && atomic_load(&node->partial) &&
			(error = bb_blocks_load(tree, node)) != 0)
		{
			pthread_mutex_unlock(&node->lock);
			return error;
		}
		blocks = node->blocks;
		settle = atomic_load(&node->settle_first);
		if (settle)
			wanted = blocks != NULL ? blocks->limit - 1 : 0;
		else if (blocks == NULL)
			return 0;
		else if (offset % BLCKSZ != 0 && offset / BLCKSZ < blocks->limit &&
				 !bb_blocks_have(blocks, offset / BLCKSZ))
			wanted = offset / BLCKSZ;
		else if (end % BLCKSZ != 0 && end / BLCKSZ < blocks->limit &&
				 !bb_blocks_have(blocks, end / BLCKSZ))
			wanted = end / BLCKSZ;
		if (wanted < 0)
			return 0;
		pthread_mutex_unlock(&node->lock);
		error = bb_blocks_fetch(tree, node, wanted, wanted + 1, 0, false);
		if (error == 0 && settle)
			error = settle_end(tree, node);
		if (error != 0)
			return error;
	}
}

ssize_t
bb_content_write(BbTree *tree, BbNode *node, const char *data, size_t size,
				 off_t offset)
{
	int			error = bb_content_open(tree, node, true);
	ssize_t		done;

	if (error != 0)
		return error;
	if (!atomic_load(&node->partial) && !atomic_load(&node->settle_first))
	{
		done = pwrite(node->fd, data, size, offset);
		return done < 0 ? -errno : done;
	}
	error = prepare(tree, node, offset, offset + size);
	if (error != 0)
		return error;
	done = pwrite(node->fd, data, size, offset);
	if (done < 0)
		done = -errno;
	else if (node->blocks != NULL)
	{
		/* of a short write, the last block counts if it is complete or local */
		uint32		first = Min(offset / BLCKSZ, PG_UINT32_MAX);
		off_t		end = offset + done;
		uint32		last = Min((end +
								(done == (ssize_t) size ? BLCKSZ - 1 : 0)) /
								   BLCKSZ,
							   PG_UINT32_MAX);

		error = bb_blocks_add(tree, node, first, last);
		if (error != 0)
			done = error;
	}
	pthread_mutex_unlock(&node->lock);
	return done;
}

int
bb_content_truncate(BbTree *tree, BbNode *node, off_t size)
{
	int			error = bb_content_open(tree, node, true);

	if (error != 0)
		return error;
	/* the new last block changes in part */
	error = prepare(tree, node, size, size);
	if (error != 0)
		return error;
	if (ftruncate(node->fd, size) < 0)
		error = -errno;
	else if (node->blocks != NULL)
		error = bb_blocks_cut(tree, node,
							  Min((size + BLCKSZ - 1) / BLCKSZ,
								  PG_UINT32_MAX));
	pthread_mutex_unlock(&node->lock);
	return error;
}

int
bb_content_allocate(BbTree *tree, BbNode *node, int mode, off_t offset,
					off_t length)
{
	bool		zeros = (mode &
						 (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0;
	int			error;

	if ((mode &
		 ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
		   FALLOC_FL_ZERO_RANGE)) != 0)
		return -EOPNOTSUPP;
	if ((error = bb_content_open(tree, node, true)) != 0 ||
		(error = prepare(tree, node, zeros ? offset : 0,
						 zeros ? offset + length : 0)) != 0)
		return error;
	if (fallocate(node->fd, mode, offset, length) < 0)
		error = -errno;
	else if (zeros && node->blocks != NULL)
		error = bb_blocks_add(tree, node, Min(offset / BLCKSZ, PG_UINT32_MAX),
							  Min((offset + length + BLCKSZ - 1) / BLCKSZ,
								  PG_UINT32_MAX));
	pthread_mutex_unlock(&node->lock);
	return error;
}

/* ---- syncing ---- */

/* The directory of a base file: valid until the next call of the thread. */
static const char *
directory_of(const BbTree *tree, int64 base)
{
	static __thread char directory[BB_PATH_SIZE];
	char	   *slash;

	strlcpy(directory, tree->overlay->list.files[base].path, BB_PATH_SIZE);
	slash = strrchr(directory, '/');
	*(slash != NULL ? slash : directory) = '\0';
	return directory;
}

/* What a sync makes durable, as it was before the data were synced. */
typedef struct Snapshot
{
	bool		wanted;
	BbMapRecord record;
	uint32		first; /* words */
	uint32		count;
	uint64	   *words;
} Snapshot;

/* Node locked. */
static int
take_snapshot(BbTree *tree, BbNode *node, Snapshot *snapshot)
{
	BbBlocks   *blocks = node->blocks;
	BbMap	   *map = tree->overlay->map;
	bool		new; /* no durable record: all words count */

	if (blocks == NULL)
	{
		snapshot->wanted = node->undurable;
		if (node->undurable)
			snapshot->record = bb_map_record(map, node->base);
		return 0;
	}
	if (blocks->orphan || blocks->remote || !blocks->dirty)
		return 0;
	new = bb_map_durable_record(map, node->base).state == BB_FILE_REMOTE;
	snapshot->wanted = true;
	snapshot->record = (BbMapRecord){BB_FILE_PARTIAL, blocks->limit};
	if (!new)
	{
		snapshot->first = blocks->dirty_first;
		snapshot->count = blocks->dirty_end - blocks->dirty_first;
	}
	else
		snapshot->count = bb_map_words(map, node->base);
	snapshot->words = malloc((size_t) snapshot->count * 8 + 8);
	if (snapshot->words == NULL)
		return -ENOMEM;
	memcpy(snapshot->words, blocks->have + snapshot->first,
		   (size_t) snapshot->count * 8);
	blocks->dirty = false;
	return 0;
}

/*
 * Write a snapshot to the durable half of the map.  The bits have to be durable
 * before a record that lets them count; later, both only grow.
 */
static int
commit_snapshot(BbTree *tree, BbNode *node, const Snapshot *snapshot)
{
	BbMap	   *map = tree->overlay->map;
	bool		new = bb_map_durable_record(map, node->base).state ==
		BB_FILE_REMOTE;
	int			error = 0;

	if (new)
		error = bb_overlay_sync_directory(tree->overlay,
										  directory_of(tree, node->base));
	if (error == 0 && snapshot->count > 0)
	{
		error = bb_map_write_bits(map, node->base, true, snapshot->first,
								  snapshot->count, snapshot->words);
		if (error == 0 && new)
			error = bb_map_sync(map);
	}
	if (error != 0)
		return error;

	/* unless it was removed: then a later file may have its name */
	pthread_mutex_lock(&node->lock);
	if (bb_map_record(map, node->base).state != BB_FILE_GONE &&
		bb_map_durable_record(map, node->base).state != BB_FILE_LOCAL)
		error = bb_map_write_record(map, node->base, true, snapshot->record);
	if (error == 0 && snapshot->record.state == BB_FILE_LOCAL)
		node->undurable = false;
	pthread_mutex_unlock(&node->lock);
	return error != 0 ? error : bb_map_sync(map);
}

/*
 * After a failure the kernel has forgotten which data it couldn't write, so later
 * syncs fail, too, and what the map says of this run isn't trusted any more.
 */
static void
sync_failed(BbTree *tree, BbNode *node, int error)
{
	node->sync_error = error;
	bb_map_distrust(tree->overlay->map);
}

/*
 * A base file that was removed while it is open may get its name back in a power
 * cut, as the map had it before.  What was synced since isn't in the map, so the
 * removal has to be durable first.
 */
static int
settle_removal(BbTree *tree, BbNode *node)
{
	BbMap	   *map = tree->overlay->map;
	int			error = 0;

	if (node->base < 0 ||
		bb_map_record(map, node->base).state != BB_FILE_GONE ||
		bb_map_durable_record(map, node->base).state >= BB_FILE_LOCAL)
		return 0;
	pthread_rwlock_wrlock(&tree->lock);
	if (bb_map_durable_record(map, node->base).state < BB_FILE_LOCAL)
		error = bb_tree_settle(tree, directory_of(tree, node->base));
	pthread_rwlock_unlock(&tree->lock);
	return error;
}

int
bb_content_sync(BbTree *tree, BbNode *node, bool data_only)
{
	Snapshot	snapshot = {0};
	int			error = bb_content_open(tree, node, false);

	if (error != 0 || atomic_load(&node->fd) < 0)
		return error;
	pthread_mutex_lock(&node->sync_lock);
	error = node->sync_error;
	if (error == 0)
	{
		pthread_mutex_lock(&node->lock);
		error = take_snapshot(tree, node, &snapshot);
		pthread_mutex_unlock(&node->lock);
		if (error == 0)
			error = (data_only ? fdatasync(node->fd) : fsync(node->fd)) < 0
				? -errno
				: 0;
		if (error == 0 && snapshot.wanted)
			error = commit_snapshot(tree, node, &snapshot);
		if (error != 0)
			sync_failed(tree, node, error);
	}
	pthread_mutex_unlock(&node->sync_lock);
	free(snapshot.words);
	return error != 0 ? error : settle_removal(tree, node);
}

int
bb_content_make_whole(BbTree *tree, BbNode *node, bool durable,
					  bool background)
{
	int			error = 0;

	if (atomic_load(&node->partial))
	{
		error = bb_content_open(tree, node, true);
		if (error == 0)
			error = bb_blocks_fetch_all(tree, node, background);
	}
	return error == 0 && durable ? bb_content_sync(tree, node, true) : error;
}
