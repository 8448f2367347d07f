/*-------------------------------------------------------------------------
 *
 * tliswitch.h
 *	  WAL goes on under another tli.
 *
 * The first record under it says so.  The manifest then remembers up to which
 * LSN the tli before was current, and the new one's history file is captured,
 * since it is the beginning of those of clones.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TLISWITCH_H
#define BB_TLISWITCH_H

#include "ingest/handler.h"

/*
 * bb_tliswitch_check - the record is under "tli", which may be a new one, and
 * the record before it was under prev_tli.
 *
 * Errors: DATA_CORRUPTED (that tli doesn't begin here, or not after that one).
 */
extern void bb_tliswitch_check(BbIngest *ingest, TimeLineID tli,
							   TimeLineID prev_tli);

/*
 * bb_tliswitch_same - the record is under "tli", which is not a new one.
 *
 * Errors: DATA_CORRUPTED.
 */
extern void bb_tliswitch_same(BbIngest *ingest, TimeLineID tli);

/*
 * The record is through: switch, if it was the first under another tli, and
 * say so with a NOTICE.
 */
extern void bb_tliswitch_apply(BbIngest *ingest);

#endif /* BB_TLISWITCH_H */
