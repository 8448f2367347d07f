/*-------------------------------------------------------------------------
 *
 * block_session.h
 *	  What a session that reads blocks keeps: an open timeline, and a reader of
 *	  one LSN.
 *
 *	  begin ──► read, read, … ──► end
 *
 * Opening a timeline takes milliseconds, and reading a block some microseconds.
 * So the timeline stays open from call to call, for the session.  Each call checks
 * the privileges and options of the store.  Whether the timeline has changed is
 * looked up in the store, so only every few seconds; until then a call reads what
 * the one before could read.  Layers that have gone are noticed by the read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BLOCK_SESSION_H
#define BB_BLOCK_SESSION_H

#include "backup/ranges.h"
#include "base/reqctx.h"

/*
 * bb_blocksession_begin - return a reader of a timeline at lsn (Invalid: its end,
 * as it is now).
 *
 * If the call raises an error before bb_blocksession_end, the next one opens the
 * timeline again.
 *
 * Errors: those of bb_keptstore_open and bb_store_snapshot.
 */
extern BbRangeReader *bb_blocksession_begin(const BbReqCtx *ctx,
											const char *server,
											const char *timeline,
											XLogRecPtr lsn);

/* bb_blocksession_end - the call has ended without an error. */
extern void bb_blocksession_end(BbRangeReader *reader);

#endif /* BB_BLOCK_SESSION_H */
