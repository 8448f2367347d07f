/*-------------------------------------------------------------------------
 *
 * inherited.h
 *	  Findings that concern branches of the timeline that they are of.
 *
 *	  main	 ────────── broken layer ───────── image ───────►
 *						  └── branch 1			└── branch 2
 *
 * A branch reads its ancestor at one LSN.  If a page can't be read there, the
 * branch lacks it, too, until an image of its own has it.  Branch 1 does, branch 2
 * doesn't.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INHERITED_H
#define BB_INHERITED_H

#include "upkeep/verify.h"

/* A finding as it concerns a branch. */
typedef struct BbInherited
{
	const char *timeline; /* the branch */
	BbFinding	finding;
	TimestampTz started_at; /* of the verification that has found it */
} BbInherited;

/*
 * bb_inherited_by_branches - what findings of a timeline mean for its branches,
 * their branches, and so on.
 *
 * Returns a list of BbInherited *.  Branches whose manifest can't be read are left
 * out.
 */
extern List *bb_inherited_by_branches(const BbReqCtx *ctx,
									  BbObjectStore *objects,
									  const char *timeline,
									  const List *findings);

/*
 * bb_inherited_order - order the names of timelines (char *) so that ancestors come
 * before their branches.
 */
extern List *bb_inherited_order(const BbReqCtx *ctx, BbObjectStore *objects,
								List *timelines);

/*
 * bb_inherited_from_ancestors - what the notes of the ancestors (verify_state.h)
 * mean for a branch.
 *
 * Returns a list of BbInherited *; NIL for a timeline without an ancestor.
 */
extern List *bb_inherited_from_ancestors(const BbReqCtx *ctx,
										 BbObjectStore *objects,
										 const char *timeline);

#endif /* BB_INHERITED_H */
