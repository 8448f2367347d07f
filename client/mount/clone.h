/*-------------------------------------------------------------------------
 *
 * clone.h
 *	  The clone that a mount shows: its lease, its list of files, what is kept of it.
 *
 *	  bb_lease() ─► bb_clone_files() ─► small files and the list in the overlay
 *
 * The lease keeps the LSN readable and reserves the timeline ID.  Its name, and what
 * identifies the clone, are kept in the overlay, as bb_mount/clone, for later
 * mounts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOUNT_CLONE_H
#define BB_MOUNT_CLONE_H

#include "../backup_options.h"
#include "../server.h"
#include "overlay.h"

/* How long a lease lasts without being renewed, and when it is, in seconds. */
#define BB_CLONE_LEASE "1 hour"
#define BB_CLONE_RENEW_SECONDS 900

typedef struct BbClone
{
	char	   *lease;
	char	   *lsn;
	char	   *new_tli;
	char	   *store;
	char	   *timeline;
} BbClone;

/* bb_clone_create - take a lease; ends the program on error. */
extern BbClone bb_clone_create(BbServer *server,
							   const BbBackupOptions *options,
							   const char *reason);

/* bb_clone_fill - make the overlay; ends the program on error. */
extern void bb_clone_fill(BbServer *server, const BbClone *clone,
						  const BbBackupOptions *options, BbOverlay *overlay);

/* bb_clone_read - read what an earlier mount kept; ends the program on error. */
extern BbClone bb_clone_read(const BbOverlay *overlay);

/* The statements, for the source: $1 to $3 of the first one are arrays. */
extern char *bb_clone_read_query(const BbServer *server, const BbClone *clone);
extern char *bb_clone_lease_query(const BbServer *server, const BbClone *clone,
								  const char *reason);
extern char *bb_clone_release_query(const BbServer *server,
									const BbClone *clone);

#endif /* BB_MOUNT_CLONE_H */
