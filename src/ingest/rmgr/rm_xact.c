/*-------------------------------------------------------------------------
 *
 * rm_xact.c
 *	  Transactions: commit, abort and prepare.
 *
 * (xact_redo in PostgreSQL's xact.c; TransactionIdSetTreeStatus in clog.c;
 * PrepareRedoAdd in twophase.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/clog.h"
#include "access/transam.h"
#include "base/events.h"
#include "ingest/recordcheck.h"
#include "ingest/relsizes.h"
#include "ingest/rmgr/slrupages.h"
#include "ingest/rmgr/xactrecord.h"
#include "layer/native.h"
#include "replication/origin.h"
#include "utils/timestamp.h"

/* The end of a transaction, common to all records of it. */
typedef struct XactEnd
{
	TransactionId xid;
	int			nsubxacts;
	const TransactionId *subxacts;
	TimestampTz time;
	RepOriginId origin; /* InvalidRepOriginId: it has none */
	XLogRecPtr	origin_lsn;
	int			ndropped;
	const BbWalLocator *dropped;
	bool		prepared; /* it was prepared before */
} XactEnd;

static int
compare_xids(const void *a, const void *b)
{
	TransactionId left = *(const TransactionId *) a;
	TransactionId right = *(const TransactionId *) b;

	return left < right ? -1 : left > right;
}

/* Return the transaction and its children, in this order. */
static TransactionId *
tree_of(const XactEnd *end)
{
	TransactionId *xids = palloc((end->nsubxacts + 1) * sizeof(TransactionId));

	xids[0] = end->xid;
	if (end->nsubxacts > 0)
		memcpy(xids + 1, end->subxacts,
			   end->nsubxacts * sizeof(TransactionId));
	return xids;
}

/* Write a native record for each page; sorts the xids. */
static void
set_status(BbIngest *ingest, TransactionId *xids, int nxids, XidStatus status)
{
	int			i = 0;

	qsort(xids, nxids, sizeof(TransactionId), compare_xids);
	while (i < nxids)
	{
		int64		page = xids[i] / BB_XACT_PER_PAGE;
		StringInfo	native = bb_ingest_native_begin(ingest);

		bb_native_xact_begin(native, (uint8) status);
		for (; i < nxids && xids[i] / BB_XACT_PER_PAGE == page; i++)
			bb_native_xact_add(native, xids[i] % BB_XACT_PER_PAGE);
		bb_slrupages_change(ingest, BB_SLRU_XACT, page);
	}
}

/* Keep when a transaction ended, and how.  Its xid isn't above nextXid. */
static void
record_end(BbIngest *ingest, const XactEnd *end, XidStatus status)
{
	BbKey		key = bb_event_key(BB_KEY_COMMIT_TIME);
	FullTransactionId xid = bb_clusterstate_full_xid(ingest->state, end->xid);
	BbCommit	commit = {.time = end->time,
						  .aborted = status == TRANSACTION_STATUS_ABORTED};
	uint8		value[BB_COMMIT_SIZE];

	if (!bb_event_time_is_valid(end->time))
		bb_ingest_refuse(ingest, "Its time " INT64_FORMAT " is impossible.",
						 end->time);
	if (TransactionIdIsNormal(end->xid))
		commit.xid = U64FromFullTransactionId(xid);
	bb_commit_encode(&commit, value);
	bb_openlayer_put(ingest->layer, &key, ingest->lsn, BB_ENTRY_IMAGE, value,
					 sizeof(value));
	ingest->end_time = (int64) timestamptz_to_time_t(end->time);
}

/* The name of a prepared transaction's file: its xid, from 17 on with epoch. */
static uint64
twophase_id(BbIngest *ingest, TransactionId xid)
{
#if PG_VERSION_NUM >= 170000
	return U64FromFullTransactionId(
		bb_clusterstate_full_xid(ingest->state, xid));
#else
	return xid;
#endif
}

/* Do what commit and abort have in common. */
static void
end_transaction(BbIngest *ingest, const XactEnd *end, XidStatus status)
{
	TransactionId *xids = tree_of(end);

	bb_clusterstate_past_xid(ingest->state,
							 TransactionIdLatest(end->xid, end->nsubxacts,
												 end->subxacts));
	set_status(ingest, xids, end->nsubxacts + 1, status);
	record_end(ingest, end, status);
	bb_replorigin_advance(ingest, end->origin, end->origin_lsn, false);
	for (int i = 0; i < end->ndropped; i++)
	{
		BbFork		fork = bb_walcompat_fork(&end->dropped[i], MAIN_FORKNUM);

		bb_reqctx_check(ingest->ctx);
		bb_recordcheck_relation(ingest, fork.spc, fork.db, fork.rel);
		bb_relsizes_drop(ingest, &end->dropped[i]);
	}
	if (end->prepared)
	{
		BbKey		key = bb_key_twophase_size(twophase_id(ingest, end->xid));

		bb_knownkeys_remove(ingest->ctx, ingest->known, &key, ingest->lsn);
	}
}

/* Return the data of a commit or an abort, checked so that it can be parsed. */
static void *
end_data(BbIngest *ingest)
{
	XLogReaderState *record = ingest->record;
	char	   *data = XLogRecGetData(record);

	if (!bb_xactrecord_fits(XLogRecGetInfo(record), data,
							XLogRecGetDataLen(record)))
		bb_ingest_refuse(
			ingest,
			"Its %u bytes of data do not agree with the counts and lengths in them.",
			XLogRecGetDataLen(record));
	return data;
}

static void
commit(BbIngest *ingest, bool prepared)
{
	xl_xact_commit *record = end_data(ingest);
	xl_xact_parsed_commit parsed;
	XactEnd		end = {0};
	bool		has_origin;

	ParseCommitRecord(XLogRecGetInfo(ingest->record), record, &parsed);
	has_origin = (parsed.xinfo & XACT_XINFO_HAS_ORIGIN) != 0;
	end.xid = prepared ? parsed.twophase_xid : XLogRecGetXid(ingest->record);
	end.nsubxacts = parsed.nsubxacts;
	end.subxacts = parsed.subxacts;
	end.time = parsed.xact_time;
	end.origin = has_origin ? XLogRecGetOrigin(ingest->record)
							: InvalidRepOriginId;
	end.origin_lsn = parsed.origin_lsn;
	end.ndropped = parsed.nrels;
	end.dropped = BB_WAL_DROPPED(&parsed);
	end.prepared = prepared;

	bb_commit_ts_set(ingest, tree_of(&end), end.nsubxacts + 1,
					 has_origin ? parsed.origin_timestamp : parsed.xact_time,
					 XLogRecGetOrigin(ingest->record));
	end_transaction(ingest, &end, TRANSACTION_STATUS_COMMITTED);
}

static void
abort_transaction(BbIngest *ingest, bool prepared)
{
	xl_xact_abort *record = end_data(ingest);
	xl_xact_parsed_abort parsed;
	XactEnd		end = {0};

	ParseAbortRecord(XLogRecGetInfo(ingest->record), record, &parsed);
	end.xid = prepared ? parsed.twophase_xid : XLogRecGetXid(ingest->record);
	end.nsubxacts = parsed.nsubxacts;
	end.subxacts = parsed.subxacts;
	end.time = parsed.xact_time;
	end.origin = (parsed.xinfo & XACT_XINFO_HAS_ORIGIN) != 0
		? XLogRecGetOrigin(ingest->record)
		: InvalidRepOriginId;
	end.origin_lsn = parsed.origin_lsn;
	end.ndropped = parsed.nrels;
	end.dropped = BB_WAL_DROPPED(&parsed);
	end.prepared = prepared;

	end_transaction(ingest, &end, TRANSACTION_STATUS_ABORTED);
}

/* The data of the record is the state file without its checksum. */
static void
prepare(BbIngest *ingest)
{
	const xl_xact_prepare *header = (const xl_xact_prepare *)
		bb_ingest_data(ingest, sizeof(*header));
	uint32		length = XLogRecGetDataLen(ingest->record);
	uint64		id = twophase_id(ingest, header->xid);
	BbKey		key = bb_key_twophase_size(id);
	size_t		subxacts_at = MAXALIGN(sizeof(*header)) +
		MAXALIGN(header->gidlen);
	const char *data;
	TransactionId subxid;

	if (!bb_xactrecord_prepared_fits(XLogRecGetData(ingest->record), length))
		bb_ingest_refuse(
			ingest,
			"Its %u bytes of data do not agree with the counts and lengths in them.",
			length);
	if (header->xid != XLogRecGetXid(ingest->record))
		bb_ingest_refuse(ingest, "It is of transaction %u, but prepares %u.",
						 XLogRecGetXid(ingest->record), header->xid);
	bb_knownkeys_put_u32(ingest->known, &key, ingest->lsn, length);
	data = XLogRecGetData(ingest->record);
	for (uint32 at = 0; at < length; at += BLCKSZ)
	{
		key = bb_key_twophase_block(id, at / BLCKSZ);
		bb_openlayer_put(ingest->layer, &key, ingest->lsn, BB_ENTRY_IMAGE,
						 data + at, Min(BLCKSZ, length - at));
	}

	/* recovery leaves nextXid after the xids of prepared transactions */
	for (int i = 0; i < header->nsubxacts; i++)
	{
		memcpy(&subxid, data + subxacts_at + i * sizeof(subxid),
			   sizeof(subxid));
		bb_clusterstate_past_xid(ingest->state, subxid);
	}
	bb_replorigin_advance(ingest, XLogRecGetOrigin(ingest->record),
						  header->origin_lsn, false);
}

/* (ProcArrayApplyXidAssignment in procarray.c) */
static void
assign(BbIngest *ingest)
{
	const xl_xact_assignment *assignment = (const xl_xact_assignment *)
		bb_ingest_data(ingest, MinSizeOfXactAssignment);

	bb_recordcheck_items(ingest, MinSizeOfXactAssignment,
						 assignment->nsubxacts, sizeof(TransactionId));
	bb_clusterstate_past_xid(ingest->state,
							 TransactionIdLatest(assignment->xtop,
												 assignment->nsubxacts,
												 assignment->xsub));
}

void
bb_rm_xact(BbIngest *ingest)
{
	switch (XLogRecGetInfo(ingest->record) & XLOG_XACT_OPMASK)
	{
		case XLOG_XACT_COMMIT:
			commit(ingest, false);
			break;
		case XLOG_XACT_COMMIT_PREPARED:
			commit(ingest, true);
			break;
		case XLOG_XACT_ABORT:
			abort_transaction(ingest, false);
			break;
		case XLOG_XACT_ABORT_PREPARED:
			abort_transaction(ingest, true);
			break;
		case XLOG_XACT_PREPARE:
			prepare(ingest);
			break;
		case XLOG_XACT_ASSIGNMENT:
			assign(ingest);
			break;
		case XLOG_XACT_INVALIDATIONS:
			break;
		default:
			bb_ingest_unknown(ingest);
	}
}
