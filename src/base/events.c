/*-------------------------------------------------------------------------
 *
 * events.c
 *	  Events: what happened at an LSN, for those who look for an LSN.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clusterfile.h"
#include "base/codec.h"
#include "base/events.h"
#include "utils/timestamp.h"

bool
bb_event_time_is_valid(TimestampTz time)
{
	return IS_VALID_TIMESTAMP(time) &&
		bb_time_is_valid((int64) timestamptz_to_time_t(time));
}

void
bb_commit_encode(const BbCommit *commit, uint8 *value)
{
	bb_put_le64(value, (uint64) commit->time);
	bb_put_le64(value + 8, commit->xid);
	value[16] = commit->aborted ? BB_COMMIT_ABORTED : 0;
}

bool
bb_commit_decode(const uint8 *value, uint32 length, BbCommit *commit)
{
	if (length != BB_COMMIT_TIME_SIZE && length != BB_COMMIT_SIZE)
		return false;
	*commit = (BbCommit){.time = (TimestampTz) bb_get_le64(value)};
	if (length == BB_COMMIT_SIZE)
	{
		if ((value[16] & ~BB_COMMIT_ABORTED) != 0)
			return false;
		commit->xid = bb_get_le64(value + 8);
		commit->aborted = value[16] != 0;
	}
	return bb_event_time_is_valid(commit->time);
}

uint32
bb_restore_point_encode(const BbRestorePoint *point, uint8 *value)
{
	size_t		length = strlen(point->name);

	bb_put_le64(value, (uint64) point->time);
	memcpy(value + 8, point->name, length);
	return (uint32) (8 + length);
}

bool
bb_restore_point_decode(const uint8 *value, uint32 length,
						BbRestorePoint *point)
{
	size_t		name_length = length - 8;

	if (length < 8 || length > BB_RESTORE_POINT_SIZE ||
		memchr(value + 8, '\0', name_length) != NULL)
		return false;
	point->time = (TimestampTz) bb_get_le64(value);
	memcpy(point->name, value + 8, name_length);
	point->name[name_length] = '\0';
	return bb_event_time_is_valid(point->time);
}
