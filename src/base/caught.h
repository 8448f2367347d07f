/*-------------------------------------------------------------------------
 *
 * caught.h
 *	  Errors that are not to end a call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CAUGHT_H
#define BB_CAUGHT_H

#include "utils/memutils.h"

/*
 * bb_caught - in PG_CATCH, return the present error, in "context", which becomes
 * current.
 *
 * Errors: the present one, if it says nothing of what was read: QUERY_CANCELED,
 * OUT_OF_MEMORY and the like.
 */
static inline ErrorData *
bb_caught(MemoryContext context)
{
	int			category = ERRCODE_TO_CATEGORY(geterrcode());
	ErrorData  *error;

	if (category == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES))
		PG_RE_THROW();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	return error;
}

#endif /* BB_CAUGHT_H */
