/*-------------------------------------------------------------------------
 *
 * mend.h
 *	  Mending: layers that are lost or broken are fetched from a second copy.
 *
 *	  manifest here ──► which layers aren't whole? ──► the same object elsewhere
 *													  │ size and CRC are those
 *													  ▼ of the manifest here
 *												  replaced, atomically
 *
 * A layer is immutable, and its name has a random number.  So the object of that
 * name in a copy of the timeline is the same layer, and nothing but the bytes
 * that the manifest here describes is ever put in its place.  The manifest
 * isn't changed, so a copy of a timeline can be mended, too.
 *
 * Locks: the lock of upkeep (manifest.h), for one layer at a time, so that no
 * sweep takes the file that is being written for a leftover.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MEND_H
#define BB_MEND_H

#include "upkeep/verify.h"

/* What became of a layer that isn't whole. */
typedef struct BbMended
{
	char	   *layer; /* as users see it */
	BbFindingKind kind;
	uint64		bytes;
	bool		mended;
	List	   *lost;	 /* BbKeyRange *: what can't be read at the end */
	char	   *message; /* what was wrong, or why it isn't mended */
} BbMended;

/*
 * bb_mending_run - check all layers of a timeline, each byte of them, and mend
 * those that aren't whole from a second copy; "from" NULL: there is none.
 *
 * Returns a list of BbMended *, NIL if all layers are whole.  The note of the
 * last verification (verify_state.h) forgets the layers that were mended.
 *
 * Errors: UNDEFINED_OBJECT (no such timeline); INVALID_PARAMETER_VALUE (both are
 * the same store); OBJECT_IN_USE (upkeep holds its lock for too long);
 * DATA_CORRUPTED (the manifest can't be read).
 */
extern List *bb_mending_run(const BbReqCtx *ctx, BbObjectStore *objects,
							BbObjectStore *from, const char *timeline);

#endif /* BB_MEND_H */
