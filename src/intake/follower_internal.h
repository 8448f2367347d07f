/*-------------------------------------------------------------------------
 *
 * follower_internal.h
 *	  The state of a follower.
 *
 *	  follower.c	the loop: attempts, and what an error means
 *	  followerrow.c	the row
 *	  watch.c		between two records: problems, orders of others, figures
 *	  gap.c			WAL that the source has no longer
 *	  successor.c	after the end
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FOLLOWER_INTERNAL_H
#define BB_FOLLOWER_INTERNAL_H

#include "ingest/ingest.h"
#include "intake/follow.h"
#include "layer/manifest.h"
#include "utils/resowner.h"

/* What follows the end of an attempt. */
typedef enum BbFollowVerdict
{
	BB_FOLLOW_RETRY,	/* after a pause */
	BB_FOLLOW_AGAIN,	/* at once */
	BB_FOLLOW_HOPELESS, /* fail */
	BB_FOLLOW_GONE		/* end: there is no row, or another one */
} BbFollowVerdict;

typedef struct BbFollower
{
	BbFollowOrder order;
	const char *directory; /* of the spool */
	MemoryContext life;	   /* of the follower */
	MemoryContext attempt;
	MemoryContext row; /* of "following" */
	ResourceOwner owner;
	BbFollowControl *control; /* NULL: doesn't lead yet */
	BbFollowing *following;	  /* NULL: there is no row */

	/* why this attempt ends; RETRY unless the code that raises says more */
	BbFollowVerdict verdict;
	bool		is_gap; /* heal it first */
	bool		importing;
	bool		ingesting;
	bool		reorder;   /* let the receiver begin again */
	bool		is_barred; /* the owner may not log in */

	int			failures; /* in a row */
	XLogRecPtr	bad_lsn;  /* where WAL couldn't be read */
	int			bad_times;

	TimestampTz looked_at; /* around */
	TimestampTz row_read_at;
	TimestampTz receiver_started_at;
} BbFollower;

/* ---- followerrow.c ---- */

/* A transaction of the follower, outside of which it has a resource owner. */
extern void bb_follower_begin(BbFollower *follower);
extern void bb_follower_end(BbFollower *follower);

/*
 * bb_follower_read_row - read the row again.  Returns false if it is gone, or
 * not the one that was read before.
 */
extern bool bb_follower_read_row(BbFollower *follower);

/*
 * bb_follower_find_row - returns the row as it is; NULL if there is none.
 *
 * REQUIRES: a transaction.
 */
extern BbFollowing *bb_follower_find_row(const BbFollower *follower);

/*
 * bb_follower_set_imported - note that the timeline is complete: from now on, its
 * absence is an error.
 */
extern void bb_follower_set_imported(BbFollower *follower);

/* ---- watch.c ---- */

/*
 * bb_watch_new - returns what an ingest asks and reports, in
 * CurrentMemoryContext.
 */
extern const BbIngestControl *bb_watch_new(BbFollower *follower);

/*
 * bb_watch_receiver - start the receiver, unless it runs.
 *
 * Returns NULL, or the error, not raised, that it can't be started; if the owner
 * is the cause, NULL, and sets is_barred.
 */
extern ErrorData *bb_watch_receiver(BbFollower *follower);

/*
 * bb_watch_owner - end following if the receiver couldn't be started because the
 * owner of the row may not log in.  The launcher starts it when it may again.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE, with the verdict GONE.
 */
extern void bb_watch_owner(BbFollower *follower);

extern void bb_watch_state(BbFollower *follower, BbFollowState state);

/*
 * bb_watch_begin - set the figures for a timeline as it is, and "reorder" if they
 * are others than before.
 */
extern void bb_watch_begin(BbFollower *follower, const BbManifest *manifest);

/* ---- gap.c ---- */

/*
 * bb_gap_heal - ingest WAL from the source's wal_directory, from the end of the
 * timeline on.
 *
 * Returns the new end.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (neither the directory nor the source
 * has the WAL), with the verdict HOPELESS if the source has one host; those of bb_ingest and
 * connection.h.
 */
extern XLogRecPtr bb_gap_heal(const BbReqCtx *ctx, BbFollower *follower,
							  BbObjectStore *objects, const BbSource *source,
							  const BbManifest *manifest);

/* ---- successor.c ---- */

/*
 * bb_successor_start - this process has led and doesn't any more: if there is a
 * row, another process is to follow as it says; otherwise the spool is removed,
 * unless it is needed.
 *
 * "former" is the control block, attached before the lead ended; NULL: its spool
 * was removed.
 */
extern void bb_successor_start(const BbFollowOrder *order,
							   BbFollowControl *former);

#endif /* BB_FOLLOWER_INTERNAL_H */
