/*-------------------------------------------------------------------------
 *
 * chores.c
 *	  The table of chores, and the names of all kinds of jobs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "keeper/chores.h"
#include "keeper/keeper.h"
#include "upkeep/upkeep.h"

/* The last row is NULL, so that the table isn't empty. */
const BbChore *const bb_chores[] = {&bb_verify_chore, &bb_copy_chore,
									&bb_trial_chore, &bb_retain_chore, NULL};
const int	bb_nchores = lengthof(bb_chores) - 1;

StaticAssertDecl((int) BB_UPKEEP_KIND_COUNT == BB_KEEPER_LOOK,
				 "kinds of jobs follow each other");
StaticAssertDecl(BB_KEEPER_CHORES + lengthof(bb_chores) - 1 <=
					 BB_JOB_KINDS_MAX,
				 "there is room for the chores");

const char *
bb_keeper_job_name(int kind)
{
	if (kind >= 0 && kind < BB_UPKEEP_KIND_COUNT)
		return bb_upkeep_kind_names[kind];
	if (kind == BB_KEEPER_LOOK)
		return "look";
	if (kind == BB_KEEPER_ROOM)
		return "room";
	if (kind >= BB_KEEPER_CHORES && kind < BB_KEEPER_CHORES + bb_nchores)
		return bb_chores[kind - BB_KEEPER_CHORES]->name;
	return "unknown";
}
