/*-------------------------------------------------------------------------
 *
 * place.h
 *	  A file by an open directory and a path beneath it.
 *
 * Each part of the path is looked up by itself and no symbolic link is followed,
 * so a file outside of the directory can't be reached, whatever the path or the
 * directory has.
 *
 * The functions return -1 with errno set on an error, as the system calls do.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PLACE_H
#define BB_PLACE_H

#include <sys/stat.h>

#include "base/resource.h"

typedef struct BbPlace
{
	const BbFd *directory;
	const char *path;
} BbPlace;

extern int bb_place_stat(BbPlace place, struct stat *st);
/* Remove a file, or an empty directory. */
extern int bb_place_unlink(BbPlace place, bool directory);
extern int bb_place_make_directory(BbPlace place);
extern int bb_place_make_link(BbPlace place, const char *target);
/* As readlink(2): without a final zero byte. */
extern ssize_t bb_place_read_link(BbPlace place, char *target, size_t size);
extern int bb_place_set_mode(BbPlace place, mode_t mode);
extern int bb_place_rename(BbPlace from, BbPlace to);

#endif /* BB_PLACE_H */
