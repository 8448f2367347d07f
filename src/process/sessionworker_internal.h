/*-------------------------------------------------------------------------
 *
 * sessionworker_internal.h
 *	  What the two sides of a session worker share.
 *
 * Everything that the worker has to know is in a dynamic shared memory segment:
 *
 *	  about      database, users, task
 *	  settings   see sessionworker_settings.c
 *	  payload
 *	  counters   of the task, which only the worker writes
 *	  reports    a message queue, worker to starter: errors, notices, the end
 *	  output     a message queue, worker to starter: the task's messages
 *	  input      a message queue, starter to worker
 *
 * Reports are messages of the frontend/backend protocol, since the server can
 * send its errors and notices that way (libpq/pqmq.c): 'E' and 'N' as there;
 * 'B': the session is like the starter's, and the task begins; 'X': the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SESSIONWORKER_INTERNAL_H
#define BB_SESSIONWORKER_INTERNAL_H

#include "process/sessionworker.h"

#define BB_WORKER_MAGIC 0x62625701

/* Keys of the segment's table of contents. */
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
	Oid			authenticated_user; /* that logged in */
	Oid			outer_user;			/* of SET ROLE, or the same */
	Oid			user;				/* of a function, or the same */
	int			security_context;
	size_t		settings_length;
	size_t		payload_length;
	bool		has_input;
	bool		errors_logged; /* BB_WORKER_ERRORS_LOGGED */
	/* set by bb_sessionworker_stop: the end is what the starter wants */
	volatile sig_atomic_t stopped;
	char		task[NAMEDATALEN];
} BbWorkerAbout;

/*
 * bb_sessionworker_settings_pack - return this session's values as
 * "name\0value\0name\0value\0", palloc'd.
 */
extern char *bb_sessionworker_settings_pack(size_t *length);

/*
 * bb_sessionworker_settings_apply - set such values in this session.
 *
 * REQUIRES: a transaction.
 *
 * Errors: those of the settings' check hooks.
 */
extern void bb_sessionworker_settings_apply(const char *packed, size_t length);

#endif /* BB_SESSIONWORKER_INTERNAL_H */
