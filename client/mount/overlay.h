/*-------------------------------------------------------------------------
 *
 * overlay.h
 *	  The directory that has what of a mount is local.
 *
 * It is a data directory in the making: each directory, each small file, each file
 * that was created, and, as sparse files, what was read or written of base files.
 * The directory bb_mount in it has the list of base files and the map.
 *
 *	  read ──► is the block in the overlay? ──yes──► its file
 *						   │no
 *						   └──► the source ──► the overlay's file, then the map
 *	  write ──► the overlay's file, then the map
 *	  fsync ──► fdatasync of the file, then the durable half of the map, its sync
 *
 * Until all blocks are local, the control file is called pg_control.mounted, so
 * that no server starts from the overlay.  After that the overlay is a data
 * directory that needs no mount.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOUNT_OVERLAY_H
#define BB_MOUNT_OVERLAY_H

#include <sys/types.h>

#include "list.h"
#include "map.h"
#include "source.h"

#define BB_CONTROL_PATH "global/pg_control"
#define BB_CONTROL_HIDDEN "global/pg_control.mounted"

typedef struct BbOverlay
{
	int			root; /* descriptor of the directory, which is locked by it */
	BbFileList	list;
	BbMap	   *map;
	BbSource   *source;
	uint64		reserve; /* bytes that reads leave free on the disk */
	bool		whole;	 /* all is local, and the control file has its name */
	bool		read_only;
} BbOverlay;

/* What bb_overlay_add() makes. */
typedef struct BbOverlayFile
{
	const char *path;
	uint32		mode;
	uint64		size;
	int			pieces; /* of its contents; between them are zeros */
	const uint64 *offsets;
	const size_t *lengths;
	const char *const *contents;
} BbOverlayFile;

/* bb_overlay_lock - open and lock a directory.  -EBUSY: it is mounted. */
extern int bb_overlay_lock(BbOverlay *overlay, const char *directory);

/* bb_overlay_exists - was the overlay completed at an earlier mount? */
extern bool bb_overlay_exists(const BbOverlay *overlay);

/*
 * The first mount: (bb_overlay_begin (directory | file | bb_list_add)*
 * bb_overlay_complete).  All return 0 or -errno; after bb_overlay_complete all is
 * durable.
 */
extern int bb_overlay_begin(BbOverlay *overlay);
extern int bb_overlay_directory(BbOverlay *overlay, const char *path,
								uint32 mode);
extern int bb_overlay_file(BbOverlay *overlay, const BbOverlayFile *file);
extern int bb_overlay_complete(BbOverlay *overlay);

/*
 * bb_overlay_open - open an overlay that exists.
 *
 * "*restarted" is set if the machine was restarted since.  -EUCLEAN: it is broken.
 */
extern int bb_overlay_open(BbOverlay *overlay, bool *restarted);

/* bb_overlay_close - make all durable, if "sync", and close it. */
extern int bb_overlay_close(BbOverlay *overlay, bool sync);

/* bb_overlay_full - is less than the reserve free? */
extern bool bb_overlay_full(BbOverlay *overlay);

/*
 * bb_overlay_finish - let the overlay be a data directory.
 *
 * -EAGAIN: a base file isn't local.  Callers have no operation in progress.
 */
extern int bb_overlay_finish(BbOverlay *overlay);

/* bb_overlay_sync_directory - sync a directory by its path; "" is the root. */
extern int bb_overlay_sync_directory(const BbOverlay *overlay,
									 const char *path);

#endif /* BB_MOUNT_OVERLAY_H */
