/*-------------------------------------------------------------------------
 *
 * move.h
 *	  Moving a timeline to another page store.
 *
 *	  copy ─ lock the source ─ copy the rest ─ SWITCH ─ drop the source ─ detach
 *
 * The switch is one compare-and-put: the source's manifest is marked as a copy
 * of the target.  Before it, the target is a copy of the source; after it, the
 * source is one of the target, too, so that nobody writes either, until the
 * target is detached.  So at each instant at most one of the two can be
 * written to, and both can be read until the source is dropped.  A copy of the
 * target that wasn't made by a switch is refused, never dropped.
 *
 * A move that was interrupted is completed by the next one, whatever was done
 * last.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOVE_H
#define BB_MOVE_H

#include "upkeep/replicate.h"

/*
 * bb_moving_run - move a timeline; its ancestors, if any, are copied.
 *
 * Returns a list of BbReplicated *, as bb_replication_run; the last one is the
 * timeline's.
 *
 * Errors: those of bb_replication_run; DEPENDENT_OBJECTS_STILL_EXIST (it has
 * branches in the source); OBJECT_NOT_IN_PREREQUISITE_STATE (it is a copy);
 * OBJECT_IN_USE (another session writes it, or makes or drops a timeline).
 */
extern List *bb_moving_run(const BbReqCtx *ctx, BbObjectStore *from,
						   BbObjectStore *to, const char *timeline);

#endif /* BB_MOVE_H */
