/*-------------------------------------------------------------------------
 *
 * disk.c
 *	  A disk that loses what wasn't synced.
 *
 *-------------------------------------------------------------------------
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"

/* The unit that is written as a whole. */
#define SECTOR 512
#define FILES_MAX 4096
#define NAMES_MAX 65536

#define CHECK(what)                                                    \
	((what) ? (void) 0                                                 \
			: (fprintf(stderr, "disk.c:%d: %s: %s\n", __LINE__, #what, \
					   strerror(errno)),                               \
			   abort()))

typedef struct File
{
	ino_t		inode;
	bool		removed; /* another file may have the inode */
	mode_t		mode;
	char	   *synced;
	size_t		synced_size;
	char	   *last; /* contents when its last name went, or synced since */
	size_t		last_size;
} File;

/* A change of names: "file" gets the name, or nobody (NULL). */
typedef struct Change
{
	char	   *path;
	File	   *file;
	char	   *old_path; /* a rename: this name goes */
} Change;

extern int __real_openat(int directory, const char *path, int flags, ...);
extern ssize_t __real_pwrite(int fd, const void *data, size_t size,
							 off_t offset);
extern int __real_ftruncate(int fd, off_t size);
extern int __real_fallocate(int fd, int mode, off_t offset, off_t length);
extern int __real_posix_fallocate(int fd, off_t offset, off_t length);
extern int __real_unlinkat(int directory, const char *path, int flags);
extern int __real_renameat(int from, const char *old_path, int to,
						   const char *path);
extern int __real_linkat(int from, const char *old_path, int to,
						 const char *path, int flags);

/* Called through ld --wrap. */
int __wrap_openat(int directory, const char *path, int flags, ...);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t length);
int __wrap_posix_fallocate(int fd, off_t offset, off_t length);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_syncfs(int fd);
int __wrap_unlinkat(int directory, const char *path, int flags);
int __wrap_renameat(int from, const char *old_path, int to, const char *path);
int __wrap_linkat(int from, const char *old_path, int to, const char *path,
				  int flags);

jmp_buf		disk_stopped;

static char root[4096];
static bool tracking;
static int	stop_after;
static File *files[FILES_MAX];
static int	file_count;
static Change names[NAMES_MAX]; /* all changes; the first ones are durable */
static int	name_count;
static int	durable_count;

/* ---- files ---- */

static char *
read_file(int fd, size_t *size)
{
	struct stat status;
	char	   *data;

	CHECK(fstat(fd, &status) == 0);
	*size = status.st_size;
	data = malloc(*size + 1);
	CHECK(pread(fd, data, *size, 0) == (ssize_t) *size);
	return data;
}

static File *
find_file(int fd)
{
	struct stat status;

	CHECK(fstat(fd, &status) == 0);
	for (int i = 0; i < file_count; i++)
		if (files[i]->inode == status.st_ino && !files[i]->removed)
			return files[i];
	return NULL;
}

static File *
new_file(int fd, bool synced)
{
	struct stat status;
	File	   *file = calloc(1, sizeof(File));

	CHECK(fstat(fd, &status) == 0 && file_count < FILES_MAX);
	for (int i = 0; i < file_count; i++)
		if (files[i]->inode == status.st_ino)
			files[i]->removed = true;
	file->inode = status.st_ino;
	file->mode = status.st_mode & 07777;
	if (synced)
		file->synced = read_file(fd, &file->synced_size);
	files[file_count++] = file;
	return file;
}

static void
name_change(const char *path, File *file, const char *old_path)
{
	CHECK(name_count < NAMES_MAX);
	names[name_count++] = (Change){strdup(path), file,
								   old_path ? strdup(old_path) : NULL};
}

/* The file that has a name now. */
static File *
file_of(const char *path)
{
	for (int i = name_count - 1; i >= 0; i--)
	{
		if (strcmp(names[i].path, path) == 0)
			return names[i].file;
		if (names[i].old_path && strcmp(names[i].old_path, path) == 0)
			return NULL;
	}
	return NULL;
}

/* ---- tracked calls ---- */

/* Is a change to be tracked, or to be the end? */
static bool
track(void)
{
	if (tracking && stop_after > 0 && --stop_after == 0)
		longjmp(disk_stopped, 1);
	return tracking;
}

int
__wrap_openat(int directory, const char *path, int flags, ...)
{
	mode_t		mode = 0;
	bool		creates = false;
	int			fd;

	if (flags & O_CREAT)
	{
		va_list		arguments;

		va_start(arguments, flags);
		mode = va_arg(arguments, mode_t);
		va_end(arguments);
		creates = track() && faccessat(directory, path, F_OK, 0) < 0;
	}
	fd = __real_openat(directory, path, flags, mode);
	if (fd >= 0 && creates)
		name_change(path, new_file(fd, false), NULL);
	return fd;
}

ssize_t
__wrap_pwrite(int fd, const void *data, size_t size, off_t offset)
{
	(void) track();
	return __real_pwrite(fd, data, size, offset);
}

int
__wrap_ftruncate(int fd, off_t size)
{
	(void) track();
	return __real_ftruncate(fd, size);
}

int
__wrap_fallocate(int fd, int mode, off_t offset, off_t length)
{
	(void) track();
	return __real_fallocate(fd, mode, offset, length);
}

int
__wrap_posix_fallocate(int fd, off_t offset, off_t length)
{
	(void) track();
	return __real_posix_fallocate(fd, offset, length);
}

static void
synced(int fd)
{
	struct stat status;
	File	   *file;

	CHECK(fstat(fd, &status) == 0);
	if (S_ISDIR(status.st_mode))
	{
		durable_count = name_count;
		return;
	}
	file = find_file(fd);
	CHECK(file != NULL);
	free(file->synced);
	file->synced = read_file(fd, &file->synced_size);
	/* it may have no name any more: what it was then is not newer */
	if (file->last != NULL)
	{
		free(file->last);
		file->last = read_file(fd, &file->last_size);
	}
	/* the journal of ext4 is often committed with it, others promise nothing */
	if (random_below(2) == 0)
		durable_count = name_count;
}

/* Real syncs would only cost time: the power is cut by this file alone. */
int
__wrap_fsync(int fd)
{
	if (track())
		synced(fd);
	return 0;
}

int
__wrap_fdatasync(int fd)
{
	if (track())
		synced(fd);
	return 0;
}

int
__wrap_syncfs(int fd)
{
	CHECK(!tracking);
	return 0;
}

int
__wrap_unlinkat(int directory, const char *path, int flags)
{
	File	   *file = NULL;
	int			result;

	if (track() && flags == 0 && (file = file_of(path)) != NULL)
	{
		int			fd = __real_openat(directory, path, O_RDONLY);
		struct stat status;

		CHECK(fd >= 0 && fstat(fd, &status) == 0);
		if (status.st_nlink == 1)
			file->last = read_file(fd, &file->last_size);
		close(fd);
	}
	result = __real_unlinkat(directory, path, flags);
	if (result == 0 && file != NULL)
		name_change(path, NULL, NULL);
	return result;
}

int
__wrap_renameat(int from, const char *old_path, int to, const char *path)
{
	File	   *file = NULL;
	File	   *replaced;
	int			result;

	if (track() && (file = file_of(old_path)) != NULL &&
		(replaced = file_of(path)) != NULL)
	{
		int			fd = __real_openat(to, path, O_RDONLY);

		CHECK(fd >= 0);
		free(replaced->last);
		replaced->last = read_file(fd, &replaced->last_size);
		close(fd);
	}
	result = __real_renameat(from, old_path, to, path);
	if (result == 0 && file != NULL)
		name_change(path, file, old_path);
	return result;
}

int
__wrap_linkat(int from, const char *old_path, int to, const char *path,
			  int flags)
{
	File	   *file = track() ? file_of(old_path) : NULL;
	int			result = __real_linkat(from, old_path, to, path, flags);

	if (result == 0 && file != NULL)
		name_change(path, file, NULL);
	return result;
}

/* ---- the cut ---- */

static int
add_existing(const char *path, const struct stat *status, int type,
			 struct FTW *walk)
{
	if (type == FTW_F)
	{
		int			fd = open(path, O_RDONLY);
		File	   *file;

		CHECK(fd >= 0);
		file = find_file(fd);
		if (file == NULL)
			file = new_file(fd, true);
		name_change(path + strlen(root) + 1, file, NULL);
		close(fd);
	}
	return 0;
}

void
disk_start(const char *directory)
{
	for (int i = 0; i < file_count; i++)
	{
		free(files[i]->synced);
		free(files[i]->last);
		free(files[i]);
	}
	for (int i = 0; i < name_count; i++)
	{
		free(names[i].path);
		free(names[i].old_path);
	}
	file_count = name_count = 0;
	stop_after = 0;
	strcpy(root, directory);
	tracking = false;
	CHECK(nftw(directory, add_existing, 16, FTW_PHYS) == 0);
	durable_count = name_count;
	tracking = true;
}

void
disk_end(void)
{
	tracking = false;
}

void
disk_stop_after(int changes)
{
	stop_after = changes;
}

/* What is left of a file. */
static void
write_remains(const File *file, const char *path)
{
	bool		resized = random_below(2) != 0;
	size_t		size = resized ? file->last_size : file->synced_size;
	int			new_share = random_below(5); /* of 4 */
	char	   *data = calloc(1, size + SECTOR);
	int			fd;

	for (size_t at = 0; at < size; at += SECTOR)
	{
		/* what was truncated is there as long as the size is the old one */
		bool		new = (int) random_below(4) < new_share &&
			(resized || at < file->last_size);
		const char *from = new ? file->last : file->synced;
		size_t		end = new ? file->last_size : file->synced_size;

		if (from != NULL && end > at)
			memcpy(data + at, from + at,
				   end - at < SECTOR ? end - at : SECTOR);
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && write(fd, data, size) == (ssize_t) size);
	CHECK(fchmod(fd, file->mode) == 0);
	close(fd);
	free(data);
}

static int
remove_existing(const char *path, const struct stat *status, int type,
				struct FTW *walk)
{
	return type == FTW_F ? unlink(path) : 0;
}

void
disk_cut(void)
{
	int			kept = durable_count +
		(int) random_below(name_count - durable_count + 1);

	tracking = false;
	stop_after = 0;
	for (int i = 0; i < file_count; i++)
	{
		int			fd = -1;

		for (int j = 0; j < name_count && fd < 0; j++)
		{
			char		path[8192];

			if (names[j].file != files[i] ||
				file_of(names[j].path) != files[i])
				continue;
			snprintf(path, sizeof(path), "%s/%s", root, names[j].path);
			fd = open(path, O_RDONLY);
		}
		if (fd < 0)
			continue;
		free(files[i]->last);
		files[i]->last = read_file(fd, &files[i]->last_size);
		close(fd);
	}
	CHECK(nftw(root, remove_existing, 16, FTW_PHYS) == 0);
	name_count = kept;
	for (int j = 0; j < kept; j++)
	{
		File	   *file = file_of(names[j].path);
		char		path[8192];

		if (file == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", root, names[j].path);
		if (access(path, F_OK) == 0)
			continue;
		for (int k = 0; k < kept; k++)
		{
			char		other[8192];

			if (k == j || file_of(names[k].path) != file)
				continue;
			snprintf(other, sizeof(other), "%s/%s", root, names[k].path);
			if (strcmp(other, path) != 0 && link(other, path) == 0)
				break;
		}
		if (access(path, F_OK) < 0)
			write_remains(file, path);
	}
}
