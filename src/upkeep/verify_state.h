/*-------------------------------------------------------------------------
 *
 * verify_state.h
 *	  What a store remembers of the verification of a timeline.
 *
 * One small object, "timelines/NAME/verified", has the pass that is under way,
 * so that another process goes on with it, and the last one that was finished,
 * with its findings.  It is a note for people and for the next pass, and nothing
 * else is decided by it: who can write to the store can write what he likes
 * there.  One that can't be read is none.
 *
 * Of two sessions that verify a timeline at once, the later note stands.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_VERIFY_STATE_H
#define BB_VERIFY_STATE_H

#include "upkeep/verify.h"

/* So many findings of a pass are kept. */
#define BB_VERIFY_STATE_FINDINGS 200

typedef struct BbVerifyState
{
	BbVerifyPass *running; /* NULL: none is under way */
	BbVerifyPass *last;	   /* the last one that was finished; NULL: none */
} BbVerifyState;

/*
 * bb_verify_state_read - read the state, into CurrentMemoryContext; an empty one
 * if there is none that can be read.
 */
extern BbVerifyState bb_verify_state_read(const BbReqCtx *ctx,
										  BbObjectStore *objects,
										  const char *timeline);

/*
 * bb_verify_state_write - replace the state of a timeline.
 *
 * A pass that is finished becomes the last one.  Returns false, with a WARNING,
 * if the store can't be written: a verification goes on without it.
 */
extern bool bb_verify_state_write(const BbReqCtx *ctx, BbObjectStore *objects,
								  const char *timeline, BbVerifyState *state);

#endif /* BB_VERIFY_STATE_H */
