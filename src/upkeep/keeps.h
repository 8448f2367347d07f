/*-------------------------------------------------------------------------
 *
 * keeps.h
 *	  What a user says is kept: the retention and pins of a timeline.
 *
 * Both are in the manifest, so every server that does upkeep heeds them.
 *
 * Errors: those of bb_manifest_edit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_KEEPS_H
#define BB_UPKEEP_KEEPS_H

#include "layer/manifest.h"

/* What is set; the rest of the retention stays. */
typedef struct BbRetentionChange
{
	bool		window; /* else everything is kept */
	int64		window_s;
	bool		floor; /* else it stays */
	int64		floor_s;
	const char *points; /* as bb_periods_parse; NULL: they stay */
} BbRetentionChange;

/*
 * bb_keeps_set - change the retention of a timeline.
 *
 * A NOTICE says that what has expired doesn't come back if the window becomes
 * longer.
 *
 * Errors: INVALID_PARAMETER_VALUE (the window would be below the floor; other
 * impossible values).
 */
extern void bb_keeps_set(const BbReqCtx *ctx, BbObjectStore *objects,
						 const char *timeline,
						 const BbRetentionChange *change);

/*
 * bb_keeps_pin - let an LSN of a timeline be readable until the pin is removed
 * or expires.
 *
 * A pin of the same name and LSN is replaced.
 *
 * REQUIRES: pin->lsn is the end of a record, and can be read.
 *
 * Errors: INVALID_PARAMETER_VALUE (the name, the reason, or an expiry in the
 * past); DUPLICATE_OBJECT (a pin of that name at another LSN);
 * OBJECT_NOT_IN_PREREQUISITE_STATE (the LSN can't be read any more).
 */
extern void bb_keeps_pin(const BbReqCtx *ctx, BbObjectStore *objects,
						 const char *timeline, const BbPin *pin);

/*
 * bb_keeps_unpin - remove a pin.
 *
 * Errors: UNDEFINED_OBJECT; WRONG_OBJECT_TYPE (a lease).
 */
extern void bb_keeps_unpin(const BbReqCtx *ctx, BbObjectStore *objects,
						   const char *timeline, const char *name);

/*
 * bb_keeps_text - "window 7 days, floor 1 day, keep daily 30", palloc'd.
 */
extern char *bb_keeps_text(const BbRetention *retention);

#endif /* BB_UPKEEP_KEEPS_H */
