/*-------------------------------------------------------------------------
 *
 * events.h
 *	  Events: what happened at an LSN, for those who look for an LSN.
 *
 * The keys from COMMIT_TIME up to the first of a TABLESPACE are events.	 A value
 * is of the record that ends at its LSN; all versions count.  It is written whole,
 * and is in no image that upkeep makes: such an image would carry all of history.
 *
 *	  COMMIT_TIME	 i64 time; u64 full xid; u8 flags.  Formerly the time only
 *	  RESTORE_POINT	 i64 time; the bytes of the name
 *	  TARGETS_FROM	 u64: from this LSN on, xids and restore points are known
 *
 * A timeline to which WAL was added before there were xids and restore points
 * doesn't have them from the beginning, so the first ingest that writes them
 * writes TARGETS_FROM, too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_EVENTS_H
#define BB_EVENTS_H

#include "access/xlogdefs.h"
#include "base/key.h"
#include "datatype/timestamp.h"

/* With its terminating zero (MAXFNAMELEN in xlog_internal.h). */
#define BB_RESTORE_POINT_NAME_SIZE 64

#define BB_COMMIT_SIZE (8 + 8 + 1)
#define BB_COMMIT_TIME_SIZE 8 /* of values without an xid */
#define BB_RESTORE_POINT_SIZE (8 + BB_RESTORE_POINT_NAME_SIZE - 1)
#define BB_TARGETS_FROM_SIZE 8

#define BB_COMMIT_ABORTED 0x01

/* The end of a transaction, by a commit or an abort. */
typedef struct BbCommit
{
	TimestampTz time;
	uint64		xid; /* full, of the record; 0: not known */
	bool		aborted;
} BbCommit;

typedef struct BbRestorePoint
{
	TimestampTz time;
	char		name[BB_RESTORE_POINT_NAME_SIZE];
} BbRestorePoint;

static inline BbKey
bb_event_key(BbKeyKind kind)
{
	return bb_key_make(kind, 0, 0, 0, 0, 0);
}

/* bb_event_time_is_valid - can a record have that time? */
extern bool bb_event_time_is_valid(TimestampTz time);

/* Write BB_COMMIT_SIZE bytes. */
extern void bb_commit_encode(const BbCommit *commit, uint8 *value);

/* Write up to BB_RESTORE_POINT_SIZE bytes, and return how many. */
extern uint32 bb_restore_point_encode(const BbRestorePoint *point,
									  uint8 *value);

/* Return false if the bytes are no such value, or one that can't be. */
extern bool bb_commit_decode(const uint8 *value, uint32 length,
							 BbCommit *commit);
extern bool bb_restore_point_decode(const uint8 *value, uint32 length,
									BbRestorePoint *point);

#endif /* BB_EVENTS_H */
