/*-------------------------------------------------------------------------
 *
 * rewrite.h
 *	  Rewriting layers: merges, images, and squashed history.
 *
 *	  job, manifest ── bb_rewrite ──► durable layers ── commit.h ──► manifest
 *
 * A rewrite reads layers of one manifest and writes new ones, which no manifest
 * names yet.  It changes nothing that exists, and whatever ends it early leaves
 * no layer behind, except a crash, after which a sweep finds them.
 *
 * The layers that a job makes are tiles: they lie side by side and cover exactly
 * job->keys.  A tile is cut after a key at about bbackup.layer_size, so a key
 * with more entries than that has a larger tile.  Tiles of delta layers are cut
 * at the first key of a tablespace (BB_KEY_TABLESPACE), too: the keys before it
 * (control file, times, ends of records) are in no image, and so outlive the
 * others.  They are cut at job->cuts, too, where there are keys on both sides.
 *
 * MERGE: delta layers into fewer ones.
 *
 *	  LSN  +--+-----+---+		+---------+----+	the same entries, in the
 *	   ^   +--+--+--+---+  ──►	|		  |	   |	same order
 *	   |   +-----+--+---+		+---------+----+
 *
 * The tiles have the LSNs of all inputs.  No entry is dropped.
 *
 * IMAGE: the values of job->keys at job->lsn, as a read at that LSN returns
 * them.  What exists is listed first, from the sizes of relations, SLRU segments
 * and files; each block within them has to be there.	 Blocks beyond a size, and
 * those of relations that don't exist, are left out: what is read later has a
 * new value first (ingest/relsizes.h).  An image doesn't replace a layer.
 *
 * SQUASH: delta layers below or around the start of the timeline, into what the
 * points and the start need.  "Readable" are the points, the start, and every
 * LSN after it.
 *
 *	  lo ────── point ──── point ──────── start ─────── hi
 *	  |	 run 1	  |	 run 2	 |	  run 3		|	 run 4	 |
 *		 whole values as of the end of		   all entries
 *		 each run
 *
 * The LSNs of the inputs, [lo, hi), are cut after each readable LSN up to the
 * start.  A run has, for each key that changed in it, the value at its end, as
 * an image at the LSN of its last change, or as a deletion at the end of the
 * run.  Keys whose entries no readable LSN needs have none.  Of the ends of
 * records (BB_KEY_RECORD_ENDS) a run keeps those of the last two WAL pages up to
 * its end that have any: the end of the record at that LSN, and of the one
 * before.  Runs without entries become part of the next one, or of the one
 * before.  All entries after the start are kept.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REWRITE_H
#define BB_REWRITE_H

#include "upkeep/job.h"

/* What a rewrite did so far.  The caller sets it to zeros. */
typedef struct BbRewriteStats
{
	uint64		layers_read;
	uint64		bytes_read; /* of stored layers */
	uint64		entries_read;
	uint64		layers_written;
	uint64		bytes_written;
	uint64		entries_written;
} BbRewriteStats;

/*
 * bb_rewrite - write the layers of a MERGE, IMAGE or SQUASH job.
 *
 * Returns them (BbLayerDesc *), durable, in the order of LSNs and keys, allocated
 * in CurrentMemoryContext.  NIL: job->keys has no value at the LSN of the image,
 * and there is nothing to commit.
 *
 * REQUIRES, all of which is checked:
 * - The timeline is consistent; job->keys isn't empty.
 * - MERGE, SQUASH: the inputs are delta layers of the manifest within job->keys.
 *	 Their LSN ranges, together, have no hole.  No two of them overlap, and no
 *	 other delta layer overlaps job->keys in these LSNs.  None begins or ends
 *	 within an open gap.
 * - IMAGE: job->lsn is readable, and not in a gap.  No image layer at that LSN
 *	 overlaps job->keys.  job->keys has no events
 *	 (bb_key_range_events).  There are no inputs.
 * - SQUASH: the inputs begin at or before the start.
 *
 * It works at the pace of pace.h.
 *
 * Memory is bounded: all windows on inputs have 32 MB, and each input that is
 * open holds a block more.
 *
 * Errors: INTERNAL_ERROR (the job isn't as required); DATA_CORRUPTED (an entry
 * is outside of its layer; a block that has to be in an image is missing, or its
 * LSN, length or checksum is wrong); those of timeline.h, layer.h and redo.h;
 * those of the object store.
 */
extern List *bb_rewrite(const BbReqCtx *ctx, BbObjectStore *objects,
						const BbManifest *manifest, const BbUpkeepJob *job,
						BbRewriteStats *stats);

/*
 * bb_rewrite_discard - remove layers that were written and won't be committed.
 *
 * Never raises an error: an object that can't be removed is reported by a
 * WARNING, and is left to the next sweep.
 */
extern void bb_rewrite_discard(const BbReqCtx *ctx, BbObjectStore *objects,
							   const char *timeline, List *layers);

#endif /* BB_REWRITE_H */
