/*-------------------------------------------------------------------------
 *
 * successor.c
 *	  What a follower leaves behind: another one, or no spool.
 *
 *	  leader ends ──► receiver sees it, confirms once more, ends
 *									 └──► is the spool needed?  ──► removed
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "intake/follower_internal.h"
#include "process/standingworker.h"

/* How long the end of the receiver is waited for. */
#define REMOVE_TRIES 100
#define REMOVE_WAIT_MS 100

/* The spool of a timeline that isn't followed any more. */
static void
remove_spool(const char *directory)
{
	struct stat st;

	for (int tries = 0; tries < REMOVE_TRIES && stat(directory, &st) == 0;
		 tries++)
	{
		/* the receiver ends when it sees that its leader has */
		if (bb_followcontrol_is_led(directory) ||
			bb_followcontrol_remove(directory, bb_follow_remove_spool))
			return;
		bb_standingworker_wait(REMOVE_WAIT_MS);
	}
}

/*
 * Wait for the end of the receiver, which confirms until it sees that its leader
 * has ended.  Returns false if it goes on, or another process leads.
 */
static bool
await_receiver(const BbFollowControl *former, const char *directory)
{
	for (int tries = 0; bb_followcontrol_has_receiver(former); tries++)
	{
		if (tries == REMOVE_TRIES || bb_followcontrol_is_led(directory))
			return false;
		bb_standingworker_wait(REMOVE_WAIT_MS);
	}
	return true;
}

void
bb_successor_start(const BbFollowOrder *order, BbFollowControl *former)
{
	BbFollower	reader = {.order = *order};
	BbFollowing *following;
	const char *shortage = NULL;
	const char *spool;
	BbFollowStatus last;

	bb_follower_begin(&reader);
	following = bb_follower_find_row(&reader);
	if (following != NULL)
	{
		shortage = bb_follow_owner_obstacle(following->owner);
		if (shortage[0] == '\0')
			shortage = bb_follow_register(order, following->owner);
	}
	if (shortage != NULL)
		ereport(LOG,
				(errmsg("could not start the follower of timeline \"%s\"",
						order->timeline),
				 errdetail_internal("%s", shortage)));
	bb_follower_end(&reader);
	spool = bb_followcontrol_path(order->store, order->timeline);
	if (following != NULL || former == NULL || !await_receiver(former, spool))
		return;
	bb_followcontrol_get(former, &last);
	if (!bb_follow_spool_is_needed(&last, spool))
		remove_spool(spool);
}
