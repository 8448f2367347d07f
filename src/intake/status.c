/*-------------------------------------------------------------------------
 *
 * status.c
 *	  What is known of a timeline that follows a source, and what it leaves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "access/htup_details.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "base/settings.h"
#include "catalog/pg_authid.h"
#include "common/file_utils.h"
#include "foreign/foreign.h"
#include "intake/follow.h"
#include "intake/receiver.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* "streaming" tolerates a lag of so many flushes, and so much more. */
#define STREAMING_FLUSHES 3
#define STREAMING_MS 2000

const char *
bb_follow_state_name(BbFollowState state)
{
	static const char *const names[] =
		{[BB_FOLLOW_STARTING] = "starting",
		 [BB_FOLLOW_IMPORTING] = "importing",
		 [BB_FOLLOW_CATCHING_UP] = "catching up",
		 [BB_FOLLOW_STREAMING] = "streaming",
		 [BB_FOLLOW_WAITING] = "waiting",
		 [BB_FOLLOW_FAILED] = "failed",
		 [BB_FOLLOW_STOPPED] = "stopped"};

	return names[state];
}

/*
 * The follower only knows whether it ingests; how far that is from the source
 * changes from one moment to the next.
 *
 * Without a flush_interval, WAL may wait in memory for long.
 */
BbFollowState
bb_follow_state(BbFollowControl *control)
{
	BbFollowStatus status;
	XLogRecPtr	lsn;
	int			interval_ms = bb_setting_flush_interval_ms;

	bb_followcontrol_get(control, &status);
	if (status.state != BB_FOLLOW_CATCHING_UP)
		return status.state;
	/* the follower has to take WAL from elsewhere */
	if (status.problem != BB_RECEIVER_FINE)
		return BB_FOLLOW_CATCHING_UP;
	if (!status.connected || status.no_room)
		return status.host[0] == '\0' && status.error[0] == '\0'
			? BB_FOLLOW_STARTING
			: BB_FOLLOW_WAITING;
	lsn = interval_ms > 0 ? status.covered_lsn
						  : Max(status.covered_lsn, status.applied_lsn);
	return bb_followcontrol_lag(control, lsn) / 1000 >
			STREAMING_MS + STREAMING_FLUSHES * (int64) interval_ms
		? BB_FOLLOW_CATCHING_UP
		: BB_FOLLOW_STREAMING;
}

const char *
bb_follow_owner_obstacle(Oid owner)
{
	HeapTuple	role = SearchSysCache1(AUTHOID, ObjectIdGetDatum(owner));
	bool		can_login;

	if (!HeapTupleIsValid(role))
		return psprintf("role with OID %u does not exist", owner);
	can_login = ((Form_pg_authid) GETSTRUCT(role))->rolcanlogin;
	ReleaseSysCache(role);
	if (!can_login)
		return psprintf("role \"%s\" is not permitted to log in",
						GetUserNameFromId(owner, true));
	return "";
}

const char *
bb_follow_obstacle(const BbFollowing *following)
{
	const char *servers[] = {following->store, following->source};

	for (int i = 0; i < lengthof(servers); i++)
	{
		if (GetForeignServerByName(servers[i], true) == NULL)
			return psprintf("server \"%s\" does not exist", servers[i]);
	}
	return bb_follow_owner_obstacle(following->owner);
}

/* Set by the postmaster, for its children. */
static bool launched = false;

void
bb_follow_set_launched(void)
{
	launched = true;
}

bool
bb_follow_is_launched(void)
{
	return launched;
}

/* The place of a spool: its directory, or what it will be made in. */
static const char *
place_of(const char *directory)
{
	char	   *place = pstrdup(directory);

	/* the directory and its parent are made */
	for (int i = 0; i < 2 && access(place, F_OK) < 0 && errno == ENOENT; i++)
		get_parent_directory(place);
	return place;
}

const char *
bb_follow_spool_obstacle(const char *directory)
{
	const char *place = place_of(directory);

	if (access(psprintf("%s/.", place), R_OK | W_OK | X_OK) < 0)
		return psprintf("directory \"%s\" cannot be used: %m", place);
	return "";
}

/* Returns why there is no room for a spool, or "". */
static const char *
lacks_room(const char *directory)
{
	const char *place = place_of(directory);
	struct statvfs room;

	if (statvfs(place, &room) == 0 && room.f_bavail == 0)
		return psprintf("the file system of directory \"%s\" is full", place);
	return "";
}

/* Returns why no follower runs, or "" if one will be started. */
static const char *
why_stopped(const BbFollowing *following, const char *directory)
{
	const char *obstacle = bb_follow_obstacle(following);

	if (obstacle[0] != '\0')
		return obstacle;
	if (RecoveryInProgress())
		return "this server is a standby";
	obstacle = bb_follow_spool_obstacle(directory);
	if (obstacle[0] == '\0')
		obstacle = lacks_room(directory);
	if (obstacle[0] != '\0')
		return obstacle;
	if (!bb_follow_is_launched())
		return "bbackup is not in shared_preload_libraries; bb_follow() starts it until the server stops";
	return "";
}

bool
bb_follow_status(const BbFollowing *following, BbFollowStatus *status,
				 int64 *lag)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup follow status",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ForeignServer *store = GetForeignServerByName(following->store, true);
	BbFollowControl *control = NULL;
	const char *directory = "";

	if (store != NULL)
	{
		directory = bb_followcontrol_path(store->serverid,
										  following->timeline);
		if (bb_follow_spool_obstacle(directory)[0] == '\0')
			control = bb_followcontrol_attach(directory);
	}
	memset(status, 0, sizeof(*status));
	status->state = BB_FOLLOW_STOPPED;
	*lag = 0;
	if (control == NULL)
		strlcpy(status->error, why_stopped(following, directory),
				sizeof(status->error));
	else
	{
		bb_followcontrol_get(control, status);
		status->state = bb_follow_state(control);
		*lag = bb_followcontrol_lag(control, status->covered_lsn);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return control != NULL;
}

/* Is there a segment in the directory of a spool? */
static bool
has_segments(const char *directory)
{
	DIR		   *dir = AllocateDir(directory);
	struct dirent *entry;
	bool		found = false;

	if (dir == NULL)
		return false;
	while (!found && (entry = ReadDirExtended(dir, directory, LOG)) != NULL)
		found = IsXLogFileName(entry->d_name);
	FreeDir(dir);
	return found;
}

bool
bb_follow_spool_is_needed(const BbFollowStatus *status, const char *directory)
{
	/* no receiver has said what is in it, since the last start of the server */
	if (status->receiving_order == 0)
		return has_segments(directory);
	/* without a base backup, nothing is confirmed */
	return !XLogRecPtrIsInvalid(status->stored_lsn) &&
		Max(status->promised_lsn, status->synced_lsn) > status->stored_lsn;
}

void
bb_follow_remove_spool(const char *directory)
{
	/* warns of what it can't remove */
	(void) rmtree(directory, true);
}
