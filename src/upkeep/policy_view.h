/*-------------------------------------------------------------------------
 *
 * policy_view.h
 *	  The layers of a manifest as the policy looks at them; see policy.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_POLICY_VIEW_H
#define BB_UPKEEP_POLICY_VIEW_H

#include "upkeep/policy.h"

/* Layers of one LSN range: those of one flush, or of one merge. */
typedef struct BbPolicyRun
{
	int			first; /* of the view's deltas */
	int			end;
	uint64		bytes;
} BbPolicyRun;

/*
 * Keys between two neighbouring borders of layers.  Only layers of the body
 * count; each has an equal share in all its cells.
 */
typedef struct BbPolicyCell
{
	BbKeyRange	keys;
	const BbLayerDesc *image; /* the newest; NULL: none */
	double		image_bytes;  /* its share */
	double		bytes;		  /* the shares of deltas above the image */
	int			depth; /* so many of them; most of those that may be merged, if
						* some are broken */
	int			reached; /* so many up to a broken one */
	bool		begins;	 /* a delta begins here */
	bool		blocked; /* an image would need a broken layer */
} BbPolicyCell;

typedef struct BbPolicyView
{
	const BbManifest *manifest;
	List	   *broken;		 /* of the settings */
	XLogRecPtr	top;		 /* nothing is done with what is newer */
	BbKey		journal_end; /* keys below that are in no image */

	int			ndeltas; /* newest first: by LSN end, LSN start, key */
	const BbLayerDesc **deltas;
	int			nimages;
	const BbLayerDesc **images;

	int			nhead; /* newest first, of which none is cut by an image */
	BbPolicyRun *head;
	int			body; /* deltas from here on are the body */

	int			ncells; /* in the order of their keys */
	BbPolicyCell *cells;
} BbPolicyView;

/* bb_policycell_lsn - return the LSN of a cell's image; Invalid: none. */
static inline XLogRecPtr
bb_policycell_lsn(const BbPolicyCell *cell)
{
	return cell->image ? cell->image->lsn_start : InvalidXLogRecPtr;
}

/* bb_policyview_new - look at a manifest that is consistent. */
extern BbPolicyView *bb_policyview_new(const BbManifest *manifest,
									   const BbPolicySettings *settings);

/*
 * bb_policyview_cell - return the body's deltas over a cell (const BbLayerDesc *)
 * that are above its image, oldest first.
 */
extern List *bb_policyview_cell(const BbPolicyView *view,
								const BbPolicyCell *cell);

/* bb_policyview_is_broken - can a layer not be read? */
extern bool bb_policyview_is_broken(const BbPolicyView *view,
									const BbLayerDesc *layer);

/* bb_policyview_share - return the share of a cell in a layer, in bytes. */
extern double bb_policyview_share(const BbPolicyView *view,
								  const BbLayerDesc *layer);

/* bb_policyview_find - return the first cell that begins at or after a key. */
extern int bb_policyview_find(const BbPolicyView *view, const BbKey *key);

/* bb_policyview_span - return how many cells a layer covers, from *first on. */
extern int bb_policyview_span(const BbPolicyView *view,
							  const BbLayerDesc *layer, int *first);

/*
 * bb_policyview_close - grow a rectangle until no delta layer crosses its
 * borders.
 *
 * Returns the delta layers in it, oldest first, and their size; NIL if that is
 * more than "limit", if one of them must be left alone, or is broken, or if there are LSNs
 * of which none of them has the changes.
 */
extern List *bb_policyview_close(const BbPolicyView *view, BbKeyRange *keys,
								 XLogRecPtr from, XLogRecPtr to, uint64 limit,
								 uint64 *bytes);

/* bb_policyview_size - return the bytes of a layer without its fixed costs. */
extern uint64 bb_policyview_size(const BbLayerDesc *layer);

#endif /* BB_UPKEEP_POLICY_VIEW_H */
