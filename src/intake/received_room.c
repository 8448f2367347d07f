/*-------------------------------------------------------------------------
 *
 * received_room.c
 *	  What a receiver has received: writing it, and what to do without room.
 *
 *	  a message ──► write ──► spool
 *				 no room │  ▲
 *						 ▼  │ once a second, and after each trim
 *						 held: the spool is full
 *
 * A full disk is a full spool: the message that didn't fit is kept in memory,
 * nothing more is received, and the leader commits what it has, so that segments
 * can be removed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>

#include "access/xlog_internal.h"
#include "base/compat.h"
#include "base/resource.h"
#include "base/settings.h"
#include "intake/received_internal.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A spool has room for at least so many segments. */
#define MIN_SEGMENTS 4

/* A file loses whole blocks of a file system; messages begin at such a block. */
#define HOLE_BYTES 4096

/* After this time with room, a disk that is full again is another error. */
#define SETTLED_MS 60000

/* ---- writing ---- */

/*
 * A crash of the machine may have left a hole in a file, which has zeros: what
 * was committed to the store wasn't synced in the spool.
 */
static bool
is_hole(const uint8 *known, ssize_t got, ssize_t at)
{
	ssize_t		begin = at - at % HOLE_BYTES;
	ssize_t		end = Min(got, begin + HOLE_BYTES);

	while (begin < end && known[begin] == 0)
		begin++;
	return begin == end;
}

/*
 * Compare WAL with what was received before, if the file has it.  Returns where
 * they differ, or Invalid.
 */
static XLogRecPtr
find_difference(BbReceived *received, XLogRecPtr lsn, const uint8 *data,
				size_t length)
{
	uint32		segment_size = received->stream.segment_size;
	MemoryContext caller = MemoryContextSwitchTo(received->scratch);
	size_t		n = Min(length, received->known_lsn - lsn);
	uint8	   *known = palloc(n);
	XLogRecPtr	difference = InvalidXLogRecPtr;
	char		name[MAXFNAMELEN];
	char	   *path;
	BbFd	   *fd;
	ssize_t		got;

	XLogFileName(name, received->stream.tli, lsn / segment_size, segment_size);
	path = psprintf("%s/%s", received->directory, name);
	fd = bb_fd_open(path, O_RDONLY, 0);
	if (fd != NULL)
		got = bb_fd_read_at(fd, known, n,
							XLogSegmentOffset(lsn, segment_size));
	else
		got = errno == ENOENT ? 0 : -1;
	if (got < 0)
		bb_report_file("could not read file \"%s\": %m", path);
	for (ssize_t i = 0; i < got; i++)
	{
		if (known[i] == data[i])
			continue;
		if (!is_hole(known, got, i))
		{
			difference = lsn + i;
			break;
		}
		i += HOLE_BYTES - 1 - i % HOLE_BYTES;
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(received->scratch);
	return difference;
}

/*
 * The disk has no room.  That is noted once, also if there is room for a moment,
 * as when the leader commits.
 */
static void
note_no_room(BbReceived *received, const ErrorData *error)
{
	if (received->held != NULL || received->room_at != 0)
		return;
	bb_followcontrol_fine(received->control);
	bb_followcontrol_error(received->control, error);
}

/*
 * Write what goes on at write_lsn.  Returns false if the disk has no room for
 * it.  An import has a session that gets the error.
 */
static bool
try_write(const BbReqCtx *ctx, BbReceived *received, const uint8 *data,
		  size_t length)
{
	MemoryContext caller = CurrentMemoryContext;
	BbFollowStatus status;
	volatile bool has_room = true;

	received->is_changing = true;
	PG_TRY();
	{
		bb_walspool_write(ctx, received->spool, received->stream.tli,
						  received->write_lsn, data, length);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		bb_followcontrol_get(received->control, &status);
		if (geterrcode() != ERRCODE_DISK_FULL || status.temporary)
			PG_RE_THROW();
		MemoryContextSwitchTo(received->scratch);
		error = CopyErrorData();
		FlushErrorState();
		note_no_room(received, error);
		MemoryContextReset(received->scratch);
		has_room = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	received->is_changing = false;
	received->tried_at = GetCurrentTimestamp();
	received->tried_bytes = bb_walspool_bytes(received->spool);
	if (has_room)
	{
		received->write_lsn += length;
		bb_received_publish_quietly(received);
	}
	return has_room;
}

/* Keep what arrived until there is room for it. */
static void
hold(BbReceived *received, const uint8 *data, size_t length)
{
	received->held = MemoryContextAlloc(received->context, length);
	memcpy(received->held, data, length);
	received->held_length = length;
}

XLogRecPtr
bb_received_write(const BbReqCtx *ctx, BbReceived *received, XLogRecPtr lsn,
				  const uint8 *data, size_t length)
{
	if (lsn != received->write_lsn)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the source sent WAL of another position"),
				 errdetail("It sent " BB_LSN_FORMAT " where " BB_LSN_FORMAT " was expected.",
						   LSN_FORMAT_ARGS(lsn),
						   LSN_FORMAT_ARGS(received->write_lsn))));
	received->is_changing = true;
	if (lsn < received->known_lsn)
	{
		XLogRecPtr	difference = find_difference(received, lsn, data, length);

		if (!XLogRecPtrIsInvalid(difference))
		{
			received->is_changing = false;
			return difference;
		}
	}
	if (!try_write(ctx, received, data, length))
		hold(received, data, length);
	return InvalidXLogRecPtr;
}

/* ---- room ---- */

bool
bb_received_has_wal(const BbReceived *received)
{
	return received->context != NULL && bb_walspool_bytes(received->spool) > 0;
}

void
bb_received_trim(const BbReqCtx *ctx, BbReceived *received)
{
	uint32		segment_size = received->stream.segment_size;
	BbFollowStatus status;
	XLogRecPtr	lsn;

	bb_followcontrol_get(received->control, &status);
	lsn = Max(received->begin_lsn, status.stored_lsn);
	lsn = Min(lsn, bb_received_tail(received));
	if (received->checks)
		lsn = Min(lsn, received->checked_lsn);
	lsn -= XLogSegmentOffset(lsn, segment_size);
	if (lsn <= received->trimmed_lsn)
		return;
	received->is_changing = true;
	bb_walspool_trim(ctx, received->spool, lsn);
	received->is_changing = false;
	received->trimmed_lsn = lsn;
	bb_received_publish(received);
}

/*
 * Does the disk lack room for what was received?  If it is time to, try again;
 * segments that were removed are room, too.
 */
static bool
lacks_room(const BbReqCtx *ctx, BbReceived *received)
{
	TimestampTz now = GetCurrentTimestamp();

	if (received->held == NULL)
	{
		if (received->room_at != 0 &&
			TimestampDifferenceExceeds(received->room_at, now, SETTLED_MS))
			received->room_at = 0;
		return false;
	}
	if (bb_walspool_bytes(received->spool) >= received->tried_bytes &&
		!TimestampDifferenceExceeds(received->tried_at, now,
									BB_RECEIVED_ROOM_MS))
		return true;
	if (!try_write(ctx, received, received->held, received->held_length))
		return true;
	pfree(received->held);
	received->held = NULL;
	received->room_at = now;
	return false;
}

bool
bb_received_is_full(const BbReqCtx *ctx, BbReceived *received)
{
	bool		no_room = lacks_room(ctx, received);
	uint64		limit = (uint64) bb_setting_spool_size_mb * 1024 * 1024;
	uint64		bytes = bb_walspool_bytes(received->spool);
	BbFollowStatus *status;
	bool		is_full;

	limit = Max(limit, (uint64) MIN_SEGMENTS * received->stream.segment_size);
	status = bb_followcontrol_lock(received->control);

	/*
	 * A leader that waits, and has committed all that it ingested, needs more
	 * to complete a record that is larger than the spool: another segment.  So
	 * does an import that needs the checkpoint's record before any other.
	 */
	if (status->waiting &&
		status->applied_lsn <= Max(status->stored_lsn, status->order_lsn))
		received->room_lsn = bb_received_tail(received) +
			received->stream.segment_size;
	is_full = no_room ||
		(bytes >= limit && bb_received_tail(received) >= received->room_lsn);
	status->spool_full = is_full;
	status->no_room = no_room;
	bb_followcontrol_unlock(received->control);
	return is_full;
}
