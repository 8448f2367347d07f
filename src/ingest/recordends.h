/*-------------------------------------------------------------------------
 *
 * recordends.h
 *	  Where records end, so that any LSN can be rounded down to one.
 *
 * Each page of WAL in which records end has a RECORD_ENDS value: a list of
 * their ends, as offsets in the page.  An end at a page's first byte belongs to
 * that page, not to the page before.  The value's LSN is the first end that was
 * not in an earlier value of the same page.  A value has all ends of the page up
 * to the flush that wrote it.  So a reader at an LSN takes the value at that LSN,
 * and ignores ends above the LSN.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RECORDENDS_H
#define BB_RECORDENDS_H

#include "ingest/openlayer.h"
#include "timeline/timeline.h"

typedef struct BbRecordEnds BbRecordEnds;

/* Continue after lsn, the end of a timeline. */
extern BbRecordEnds *bb_recordends_new(const BbReqCtx *ctx, BbOpenLayer *layer,
									   BbTimeline *timeline, XLogRecPtr lsn);
extern void bb_recordends_add(BbRecordEnds *ends, XLogRecPtr lsn);
/* Write what isn't written yet, before a flush. */
extern void bb_recordends_flush(BbRecordEnds *ends);

/* Returns the key of the page that an end belongs to. */
extern BbKey bb_recordends_key(XLogRecPtr lsn);

#endif /* BB_RECORDENDS_H */
