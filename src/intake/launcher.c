/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  What follows, after a start of the server.
 *
 *	  postmaster ── launcher ── for each database, in turn ── follow starter
 *																	│
 *											  followers of the rows ┘
 *
 * The launcher, a static worker, exists if the library is preloaded.  It can't
 * read tables of databases, so it starts a short-lived worker in each of them,
 * once a minute, as the autovacuum launcher does.  A follower that runs is left
 * alone.  So what couldn't start because no process was free starts later.
 *
 * A starter may wait for a lock, on a table or on its database.  The launcher
 * ends it then, goes on with the other databases, and comes back in the next
 * round.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>

#include "base/compat.h"
#include "base/settings.h"
#include "intake/follow.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "process/databases.h"
#include "process/standingworker.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#define ROUND_MS 60000

/* How long a starter may take. */
#define STARTER_MS 10000

/* A follower that ended comes back after so many seconds. */
#define RESTART_S 5

const char *
bb_follow_register(const BbFollowOrder *order, Oid owner)
{
	BbStandingWorker worker = {.task = BB_FOLLOW_TASK,
							   .database = MyDatabaseId,
							   .role = owner,
							   .payload = order,
							   .payload_length = sizeof(*order),
							   .restart_s = RESTART_S,
							   .restart_terminated = true};

	return bb_standingworker_register(&worker);
}

/* ---- in a database ---- */

void
bb_follow_starter_task(const void *payload, size_t length)
{
	List	   *all;
	ListCell   *cell;
	const char *shortage = NULL;

	bb_worker_begin_transaction();
	all = bb_following_all();
	foreach(cell, all)
	{
		const BbFollowing *following = lfirst(cell);
		ForeignServer *store = GetForeignServerByName(following->store, true);
		BbFollowOrder order;
		const char *spool;
		const char *obstacle;

		/* bb_stat_follow shows what can't be started */
		if (bb_follow_obstacle(following)[0] != '\0')
			continue;
		order.store = store->serverid;
		strlcpy(order.timeline, following->timeline, sizeof(order.timeline));
		spool = bb_followcontrol_path(order.store, order.timeline);
		obstacle = bb_follow_spool_obstacle(spool);
		if (obstacle[0] != '\0')
			ereport(LOG,
					(errmsg("timeline \"%s\" cannot be followed",
							order.timeline),
					 errdetail_internal("%s", obstacle)));
		else if (shortage == NULL && !bb_followcontrol_is_led(spool))
			shortage = bb_follow_register(&order, following->owner);
	}
	if (shortage != NULL)
		ereport(LOG,
				(errmsg("not all followers of database %u could be started",
						MyDatabaseId),
				 errdetail_internal("%s", shortage),
				 errhint("Raise max_worker_processes.")));
	bb_worker_end_transaction();
}

/* ---- all databases ---- */

/*
 * Remove the spools of databases that were dropped.
 *
 * Only in the directory that belongs to this server alone.
 */
static void
remove_leftovers(void)
{
	char	   *parent = psprintf("%s.bbackup_spool", DataDir);
	List	   *databases = bb_databases_find(false);
	DIR		   *dir;
	struct dirent *entry;

	if (bb_setting_spool_directory[0] != '\0' ||
		(dir = AllocateDir(parent)) == NULL)
		return;
	while ((entry = ReadDirExtended(dir, parent, LOG)) != NULL)
	{
		Oid			database;
		Oid			store;
		int			length = 0;
		char	   *path = psprintf("%s/%s", parent, entry->d_name);

		if (sscanf(entry->d_name, "%u-%u-%n", &database, &store, &length) ==
				2 &&
			length > 0 && !list_member_oid(databases, database))
			(void) bb_followcontrol_remove(path, bb_follow_remove_spool);
	}
	FreeDir(dir);
}

void
bb_follow_launcher_task(const void *payload, size_t length)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup launcher round",
												  ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		MemoryContextSwitchTo(context);
		bb_databases_visit(BB_FOLLOW_STARTER_TASK, STARTER_MS,
						   "look for followers");
		remove_leftovers();
		MemoryContextReset(context);
		bb_databases_wait(ROUND_MS);
	}
}

void
bb_follow_launcher_init(void)
{
	BbStandingWorker worker = {.task = BB_FOLLOW_LAUNCHER_TASK,
							   .restart_s = RESTART_S,
							   .restart_terminated = true};

	if (!process_shared_preload_libraries_in_progress)
		return;
	bb_follow_set_launched();
	bb_standingworker_register_static(&worker);
}
