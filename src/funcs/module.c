/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The library's magic block, its initialisation, and the validators of the
 *	  foreign-data wrappers "bbackup" and "bbackup_source".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "base/compat.h"
#include "base/foreigntext.h"
#include "base/settings.h"
#include "intake/follow.h"
#include "intake/receiver.h"
#include "keeper/keeper.h"
#include "process/worker.h"
#include "redo/helper.h"
#include "stats/shared.h"
#include "stores/backup_call.h"
#include "stores/own_server.h"
#include "stores/source_options.h"
#include "stores/store_cache.h"
#include "stores/store_options.h"

#if PG_VERSION_NUM >= 180000
PG_MODULE_MAGIC_EXT(.name = "bbackup", .version = BB_VERSION);
#else
PG_MODULE_MAGIC;
#endif

BB_SQL_FUNCTION(bb_sql_fdw_validator);
BB_SQL_FUNCTION(bb_sql_source_validator);

/* The tasks of background workers. */
static const BbWorkerTask worker_tasks[] = {
	{BB_PREFETCH_TASK, bb_prefetch_task},
	{BB_AHEAD_TASK, bb_ahead_task},
	{BB_PAGES_TASK, bb_pages_task},
	{BB_RECEIVE_TASK, bb_receive_task},
	{BB_FOLLOW_TASK, bb_follow_task},
	{BB_FOLLOW_STARTER_TASK, bb_follow_starter_task},
	{BB_FOLLOW_LAUNCHER_TASK, bb_follow_launcher_task},
	{BB_KEEPER_TASK, bb_keeper_task},
	{BB_KEEPER_PASS_TASK, bb_keeper_pass_task},
	{BB_TRIAL_TASK, bb_trial_task},
};

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	bb_settings_init();
	bb_redo_helper_init();
	bb_stats_init();
	bb_own_server_init();
	bb_follow_guard_init();
	bb_worker_init("$libdir/bbackup", worker_tasks, lengthof(worker_tasks));
	bb_follow_launcher_init();
	bb_keeper_init();
}

/* bb_fdw_validator(options text[], catalog oid) */
static Datum
bb_sql_fdw_validator_body(PG_FUNCTION_ARGS)
{
	bb_storeoptions_check(untransformRelOptions(PG_GETARG_DATUM(0)),
						  PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

/* bb_source_validator(options text[], catalog oid) */
static Datum
bb_sql_source_validator_body(PG_FUNCTION_ARGS)
{
	bb_sourceoptions_check(untransformRelOptions(PG_GETARG_DATUM(0)),
						   PG_GETARG_OID(1));
	PG_RETURN_VOID();
}
