/*-------------------------------------------------------------------------
 *
 * trial_internal.h
 *	  The place of a restore test, and the server in it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TRIAL_INTERNAL_H
#define BB_TRIAL_INTERNAL_H

#include "trial/trial.h"

/* ---- trial_place.c ---- */

typedef struct BbTrialPlace BbTrialPlace;

/*
 * bb_trial_place_new - make a private directory, in CurrentMemoryContext, and
 * remove those that killed tests have left.
 *
 * Errors: errcode_for_file_access(); SYSTEM_ERROR (fork, …).
 */
extern BbTrialPlace *bb_trial_place_new(void);

/* The data directory in it, which doesn't exist at first. */
extern const char *bb_trial_place_data(const BbTrialPlace *place);

/* bb_trial_place_start - start a server in the data directory. */
extern void bb_trial_place_start(BbTrialPlace *place);

/* bb_trial_place_ended - have all processes of the server ended? */
extern bool bb_trial_place_ended(const BbTrialPlace *place);

/* bb_trial_place_log - return the end of the server's log, palloc'd. */
extern const char *bb_trial_place_log(const BbTrialPlace *place);

/*
 * bb_trial_place_end - end the server, and remove the directory.
 *
 * Errors: QUERY_CANCELED.
 */
extern void bb_trial_place_end(const BbReqCtx *ctx, BbTrialPlace *place);

/* ---- trial_server.c ---- */

/* bb_trial_configure - replace the configuration of the backup by ours. */
extern void bb_trial_configure(const BbReqCtx *ctx, BbBackupPlan *plan);

/*
 * bb_trial_ask - wait until the server accepts connections, and run the query;
 * returns what it answers, palloc'd: "postgres: 398, shop: 407".
 */
extern char *bb_trial_ask(const BbReqCtx *ctx, const BbTrialPlace *place,
						  const BbTrialOptions *options);

#endif /* BB_TRIAL_INTERNAL_H */
