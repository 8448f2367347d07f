/*-------------------------------------------------------------------------
 *
 * trial_chore.c
 *	  The worker's restore test of each timeline, once in
 *	  bbackup.restore_test_interval.
 *
 *	  pass ── chore: is it due? ──► worker "restore test" ──► note in the store
 *
 * A test takes as long as a restore does, so a worker of its own does it, and
 * merges and images go on.  An advisory lock says that it is at work.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "catalog/pg_authid.h"
#include "common/hashfn.h"
#include "foreign/foreign.h"
#include "keeper/chores.h"
#include "keeper/keeper.h"
#include "layer/manifest.h"
#include "miscadmin.h"
#include "process/standingworker.h"
#include "stats/calls.h"
#include "storage/lock.h"
#include "trial/trial_record.h"
#include "upkeep/pace.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

/* The lock method's fourth field of our advisory locks; others use 1 and 2. */
#define LOCK_CLASS 3

/* A test that has failed is repeated after so long, or after the interval. */
#define AFTER_FAILURE_S 3600

/* Which timeline. */
typedef struct TrialPayload
{
	Oid			server;
	char		timeline[NAMEDATALEN];
} TrialPayload;

StaticAssertDecl(sizeof(TrialPayload) <= BB_STANDINGWORKER_PAYLOAD_MAX,
				 "a worker can be told");

static TrialPayload
payload_of(Oid server, const char *timeline)
{
	TrialPayload payload = {.server = server};

	strlcpy(payload.timeline, timeline, sizeof(payload.timeline));
	return payload;
}

static LOCKTAG
lock_of(const TrialPayload *payload)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, payload->server,
						 string_hash(payload->timeline,
									 sizeof(payload->timeline)),
						 LOCK_CLASS);
	return tag;
}

static bool
lock(const TrialPayload *payload)
{
	LOCKTAG		tag = lock_of(payload);

	return LockAcquire(&tag, ExclusiveLock, true, true) !=
		LOCKACQUIRE_NOT_AVAIL;
}

static void
unlock(const TrialPayload *payload)
{
	LOCKTAG		tag = lock_of(payload);

	(void) LockRelease(&tag, ExclusiveLock, true);
}

/* ---- the chore ---- */

static bool
is_due(const BbReqCtx *ctx, const BbChorePlace *place)
{
	const char *timeline = place->manifest->timeline;
	TrialPayload payload = payload_of(place->server, timeline);
	BbTrialRecords records;
	int64		elapsed_us;

	if (bb_setting_restore_test_interval_s == 0 ||
		!bb_manifest_consistent(place->manifest))
		return false;
	records = bb_trial_records_read(ctx, place->objects, timeline);
	if (records.last != NULL)
	{
		int			pause_s = bb_setting_restore_test_interval_s;

		if (records.last->error != NULL)
			pause_s = Min(pause_s, AFTER_FAILURE_S);
		elapsed_us = GetCurrentTimestamp() - records.last->tested_at;
		/* a clock that was set back is no reason to wait */
		if (elapsed_us >= 0 && elapsed_us < pause_s * (int64) USECS_PER_SEC)
			return false;
	}
	if (!lock(&payload))
		return false; /* it is being done */
	unlock(&payload);
	return true;
}

/* Starting a server takes the owner's privilege to do so. */
static void
check_owner(const BbChorePlace *place)
{
	bool		may;

	bb_worker_begin_transaction();
	may = has_privs_of_role(GetForeignServer(place->server)->owner,
							ROLE_PG_EXECUTE_SERVER_PROGRAM);
	bb_worker_end_transaction();
	if (!may)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the owner of page store \"%s\" may not start a restored server",
						place->server_name),
				 errhint("Grant pg_execute_server_program to the owner, or turn bbackup.restore_test_start off.")));
}

static void
run(const BbReqCtx *ctx, const BbChorePlace *place, BbChoreReport *report)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	TrialPayload payload = payload_of(place->server,
									  place->manifest->timeline);
	BbStandingWorker worker = {.task = BB_TRIAL_TASK,
							   .database = MyDatabaseId,
							   .payload = &payload,
							   .payload_length = sizeof(payload)};

	if (bb_setting_restore_test_start)
		check_owner(place);
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	(void) bb_standingworker_start(&worker);
}

const BbChore bb_trial_chore = {.name = "restore test",
								.kind = BB_TASK_BASEBACKUP,
								.is_due = is_due,
								.run = run};

/* ---- the worker ---- */

typedef struct Trial
{
	BbObjectStore *objects;
	const char *timeline;
	BbTrialOptions options;
} Trial;

/* Called at each step. */
static void
heed_settings(void)
{
	bb_standingworker_reload();
	if (!bb_setting_upkeep || bb_setting_restore_test_interval_s == 0)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("restore tests were switched off")));
}

static BbTrialResult
make(const BbReqCtx *ctx, void *arg)
{
	const Trial *trial = arg;
	BbPageStore *store = bb_pagestore_open_in(ctx, trial->objects,
											  trial->timeline);
	BbSnapshot	snapshot = bb_snapshot_take(ctx, store, InvalidXLogRecPtr);
	BbBackupOptions options = bb_options_defaults();

	bb_trial_prepare(&options);
	return bb_trial_run(ctx, bb_plan_new(ctx, &snapshot, &options), NULL, NULL,
						&trial->options);
}

static Trial
trial_of(const BbReqCtx *ctx, const TrialPayload *payload)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Trial		trial = {.timeline = payload->timeline};

	trial.options.start = bb_setting_restore_test_start;
	if (bb_setting_restore_test_query[0] != '\0')
		trial.options.query = bb_setting_restore_test_query;
	bb_worker_begin_transaction();
	MemoryContextSwitchTo(context);
	trial.options.roles = bb_trial_usual_roles();
	bb_worker_end_transaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	trial.objects = bb_keeper_open_store(ctx, payload->server);
	return trial;
}

void
bb_trial_task(const void *data, size_t length)
{
	TrialPayload payload = *(const TrialPayload *) data;
	const BbReqCtx *ctx;
	Trial		trial;
	BbTrialResult result;

	/* a test takes as long as it takes */
	SetConfigOption("bbackup.call_timeout", "0", PGC_USERSET, PGC_S_OVERRIDE);
	if (!lock(&payload))
		return;
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "bbackup restore test");
	ctx = bb_reqctx_uncounted_root(BB_TASK_BASEBACKUP, BB_DOWNLOAD_ALLOW);
	bb_calls_describe(ctx,
					  &(BbCallAbout){.function = "bb_test_restore",
									 .timeline = payload.timeline});
	bb_upkeeppace_begin(ctx, heed_settings);
	trial = trial_of(ctx, &payload);
	result = bb_trial_recorded(ctx, trial.objects, trial.timeline,
							   trial.options.start, make, &trial);
	bb_reqctx_end(ctx);
	ereport(LOG,
			(errmsg("restore test of timeline \"%s\" at " BB_LSN_FORMAT
					" was good",
					trial.timeline, LSN_FORMAT_ARGS(result.lsn)),
			 result.answer != NULL
				 ? errdetail("The restored server answered: %s", result.answer)
				 : 0));
}
