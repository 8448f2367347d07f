/*-------------------------------------------------------------------------
 *
 * findings.h
 *	  What a verification has found, and what can't be read because of it.
 *
 *	  LSN
 *	   ^	  ════════ image at M ════════		from M on, reads need nothing
 *	   |	  ::::::::::::::::::::::::::::		below the image: from S to M
 *	   |	  +-- broken delta [S, E) ----+		the keys of the layer can't be
 *	   +--------------------------------> key	read
 *
 * A layer that is lost or broken concerns its keys, at the LSNs from its start
 * to the next image of these keys which has its changes.  Everything else is
 * read as before.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FINDINGS_H
#define BB_FINDINGS_H

#include "layer/layer_check.h"
#include "layer/manifest.h"

/* The numbers are stored: append only. */
typedef enum BbFindingKind
{
	BB_FINDING_MISSING = 1, /* the object of a layer isn't there */
	BB_FINDING_UNREADABLE,	/* the storage can't read it */
	BB_FINDING_SIZE,		/* it has the wrong size */
	BB_FINDING_HEADER,		/* of a layer; likewise: */
	BB_FINDING_FOOTER,
	BB_FINDING_BLOCK,
	BB_FINDING_ORDER,
	BB_FINDING_FILTER,
	BB_FINDING_CHECKSUM,
	BB_FINDING_MANIFEST, /* the timeline can't be opened */
	BB_FINDING_PAGE,	 /* a page was made that can't be right */
	BB_FINDING_VALUE,	 /* or another value */
	BB_FINDING_ABSENT,	 /* a value that has to be there isn't */
	BB_FINDING_READ		 /* values can't be read or made */
} BbFindingKind;

typedef struct BbFinding
{
	BbFindingKind kind;
	char	   *layer;	/* as users see it; NULL: it isn't of one layer */
	uint64		offset; /* bytes, in the layer */
	char	   *message;
	/* what can't be read, or is wrong: these keys at LSNs from lsn_from up to,
	 * not including, lsn_until (Invalid: up to the end and beyond) */
	BbKeyRange	keys;
	XLogRecPtr	lsn_from;
	XLogRecPtr	lsn_until;
} BbFinding;

/* "missing", "block", …: for users. */
extern const char *bb_finding_kind_name(BbFindingKind kind);

/* bb_finding_kind_of - the kind that a fault of a layer is. */
extern BbFindingKind bb_finding_kind_of(BbLayerFaultKind kind);

/*
 * bb_findings_of_fault - return what a fault of a layer means: a list of
 * BbFinding *, one for each stretch of keys that become readable again at the
 * same LSN.
 *
 * Returns NIL if no LSN that can be read needs the layer.
 */
extern List *bb_findings_of_fault(const BbManifest *manifest,
								  const BbLayerDesc *layer,
								  const BbLayerFault *fault);

/*
 * bb_finding_lost - describe the keys of a finding in a phrase: "relation
 * 1663/5/1259 main, blocks 0 to 9".
 */
extern char *bb_finding_lost(const BbFinding *finding);

#endif /* BB_FINDINGS_H */
