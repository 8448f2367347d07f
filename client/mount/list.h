/*-------------------------------------------------------------------------
 *
 * list.h
 *	  The base files of a mount: those whose blocks the source has.
 *
 * The list is made at the first mount and kept in the overlay, as bb_mount/files,
 * since the server may list other files after a later ingest.  It doesn't change.
 * Files are ordered by directory and then by name, so those of a directory are
 * neighbours.  The number of a file in this order is its ID.
 *
 *	  magic 8, version u32, count u32, (blocks u32, mode u32, length u32, path)*,
 *	  crc32c u32 of all bytes before it; in the byte order of the machine
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOUNT_LIST_H
#define BB_MOUNT_LIST_H

#include "postgres_fe.h"

#define BB_STATE_DIRECTORY "bb_mount"

typedef struct BbBaseFile
{
	char	   *path;
	uint32		blocks;
	uint32		mode; /* permission bits */
} BbBaseFile;

typedef struct BbFileList
{
	BbBaseFile *files;
	uint32		count;
	uint32		room;
} BbFileList;

/* bb_list_add - add a file, in any order; the path is copied. */
extern void bb_list_add(BbFileList *list, const char *path, uint32 blocks,
						uint32 mode);

/* bb_list_sort - put the files in order, after the last one was added. */
extern void bb_list_sort(BbFileList *list);

/* bb_list_find - the ID of a file, or -1. */
extern int64 bb_list_find(const BbFileList *list, const char *path);

/*
 * bb_list_directory - the first of the files of a directory; "*end" follows the
 * last one.  The path of the root is "".
 */
extern uint32 bb_list_directory(const BbFileList *list, const char *directory,
								uint32 *end);

/* bb_list_write - write it durably to the overlay.  Returns 0 or -errno. */
extern int bb_list_write(const BbFileList *list, int root);

/* bb_list_read - read it.  Returns 0 or -errno, -EUCLEAN if it is broken. */
extern int bb_list_read(BbFileList *list, int root);

extern void bb_list_free(BbFileList *list);

#endif /* BB_MOUNT_LIST_H */
