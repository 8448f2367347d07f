/*-------------------------------------------------------------------------
 *
 * follow.h
 *	  Following a server: a timeline that gets its WAL as it is written.
 *
 *	  bb_follow ── a row of bb_following ──► follower ── starts ──► receiver
 *	  the server starts ── launcher ──┘		   │ import, then ingest, for ever
 *
 *	  following.c	the table
 *	  calls.c		bb_follow, bb_unfollow: what a session does
 *	  starts.c		workers that start when a transaction has ended
 *	  launcher.c	what follows, after a start of the server
 *	  follower.c	the worker
 *	  gap.c			WAL that the source has no longer
 *	  guard.c		servers that are in use aren't dropped
 *	  wait.c		bb_wait
 *	  status.c		bb_stat_follow
 *
 * The table bb_following of the extension says which timelines follow which
 * sources.  A follower is a standing worker, which the postmaster restarts; it
 * leads the spool (control.h), so a second one for the same timeline ends at
 * once.  It ends when its row is gone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INTAKE_FOLLOW_H
#define BB_INTAKE_FOLLOW_H

#include "intake/control.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"

/* ---- the table ---- */

/* A row of bb_following. */
typedef struct BbFollowing
{
	const char *store; /* a foreign server */
	const char *timeline;
	const char *source; /* a foreign server */
	Oid			owner;	/* the role that the workers act as */
	const char *slot;
	const char *checkpoint;	 /* of its import: "fast" or "spread" */
	int			max_rate_kb; /* 0: no limit */
	bool		imported; /* the timeline was complete once; if it is missing,
							  * it isn't imported again */
	ItemPointerData row;  /* another row, another bb_follow */
} BbFollowing;

/*
 * bb_following_find - returns the row of a timeline; NULL if there is none, or
 * no extension.
 *
 * REQUIRES: a transaction; so do the following functions.  Rows are read as
 * committed last, whatever the transaction's snapshot.
 */
extern BbFollowing *bb_following_find(const char *store, const char *timeline);

/* bb_following_all - returns all rows (BbFollowing *). */
extern List *bb_following_all(void);

/*
 * bb_following_lock - let no other transaction change the table until this one
 * ends.
 */
extern void bb_following_lock(void);

/* REQUIRES: bb_following_lock. */
extern void bb_following_add(const BbFollowing *following);
extern void bb_following_remove(const BbFollowing *following);

/* bb_following_set_imported - note that the timeline is complete. */
extern void bb_following_set_imported(const BbFollowing *following);

/*
 * bb_follow_guard_init - refuse to drop servers by which a timeline is followed,
 * in this process.
 *
 * Errors of DROP SERVER: DEPENDENT_OBJECTS_STILL_EXIST.
 */
extern void bb_follow_guard_init(void);

/* ---- sessions ---- */

/*
 * bb_follow_begin - add a row, and start its follower when the transaction
 * commits.
 *
 * following->owner and ->slot (NULL: a default) are set here.  A row of a
 * timeline whose following has failed is replaced.
 *
 * Errors: DUPLICATE_OBJECT (the timeline is followed); OBJECT_IN_USE (another
 * process writes it); INVALID_PARAMETER_VALUE (the source is another system than
 * the timeline); INVALID_NAME (of the slot); OBJECT_NOT_IN_PREREQUISITE_STATE
 * (the role can't log in; single-user mode); READ_ONLY_SQL_TRANSACTION;
 * those of store_access.h and source_access.h.
 */
extern void bb_follow_begin(const BbReqCtx *ctx, const BbFollowing *following);

/*
 * bb_follow_end - remove a row, stop its workers and wait for their end, and
 * drop the slot.  If the transaction aborts, they are started again; if it
 * commits, the spool is removed.
 *
 * A source that can't be reached is a WARNING, and so is a spool that is kept,
 * because it has WAL that was confirmed and isn't in the page store.
 *
 * Errors: UNDEFINED_OBJECT (the timeline isn't followed);
 * INSUFFICIENT_PRIVILEGE (by another role).
 */
extern void bb_follow_end(const BbReqCtx *ctx, const char *store,
						  const char *timeline, bool drop_slot);

/*
 * bb_follow_wait - wait until a timeline can be read at an LSN (Invalid: the end
 * of the source's WAL now); returns how far it can be read.
 *
 * timeout_ms -1: none.
 *
 * Errors: UNDEFINED_OBJECT (lsn is Invalid, and the timeline isn't followed;
 * or there is no such timeline); OBJECT_NOT_IN_PREREQUISITE_STATE (following
 * has failed); QUERY_CANCELED (the timeout).
 */
extern XLogRecPtr bb_follow_wait(const BbReqCtx *ctx, const char *store,
								 const char *timeline, XLogRecPtr lsn,
								 int64 timeout_ms);

/*
 * bb_follow_state - returns the state of a timeline, by what its follower and
 * its receiver say.
 */
extern BbFollowState bb_follow_state(BbFollowControl *control);

/* "starting", "importing", … */
extern const char *bb_follow_state_name(BbFollowState state);

/*
 * bb_follow_obstacle - returns why no follower can run for a row, or "".
 *
 * bb_follow_owner_obstacle - the same, if it is the owner's fault.
 *
 * bb_follow_spool_obstacle - why files can't be made in a spool's directory, or
 * "".
 */
extern const char *bb_follow_obstacle(const BbFollowing *following);
extern const char *bb_follow_owner_obstacle(Oid owner);
extern const char *bb_follow_spool_obstacle(const char *directory);

/*
 * bb_follow_status - returns whether a follower runs for a row, and sets *status
 * to what it says, or else to why none can run, if that is known; and *lag to
 * that of covered_lsn, in microseconds.
 */
extern bool bb_follow_status(const BbFollowing *following,
							 BbFollowStatus *status, int64 *lag);

/*
 * bb_follow_spool_is_needed - has the spool WAL that the source may have removed,
 * and that isn't in the page store?  If that isn't known, any WAL may be.
 */
extern bool bb_follow_spool_is_needed(const BbFollowStatus *status,
									  const char *directory);

/*
 * bb_follow_remove_spool - remove the directory of a spool.
 *
 * REQUIRES: no other process leads or receives.  Raises no error.
 */
extern void bb_follow_remove_spool(const char *directory);

/* ---- workers ---- */

/* What a follower does, copied to its process. */
typedef struct BbFollowOrder
{
	Oid			store;
	char		timeline[64];
} BbFollowOrder;

#define BB_FOLLOW_TASK "follow"
#define BB_FOLLOW_STARTER_TASK "follow starter"
#define BB_FOLLOW_LAUNCHER_TASK "launcher"

extern void bb_follow_task(const void *payload, size_t length);
extern void bb_follow_starter_task(const void *payload, size_t length);
extern void bb_follow_launcher_task(const void *payload, size_t length);

/*
 * bb_follow_register - ask for the follower of a row in this database.
 *
 * Returns NULL, or why there will be none, as the detail of an error.  Raises no
 * error.
 */
extern const char *bb_follow_register(const BbFollowOrder *order, Oid owner);

/* bb_follow_launcher_init - start what follows with the server, if preloaded. */
extern void bb_follow_launcher_init(void);

/* Does it, in this server? */
extern bool bb_follow_is_launched(void);
extern void bb_follow_set_launched(void);

#endif /* BB_INTAKE_FOLLOW_H */
