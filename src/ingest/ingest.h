/*-------------------------------------------------------------------------
 *
 * ingest.h
 *	  WAL into a timeline of a page store.
 *
 *	  WAL source ── record ── handler of its resource manager ──┐
 *																 │
 *	  timeline ◄── manifest ◄── delta layers ◄── flush ◄── open layer
 *
 * Ingest continues at the timeline's end.  Whenever the open layer takes
 * bbackup.checkpoint_distance of memory, it is written as delta layers, and the
 * manifest is committed.  What is committed stays, whatever happens later.  A
 * call that was killed or cancelled can simply be repeated.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INGEST_H
#define BB_INGEST_H

#include "access/xlogdefs.h"
#include "base/reqctx.h"
#include "objstore/objstore.h"
#include "wal/source.h"

typedef struct BbIngestResult
{
	XLogRecPtr	start_lsn;
	XLogRecPtr	end_lsn;
	TimeLineID	tli; /* at end_lsn */
	uint64		records;
	uint64		pages; /* changed, each counted once per flush */
	uint64		layers;
	uint64		bytes_stored;
} BbIngestResult;

/* The position that the control file of a base backup demands. */
typedef struct BbIngestBackup
{
	XLogRecPtr	min_lsn; /* must be on min_tli; Invalid: it doesn't matter */
	TimeLineID	min_tli;
} BbIngestBackup;

/*
 * bb_ingest - ingest the WAL that follows the timeline's end, up to "until",
 * or all of it (Invalid).
 *
 * A record that ends after "until" is not ingested.  A NOTICE reports where WAL
 * goes on under another tli, and where it ends in an unexpected way.
 *
 * On error, all records before the offending one are kept.
 *
 * Errors: UNDEFINED_OBJECT (no such timeline); OBJECT_IN_USE (another session
 * writes it); OBJECT_NOT_IN_PREREQUISITE_STATE (another major version; WAL of
 * wal_level minimal; a timeline whose import or rebase was not completed);
 * INVALID_PARAMETER_VALUE (the WAL is of another system, or doesn't follow;
 * "until" is before the timeline's end; the origin's target can't be reached,
 * or with BB_WAL_LATEST, the tli that would be left goes on, too);
 * UNDEFINED_FILE (a segment is missing, or WAL ends before "until");
 * DATA_CORRUPTED (a record is broken, doesn't follow the one before it, or
 * refers to a page that doesn't exist); FEATURE_NOT_SUPPORTED (a record of an
 * unknown kind); those of the origin's open.
 */
extern BbIngestResult bb_ingest(const BbReqCtx *ctx, BbObjectStore *objects,
								const char *timeline,
								const BbWalOrigin *origin, XLogRecPtr until);

/*
 * bb_ingest_backup - ingest the WAL of a base backup that has just been
 * imported, up to where the backup is consistent and no further.
 *
 * That LSN becomes the start of the timeline, or, after a rebase, the end of the
 * gap.
 *
 * REQUIRES: the timeline's lock; its manifest says that it isn't consistent.
 *
 * Errors: as bb_ingest; UNDEFINED_FILE also if WAL ends before that position.
 */
extern BbIngestResult bb_ingest_backup(const BbReqCtx *ctx,
									   BbObjectStore *objects,
									   const char *timeline,
									   const BbWalOrigin *origin,
									   const BbIngestBackup *backup);

/*
 * An ingest that goes on while WAL is written: what it is asked between
 * records, and what it reports.
 */
typedef struct BbIngestControl BbIngestControl;

struct BbIngestControl
{
	/* After this time the oldest record that isn't committed is flushed. */
	int			(*flush_interval_ms) (const BbIngestControl *control);
	/*
	 * Is a flush wanted as soon as all records that end up to some LSN are
	 * ingested?  Returns that LSN, or Invalid.
	 *
	 * Called before each flush and in each wait; all records up to done_lsn are
	 * ingested.  An error that it raises ends the ingest without a flush.
	 */
	XLogRecPtr	(*wanted) (const BbIngestControl *control,
						   XLogRecPtr done_lsn);
	/*
	 * The timeline was committed up to end_lsn, the end of a record.  The
	 * source had WAL up to covered_lsn, and no other record ends before that.
	 * Also called without a commit when covered_lsn moves on.
	 */
	void		(*committed) (const BbIngestControl *control,
							  XLogRecPtr end_lsn, XLogRecPtr covered_lsn);
};

/*
 * bb_ingest_follow - ingest the WAL of an origin as it arrives, until an error
 * or a cancel.
 *
 * Raises the reason if the source ends or is broken.  Records that aren't
 * committed by then are dropped, unless the error is of the record after them.
 *
 * Errors: those of bb_ingest; UNDEFINED_OBJECT and OBJECT_IN_USE also later, if
 * the timeline was dropped, or another session has moved its end.
 */
pg_noreturn extern void bb_ingest_follow(const BbReqCtx *ctx,
										 BbObjectStore *objects,
										 const char *timeline,
										 const BbWalOrigin *origin,
										 const BbIngestControl *control);

#endif /* BB_INGEST_H */
