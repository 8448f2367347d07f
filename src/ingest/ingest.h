/*-------------------------------------------------------------------------
 *
 * ingest.h
 *	  WAL into a timeline of a page store.
 *
 *	  WAL directory ── record ── handler of its resource manager ──┐
 *																   │
 *	  timeline ◄── manifest ◄── delta layers ◄── flush ◄── open layer
 *
 * Goes on where the timeline ends.  Each time that bbackup.checkpoint_distance
 * of memory is full, it becomes delta layers, and the manifest is committed:
 * what is committed stays, whatever happens later, and a call that was killed
 * or cancelled is simply repeated.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INGEST_H
#define BB_INGEST_H

#include "access/xlogdefs.h"
#include "base/reqctx.h"
#include "objstore/objstore.h"
#include "wal/tlipath.h"

typedef struct BbIngestResult
{
	XLogRecPtr	start_lsn;
	XLogRecPtr	end_lsn;
	TimeLineID	tli; /* at end_lsn */
	uint64		records;
	uint64		pages; /* changed; once for each flush that has them */
	uint64		layers;
	uint64		bytes_stored;
} BbIngestResult;

/* A base backup that has just been imported. */
typedef struct BbIngestBackup
{
	BbWalTarget target;
	const char *history_directory; /* for history files, too */
	XLogRecPtr	min_lsn; /* must be on min_tli; Invalid: it doesn't matter */
	TimeLineID	min_tli;
} BbIngestBackup;

/*
 * bb_ingest - ingest what the directory has after the timeline's end, up to
 * "until", or all of it (Invalid), on the way to a tli.
 *
 * A record that ends after "until" is left out.  A NOTICE says where WAL goes
 * on under another tli, and where it ends in a way that it shouldn't.
 *
 * Whatever the error, all records before the offending one are kept.
 *
 * Errors: UNDEFINED_OBJECT (no such timeline); OBJECT_IN_USE (somebody is
 * writing it); OBJECT_NOT_IN_PREREQUISITE_STATE (another major version; WAL of
 * wal_level minimal; a timeline whose import was killed);
 * INVALID_PARAMETER_VALUE (the directory, or its WAL is of another system, or
 * doesn't follow; "until" is before the timeline's end; the target can't be
 * reached, or with BB_WAL_LATEST, the tli that would be left goes on, too);
 * UNDEFINED_FILE (a segment is missing, or WAL ends before "until");
 * DATA_CORRUPTED (a record is broken, doesn't follow the one before it, or
 * refers to a page that doesn't exist); FEATURE_NOT_SUPPORTED (a record of an
 * unknown kind).
 */
extern BbIngestResult bb_ingest(const BbReqCtx *ctx, BbObjectStore *store,
								const char *timeline,
								const char *wal_directory, XLogRecPtr until,
								const BbWalTarget *target);

/*
 * bb_ingest_backup - ingest the WAL of a base backup that has just been
 * imported, up to where it is consistent; no further.
 *
 * REQUIRES: the timeline's lock; its manifest says that it isn't consistent.
 *
 * Errors: as bb_ingest; UNDEFINED_FILE too when the WAL ends before that.
 */
extern BbIngestResult bb_ingest_backup(const BbReqCtx *ctx,
									   BbObjectStore *store,
									   const char *timeline,
									   const char *wal_directory,
									   const BbIngestBackup *backup);

#endif /* BB_INGEST_H */
