/*-------------------------------------------------------------------------
 *
 * keeper.h
 *	  The background worker that takes care of page stores.
 *
 *	  postmaster ── launcher ── in each database, in turn: a pass
 *	  (preloaded)	keeper.c				  │ pass.c
 *						for each store: a visit	  visit.c
 *						  │ for each timeline: a job of upkeep, chores
 *						  └ its cache: room
 *
 * With bbackup.upkeep = on, a round begins each bbackup.upkeep_naptime.  A pass
 * goes round the stores of its database until there is nothing to do, or until
 * bbackup.upkeep_naptime has passed.	So a database with much to do doesn't keep
 * the others waiting for longer than that and a job; and while there is more to
 * do, rounds follow each other without a nap.
 *
 * Which stores: all foreign servers of the wrapper in all databases, except those
 * with the option upkeep 'off'.  The worker opens a store as the owner of its
 * foreign server would, with the owner's keys, as autovacuum works on a table
 * as its owner.  If several servers name the same store, each takes care of it,
 * and the lock of a timeline's upkeep divides the work.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_KEEPER_H
#define BB_KEEPER_H

#include "stats/jobs.h"

#define BB_KEEPER_TASK "upkeep"
#define BB_KEEPER_PASS_TASK "upkeep pass"
#define BB_TRIAL_TASK "restore test"

/*
 * Kinds of jobs in the statistics: those of BbUpkeepKind, then
 * BB_KEEPER_LOOK (a store or timeline was looked at, which failed),
 * BB_KEEPER_ROOM (room was made in a cache), then the chores.
 */
#define BB_KEEPER_LOOK 6
#define BB_KEEPER_ROOM 7
#define BB_KEEPER_CHORES 8

/* bb_keeper_job_name - "merge", "look", …: by the kind of a job. */
extern const char *bb_keeper_job_name(int kind);

/* bb_keeper_init - start the launcher with the server, if preloaded. */
extern void bb_keeper_init(void);

/* Tasks of workers. */
extern void bb_keeper_task(const void *payload, size_t length);
extern void bb_keeper_pass_task(const void *payload, size_t length);
extern void bb_trial_task(const void *payload, size_t length);

#endif /* BB_KEEPER_H */
