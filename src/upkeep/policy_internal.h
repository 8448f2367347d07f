/*-------------------------------------------------------------------------
 *
 * policy_internal.h
 *	  What the parts of the policy share.
 *
 *	  policy.c			which of both comes first; merges
 *	  policy_images.c	images
 *	  policy_view.c		the layers as both look at them
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_POLICY_INTERNAL_H
#define BB_UPKEEP_POLICY_INTERNAL_H

#include "upkeep/policy_view.h"

typedef struct BbPolicy
{
	const BbPolicySettings *settings;
	const BbPolicyView *view;
	uint64		limit;		/* bytes that a job may read */
	int			head_depth; /* runs of the head that are left alone */
	int			body_depth;
	BbUpkeepJob *job;
} BbPolicy;

static inline bool
bb_policy_is_journal(const BbPolicy *policy, const BbPolicyCell *cell)
{
	return bb_key_compare(&cell->keys.start, &policy->view->journal_end) < 0;
}

static inline bool
bb_policy_crosses_journal(const BbPolicy *policy, const BbLayerDesc *layer)
{
	const BbKey *border = &policy->view->journal_end;

	return bb_key_compare(&layer->keys.start, border) < 0 &&
		bb_key_compare(&layer->keys.end, border) > 0;
}

/* ---- policy_images.c ---- */

/* bb_policy_next_image - plan the next IMAGE, if one is due. */
extern bool bb_policy_next_image(BbPolicy *policy);

#endif /* BB_UPKEEP_POLICY_INTERNAL_H */
