/*-------------------------------------------------------------------------
 *
 * job.h
 *	  A job of upkeep: one bounded piece of work on a timeline's layers.
 *
 *	  manifest ── policy.h, retention.h ──► job ── rewrite.h ──► layers
 *																   │
 *	  next manifest ◄───────────── manifest_edit ◄─────────────────┘
 *
 * A job names layers of the manifest that it was planned for.  Its layers are
 * durable before the edit is committed.  If another writer has changed one of its
 * inputs in the meantime, the edit is refused, and the layers that the job wrote
 * are removed: nothing is lost, and the next job is planned anew.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_JOB_H
#define BB_UPKEEP_JOB_H

#include "layer/manifest.h"

typedef enum BbUpkeepKind
{
	BB_UPKEEP_MERGE,  /* delta layers into fewer ones, cut by key */
	BB_UPKEEP_IMAGE,  /* image layers of a key range at an LSN */
	BB_UPKEEP_SQUASH, /* layers below the start into what points need */
	BB_UPKEEP_EXPIRE, /* the start moves up, points are left behind */
	BB_UPKEEP_RETIRE, /* layers that no readable LSN needs */
	BB_UPKEEP_REMOVE  /* objects of layers retired long ago */
} BbUpkeepKind;
#define BB_UPKEEP_KIND_COUNT (BB_UPKEEP_REMOVE + 1)

typedef struct BbUpkeepJob
{
	BbUpkeepKind kind;
	BbKeyRange	keys;	/* of the layers that it makes */
	XLogRecPtr	lsn;	/* an image: of its layers; expire: the new start */
	List	   *inputs; /* const BbLayerDesc *, of the manifest: layers that it
						 * replaces, or retires; an image replaces none */
	List	   *cuts; /* const BbKey *, rising: a merge ends a layer there, too */
	uint64		bytes; /* about how many it has to read */
	const char *why;   /* for people: one phrase */
} BbUpkeepJob;

#endif /* BB_UPKEEP_JOB_H */
