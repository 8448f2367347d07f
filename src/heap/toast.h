/*-------------------------------------------------------------------------
 *
 * toast.h
 *	  Values out of line, from a TOAST table of the past.
 *
 * The server's own functions would look for a pointer's value in a table of this
 * database with the same OID.  So no pointer to a TOAST table may leave this room.
 *
 * Errors: those of past.h; DATA_CORRUPTED (chunks of the value are missing).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_TOAST_H
#define BB_HEAP_TOAST_H

#include "heap/past.h"

/* bb_toast_is_pointer - is the value out of line? */
extern bool bb_toast_is_pointer(Datum value);

/* bb_toast_fetch - return the value, flat and not compressed; palloc'd. */
extern Datum bb_toast_fetch(const BbReqCtx *ctx, BbPast *past, Datum pointer);

/*
 * bb_toast_flat - return a varlena value, which may be out of line or compressed, as
 * a flat one.
 */
extern struct varlena *bb_toast_flat(const BbReqCtx *ctx, BbPast *past,
									 Datum value);

/*
 * bb_toast_lazy - return an expanded object that is fetched when its value is used.
 *
 * Only for types whose functions never look for an expanded object of their own,
 * as those of arrays and of rows do.  *fetched counts the values that were used.
 *
 * REQUIRES: ctx and past outlive it.
 */
extern Datum bb_toast_lazy(const BbReqCtx *ctx, BbPast *past, Datum pointer,
						   uint64 *fetched);

#endif /* BB_HEAP_TOAST_H */
