/*-------------------------------------------------------------------------
 *
 * manifest_edit.h
 *	  Changes of a manifest beside other writers.
 *
 * A writer reads a manifest, works for a while, and then wants a change: a
 * few layers more, a few less, a later end.  Meanwhile another writer may have
 * committed a change.  So the change isn't a new manifest but an edit, which
 * is applied to the manifest as it is now:
 *
 *	  base -------- (another writer's edit) --------> manifest now
 *	   |													|
 *	   +-- writer: layers, a new end ----> edit ----------> + --> next manifest
 *
 * The next manifest replaces the present one by compare-and-put.  If another
 * writer was faster once more, the edit is applied again to that result.
 *
 * Intake, which adds layers and moves the end, and upkeep, which replaces
 * layers by merged ones, both succeed whichever commits first.  An edit is
 * refused if it conflicts with the commits since the base was read:
 *
 * - the timeline was dropped, or the manifest isn't a later state of the base
 *	 (dropped and made again, or restored from a copy);
 * - the edit moves the end or the start, and another writer has moved it: of
 *	 two ingests one wins;
 * - the edit has new points, and another writer has set a pin or the retention,
 *	 or has moved the end to an earlier time: what to give up has to be decided
 *	 anew;
 * - a layer to remove isn't in the manifest any more;
 * - an image layer to add overlaps another one at the same LSN;
 * - a layer to add isn't in the store any more: whatever makes a timeline
 *	 again first removes all layers that no manifest names.
 *
 * Locks only prevent wasted work, and keep a sweep from layers that aren't
 * committed yet (bb_manifest_sweep).  Otherwise edits keep a timeline correct
 * without them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MANIFEST_EDIT_H
#define BB_MANIFEST_EDIT_H

#include "layer/manifest.h"

/* Where the WAL of a timeline ends; see BbManifest. */
typedef struct BbManifestEnd
{
	XLogRecPtr	end_lsn;
	XLogRecPtr	prev_lsn;
	int64		end_time;
	TimeLineID	tli;
	int			nswitches; /* of all tli switches, those of the base too */
	BbTliSwitch *switches;
} BbManifestEnd;

/* All gaps of a timeline; see BbManifest. */
typedef struct BbManifestGaps
{
	int			n;
	BbGap	   *gaps;
} BbManifestGaps;

/* All points of a timeline; see BbKeeps. */
typedef struct BbManifestPoints
{
	int			n;
	BbPoint	   *points;
} BbManifestPoints;

typedef struct BbManifestEdit
{
	/*
	 * The manifest that the writer has read; its tag says which one.  With
	 * the tag BB_OBJECT_ABSENT, the edit makes the timeline, with all values
	 * of the base.
	 */
	const BbManifest *base;
	List	   *added;	 /* BbLayerDesc *: durable, and in no manifest yet */
	List	   *removed; /* BbLayerDesc *: as the base has them */
	const BbManifestEnd *end;	/* NULL: the end stays */
	XLogRecPtr	start_lsn;		/* Invalid: the start stays */
	const BbManifestGaps *gaps; /* NULL: they stay; otherwise end isn't NULL */

	/* ---- upkeep, and what is kept ---- */

	/* 0: removed layers are forgotten; else they are retired at that time_t */
	int64		retired_at;
	List	   *forgotten; /* BbLayerDesc *: retired ones, forgotten now */
	const BbRetention *retention; /* NULL: it stays */
	const BbPin *pinned;		  /* NULL: none is added */
	const char *upgraded_from;	  /* NULL: it stays; empty: none */
	bool		renewal;		  /* "pinned" replaces one, or is refused */
	const char *unpinned;  /* the name of a pin; NULL: none is removed */
	int64		lapsed_at; /* leases that had expired then go; 0: they stay */
	const BbManifestPoints *points; /* NULL: they stay; else start_lsn is
									 * set */
} BbManifestEdit;

/*
 * bb_manifest_edit - apply an edit to the manifest of its timeline.
 *
 * Gaps that end at or before the start are forgotten as soon as no layer begins before
 * their ends.  A pin that is added
 * replaces one of the same name and LSN; its LSN must be readable still.  A lease
 * has a tli that no other lease has.  New
 * points are refused if the retention was changed, a pin was set, or the time of
 * the end was set back since the base was read.  A retired layer to forget may be forgotten already.
 *
 * Returns the manifest that is in place now, with its tag and generation,
 * allocated in CurrentMemoryContext.  It shares nothing with the edit.  If the
 * manifest already has a layer that the edit adds, and the edit's end, an
 * earlier attempt whose answer was lost has succeeded, and nothing is written.
 * Nor is it if an edit adds no layers, and all that it asks for is so already.
 *
 * An error of the object store leaves the outcome unknown, as with
 * bb_manifest_commit.  After a refusal nothing is changed.
 *
 * A copy (BbCopyMark) is changed by no edit, except that retired layers are
 * forgotten.
 *
 * Errors: OBJECT_IN_USE (refused, or other writers were faster too often;
 * another lease has the tli of a new one);
 * OBJECT_NOT_IN_PREREQUISITE_STATE (a copy; an LSN to pin that can't be read);
 * DUPLICATE_OBJECT (the timeline to be made exists, or there is a pin of that
 * name at another LSN); UNDEFINED_OBJECT (no such pin; no such lease to
 * renew); UNDEFINED_FILE (a layer
 * to add isn't there); those of bb_manifest_commit.
 */
extern BbManifest *bb_manifest_edit(const BbReqCtx *ctx,
									BbObjectStore *objects,
									const BbManifestEdit *edit);

#endif /* BB_MANIFEST_EDIT_H */
