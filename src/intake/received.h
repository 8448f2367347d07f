/*-------------------------------------------------------------------------
 *
 * received.h
 *	  What a receiver has received: the spool, and the position in it.
 *
 *			  stored	  checked		 tail			  end of writes
 *	  ──┬───────┴────────────┴─────────────┴──────────────────►  tli
 *		└ the segment where the spool begins
 *
 * The tail is how far the leader may read; it is published in the control
 * block.  A receiver that starts anew finds the end of the complete records,
 * which becomes the tail, and receives the segment of that position again, from
 * its beginning; the tail moves on when the writes pass it.
 *
 * What is received again is compared.  A source that sends other WAL than before
 * isn't the one that was followed: it lost WAL in a crash, or was restored from
 * an older copy.  Then nothing is trusted but what is durable.
 *
 * With confirm 'spool' the receiver itself reads the records, so that it
 * confirms nothing but complete and valid ones: "checked".
 *
 * An error in the midst of a change leaves a spool that has to be opened again:
 * bb_received_is_broken, bb_received_close.
 *
 * Errors: those of walspool.h; DATA_CORRUPTED (a record isn't valid).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INTAKE_RECEIVED_H
#define BB_INTAKE_RECEIVED_H

#include "intake/control.h"
#include "intake/position.h"
#include "wal/walspool.h"

typedef struct BbReceived BbReceived;

/* bb_received_new - of a control block; opens nothing yet. */
extern BbReceived *bb_received_new(BbFollowControl *control,
								   const char *directory);

/*
 * bb_received_begin - carry out the present order: find out where to go on,
 * unless that is known.
 *
 * What a former connection received of the last segment is received again.
 */
extern void bb_received_begin(const BbReqCtx *ctx, BbReceived *received,
							  BbConfirm confirm);

/* Returns the tli that is received, and sets *lsn to where writes go on. */
extern TimeLineID bb_received_next(const BbReceived *received,
								   XLogRecPtr *lsn);

/* Returns the position, for decisions. */
extern BbPosition bb_received_position(const BbReceived *received);

/*
 * bb_received_history - returns the history of the tli that is received, if the
 * spool has it, or NULL.
 */
extern const BbTliHistory *bb_received_history(const BbReqCtx *ctx,
											   const BbReceived *received);

/* Returns the order to which the position belongs. */
extern uint64 bb_received_order(const BbReceived *received);

/*
 * bb_received_write - write WAL that arrived, and publish it.
 *
 * The leader is woken by bb_received_wake, which is called once for a number of
 * writes, and after feedback, for which commits of the source may wait.
 *
 * Returns Invalid, or where the WAL differs from what was received before; then
 * it isn't written.
 *
 * If the disk has no room, that is noted, and the spool is full.  (An import of a
 * session raises the error.)
 *
 * REQUIRES: the spool isn't full.
 */
extern XLogRecPtr bb_received_write(const BbReqCtx *ctx, BbReceived *received,
									XLogRecPtr lsn, const uint8 *data,
									size_t length);

/*
 * bb_received_wake - wake the leader if it waits, and more was published.
 *
 * Returns the milliseconds after which to call this again, since the leader was
 * woken only a moment ago.
 */
extern long bb_received_wake(BbReceived *received);

/*
 * bb_received_check - sync the spool, read the records that are new, and
 * return the end of the last one that is complete.
 */
extern XLogRecPtr bb_received_check(const BbReqCtx *ctx, BbReceived *received);

/* Returns the WAL written since bb_received_check. */
extern uint64 bb_received_unchecked(const BbReceived *received);

/*
 * bb_received_leave - our tli ends at lsn in the source: decide what that
 * means, and if nothing speaks against it, drop what was received beyond.
 */
extern BbPositionStep bb_received_leave(const BbReqCtx *ctx,
										BbReceived *received, XLogRecPtr lsn);

/*
 * bb_received_distrust - the source's WAL isn't ours from lsn on: drop what
 * isn't durable.
 *
 * The result is BB_POSITION_DIVERGED, BB_POSITION_REWIND or BB_POSITION_CUT.
 * Except for the first, the position has to be found again.
 */
extern BbPositionStep bb_received_distrust(const BbReqCtx *ctx,
										   BbReceived *received,
										   XLogRecPtr lsn);

/*
 * bb_received_switch - go on with next_tli, which begins at lsn, by the text of
 * its history file.
 *
 * Errors, also: PROTOCOL_VIOLATION (the file says otherwise).
 */
extern void bb_received_switch(const BbReqCtx *ctx, BbReceived *received,
							   TimeLineID next_tli, const char *history,
							   XLogRecPtr lsn);

/* bb_received_trim - remove segments that aren't needed any more. */
extern void bb_received_trim(const BbReqCtx *ctx, BbReceived *received);

/* bb_received_has_wal - is there WAL in the spool, if it is open? */
extern bool bb_received_has_wal(const BbReceived *received);

/*
 * bb_received_is_full - has the spool no room, and can the leader make some?
 * Publishes it, too, and writes what the disk had no room for, as soon as it has.
 */
extern bool bb_received_is_full(const BbReqCtx *ctx, BbReceived *received);

/* Did an error leave the spool in the midst of a change? */
extern bool bb_received_is_broken(const BbReceived *received);

/* bb_received_close - forget the position, so that the next order finds it. */
extern void bb_received_close(BbReceived *received);

#endif /* BB_INTAKE_RECEIVED_H */
