/*-------------------------------------------------------------------------
 *
 * blocks.c
 *	  The blocks of a base file: which are local, and how others become local.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <unistd.h>

#include "blocks.h"

static uint32
blocks_of(uint64 size)
{
	uint64		blocks = (size + BLCKSZ - 1) / BLCKSZ;

	return (uint32) Min(blocks, PG_UINT32_MAX);
}

bool
bb_blocks_have(const BbBlocks *blocks, uint32 block)
{
	return block >= blocks->limit ||
		(blocks->have[block / 64] >> (block % 64) & 1) != 0;
}

static void
count_missing(BbBlocks *blocks)
{
	blocks->missing = 0;
	for (uint32 block = 0; block < blocks->limit; block++)
		if (!bb_blocks_have(blocks, block))
			blocks->missing++;
}

void
bb_blocks_forget(BbNode *node)
{
	BbBlocks   *blocks = node->blocks;

	if (blocks == NULL)
		return;
	pthread_cond_destroy(&blocks->landed);
	free(blocks->have);
	free(blocks);
	node->blocks = NULL;
}

/* ---- the map ---- */

static void
mark_dirty(BbBlocks *blocks, uint32 first, uint32 end)
{
	if (!blocks->dirty)
	{
		blocks->dirty_first = first;
		blocks->dirty_end = end;
		blocks->dirty = true;
		return;
	}
	blocks->dirty_first = Min(blocks->dirty_first, first);
	blocks->dirty_end = Max(blocks->dirty_end, end);
}

/*
 * After a change: is the file whole?  Flights, and threads that wait for them, keep
 * the blocks in memory, and come here again.
 */
static int
check_whole(BbTree *tree, BbNode *node)
{
	BbBlocks   *blocks = node->blocks;
	int			error = 0;

	if (blocks->missing > 0 || blocks->flights != NULL || blocks->waiters > 0)
		return 0;
	if (!blocks->orphan)
	{
		error = bb_map_write_record(tree->overlay->map, node->base, false,
									(BbMapRecord){BB_FILE_LOCAL,
												  blocks->limit});
		if (error != 0)
			return error;
		node->undurable = true;
	}
	atomic_store(&node->partial, false);
	bb_blocks_forget(node);
	return 0;
}

int
bb_blocks_add(BbTree *tree, BbNode *node, uint32 first, uint32 end)
{
	BbBlocks   *blocks = node->blocks;
	uint32		word = first / 64;
	bool		changed = false;
	int			error;

	if (end > blocks->limit)
		end = blocks->limit;
	for (uint32 block = first; block < end; block++)
	{
		if (bb_blocks_have(blocks, block))
			continue;
		changed = true;
		blocks->have[block / 64] |= UINT64CONST(1) << (block % 64);
		blocks->missing--;
		if (block == blocks->limit - 1)
			blocks->ragged = false;
	}
	if (!changed)
		return 0;
	if (!blocks->orphan)
	{
		uint32		words = (end + 63) / 64 - word;

		mark_dirty(blocks, word, word + words);
		error = bb_map_write_bits(tree->overlay->map, node->base, false, word,
								  words, blocks->have + word);
		if (error != 0)
			return error;
	}
	return check_whole(tree, node);
}

int
bb_blocks_cut(BbTree *tree, BbNode *node, uint32 limit)
{
	BbBlocks   *blocks = node->blocks;
	int			error;

	if (limit >= blocks->limit)
		return 0;
	blocks->limit = limit;
	blocks->ragged = false;
	count_missing(blocks);
	if (!blocks->orphan)
	{
		mark_dirty(blocks, 0, 0);
		error = bb_map_write_record(tree->overlay->map, node->base, false,
									(BbMapRecord){BB_FILE_PARTIAL, limit});
		if (error != 0)
			return error;
	}
	return check_whole(tree, node);
}

int
bb_blocks_load(BbTree *tree, BbNode *node)
{
	BbMap	   *map = tree->overlay->map;
	BbMapRecord record = bb_map_record(map, node->base);
	BbMapRecord durable = bb_map_durable_record(map, node->base);
	const BbBaseFile *file = &tree->overlay->list.files[node->base];
	uint32		words = bb_map_words(map, node->base);
	BbBlocks   *blocks;
	int			error;

	if (node->blocks != NULL || !atomic_load(&node->partial))
		return 0;
	blocks = calloc(1, sizeof(BbBlocks));
	if (blocks != NULL)
		blocks->have = calloc(words + 1, sizeof(uint64));
	if (blocks == NULL || blocks->have == NULL)
	{
		free(blocks);
		return -ENOMEM;
	}
	pthread_cond_init(&blocks->landed, NULL);
	node->blocks = blocks;
	blocks->limit = record.limit;
	blocks->remote = record.state == BB_FILE_REMOTE;
	if (!blocks->remote)
	{
		struct stat status;

		error = bb_map_read_bits(map, node->base, blocks->have);
		if (error == 0 &&
			fstatat(tree->overlay->root, file->path, &status,
					AT_SYMLINK_NOFOLLOW) < 0)
			error = -errno;
		if (error != 0)
		{
			bb_blocks_forget(node);
			return error;
		}
		/* a truncation was interrupted: record it, before the file grows */
		if (blocks_of(status.st_size) < blocks->limit)
		{
			blocks->limit = blocks_of(status.st_size);
			error = bb_map_write_record(map, node->base, false,
										(BbMapRecord){BB_FILE_PARTIAL,
													  blocks->limit});
			if (error != 0)
			{
				bb_blocks_forget(node);
				return error;
			}
		}
		blocks->ragged = status.st_size / BLCKSZ < blocks->limit &&
			!bb_blocks_have(blocks, blocks->limit - 1);
		atomic_store(&node->settle_first,
					 status.st_size / BLCKSZ < blocks->limit);
		/* an earlier mount didn't sync everything; the bits were not compared */
		if (durable.state != record.state || durable.limit != record.limit ||
			words > 0)
			mark_dirty(blocks, 0, words);
	}
	count_missing(blocks);
	return 0;
}

int
bb_blocks_create_file(BbTree *tree, BbNode *node, const char *path)
{
	BbOverlay  *overlay = tree->overlay;
	const BbBaseFile *file = &overlay->list.files[node->base];
	BbBlocks   *blocks = node->blocks;
	uint32		words = bb_map_words(overlay->map, node->base);
	int			fd;
	int			error;

	if (blocks == NULL || !blocks->remote)
	{
		fd = openat(overlay->root, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			return -errno;
		atomic_store(&node->fd, fd);
		return 0;
	}
	/* bits of an earlier file that didn't become durable may be there */
	error = bb_map_reserve(overlay->map, node->base);
	if (error == 0 && words > 0)
		error = bb_map_write_bits(overlay->map, node->base, false, 0, words,
								  blocks->have);
	if (error != 0)
		return error;
	fd = openat(overlay->root, path,
				O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t) file->blocks * BLCKSZ) < 0 ||
		fchmod(fd, file->mode) < 0)
		error = -errno;
	else
		error = bb_map_write_record(overlay->map, node->base, false,
									(BbMapRecord){BB_FILE_PARTIAL,
												  file->blocks});
	if (error != 0)
	{
		close(fd);
		return error;
	}
	blocks->remote = false;
	mark_dirty(blocks, 0, words);
	atomic_store(&node->fd, fd);
	return check_whole(tree, node);
}

/* ---- fetching ---- */

static bool
in_flight(const BbBlocks *blocks, uint32 block)
{
	for (const BbFlight *flight = blocks->flights; flight != NULL;
		 flight = flight->next)
		if (block >= flight->first && block < flight->end)
			return true;
	return false;
}

/* Find the first range of blocks that aren't local and nobody fetches. */
static bool
find_range(const BbBlocks *blocks, uint32 first, uint32 end, uint32 extra,
		   BbFlight *flight)
{
	uint32		limit = Min((uint64) end + extra, blocks->limit);

	end = Min(end, blocks->limit);
	while (first < end &&
		   (bb_blocks_have(blocks, first) || in_flight(blocks, first)))
		first++;
	if (first >= end)
		return false;
	flight->first = flight->end = first;
	while (flight->end < limit &&
		   flight->end - flight->first < BB_BLOCKS_AT_ONCE &&
		   !bb_blocks_have(blocks, flight->end) &&
		   !in_flight(blocks, flight->end))
		flight->end++;
	return true;
}

static bool
all_local(const BbBlocks *blocks, uint32 first, uint32 end)
{
	for (uint32 block = first; block < Min(end, blocks->limit); block++)
		if (!bb_blocks_have(blocks, block))
			return false;
	return true;
}

static void
remove_flight(BbBlocks *blocks, BbFlight *flight)
{
	BbFlight  **link = &blocks->flights;

	while (*link != flight)
		link = &(*link)->next;
	*link = flight->next;
	pthread_cond_broadcast(&blocks->landed);
}

/*
 * Store blocks [first, end).  The file ends in the last block if it is ragged, and
 * keeps its size.
 */
static int
store_range(BbTree *tree, BbNode *node, uint32 first, uint32 end,
			const char *data)
{
	size_t		length = (size_t) (end - first) * BLCKSZ;
	ssize_t		done;

	if (node->blocks->ragged && end == node->blocks->limit)
	{
		struct stat status;

		if (fstat(node->fd, &status) < 0)
			return -errno;
		length = Min(length,
					 (size_t) (status.st_size - (off_t) first * BLCKSZ));
	}
	done = pwrite(node->fd, data, length, (off_t) first * BLCKSZ);
	if (done < 0)
		return -errno;
	if (done != (ssize_t) length)
		return -ENOSPC;
	return bb_blocks_add(tree, node, first, end);
}

/*
 * Store what was read.  Meanwhile, blocks may have been written or truncated.
 * Keeps the flight, so the blocks stay in memory.
 */
static int
store(BbTree *tree, BbNode *node, const BbFlight *flight, const char *data)
{
	BbBlocks   *blocks = node->blocks;
	int			error = 0;

	for (uint32 block = flight->first; block < flight->end && error == 0;)
	{
		uint32		end = block;

		while (end < flight->end && !bb_blocks_have(blocks, end))
			end++;
		if (end > block)
			error = store_range(tree, node, block, end,
								data +
									(size_t) (block - flight->first) * BLCKSZ);
		block = end + 1;
	}
	return error;
}

/* Read and store one range.  Holds the lock, except while it reads. */
static int
fetch_range(BbTree *tree, BbNode *node, BbFlight *flight, bool background)
{
	BbSource   *source = tree->overlay->source;
	const char *path = tree->overlay->list.files[node->base].path;
	uint32		count = flight->end - flight->first;
	char	   *data = NULL;
	int			error;

	flight->next = node->blocks->flights;
	node->blocks->flights = flight;
	pthread_mutex_unlock(&node->lock);
	if (bb_overlay_full(tree->overlay))
		error = -ENOSPC;
	else if ((data = malloc((size_t) count * BLCKSZ)) == NULL)
		error = -ENOMEM;
	else
		error = source->ops->read(source, path, flight->first, count, data,
								  background);
	pthread_mutex_lock(&node->lock);
	if (error == 0)
	{
		tree->blocks_read += count;
		error = store(tree, node, flight, data);
	}
	else if (error != -ENOSPC)
		tree->source_errors++;
	free(data);
	remove_flight(node->blocks, flight);
	if (error == 0)
		error = check_whole(tree, node);
	return error;
}

static int
wait_for_flight(BbTree *tree, BbNode *node)
{
	BbBlocks   *blocks = node->blocks;

	blocks->waiters++;
	pthread_cond_wait(&blocks->landed, &node->lock);
	blocks->waiters--;
	return check_whole(tree, node);
}

int
bb_blocks_fetch(BbTree *tree, BbNode *node, uint32 first, uint32 end,
				uint32 extra, bool background)
{
	int			error;

	pthread_mutex_lock(&node->lock);
	error = bb_blocks_load(tree, node);
	while (error == 0 && node->blocks != NULL &&
		   !all_local(node->blocks, first, end))
	{
		BbFlight	flight;

		if (find_range(node->blocks, first, end, extra, &flight))
			error = fetch_range(tree, node, &flight, background);
		else
			error = wait_for_flight(tree, node);
	}
	pthread_mutex_unlock(&node->lock);
	return error;
}

int
bb_blocks_fetch_all(BbTree *tree, BbNode *node, bool background)
{
	int			error = bb_blocks_fetch(tree, node, 0, PG_UINT32_MAX, 0,
										background);

	pthread_mutex_lock(&node->lock);
	while (error == 0 && node->blocks != NULL)
	{
		if (node->blocks->flights != NULL)
			error = wait_for_flight(tree, node);
		else
			error = check_whole(tree, node);
		if (error == 0 && node->blocks != NULL && node->blocks->missing > 0)
			error = -EIO;
	}
	pthread_mutex_unlock(&node->lock);
	return error;
}
