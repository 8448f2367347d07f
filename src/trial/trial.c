/*-------------------------------------------------------------------------
 *
 * trial.c
 *	  Restore tests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid_d.h"
#include "files/tree.h"
#include "miscadmin.h"
#include "sinks/destinations.h"
#include "sinks/stages.h"
#include "trial/trial_internal.h"
#include "upkeep/pace.h"

void
bb_trial_prepare(BbBackupOptions *options)
{
	options->full = true;
	options->settings = BB_SETTINGS_CLONE;
	options->tablespaces = BB_TABLESPACES_IN_PLACE;
	options->manifest = BB_MANIFEST_NO;
}

List *
bb_trial_usual_roles(void)
{
	List	   *roles = list_make1("postgres");
	char	   *ours = GetUserNameFromId(BOOTSTRAP_SUPERUSERID, true);

	return ours ? lappend(roles, ours) : roles;
}

/* A server of another version can't be started, and hasn't our pages. */
static void
check_version(const BbPageStoreInfo *info)
{
	if (info->pg_version_num / 10000 != PG_VERSION_NUM / 10000)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a server of PostgreSQL %d cannot be started by this one",
						info->pg_version_num / 10000),
				 errhint("Test it on a server of that major version that uses the same page store.")));
}

BbTrialResult
bb_trial_run(const BbReqCtx *ctx, BbBackupPlan *plan, const BbBackupTask *task,
			 BbAhead *ahead, const BbTrialOptions *options)
{
	const BbPageStoreInfo *info = bb_pagestore_info(plan->snapshot.store);
	BbTrialPlace *place = NULL;
	BbSink	   *last = NULL;
	BbSink	   *check;
	BbBackup   *backup;
	BbChecked	checked;
	char	   *answer = NULL;

	if (options->start)
	{
		check_version(info);
		bb_trial_configure(ctx, plan);
		place = bb_trial_place_new();
		last = bb_sink_directory_new(bb_tree_open(bb_trial_place_data(place),
												  NIL, NIL, false),
									 S_IRWXU);
	}
	check = bb_sink_check_new(last, info->data_checksum_version != 0,
							  plan->snapshot.lsn);
	backup = bb_backup_new(ctx, plan, task, BB_FORM_FILES, check);
	bb_backup_follow(backup, ahead);
	while (bb_backup_step(ctx, backup))
		bb_upkeeppace(ctx, 0);
	checked = bb_sink_check_result(check);
	if (place != NULL)
	{
		bb_trial_place_start(place);
		answer = bb_trial_ask(ctx, place, options);
		bb_trial_place_end(ctx, place);
	}
	return (BbTrialResult){.lsn = plan->snapshot.lsn,
						   .files = checked.files,
						   .bytes = checked.bytes,
						   .pages = checked.pages,
						   .answer = answer};
}
