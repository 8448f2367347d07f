/*-------------------------------------------------------------------------
 *
 * source.h
 *	  A source of WAL gives records, one after the other.
 *
 *	  origin ── open at a position ──► source ── next, next, … ──► records
 *
 * Where WAL comes from is the business of a driver:
 *
 *	  directory_source.h	a pg_wal or an archive
 *	  walspool.h			a spool, while WAL of a server is received there
 *
 * A driver decodes with the server's own xlogreader, whose page_read callback
 * it provides.  The calls of a source, in order:
 *
 *	  ( next = RECORD | next = WAIT, wait )* ( next = END | next = BROKEN )
 *
 * Every record follows the one before it: its xl_prev is where that one began.
 * xlogreader checks that only while it reads on (randAccess in
 * ValidXLogRecordHeader).  A driver checks it also after it read a segment
 * again, where WAL goes on under another tli, and from one source to the next.
 *
 * A source belongs to the memory context that it was opened in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WAL_SOURCE_H
#define BB_WAL_SOURCE_H

#include "access/xlogreader.h"
#include "base/compat.h"
#include "base/reqctx.h"
#include "wal/tlipath.h"

typedef struct BbWalOrigin BbWalOrigin;
typedef struct BbWalSource BbWalSource;
typedef struct BbWalSourceOps BbWalSourceOps;

typedef enum BbWalNext
{
	BB_WAL_RECORD, /* there is a record */
	BB_WAL_WAIT,   /* there is none yet */
	BB_WAL_END,	   /* there is no more WAL */
	BB_WAL_BROKEN  /* there is more WAL, but it can't be read */
} BbWalNext;

/* Why there was no record. */
typedef struct BbWalReason
{
	const char *segment; /* the name of the segment's file */
	bool		missing; /* there is no such file */
	const char *text;	 /* a sentence; of a missing segment, NULL */
} BbWalReason;

/* Where WAL comes from; the first member of a driver's struct. */
struct BbWalOrigin
{
	/* Open a source whose first record is the one that follows "start". */
	BbWalSource *(*open) (const BbReqCtx *ctx, const BbWalOrigin *origin,
						  const BbWalStart *start);
};

/* The first member of a driver's struct. */
struct BbWalSource
{
	const BbWalSourceOps *ops;
	const char *name;		 /* for messages, such as: directory "/archive" */
	XLogReaderState *reader; /* has the record that next returned */

	/*
	 * The tlis whose WAL is read.  A driver that learns of a switch while it
	 * reads adds the tli before it returns the first record under it.
	 */
	BbTliPath  *path;
};

/* A driver's operations; the functions below have their contracts. */
struct BbWalSourceOps
{
	BbWalNext	(*next) (const BbReqCtx *ctx, BbWalSource *source);
	XLogRecPtr	(*limit) (const BbWalSource *source);
	const char *(*history) (const BbReqCtx *ctx, const BbWalSource *source,
							TimeLineID tli);
	BbWalReason (*reason) (const BbWalSource *source);
	void		(*raise) (const BbReqCtx *ctx, BbWalSource *source,
						  XLogRecPtr until);

	/* These may be NULL; "wait" only if next never returns BB_WAL_WAIT. */
	void		(*wait) (const BbReqCtx *ctx, BbWalSource *source,
						 long timeout_ms);
	void		(*committed) (const BbReqCtx *ctx, BbWalSource *source,
							  XLogRecPtr lsn);
	void		(*need_any) (const BbReqCtx *ctx, const BbWalSource *source);
	void		(*report_end) (const BbReqCtx *ctx, BbWalSource *source);
	void		(*report_left) (const BbReqCtx *ctx, BbWalSource *source,
								TimeLineID tli, XLogRecPtr lsn);
};

/*
 * bb_walsource_next - read the next record into source->reader.
 *
 * After BB_WAL_END or BB_WAL_BROKEN it must not be called again.
 *
 * Errors: INVALID_PARAMETER_VALUE (WAL of another system, or WAL that doesn't
 * follow the start); those of the driver.
 */
static inline BbWalNext
bb_walsource_next(const BbReqCtx *ctx, BbWalSource *source)
{
	return source->ops->next(ctx, source);
}

/*
 * bb_walsource_wait - after BB_WAL_WAIT, wait until there may be more WAL.
 *
 * Returns also when the process's latch is set, and after timeout_ms.
 *
 * Errors: QUERY_CANCELED; those of the driver.
 */
static inline void
bb_walsource_wait(const BbReqCtx *ctx, BbWalSource *source, long timeout_ms)
{
	Assert(source->ops->wait != NULL);
	bb_reqctx_check(ctx);
	source->ops->wait(ctx, source, timeout_ms);
}

/*
 * bb_walsource_committed - tell the source that all records up to lsn, the end
 * of one of them, are committed to a page store.
 *
 * A source that makes a server keep WAL may release it up to there.
 */
static inline void
bb_walsource_committed(const BbReqCtx *ctx, BbWalSource *source,
					   XLogRecPtr lsn)
{
	if (source->ops->committed != NULL)
		source->ops->committed(ctx, source, lsn);
}

/*
 * Returns the LSN up to which the source was known to have WAL when it was
 * opened, or when bb_walsource_next was called last.
 */
static inline XLogRecPtr
bb_walsource_limit(const BbWalSource *source)
{
	return source->ops->limit(source);
}

/*
 * bb_walsource_history - returns the text of the history file of a tli in
 * source->path; NULL if there is none.
 */
static inline const char *
bb_walsource_history(const BbReqCtx *ctx, const BbWalSource *source,
					 TimeLineID tli)
{
	return source->ops->history(ctx, source, tli);
}

/* bb_walsource_reason - returns why there was no record. */
static inline BbWalReason
bb_walsource_reason(const BbWalSource *source)
{
	return source->ops->reason(source);
}

/*
 * bb_walsource_raise - raise why there was no record as an error.
 *
 * "until" is how far the caller wanted to read; Invalid: to the end.
 *
 * Errors: UNDEFINED_FILE (a segment is missing, or WAL ends before "until");
 * DATA_CORRUPTED (a record is broken, or doesn't follow: its LSN, and how).
 */
pg_noreturn static inline void
bb_walsource_raise(const BbReqCtx *ctx, BbWalSource *source, XLogRecPtr until)
{
	source->ops->raise(ctx, source, until);
	pg_unreachable();
}

/* Error: UNDEFINED_FILE, if the source has no WAL at all. */
static inline void
bb_walsource_need_any(const BbReqCtx *ctx, const BbWalSource *source)
{
	if (source->ops->need_any != NULL)
		source->ops->need_any(ctx, source);
}

/*
 * bb_walsource_report_end - after BB_WAL_END, report with a NOTICE where and
 * why WAL ends, unless that is how the end of a server's WAL looks.
 */
static inline void
bb_walsource_report_end(const BbReqCtx *ctx, BbWalSource *source)
{
	if (source->ops->report_end != NULL)
		source->ops->report_end(ctx, source);
}

/*
 * bb_walsource_report_left - warn if the source has WAL of a tli that the
 * timeline left at lsn, as far as WAL of the tli that it follows.
 */
static inline void
bb_walsource_report_left(const BbReqCtx *ctx, BbWalSource *source,
						 TimeLineID tli, XLogRecPtr lsn)
{
	if (source->ops->report_left != NULL)
		source->ops->report_left(ctx, source, tli, lsn);
}

#endif /* BB_WAL_SOURCE_H */
