/*-------------------------------------------------------------------------
 *
 * rm_commit_ts.c
 *	  Records of commit timestamps, and the effects of commits and of
 *	  track_commit_timestamp on them.
 *
 * (PostgreSQL's commit_ts.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/commit_ts.h"
#include "access/transam.h"
#include "ingest/rmgr/slrupages.h"
#include "layer/native.h"

/* (CommitTsPagePrecedes) */
static bool
precedes(int64 page, int64 other)
{
	return bb_slrupages_xids_precede(page, other, BB_COMMIT_TS_PER_PAGE);
}

void
bb_commit_ts_set(BbIngest *ingest, const TransactionId *xids, int nxids,
				 TimestampTz time, RepOriginId origin)
{
	CheckPoint *checkpoint = &ingest->state->checkpoint;
	int			i = 0;

	if (!ingest->state->control.track_commit_timestamp)
		return;

	while (i < nxids)
	{
		int64		page = xids[i] / BB_COMMIT_TS_PER_PAGE;
		StringInfo	native = bb_ingest_native_begin(ingest);

		bb_native_commit_ts_begin(native, time, origin);
		for (; i < nxids && xids[i] / BB_COMMIT_TS_PER_PAGE == page; i++)
			bb_native_commit_ts_add(native, xids[i] % BB_COMMIT_TS_PER_PAGE);
		bb_slrupages_change(ingest, BB_SLRU_COMMIT_TS, page);
	}
	if (TransactionIdPrecedes(checkpoint->newestCommitTsXid, xids[nxids - 1]))
		checkpoint->newestCommitTsXid = xids[nxids - 1];
}

/* (ActivateCommitTs) */
static void
activate(BbIngest *ingest)
{
	CheckPoint *checkpoint = &ingest->state->checkpoint;
	TransactionId next = XidFromFullTransactionId(checkpoint->nextXid);
	int64		page = next / BB_COMMIT_TS_PER_PAGE;

	if (checkpoint->oldestCommitTsXid == InvalidTransactionId)
	{
		checkpoint->oldestCommitTsXid = next;
		checkpoint->newestCommitTsXid = next;
	}
	if (!bb_slrupages_exists(ingest, BB_SLRU_COMMIT_TS, page))
		bb_slrupages_zero(ingest, BB_SLRU_COMMIT_TS, page);
}

/* (DeactivateCommitTs) */
static void
deactivate(BbIngest *ingest)
{
	CheckPoint *checkpoint = &ingest->state->checkpoint;

	checkpoint->oldestCommitTsXid = InvalidTransactionId;
	checkpoint->newestCommitTsXid = InvalidTransactionId;
	bb_slrupages_remove_all(ingest, BB_SLRU_COMMIT_TS);
}

void
bb_commit_ts_switch(BbIngest *ingest, bool on)
{
	bool		active = ingest->state->control.track_commit_timestamp;

	if (on && !active)
		activate(ingest);
	else if (!on && active)
		deactivate(ingest);
}

/* (commit_ts_redo) */
void
bb_rm_commit_ts(BbIngest *ingest)
{
	CheckPoint *checkpoint = &ingest->state->checkpoint;
	xl_commit_ts_truncate truncate;

	switch (XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK)
	{
		case COMMIT_TS_ZEROPAGE:
			bb_slrupages_zero(ingest, BB_SLRU_COMMIT_TS,
							  bb_slrupages_of_record(ingest));
			break;
		case COMMIT_TS_TRUNCATE:
			memcpy(&truncate, bb_ingest_data(ingest, SizeOfCommitTsTruncate),
				   SizeOfCommitTsTruncate);
			if (checkpoint->oldestCommitTsXid != InvalidTransactionId &&
				TransactionIdPrecedes(checkpoint->oldestCommitTsXid,
									  truncate.oldestXid))
				checkpoint->oldestCommitTsXid = truncate.oldestXid;
			bb_slrupages_truncate(ingest, BB_SLRU_COMMIT_TS, truncate.pageno,
								  precedes);
			break;
		default:
			bb_ingest_unknown(ingest);
	}
}
