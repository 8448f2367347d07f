/*-------------------------------------------------------------------------
 *
 * overlay.c
 *	  The directory that has what of a mount is local.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "overlay.h"

/* Exists as soon as the first mount has made all. */
#define COMPLETE_PATH BB_STATE_DIRECTORY "/complete"

int
bb_overlay_lock(BbOverlay *overlay, const char *directory)
{
	overlay->root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (overlay->root < 0)
		return -errno;
	if (flock(overlay->root, LOCK_EX | LOCK_NB) < 0)
	{
		int			error = errno == EWOULDBLOCK ? -EBUSY : -errno;

		close(overlay->root);
		overlay->root = -1;
		return error;
	}
	return 0;
}

bool
bb_overlay_exists(const BbOverlay *overlay)
{
	return faccessat(overlay->root, COMPLETE_PATH, F_OK, 0) == 0;
}

int
bb_overlay_sync_directory(const BbOverlay *overlay, const char *path)
{
	int			fd = openat(overlay->root, path[0] == '\0' ? "." : path,
							O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int			error = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		error = -errno;
	close(fd);
	return error;
}

/* ---- the first mount ---- */

int
bb_overlay_begin(BbOverlay *overlay)
{
	return bb_overlay_directory(overlay, BB_STATE_DIRECTORY, 0700);
}

int
bb_overlay_directory(BbOverlay *overlay, const char *path, uint32 mode)
{
	if (mkdirat(overlay->root, path, mode) < 0)
		return -errno;
	return fchmodat(overlay->root, path, mode & 07777, 0) < 0 ? -errno : 0;
}

static int
write_all(int fd, const char *data, size_t length, uint64 offset)
{
	while (length > 0)
	{
		ssize_t		done = pwrite(fd, data, length, offset);

		if (done <= 0)
			return done < 0 ? -errno : -ENOSPC;
		data += done;
		length -= done;
		offset += done;
	}
	return 0;
}

int
bb_overlay_file(BbOverlay *overlay, const BbOverlayFile *file)
{
	const char *path = file->path;
	int			fd;
	int			error = 0;

	if (strcmp(path, BB_CONTROL_PATH) == 0)
		path = BB_CONTROL_HIDDEN;
	fd = openat(overlay->root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				0600);
	if (fd < 0)
		return -errno;
	for (int i = 0; i < file->pieces && error == 0; i++)
		error = write_all(fd, file->contents[i], file->lengths[i],
						  file->offsets[i]);
	if (error == 0 &&
		(ftruncate(fd, file->size) < 0 || fchmod(fd, file->mode & 07777) < 0))
		error = -errno;
	close(fd);
	return error;
}

int
bb_overlay_complete(BbOverlay *overlay)
{
	int			error;
	int			fd;

	bb_list_sort(&overlay->list);
	if ((error = bb_list_write(&overlay->list, overlay->root)) != 0 ||
		(error = bb_map_create(&overlay->map, overlay->root,
							   &overlay->list)) != 0)
		return error;
	if (syncfs(overlay->root) < 0)
		return -errno;
	fd = openat(overlay->root, COMPLETE_PATH, O_WRONLY | O_CREAT | O_CLOEXEC,
				0600);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	close(fd);
	return bb_overlay_sync_directory(overlay, BB_STATE_DIRECTORY);
}

/* ---- later mounts ---- */

/*
 * After a restart: files that aren't known to be durable are remote again.  Files
 * that are shorter than the map says were truncated, which may have become durable
 * by itself; the map has to know before they grow.
 */
static int
settle_after_restart(BbOverlay *overlay)
{
	for (uint32 i = 0; i < overlay->list.count; i++)
	{
		const char *path = overlay->list.files[i].path;
		BbMapRecord record = bb_map_record(overlay->map, i);
		struct stat status;
		int			error;

		if (record.state == BB_FILE_REMOTE)
		{
			if (unlinkat(overlay->root, path, 0) < 0 && errno != ENOENT &&
				errno != ENOTDIR)
				return -errno;
		}
		if (record.state != BB_FILE_PARTIAL ||
			fstatat(overlay->root, path, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
			(status.st_size + BLCKSZ - 1) / BLCKSZ >= record.limit)
			continue;
		record.limit = (status.st_size + BLCKSZ - 1) / BLCKSZ;
		if ((error = bb_map_write_record(overlay->map, i, false, record)) !=
				0 ||
			(error = bb_map_write_record(overlay->map, i, true, record)) != 0)
			return error;
	}
	return bb_map_sync(overlay->map);
}

int
bb_overlay_open(BbOverlay *overlay, bool *restarted)
{
	int			error;

	*restarted = false;
	overlay->whole = faccessat(overlay->root, BB_CONTROL_HIDDEN, F_OK, 0) < 0;
	error = bb_list_read(&overlay->list, overlay->root);
	if (error != 0)
		return error;
	error = bb_map_open(&overlay->map, overlay->root, &overlay->list,
						restarted);
	if (error != 0)
	{
		overlay->map = NULL;
		return error;
	}
	return *restarted ? settle_after_restart(overlay) : 0;
}

int
bb_overlay_close(BbOverlay *overlay, bool sync)
{
	int			error = 0;

	if (sync && syncfs(overlay->root) < 0)
		error = -errno;
	if (overlay->map != NULL)
		bb_map_close(overlay->map);
	bb_list_free(&overlay->list);
	close(overlay->root);
	overlay->map = NULL;
	overlay->root = -1;
	return error;
}

/* ---- the disk ---- */

bool
bb_overlay_full(BbOverlay *overlay)
{
	struct statvfs status;

	return overlay->reserve > 0 && fstatvfs(overlay->root, &status) == 0 &&
		(uint64) status.f_bavail * status.f_frsize < overlay->reserve;
}

/* ---- the end ---- */

int
bb_overlay_finish(BbOverlay *overlay)
{
	int			error = 0;

	for (uint32 i = 0; i < overlay->list.count; i++)
	{
		BbFileState state = bb_map_record(overlay->map, i).state;

		if (state == BB_FILE_REMOTE || state == BB_FILE_PARTIAL)
			return -EAGAIN;
	}
	if (syncfs(overlay->root) < 0)
		return -errno;
	for (uint32 i = 0; i < overlay->list.count && error == 0; i++)
		error = bb_map_write_record(overlay->map, i, true,
									bb_map_record(overlay->map, i));
	if (error != 0 || (error = bb_map_sync(overlay->map)) != 0)
		return error;
	if (!overlay->whole &&
		renameat(overlay->root, BB_CONTROL_HIDDEN, overlay->root,
				 BB_CONTROL_PATH) < 0)
		return -errno;
	overlay->whole = true;
	return bb_overlay_sync_directory(overlay, "global");
}
