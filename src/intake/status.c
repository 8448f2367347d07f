/*-------------------------------------------------------------------------
 *
 * status.c
 *	  What is known of a timeline that follows a source, and what it leaves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/file_utils.h"
#include "foreign/foreign.h"
#include "intake/follow.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

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

/* Returns why no follower can run, or an empty text. */
static const char *
obstacle(const BbFollowing *following)
{
	const char *servers[] = {following->store, following->source};

	for (int i = 0; i < lengthof(servers); i++)
	{
		if (GetForeignServerByName(servers[i], true) == NULL)
			return psprintf("server \"%s\" does not exist", servers[i]);
	}
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(following->owner)))
		return psprintf("role with OID %u does not exist", following->owner);
	return "";
}

bool
bb_follow_status(const BbFollowing *following, BbFollowStatus *status)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup follow status",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ForeignServer *store = GetForeignServerByName(following->store, true);
	BbFollowControl *control = NULL;

	if (store != NULL)
		control = bb_followcontrol_attach(
			bb_followcontrol_path(store->serverid, following->timeline));
	memset(status, 0, sizeof(*status));
	status->state = BB_FOLLOW_STOPPED;
	strlcpy(status->error, obstacle(following), sizeof(status->error));
	if (control != NULL)
		bb_followcontrol_get(control, status);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return control != NULL;
}

bool
bb_follow_spool_is_needed(const BbFollowStatus *status)
{
	return status->confirmed_lsn > status->stored_lsn;
}

void
bb_follow_remove_spool(const char *directory)
{
	/* warns of what it can't remove */
	(void) rmtree(directory, true);
}
