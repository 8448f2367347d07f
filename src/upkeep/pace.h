/*-------------------------------------------------------------------------
 *
 * pace.h
 *	  How fast upkeep may work: bbackup.upkeep_rate, bbackup.upkeep_cpu_share.
 *
 *	  keeper, bb_upkeep() ── bb_upkeeppace_begin
 *	  merge, verification, copy ── bb_upkeeppace, every few hundred kilobytes
 *
 * A process does one job at a time, so its pace is that of the process: code
 * deep in a job needs no argument for it.  Without bb_upkeeppace_begin there is
 * no limit.
 *
 * The rate is that of bytes read and written together.  The share is that of
 * one processor, of this process alone: its redo helpers aren't counted.  Time
 * in which a job waits for storage isn't saved up for longer than a second.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_PACE_H
#define BB_UPKEEP_PACE_H

#include "base/reqctx.h"

/*
 * bb_upkeeppace_begin - limit the work that is done for ctx and its attached
 * children, until CurrentMemoryContext is reset.
 *
 * "look" (may be NULL) is called at each bb_upkeeppace; it may raise an error.
 */
typedef void (*BbPaceLook) (void);

extern void bb_upkeeppace_begin(const BbReqCtx *ctx, BbPaceLook look);

/*
 * bb_upkeeppace - "written" more bytes were written; what was read is known from
 * the counters.
 *
 * Sleeps as the limits ask for, and reports progress.  Checks ctx, so a loop
 * that calls this needs no bb_reqctx_check.
 *
 * Errors: QUERY_CANCELED.
 */
extern void bb_upkeeppace(const BbReqCtx *ctx, uint64 written);

#endif /* BB_UPKEEP_PACE_H */
