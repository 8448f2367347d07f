/*-------------------------------------------------------------------------
 *
 * worker_internal.h
 *	  What the two sides of a background worker share.
 *
 * All that a worker is told is in a dynamic shared memory segment:
 *
 *	  about      database, users
 *	  settings   those of worker_settings.h
 *	  payload
 *	  counters   of the task, which only the worker writes
 *	  reports    a message queue, worker to starter: errors, notices, the end
 *	  output     another, for what the task sends
 *	  input      another, starter to worker
 *
 * Reports are messages of the frontend/backend protocol, since the server can
 * be told to send its errors and notices that way (libpq/pqmq.c): 'E' and 'N'
 * as it does, 'B' says that the session is like the starter's and the task
 * begins, and 'X' is the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WORKER_INTERNAL_H
#define BB_WORKER_INTERNAL_H

#include "process/worker.h"

#define BB_WORKER_MAGIC 0x62625701

/* What is where in the segment. */
enum
{
	BB_WORKER_ABOUT,
	BB_WORKER_SETTINGS,
	BB_WORKER_PAYLOAD,
	BB_WORKER_COUNTERS,
	BB_WORKER_REPORTS,
	BB_WORKER_OUTPUT,
	BB_WORKER_INPUT,
	BB_WORKER_KEYS
};

typedef struct BbWorkerAbout
{
	Oid			database;
	Oid			authenticated_user; /* who logged in */
	Oid			outer_user;			/* or has become, by SET ROLE */
	Oid			user;				/* or is, within a function */
	int			security_context;
	size_t		settings_length;
	size_t		payload_length;
	bool		has_input;
	bool		optional;
	char		task[NAMEDATALEN];
} BbWorkerAbout;

extern const BbWorkerTask *bb_worker_find_task(const char *name);

/* bb_worker_wait - for MyLatch, which it resets. */
extern void bb_worker_wait(const BbReqCtx *ctx);

#endif /* BB_WORKER_INTERNAL_H */
