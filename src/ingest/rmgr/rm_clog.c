/*-------------------------------------------------------------------------
 *
 * rm_clog.c
 *	  Records of pg_xact: pages made, segments removed.
 *
 * What is in the pages comes with commits and aborts: rm_xact.c.
 *
 * (clog_redo and CLOGPagePrecedes in PostgreSQL's clog.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/clog.h"
#include "access/transam.h"
#include "ingest/rmgr/slrupages.h"
#include "layer/native.h"

static bool
precedes(int64 page, int64 other)
{
	TransactionId xid = (TransactionId) page * BB_XACT_PER_PAGE +
		FirstNormalTransactionId + 1;
	TransactionId other_xid = (TransactionId) other * BB_XACT_PER_PAGE +
		FirstNormalTransactionId + 1;

	return TransactionIdPrecedes(xid, other_xid) &&
		TransactionIdPrecedes(xid, other_xid + BB_XACT_PER_PAGE - 1);
}

void
bb_rm_clog(BbIngest *ingest)
{
	BbWalSlruPage page;
	xl_clog_truncate truncate;

	switch (XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK)
	{
		case CLOG_ZEROPAGE:
			memcpy(&page, bb_ingest_data(ingest, sizeof(page)), sizeof(page));
			bb_slrupages_zero(ingest, BB_SLRU_XACT, page);
			break;
		case CLOG_TRUNCATE:
			memcpy(&truncate, bb_ingest_data(ingest, sizeof(truncate)),
				   sizeof(truncate));
			bb_slrupages_truncate(ingest, BB_SLRU_XACT, truncate.pageno,
								  precedes);
			break;
		default:
			bb_ingest_unknown(ingest);
	}
}
