/*-------------------------------------------------------------------------
 *
 * source.h
 *	  Records of WAL, one after the other, from a directory of segments.
 *
 * The directory is a pg_wal or an archive: segments under their own names,
 * not compressed; timeline history files; perhaps a last segment that is not
 * full, or was archived as such (".partial").  The server's own xlogreader
 * decodes:
 *
 *	  path ── segments ── page ── xlogreader ── record ── does it follow?
 *
 * Every record must follow the one before it: its xl_prev is where that one
 * began.  xlogreader checks that only while it reads on (randAccess in
 * ValidXLogRecordHeader); here it holds too after a segment was read again,
 * where the path goes on under another tli, and from call to call.
 *
 * WAL ends at the first record that isn't valid, which is how it always
 * looks from behind: zeros, or an older use of the file.  But a record that
 * isn't valid while the WAL goes on in a later segment is broken, and a
 * segment that is missing while there are later ones is a gap.
 *
 * It belongs to the memory context that it was opened in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WAL_SOURCE_H
#define BB_WAL_SOURCE_H

#include "access/xlogreader.h"
#include "base/compat.h"
#include "base/reqctx.h"
#include "wal/tlipath.h"

typedef struct BbWalSource BbWalSource;

typedef enum BbWalNext
{
	BB_WAL_RECORD, /* there is one */
	BB_WAL_END,	   /* there is no more WAL */
	BB_WAL_BROKEN  /* there is, but it can't be reached */
} BbWalNext;

/*
 * bb_walsource_open - WAL from the record on that follows the place's.
 *
 * Errors: INVALID_PARAMETER_VALUE (not an absolute path, no directory, of
 * another system); those of bb_tlipath_choose.
 */
extern BbWalSource *bb_walsource_open(const BbReqCtx *ctx,
									  const BbWalPlace *place);

/* Error: UNDEFINED_FILE, if the directory has no WAL at all. */
extern void bb_walsource_need_any(const BbReqCtx *ctx,
								  const BbWalSource *source);

/*
 * bb_walsource_next - read the next record, into bb_walsource_reader().
 *
 * After anything but BB_WAL_RECORD it must not be called again.
 *
 * Errors: INVALID_PARAMETER_VALUE (WAL of another system, or that doesn't
 * follow the place; with BB_WAL_LATEST, WAL that goes on under two tlis);
 * errcode_for_file_access().
 */
extern BbWalNext bb_walsource_next(const BbReqCtx *ctx, BbWalSource *source);
extern XLogReaderState *bb_walsource_reader(BbWalSource *source);

/* The record just read as it is in WAL, its page headers left out. */
extern const uint8 *bb_walsource_record(const BbWalSource *source,
										uint32 *length);

/* Where the last segment of the directory ends, that may be read. */
extern XLogRecPtr bb_walsource_limit(const BbWalSource *source);

extern const BbTliPath *bb_walsource_path(const BbWalSource *source);

/*
 * bb_walsource_history - the text of the history file of a tli on the path;
 * NULL: there is none.
 *
 * A clone's history begins with it.  So where the file is missing, isn't valid
 * or disagrees with the one that the path was chosen by, it is made from that.
 */
extern const char *bb_walsource_history(const BbReqCtx *ctx,
										const BbWalSource *source,
										TimeLineID tli);

/*
 * bb_walsource_missing - the name of the missing segment that would have the
 * next record; NULL: the segment is there, and there is another reason.
 */
extern const char *bb_walsource_missing(const BbWalSource *source);

/* Any other reason, as a sentence; and the name of the segment's file. */
extern const char *bb_walsource_reason(const BbWalSource *source);
extern const char *bb_walsource_file(const BbWalSource *source);

/*
 * bb_walsource_tell_end - after BB_WAL_END, say with a NOTICE where and why
 * WAL ends, unless it's how the end of a server's WAL looks.
 */
extern void bb_walsource_tell_end(const BbReqCtx *ctx, BbWalSource *source);

/*
 * bb_walsource_tell_left - warn if WAL of a tli that the timeline has left
 * before, at lsn, reaches as far as that which it follows.
 */
extern void bb_walsource_tell_left(const BbReqCtx *ctx, BbWalSource *source,
								   TimeLineID tli, XLogRecPtr lsn);

/*
 * bb_walsource_complain - why there was no record, as an error.
 *
 * "until" is how far the caller wanted to read; Invalid: to the end.
 *
 * Errors: UNDEFINED_FILE (a segment is missing, or WAL ends before "until");
 * DATA_CORRUPTED (a record is broken, or doesn't follow: its LSN, and how).
 */
pg_noreturn extern void bb_walsource_complain(const BbReqCtx *ctx,
											  BbWalSource *source,
											  XLogRecPtr until);

#endif /* BB_WAL_SOURCE_H */
