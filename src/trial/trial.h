/*-------------------------------------------------------------------------
 *
 * trial.h
 *	  Restore tests: is a backup of the present one that a server starts?
 *
 *	  plan ── driver ── check of pages ──┬── nothing			"read"
 *										 └── a private directory	"start"
 *											   │ a server of our own, which
 *											   │ nobody else can connect to
 *											   └ a query in its databases
 *
 * The private directory, and all processes that run in it, end with the memory
 * context of the test, or with this process (trial_place.c).
 *
 * The server that is started has a configuration of ours (trial_server.c): it
 * archives nothing, loads no libraries, connects to nobody, listens on a socket
 * in its directory, and writes nowhere else.  But what it executes comes from the
 * page store, and it runs as the operating system user of this server: who can
 * write to the store can run programs here, as soon as somebody starts what is
 * in it.  So starting takes the privilege to execute programs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TRIAL_H
#define BB_TRIAL_H

#include "backup/backup.h"

typedef struct BbTrialOptions
{
	bool		start;	  /* start a server; else only read */
	const char *query;	  /* NULL: one that each server answers */
	const char *database; /* NULL: in each that allows connections */
	List	   *roles;	  /* char *: the first that exists connects */
} BbTrialOptions;

typedef struct BbTrialResult
{
	XLogRecPtr	lsn;
	uint64		files;
	uint64		bytes;
	uint64		pages;
	char	   *answer; /* of the query; NULL: none was asked */
} BbTrialResult;

/*
 * bb_trial_prepare - set the options of a backup that is made for a test.
 */
extern void bb_trial_prepare(BbBackupOptions *options);

/*
 * bb_trial_usual_roles - return names (char *) that the superuser of a cluster may
 * have.
 *
 * REQUIRES: within a transaction.
 */
extern List *bb_trial_usual_roles(void);

/*
 * bb_trial_run - make a backup by a plan, and test it.
 *
 * "task" and "ahead" (may be NULL) are those of bb_backup_new and
 * bb_backup_follow.  Keeps to the pace of upkeep, if that was set.
 *
 * Errors: those of backup.h; DATA_CORRUPTED (a page that no server has written);
 * EXTERNAL_ROUTINE_EXCEPTION (the server doesn't start, or has ended; the query
 * returns false); those of the query, with its SQLSTATE;
 * OBJECT_NOT_IN_PREREQUISITE_STATE (a cluster of another major version);
 * errcode_for_file_access().
 */
extern BbTrialResult bb_trial_run(const BbReqCtx *ctx, BbBackupPlan *plan,
								  const BbBackupTask *task, BbAhead *ahead,
								  const BbTrialOptions *options);

#endif /* BB_TRIAL_H */
