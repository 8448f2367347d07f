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

/*
 * bb_ingest - ingest what the directory has after the timeline's end, up to
 * "until", or all of it (Invalid).
 *
 * A record that ends after "until" is left out.
 *
 * Whatever the error, all records before the offending one are kept.
 *
 * Errors: UNDEFINED_OBJECT (no such timeline); OBJECT_IN_USE (somebody is
 * writing it); OBJECT_NOT_IN_PREREQUISITE_STATE (another major version; WAL of
 * wal_level minimal);
 * INVALID_PARAMETER_VALUE (the directory, or its WAL is of another system, or
 * doesn't follow; "until" is before the timeline's end); UNDEFINED_FILE (a
 * segment is missing, or WAL ends before "until"); DATA_CORRUPTED (a record
 * is broken, or refers to a page that doesn't exist); FEATURE_NOT_SUPPORTED
 * (a record of an unknown kind).
 */
extern BbIngestResult bb_ingest(const BbReqCtx *ctx, BbObjectStore *store,
								const char *timeline,
								const char *wal_directory, XLogRecPtr until);

#endif /* BB_INGEST_H */
