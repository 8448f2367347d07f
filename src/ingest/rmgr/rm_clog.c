/*-------------------------------------------------------------------------
 *
 * rm_clog.c
 *	  Records of pg_xact: new pages and removed segments.
 *
 * Records of commits and aborts change the pages: rm_xact.c.
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
	return bb_slrupages_xids_precede(page, other, BB_XACT_PER_PAGE);
}

void
bb_rm_clog(BbIngest *ingest)
{
	xl_clog_truncate truncate;

	switch (XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK)
	{
		case CLOG_ZEROPAGE:
			bb_slrupages_zero(ingest, BB_SLRU_XACT,
							  bb_slrupages_of_record(ingest));
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
