/*-------------------------------------------------------------------------
 *
 * findings.c
 *	  What a verification has found, and what can't be read because of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/relpath.h"
#include "upkeep/findings.h"

const char *
bb_finding_kind_name(BbFindingKind kind)
{
	switch (kind)
	{
		case BB_FINDING_MISSING:
			return "missing";
		case BB_FINDING_UNREADABLE:
			return "unreadable";
		case BB_FINDING_SIZE:
			return "size";
		case BB_FINDING_HEADER:
			return "header";
		case BB_FINDING_FOOTER:
			return "footer";
		case BB_FINDING_BLOCK:
			return "block";
		case BB_FINDING_ORDER:
			return "order";
		case BB_FINDING_FILTER:
			return "filter";
		case BB_FINDING_CHECKSUM:
			return "checksum";
		case BB_FINDING_MANIFEST:
			return "manifest";
		case BB_FINDING_PAGE:
			return "page";
		case BB_FINDING_VALUE:
			return "value";
		case BB_FINDING_ABSENT:
			return "absent";
		case BB_FINDING_READ:
			return "read";
	}
	return "unknown";
}

BbFindingKind
bb_finding_kind_of(BbLayerFaultKind kind)
{
	switch (kind)
	{
		case BB_FAULT_MISSING:
			return BB_FINDING_MISSING;
		case BB_FAULT_UNREADABLE:
			return BB_FINDING_UNREADABLE;
		case BB_FAULT_SIZE:
			return BB_FINDING_SIZE;
		case BB_FAULT_HEADER:
			return BB_FINDING_HEADER;
		case BB_FAULT_FOOTER:
			return BB_FINDING_FOOTER;
		case BB_FAULT_BLOCK:
			return BB_FINDING_BLOCK;
		case BB_FAULT_ORDER:
			return BB_FINDING_ORDER;
		case BB_FAULT_FILTER:
			return BB_FINDING_FILTER;
		case BB_FAULT_CHECKSUM:
			return BB_FINDING_CHECKSUM;
	}
	elog(ERROR, "unknown fault %d", (int) kind);
}

/* ---- how far a layer is needed ---- */

/*
 * Does an image have all changes of a layer, so that nobody needs the layer for
 * the image's keys at the image's LSN or above?
 */
static bool
supersedes(const BbLayerDesc *image, const BbLayerDesc *layer)
{
	if (!image->image)
		return false;
	return layer->image ? image->lsn_start > layer->lsn_start
						: image->lsn_start >= layer->lsn_end - 1;
}

/*
 * Find where the layer's keys at "key" become readable again: the LSN of the
 * oldest image that supersedes the layer there, or Invalid.  Lowers *until to
 * the first key for which the answer may differ.
 */
static XLogRecPtr
readable_again(const BbManifest *manifest, const BbLayerDesc *layer,
			   const BbKey *key, BbKey *until)
{
	XLogRecPtr	lsn = InvalidXLogRecPtr;

	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *image = &manifest->layers[i];
		const BbKey *edge = &image->keys.start;

		if (!supersedes(image, layer))
			continue;
		if (bb_key_in_range(key, &image->keys))
		{
			edge = &image->keys.end;
			if (XLogRecPtrIsInvalid(lsn) || image->lsn_start < lsn)
				lsn = image->lsn_start;
		}
		if (bb_key_compare(edge, key) > 0 && bb_key_compare(edge, until) < 0)
			*until = *edge;
	}
	return lsn;
}

/* The oldest LSN at or above lsn that can be read. */
static XLogRecPtr
first_readable(const BbManifest *manifest, XLogRecPtr lsn)
{
	for (int i = 0; i < manifest->keeps.npoints; i++)
		if (manifest->keeps.points[i].lsn >= lsn)
			return Min(manifest->keeps.points[i].lsn, manifest->start_lsn);
	return Max(lsn, manifest->start_lsn);
}

List *
bb_findings_of_fault(const BbManifest *manifest, const BbLayerDesc *layer,
					 const BbLayerFault *fault)
{
	List	   *findings = NIL;
	BbFinding  *last = NULL;
	XLogRecPtr	from = first_readable(manifest, layer->lsn_start);
	BbKey		key = fault->keys.start;

	while (bb_key_compare(&key, &fault->keys.end) < 0)
	{
		BbKey		until = fault->keys.end;
		XLogRecPtr	lsn = readable_again(manifest, layer, &key, &until);

		if (last != NULL && last->lsn_until == lsn &&
			bb_key_compare(&last->keys.end, &key) == 0)
			last->keys.end = until;
		else if (XLogRecPtrIsInvalid(lsn) || lsn > from)
		{
			last = palloc(sizeof(BbFinding));
			*last = (BbFinding){.kind = bb_finding_kind_of(fault->kind),
								.layer = bb_layer_name(layer),
								.offset = fault->offset,
								.message = pstrdup(fault->detail),
								.keys = {key, until},
								.lsn_from = from,
								.lsn_until = lsn};
			findings = lappend(findings, last);
		}
		key = until;
	}
	return findings;
}

/* ---- in words ---- */

static bool
same_fork(const BbKeyFields *a, const BbKeyFields *b)
{
	return a->kind == b->kind && a->spc == b->spc && a->db == b->db &&
		a->rel == b->rel && a->fork == b->fork;
}

char *
bb_finding_lost(const BbFinding *finding)
{
	BbKeyFields from = bb_key_fields(&finding->keys.start);
	BbKeyFields until = bb_key_fields(&finding->keys.end);
	BbKey		next = bb_key_next(&finding->keys.start);

	if (bb_key_compare(&finding->keys.end, &next) == 0)
		return bb_key_text(&finding->keys.start);
	if (from.kind == BB_KEY_REL_BLOCK && same_fork(&from, &until) &&
		from.fork <= MAX_FORKNUM)
		return psprintf("relation %u/%u/%u %s, blocks %u to %u", from.spc,
						from.db, from.rel, forkNames[from.fork], from.block,
						until.block - 1);
	return psprintf("everything from %s up to, not including, %s",
					bb_key_text(&finding->keys.start),
					bb_key_text(&finding->keys.end));
}
