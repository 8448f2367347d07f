/*-------------------------------------------------------------------------
 *
 * clusterfile.h
 *	  Files of a cluster that a store holds: checks, and what they say.
 *
 * A page store has the control file, the checkpoint and the relation maps as
 * PostgreSQL's structures, in the layout of the cluster's major version.  A
 * wrong one would otherwise be found by the server that starts on a backup, or
 * not at all.
 *
 * Each function with "error" in its name returns an errdetail, palloc'd; NULL if
 * nothing is wrong.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLUSTERFILE_H
#define BB_CLUSTERFILE_H

#include "base/major.h"
#include "catalog/pg_control.h"
#include "port/pg_crc32c.h"

/* What is needed of a CheckPoint. */
typedef struct BbCheckpoint
{
	XLogRecPtr	redo;
	TimeLineID	tli;
	uint64		next_xid; /* with its epoch */
	int64		time;	  /* time_t */
} BbCheckpoint;

/* What is needed of a ControlFileData, and all of it as the cluster has it. */
typedef struct BbControl
{
	const BbMajor *major;
	uint8		bytes[BB_CONTROL_SIZE_MAX]; /* major->control_size of them */

	uint64		system_identifier;
	uint32		control_version;
	uint32		catalog_version;
	int			state; /* a DBState */
	XLogRecPtr	checkpoint_lsn;
	int			wal_level;
	bool		wal_log_hints;
	int			max_connections;
	int			max_worker_processes;
	int			max_wal_senders;
	int			max_prepared_xacts;
	int			max_locks_per_xact;
	bool		track_commit_timestamp;
	uint32		wal_segment_size;
	uint32		checksum_version; /* of data pages; 0: they have none */
	pg_crc32c	crc;
} BbControl;

/*
 * bb_control_error - ControlFileData: its version, its checksum, that it
 * is of a server built as this one (as ReadControlFile in PostgreSQL's
 * xlog.c), and that the values which a server needs to start are possible.
 */
extern char *bb_control_error(const BbMajor *major, const void *data,
							  size_t length);

/*
 * bb_control_build_error - check that the server with this control file
 * was built as this one, since that decides the form of a cluster's files.
 *
 * REQUIRES: "data" has major->control_size bytes.
 */
extern char *bb_control_build_error(const BbMajor *major, const void *data);

/*
 * bb_control_read - take a control file apart.
 *
 * REQUIRES: bb_control_error() has found nothing wrong.
 */
extern void bb_control_read(const BbMajor *major, const void *data,
							BbControl *control);

/*
 * bb_control_shut_down - make it the control file of a server that has shut down
 * with this checkpoint, a CheckPoint, whose record begins at lsn.
 */
extern void bb_control_shut_down(BbControl *control, const void *checkpoint,
								 XLogRecPtr lsn);

/* bb_control_crc - return the CRC that a control file must have. */
extern pg_crc32c bb_control_crc(const BbMajor *major, const void *data);

/* bb_checkpoint_error - CheckPoint: as StartupXLOG in xlog.c. */
extern char *bb_checkpoint_error(const BbMajor *major, const void *data,
								 size_t length);

/*
 * bb_checkpoint_read - take a checkpoint apart.
 *
 * REQUIRES: bb_checkpoint_error() has found nothing wrong.
 */
extern BbCheckpoint bb_checkpoint_read(const BbMajor *major, const void *data);

/*
 * bb_checkpoint_shut_down - make it the checkpoint of a shutdown, whose record
 * begins at lsn and is the first of a tli.
 */
extern void bb_checkpoint_shut_down(const BbMajor *major, void *data,
									XLogRecPtr lsn, TimeLineID tli,
									TimeLineID prev_tli);

/* bb_relmap_error - pg_filenode.map (load_relmap_file in relmapper.c). */
extern char *bb_relmap_error(const BbMajor *major, const void *data,
							 size_t length);

/*
 * How files of a backup have an LSN: the same way whatever server makes them, since
 * a store gives the same bytes everywhere.  All versions read it.
 */
#define BB_FILE_LSN_FORMAT "%X/%X"

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
