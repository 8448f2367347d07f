/*-------------------------------------------------------------------------
 *
 * follow.h
 *	  Following a server: a timeline that gets its WAL as it is written.
 *
 *	  bb_follow ── a row of bb_following ──► follower ── starts ──► receiver
 *	  the server starts ── launcher ──┘		   │ import, then ingest, for ever
 *
 * The table bb_following of the extension says which timelines follow which
 * sources.  A follower is a standing worker, which the postmaster restarts; it
 * leads the spool (control.h), so a second one for the same timeline ends at
 * once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INTAKE_FOLLOW_H
#define BB_INTAKE_FOLLOW_H

#include "intake/control.h"
#include "nodes/pg_list.h"

/* A row of bb_following. */
typedef struct BbFollowing
{
	const char *store; /* a foreign server */
	const char *timeline;
	const char *source; /* a foreign server */
	Oid			owner;	/* the role that the workers act as */
	const char *slot;
	const char *checkpoint; /* of its import: "fast" or "spread" */
	int			max_rate_kb;
} BbFollowing;

#define BB_FOLLOW_TASK "follow"
#define BB_FOLLOW_STARTER_TASK "follow starter"

extern void bb_follow_task(const void *payload, size_t length);
extern void bb_follow_starter_task(const void *payload, size_t length);

/* bb_follow_launcher_init - start what follows with the server, if preloaded. */
extern void bb_follow_launcher_init(void);

#endif /* BB_INTAKE_FOLLOW_H */
