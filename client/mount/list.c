/*-------------------------------------------------------------------------
 *
 * list.c
 *	  The base files of a mount: those whose blocks the source has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "list.h"
#include "port/pg_crc32c.h"

#define LIST_PATH BB_STATE_DIRECTORY "/files"
#define LIST_MAGIC "bbfiles\n"
#define LIST_VERSION 1
#define HEADER_LENGTH 16
#define ENTRY_LENGTH 12
#define PATH_LENGTH_MAX 4095

void
bb_list_add(BbFileList *list, const char *path, uint32 blocks, uint32 mode)
{
	if (list->count == list->room)
	{
		list->room = Max(64, 2 * list->room);
		list->files = pg_realloc(list->files, list->room * sizeof(BbBaseFile));
	}
	list->files[list->count++] = (BbBaseFile){pg_strdup(path), blocks,
											  mode & 07777};
}

/* The length of the directory of a path. */
static size_t
directory_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t) (slash - path) : 0;
}

static int
compare_directories(const char *a, size_t a_length, const char *b,
					size_t b_length)
{
	int			order = memcmp(a, b, Min(a_length, b_length));

	if (order == 0 && a_length != b_length)
		order = a_length < b_length ? -1 : 1;
	return order;
}

static int
compare_paths(const char *a, const char *b)
{
	int			order = compare_directories(a, directory_length(a), b,
											directory_length(b));

	return order != 0 ? order : strcmp(a, b);
}

static int
compare_files(const void *a, const void *b)
{
	return compare_paths(((const BbBaseFile *) a)->path,
						 ((const BbBaseFile *) b)->path);
}

void
bb_list_sort(BbFileList *list)
{
	if (list->count > 0)
		qsort(list->files, list->count, sizeof(BbBaseFile), compare_files);
}

int64
bb_list_find(const BbFileList *list, const char *path)
{
	uint32		low = 0;
	uint32		high = list->count;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;
		int			order = compare_paths(path, list->files[middle].path);

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -1;
}

/* The first file whose directory is not before this one, or also after it. */
static uint32
directory_bound(const BbFileList *list, const char *directory, bool after)
{
	uint32		low = 0;
	uint32		high = list->count;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;
		const char *path = list->files[middle].path;
		int			order = compare_directories(path, directory_length(path),
												directory, strlen(directory));

		if (order < 0 || (after && order == 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32
bb_list_directory(const BbFileList *list, const char *directory, uint32 *end)
{
	*end = directory_bound(list, directory, true);
	return directory_bound(list, directory, false);
}

/* ---- the file ---- */

static void
put_u32(char **to, uint32 value)
{
	memcpy(*to, &value, 4);
	*to += 4;
}

static uint32
get_u32(const char *from)
{
	uint32		value;

	memcpy(&value, from, 4);
	return value;
}

static pg_crc32c
checksum(const char *data, size_t length)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, data, length);
	FIN_CRC32C(crc);
	return crc;
}

int
bb_list_write(const BbFileList *list, int root)
{
	size_t		length = HEADER_LENGTH + 4;
	char	   *data;
	char	   *to;
	size_t		done = 0;
	int			fd;
	int			error = 0;

	for (uint32 i = 0; i < list->count; i++)
		length += ENTRY_LENGTH + strlen(list->files[i].path);
	data = to = pg_malloc(length);
	memcpy(to, LIST_MAGIC, 8);
	to += 8;
	put_u32(&to, LIST_VERSION);
	put_u32(&to, list->count);
	for (uint32 i = 0; i < list->count; i++)
	{
		const BbBaseFile *file = &list->files[i];
		uint32		path_length = strlen(file->path);

		put_u32(&to, file->blocks);
		put_u32(&to, file->mode);
		put_u32(&to, path_length);
		memcpy(to, file->path, path_length);
		to += path_length;
	}
	put_u32(&to, checksum(data, length - 4));

	fd = openat(root, LIST_PATH, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				0600);
	if (fd < 0)
		error = -errno;
	while (error == 0 && done < length)
	{
		ssize_t		now = write(fd, data + done, length - done);

		if (now < 0)
			error = -errno;
		else
			done += now;
	}
	if (error == 0 && fsync(fd) < 0)
		error = -errno;
	if (fd >= 0)
		close(fd);
	pg_free(data);
	return error;
}

/* Take the files out of the bytes of the list. */
static int
parse(BbFileList *list, const char *data, size_t length)
{
	const char *end = data + length - 4;
	const char *from = data + HEADER_LENGTH;
	uint32		count;

	if (length < HEADER_LENGTH + 4 || memcmp(data, LIST_MAGIC, 8) != 0 ||
		get_u32(data + 8) != LIST_VERSION ||
		checksum(data, length - 4) != get_u32(end))
		return -EUCLEAN;
	count = get_u32(data + 12);
	for (uint32 i = 0; i < count; i++)
	{
		uint32		path_length;
		char		path[PATH_LENGTH_MAX + 1];

		if (end - from < ENTRY_LENGTH)
			return -EUCLEAN;
		path_length = get_u32(from + 8);
		if (path_length == 0 || path_length > PATH_LENGTH_MAX ||
			end - from - ENTRY_LENGTH < path_length)
			return -EUCLEAN;
		memcpy(path, from + ENTRY_LENGTH, path_length);
		path[path_length] = '\0';
		bb_list_add(list, path, get_u32(from), get_u32(from + 4));
		if (i > 0 && compare_files(&list->files[i - 1], &list->files[i]) >= 0)
			return -EUCLEAN;
		from += ENTRY_LENGTH + path_length;
	}
	return from == end ? 0 : -EUCLEAN;
}

int
bb_list_read(BbFileList *list, int root)
{
	int			fd = openat(root, LIST_PATH, O_RDONLY | O_CLOEXEC);
	struct stat status;
	char	   *data;
	int			error = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
	{
		error = -errno;
		close(fd);
		return error;
	}
	data = malloc(status.st_size + 1);
	if (data == NULL)
		error = -ENOMEM;
	for (off_t done = 0; error == 0 && done < status.st_size;)
	{
		ssize_t		now = read(fd, data + done, status.st_size - done);

		if (now <= 0)
			error = now < 0 ? -errno : -EUCLEAN;
		else
			done += now;
	}
	close(fd);
	if (error == 0)
		error = parse(list, data, status.st_size);
	free(data);
	if (error != 0)
		bb_list_free(list);
	return error;
}

void
bb_list_free(BbFileList *list)
{
	for (uint32 i = 0; i < list->count; i++)
		pg_free(list->files[i].path);
	pg_free(list->files);
	*list = (BbFileList){0};
}
