/*-------------------------------------------------------------------------
 *
 * clusterfile.h
 *	  Checks of files of a cluster that a store holds.
 *
 * A page store has the control file, the checkpoint and the relation maps as
 * PostgreSQL's structures.  A wrong one would otherwise be found by the server
 * that starts on a backup, or not at all.
 *
 * Each function with "error" in its name returns an errdetail, palloc'd; NULL if
 * nothing is wrong.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLUSTERFILE_H
#define BB_CLUSTERFILE_H

#include "catalog/pg_control.h"

/*
 * bb_control_error - ControlFileData: its version, its checksum, that it
 * is of a server built as this one (as ReadControlFile in PostgreSQL's
 * xlog.c), and that the values which a server needs to start are possible.
 */
extern char *bb_control_error(const void *data, size_t length);

/*
 * bb_control_build_error - check that the server with this control file
 * was built as this one, since that decides the form of a cluster's files.
 */
extern char *bb_control_build_error(const ControlFileData *control);

/* bb_control_crc - return the CRC that a control file must have. */
extern pg_crc32c bb_control_crc(const ControlFileData *control);

/* bb_checkpoint_error - CheckPoint: as StartupXLOG in xlog.c. */
extern char *bb_checkpoint_error(const void *data, size_t length);

/* bb_relmap_error - pg_filenode.map (load_relmap_file in relmapper.c). */
extern char *bb_relmap_error(const void *data, size_t length);

/*
 * bb_time_is_valid - a time_t that the server, and tar, can have: from 1970
 * to the year 9999.
 */
#define BB_TIME_MAX INT64CONST(253402300799)

static inline bool
bb_time_is_valid(int64 time)
{
	return time >= 0 && time <= BB_TIME_MAX;
}

#endif /* BB_CLUSTERFILE_H */
