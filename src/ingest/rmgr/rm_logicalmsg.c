/*-------------------------------------------------------------------------
 *
 * rm_logicalmsg.c
 *	  Messages of logical decoding, which change nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ingest/handler.h"
#include "replication/message.h"

void
bb_rm_logicalmsg(BbIngest *ingest)
{
	if ((XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK) !=
		XLOG_LOGICAL_MESSAGE)
		bb_ingest_unknown(ingest);
}
