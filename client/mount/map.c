/*-------------------------------------------------------------------------
 *
 * map.c
 *	  Which blocks of the base files the overlay has: a file of records and bitmaps.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "map.h"

#define MAP_PATH BB_STATE_DIRECTORY "/map"
#define MAP_MAGIC "bbmap\n\0\0"
#define MAP_VERSION 1
#define BOOT_ID_LENGTH 36
#define RECORDS_OFFSET 4096

typedef struct MapHeader
{
	char		magic[8];
	uint32		version;
	uint32		files;
	char		boot_id[BOOT_ID_LENGTH + 4];
} MapHeader;

/* As in the file. */
typedef struct RecordPair
{
	BbMapRecord first;
	BbMapRecord durable;
} RecordPair;

struct BbMap
{
	int			fd;
	const BbFileList *list;
	RecordPair *records;
	uint64	   *offsets; /* of the bitmaps of each file */
	MapHeader	header;

	/* Several syncs at once share one fdatasync(). */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	uint64		started; /* number of fdatasync() calls */
	uint64		finished;
	int			error; /* of the last one that has failed; it stays */
};

bool		bb_map_trust_always = false;
const char *bb_map_boot_id = NULL;

/* ---- reading and writing ---- */

static int
write_at(BbMap *map, const void *data, size_t length, uint64 offset)
{
	ssize_t		done = pwrite(map->fd, data, length, offset);

	if (done < 0)
		return -errno;
	return done == (ssize_t) length ? 0 : -ENOSPC;
}

static int
read_at(BbMap *map, void *data, size_t length, uint64 offset)
{
	ssize_t		done = pread(map->fd, data, length, offset);

	if (done < 0)
		return -errno;
	return done == (ssize_t) length ? 0 : -EUCLEAN;
}

static int
write_header(BbMap *map)
{
	MapHeader	header = map->header;

	return write_at(map, &header, sizeof(header), 0);
}

static uint64
record_offset(uint32 file)
{
	return RECORDS_OFFSET + (uint64) file * sizeof(RecordPair);
}

uint32
bb_map_words(const BbMap *map, uint32 file)
{
	return (uint32) (((uint64) map->list->files[file].blocks + 63) / 64);
}

static uint64
bits_offset(const BbMap *map, uint32 file, bool durable)
{
	return map->offsets[file] +
		(durable ? (uint64) bb_map_words(map, file) * 8 : 0);
}

int
bb_map_read_bits(BbMap *map, uint32 file, uint64 *words)
{
	return read_at(map, words, (size_t) bb_map_words(map, file) * 8,
				   bits_offset(map, file, false));
}

int
bb_map_write_bits(BbMap *map, uint32 file, bool durable, uint32 first,
				  uint32 count, const uint64 *words)
{
	return write_at(map, words, (size_t) count * 8,
					bits_offset(map, file, durable) + (uint64) first * 8);
}

int
bb_map_write_record(BbMap *map, uint32 file, bool durable, BbMapRecord record)
{
	BbMapRecord *stored = durable ? &map->records[file].durable
								  : &map->records[file].first;
	int			error = write_at(map, &record, sizeof(record),
								 record_offset(file) +
									 (durable ? offsetof(RecordPair, durable)
											  : 0));

	if (error == 0)
		*stored = record;
	return error;
}

BbMapRecord
bb_map_record(const BbMap *map, uint32 file)
{
	return map->records[file].first;
}

BbMapRecord
bb_map_durable_record(const BbMap *map, uint32 file)
{
	return map->records[file].durable;
}

int
bb_map_reserve(BbMap *map, uint32 file)
{
	return bb_map_words(map, file) == 0
		? 0
		: -posix_fallocate(map->fd, map->offsets[file],
						   (uint64) bb_map_words(map, file) * 16);
}

/*
 * The first fdatasync() that starts after this call covers the caller's changes.
 * A failure isn't forgotten, since the kernel forgets it with the data.
 */
int
bb_map_sync(BbMap *map)
{
	uint64		wanted;
	int			error;

	pthread_mutex_lock(&map->lock);
	wanted = map->started + 1;
	while (map->finished < wanted && map->error == 0)
	{
		if (map->started > map->finished)
		{
			pthread_cond_wait(&map->cond, &map->lock);
			continue;
		}
		map->started++;
		pthread_mutex_unlock(&map->lock);
		error = fdatasync(map->fd) < 0 ? -errno : 0;
		pthread_mutex_lock(&map->lock);
		map->finished = map->started;
		if (error != 0)
			map->error = error;
		pthread_cond_broadcast(&map->cond);
	}
	error = map->error;
	pthread_mutex_unlock(&map->lock);
	return error;
}

/* ---- opening ---- */

static int
read_boot_id(char *boot_id)
{
	int			fd;
	ssize_t		length;

	if (bb_map_boot_id != NULL)
	{
		strlcpy(boot_id, bb_map_boot_id, BOOT_ID_LENGTH + 1);
		return 0;
	}
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	length = read(fd, boot_id, BOOT_ID_LENGTH);
	close(fd);
	boot_id[BOOT_ID_LENGTH] = '\0';
	return length == BOOT_ID_LENGTH ? 0 : -EIO;
}

static BbMap *
new_map(const BbFileList *list)
{
	BbMap	   *map = pg_malloc0(sizeof(BbMap));
	uint64		offset = record_offset(list->count);

	map->fd = -1;
	map->list = list;
	map->records = pg_malloc0((list->count + 1) * sizeof(RecordPair));
	map->offsets = pg_malloc0((list->count + 1) * sizeof(uint64));
	for (uint32 i = 0; i < list->count; i++)
	{
		map->offsets[i] = offset;
		offset += (uint64) bb_map_words(map, i) * 16;
	}
	map->offsets[list->count] = offset;
	pthread_mutex_init(&map->lock, NULL);
	pthread_cond_init(&map->cond, NULL);
	return map;
}

void
bb_map_close(BbMap *map)
{
	if (map->fd >= 0)
		close(map->fd);
	pthread_mutex_destroy(&map->lock);
	pthread_cond_destroy(&map->cond);
	pg_free(map->records);
	pg_free(map->offsets);
	pg_free(map);
}

static int
fill_new(BbMap *map, int root)
{
	uint32		count = map->list->count;
	int			error;

	map->fd = openat(root, MAP_PATH, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
					 0600);
	if (map->fd < 0)
		return -errno;
	if ((error = read_boot_id(map->header.boot_id)) != 0)
		return error;
	for (uint32 i = 0; i < count; i++)
		map->records[i]
			.first = map->records[i]
						 .durable = (BbMapRecord){BB_FILE_REMOTE,
												  map->list->files[i].blocks};
	if ((error = write_at(map, map->records, count * sizeof(RecordPair),
						  RECORDS_OFFSET)) != 0)
		return error;
	if (ftruncate(map->fd, map->offsets[count]) < 0)
		return -errno;
	memcpy(map->header.magic, MAP_MAGIC, 8);
	map->header.version = MAP_VERSION;
	map->header.files = count;
	if ((error = write_header(map)) != 0)
		return error;
	return fsync(map->fd) < 0 ? -errno : 0;
}

int
bb_map_create(BbMap **map, int root, const BbFileList *list)
{
	int			error;

	*map = new_map(list);
	error = fill_new(*map, root);
	if (error != 0)
		bb_map_close(*map);
	return error;
}

/* Forget what isn't known to be durable. */
static int
go_back(BbMap *map)
{
	for (uint32 i = 0; i < map->list->count; i++)
	{
		uint32		count = bb_map_words(map, i);
		uint64	   *words;
		int			error;

		error = bb_map_write_record(map, i, false, map->records[i].durable);
		if (error != 0)
			return error;
		/* of others, the bits don't count, and are cleared before they do */
		if (map->records[i].durable.state != BB_FILE_PARTIAL || count == 0)
			continue;
		words = pg_malloc((size_t) count * 8);
		error = read_at(map, words, (size_t) count * 8,
						bits_offset(map, i, true));
		if (error == 0)
			error = bb_map_write_bits(map, i, false, 0, count, words);
		pg_free(words);
		if (error != 0)
			return error;
	}
	return 0;
}

static int
write_boot_id(BbMap *map, const char *boot_id)
{
	int			error;

	strlcpy(map->header.boot_id, boot_id, BOOT_ID_LENGTH + 1);
	error = write_header(map);
	return error != 0 ? error : bb_map_sync(map);
}

void
bb_map_distrust(BbMap *map)
{
	(void) write_boot_id(map, "");
}

static bool
valid_record(const BbMapRecord *record, uint32 blocks)
{
	return record->state <= BB_FILE_GONE && record->limit <= blocks;
}

static int
read_old(BbMap *map, int root, bool *restarted)
{
	struct stat status;
	char		boot_id[BOOT_ID_LENGTH + 1];
	int			error;

	map->fd = openat(root, MAP_PATH, O_RDWR | O_CLOEXEC);
	if (map->fd < 0 || fstat(map->fd, &status) < 0)
		return -errno;
	if ((error = read_boot_id(boot_id)) != 0 ||
		(error = read_at(map, &map->header, sizeof(MapHeader), 0)) != 0)
		return error;
	if (memcmp(map->header.magic, MAP_MAGIC, 8) != 0 ||
		map->header.version != MAP_VERSION ||
		map->header.files != map->list->count ||
		(uint64) status.st_size != map->offsets[map->list->count])
		return -EUCLEAN;
	map->header.boot_id[BOOT_ID_LENGTH] = '\0';
	error = read_at(map, map->records, map->list->count * sizeof(RecordPair),
					RECORDS_OFFSET);
	for (uint32 i = 0; error == 0 && i < map->list->count; i++)
		if (!valid_record(&map->records[i].first,
						  map->list->files[i].blocks) ||
			!valid_record(&map->records[i].durable,
						  map->list->files[i].blocks))
			error = -EUCLEAN;
	if (error != 0)
		return error;

	*restarted = strcmp(map->header.boot_id, boot_id) != 0;
	/*
	 * A program that was killed may have written to the durable half what it
	 * had no time to sync.  The data are synced before that.
	 */
	if (!*restarted || bb_map_trust_always)
		return bb_map_sync(map);
	if ((error = go_back(map)) != 0 || (error = bb_map_sync(map)) != 0)
		return error;
	return write_boot_id(map, boot_id);
}

int
bb_map_open(BbMap **map, int root, const BbFileList *list, bool *restarted)
{
	int			error;

	*map = new_map(list);
	error = read_old(*map, root, restarted);
	if (error != 0)
		bb_map_close(*map);
	return error;
}
