/*-------------------------------------------------------------------------
 *
 * cutoff.h
 *	  Where a window of time begins, by the times of commits.
 *
 *	  commits	 o   o	 o	 o		 o	 o	 o	 o
 *			  ───────────|───────── window ─────────| end
 *						 ^ the cutoff: the last commit that isn't within it
 *
 * A clock may be wrong for a while, that of the source and that of this server
 * at once.  So a step of it counts for less than it says:
 *
 *	  o	 o	o  o |<───────────── five years ─────────────>| o  o  o
 *
 * - Between two commits, more than a window (and an hour) has passed: either
 *	 nothing was committed for so long, or the clock has jumped.  Until a whole
 *	 window has passed since then, this counts as half of a window.  So whatever
 *	 a clock does, at least half of the window is left; and if the timeline lives
 *	 on, it goes on by itself.
 * - Commits are later than the end, by more than that: the clock was ahead, and
 *	 has been set right since, or it has been set back.  They are within the
 *	 window until commits that follow them have left it.
 *
 * This is fed with commits in the order of LSNs, and reads nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_CUTOFF_H
#define BB_UPKEEP_CUTOFF_H

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"

typedef struct BbCutoff
{
	TimestampTz end; /* the window is counted back from here */
	int64		window_us;
	int64		jump_us; /* two commits are apart by more: a jump */
	XLogRecPtr	until;	 /* no commit from here on is looked at */
	/* so far */
	XLogRecPtr	lsn;   /* the cutoff */
	TimestampTz last;  /* the time of the last commit */
	bool		ahead; /* it was later than the end */
	/* the jump that has been met */
	XLogRecPtr	jump_lsn; /* the first commit after it; Invalid: none */
	int64		jumped_us;
} BbCutoff;

/*
 * bb_cutoff_begin - begin with the start of a timeline and its time, for a window
 * of so many seconds up to "end".
 */
extern BbCutoff bb_cutoff_begin(TimestampTz end, int64 window_s,
								XLogRecPtr start, TimestampTz start_time);

/* bb_cutoff_add - add the next commit.  Returns false if no more are needed. */
extern bool bb_cutoff_add(BbCutoff *cutoff, XLogRecPtr lsn, TimestampTz time);

/* bb_cutoff_gap - add a gap that ends at an LSN, whose time is known. */
extern void bb_cutoff_gap(BbCutoff *cutoff, XLogRecPtr until,
						  TimestampTz until_time);

/*
 * bb_cutoff_again - did it end at a jump?
 *
 * Then begins anew: the jump counts for less, and the commits have to be added
 * once more.  That happens at most once for each jump.
 */
extern bool bb_cutoff_again(BbCutoff *cutoff, XLogRecPtr start,
							TimestampTz start_time);

#endif /* BB_UPKEEP_CUTOFF_H */
