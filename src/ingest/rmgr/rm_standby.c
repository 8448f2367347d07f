/*-------------------------------------------------------------------------
 *
 * rm_standby.c
 *	  Records for hot standby: locks, running transactions, invalidations.
 *
 * They are about running transactions, and a backup has none.  But a standby
 * that starts from a base backup takes nextXid from the first list of running
 * transactions, and from no later one (ProcArrayApplyRecoveryInfo in
 * PostgreSQL's procarray.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "ingest/handler.h"
#include "storage/standbydefs.h"

void
bb_rm_standby(BbIngest *ingest)
{
	const xl_running_xacts *running;
	TransactionId xid;

	switch (XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK)
	{
		case XLOG_STANDBY_LOCK:
		case XLOG_INVALIDATIONS:
			break;
		case XLOG_RUNNING_XACTS:
			running = (const xl_running_xacts *)
				bb_ingest_data(ingest, offsetof(xl_running_xacts, xids));
			if (ingest->done_lsn < ingest->start_lsn)
			{
				xid = running->nextXid;
				TransactionIdRetreat(xid);
				bb_clusterstate_past_xid(ingest->state, xid);
			}
			break;
		default:
			bb_ingest_unknown(ingest);
	}
}
