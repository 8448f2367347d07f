/*-------------------------------------------------------------------------
 *
 * databases.h
 *	  A static worker's way into the databases.
 *
 *	  postmaster ── launcher ── in each database, in turn ── task ── its end
 *
 * A static worker, which exists if the library is preloaded, can't read tables
 * of databases.  So it starts a short-lived worker in each of them, as the
 * autovacuum launcher does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DATABASES_H
#define BB_DATABASES_H

#include "nodes/pg_list.h"

/*
 * bb_databases_find - return the OIDs of all databases, or of those that allow
 * connections.
 *
 * REQUIRES: a standing worker, outside of a transaction.
 */
extern List *bb_databases_find(bool connectable);

/*
 * bb_databases_visit - run a task in each database that allows connections, one
 * after the other.
 *
 * A task that takes longer than timeout_ms is told to end, since it may wait for
 * a lock on a table or on its database; the log says so.  Without a free process,
 * the rest is left for the next time, and the log says that, too.  "what" is
 * what the task is for: "look for followers".
 *
 * REQUIRES: as bb_databases_find.
 *
 * Errors: QUERY_CANCELED.
 */
extern void bb_databases_visit(const char *task, long timeout_ms,
							   const char *what);

/*
 * bb_databases_wait - wait for so long, however often the latch is set, as it is
 * when a task ends.
 */
extern void bb_databases_wait(long wait_ms);

#endif /* BB_DATABASES_H */
