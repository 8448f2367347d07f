/*-------------------------------------------------------------------------
 *
 * tliswitch.h
 *	  A tli switch: WAL goes on under another tli.
 *
 * The first record under the new tli says so.  The manifest then has the LSN up
 * to which the old tli was current.  The history file of the new tli is
 * captured, since the history files of clones begin with it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TLISWITCH_H
#define BB_TLISWITCH_H

#include "ingest/handler.h"

/*
 * bb_tliswitch_check - check that a record under "tli" may follow one under
 * prev_tli, and prepare the switch if tli is a new one.
 *
 * Errors: DATA_CORRUPTED (tli doesn't begin here, or doesn't follow prev_tli).
 */
extern void bb_tliswitch_check(BbIngest *ingest, TimeLineID tli,
							   TimeLineID prev_tli);

/*
 * bb_tliswitch_same - check that the record's tli is not a new one.
 *
 * Errors: DATA_CORRUPTED (it is).
 */
extern void bb_tliswitch_same(BbIngest *ingest, TimeLineID tli);

/*
 * bb_tliswitch_apply - after a record, switch to its tli.
 *
 * If the tli is a new one, a NOTICE reports the switch.
 */
extern void bb_tliswitch_apply(BbIngest *ingest);

#endif /* BB_TLISWITCH_H */
