/*-------------------------------------------------------------------------
 *
 * handler.h
 *	  An ingest as the handlers of records see it.
 *
 * Each resource manager has one function that handles its records, in the
 * table in rmgr/rmgr_table.c:
 *
 *	  bb_blockrefs_ingest, for most ──► blockrefs.h: an entry for each block
 *	  bb_rm_heap ──► blockrefs.h, and what its flags say of the visibility map
 *	  bb_rm_xact, bb_rm_smgr, … ──► what recovery would do to files and state:
 *			relsizes.h, slrupages.h, knownkeys.h, clusterstate.h
 *
 * What a handler does is what the same function of the server does in
 * recovery, named in its comment.  Entries get the LSN ingest->lsn.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HANDLER_H
#define BB_HANDLER_H

#include "access/xlogreader.h"
#include "base/compat.h"
#include "ingest/clusterstate.h"
#include "ingest/ingest.h"
#include "ingest/knownkeys.h"
#include "ingest/openlayer.h"
#include "ingest/recordends.h"
#include "layer/manifest_edit.h"
#include "lib/stringinfo.h"
#include "wal/compat.h"
#include "wal/source.h"

typedef struct BbIngest
{
	const BbReqCtx *ctx;
	BbObjectStore *objects;
	const BbManifest *manifest; /* as of the last commit */
	MemoryContext manifest_context;
	MemoryContext context; /* of everything here */
	BbWalSource *source;
	BbOpenLayer *layer;
	BbKnownKeys *known;
	BbClusterState *state;
	BbRecordEnds *ends;
	/* where the WAL of a base backup being imported begins, or Invalid */
	XLogRecPtr	backup_start;
	List	   *layers; /* BbLayerDesc *: written, not yet committed */
	bool		flushing;

	/* all records so far */
	XLogRecPtr	done_lsn;	/* the end of the last */
	XLogRecPtr	done_start; /* where it began */
	TimeLineID	tli;
	int			nswitches; /* of tli, all of the timeline's */
	BbTliSwitch *switches;
	XLogRecPtr	start_lsn; /* of the timeline, as BbManifest has it; while a gap
							* is open, its end */
	bool		fills_gap;	   /* the gap was open when the ingest began */
	bool		targets_known; /* TARGETS_FROM is written */
	bool		wal_ended;	   /* there is no record after the last */
	int64		end_time;	   /* time_t */
	struct BbInvalidPages *invalid_pages; /* NULL: none yet */

	/* while it follows (pace.h); control NULL: it doesn't */
	const BbIngestControl *control;
	TimestampTz oldest_at; /* of the records that aren't committed; 0: none */
	TimestampTz looked_at; /* at the manifest, or committed */
	XLogRecPtr	covered_lsn; /* reported */

	/* the record being handled */
	XLogReaderState *record;
	XLogRecPtr	lsn;	  /* its end */
	TimeLineID	next_tli; /* the record's tli */
	const uint8 *bytes;	  /* as kept, in the open layer's arena */
	uint32		bytes_length;
	List	   *record_layers; /* BbLayerDesc *: written for this record */
	StringInfoData native;	   /* to write native records into */
	PGAlignedBlock page;	   /* to make images in */

	BbIngestResult result;
} BbIngest;

typedef void (*BbRmgrHandler) (BbIngest *ingest);

/*
 * bb_rmgr_handler - returns the handler of a resource manager; NULL if there
 * is no such resource manager.
 */
extern BbRmgrHandler bb_rmgr_handler(RmgrId id);

extern void bb_rm_xlog(BbIngest *ingest);
extern void bb_rm_xact(BbIngest *ingest);
extern void bb_rm_smgr(BbIngest *ingest);
extern void bb_rm_clog(BbIngest *ingest);
extern void bb_rm_dbase(BbIngest *ingest);
extern void bb_rm_tblspc(BbIngest *ingest);
extern void bb_rm_multixact(BbIngest *ingest);
extern void bb_rm_relmap(BbIngest *ingest);
extern void bb_rm_standby(BbIngest *ingest);
extern void bb_rm_heap(BbIngest *ingest);
extern void bb_rm_heap2(BbIngest *ingest);
extern void bb_rm_commit_ts(BbIngest *ingest);
extern void bb_rm_replorigin(BbIngest *ingest);

/*
 * bb_commit_ts_set - record the commit of a transaction and its children, if
 * track_commit_timestamp is on (TransactionTreeSetCommitTsData).  The transaction
 * comes first in "xids".
 */
extern void bb_commit_ts_set(BbIngest *ingest, const TransactionId *xids,
							 int nxids, TimestampTz time, RepOriginId origin);

/* Apply track_commit_timestamp (CommitTsParameterChange). */
extern void bb_commit_ts_switch(BbIngest *ingest, bool on);

/*
 * bb_replorigin_advance - set the remote LSN up to which a replication origin is
 * replayed (replorigin_advance).  It goes back only if "backward" is true.
 */
extern void bb_replorigin_advance(BbIngest *ingest, RepOriginId origin,
								  XLogRecPtr remote_lsn, bool backward);

/* Returns the server's name of a record, such as "Heap/INSERT". */
extern const char *bb_ingest_record_name(XLogReaderState *record);

/*
 * bb_ingest_refuse - refuse a record that no server can have written.
 *
 * The text is a sentence that says what is wrong.
 *
 * Errors: DATA_CORRUPTED, with the record's LSN and resource manager.
 */
pg_noreturn extern void bb_ingest_refuse(BbIngest *ingest, const char *format,
										 ...) pg_attribute_printf(2, 3);

/*
 * bb_ingest_data - returns the record's main data.
 *
 * Errors: DATA_CORRUPTED (it has fewer than "size" bytes).
 */
extern const char *bb_ingest_data(BbIngest *ingest, size_t size);

/*
 * bb_ingest_unknown - refuse a record of an unknown kind.
 *
 * Errors: FEATURE_NOT_SUPPORTED.
 */
pg_noreturn extern void bb_ingest_unknown(BbIngest *ingest);

/*
 * bb_ingest_native - add the native record in ingest->native to a page.
 *
 * For a page that doesn't exist yet ("fresh"), adds an image instead: zeros
 * with the native record applied.
 */
extern void bb_ingest_native(BbIngest *ingest, const BbKey *key, bool fresh);

/* Begin a native record in ingest->native. */
static inline StringInfo
bb_ingest_native_begin(BbIngest *ingest)
{
	resetStringInfo(&ingest->native);
	return &ingest->native;
}

/* Add an image of zeros. */
extern void bb_ingest_zeros(BbIngest *ingest, const BbKey *key);

/* ---- the keys of a fork that a record names ---- */

static inline BbKey
bb_fork_size_key(const BbFork *fork)
{
	return bb_key_rel_size(fork->spc, fork->db, fork->rel, fork->fork);
}

static inline BbKey
bb_fork_block_key(const BbFork *fork, BlockNumber block)
{
	return bb_key_rel_block(fork->spc, fork->db, fork->rel, fork->fork, block);
}

/* The key of the fork's runs of zeros. */
static inline BbKey
bb_fork_zeros_key(const BbFork *fork)
{
	return bb_key_rel_zeros(fork->spc, fork->db, fork->rel, fork->fork);
}

#endif /* BB_HANDLER_H */
