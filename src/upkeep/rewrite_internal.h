/*-------------------------------------------------------------------------
 *
 * rewrite_internal.h
 *	  What the kinds of rewrites share: their inputs and their output.
 *
 *	  rewrite.c			 does the job, cleans up after an error
 *	  rewrite_check.c	 is the job as required?
 *	  rewrite_merge.c, rewrite_image.c, rewrite_squash.c	the kinds
 *	  rewrite_inputs.c	 the entries of the inputs, in order
 *	  rewrite_output.c	 tiles
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REWRITE_INTERNAL_H
#define BB_REWRITE_INTERNAL_H

#include "upkeep/rewrite.h"

typedef struct BbRewrite
{
	MemoryContext context; /* owns all of this */
	BbObjectStore *objects;
	const BbManifest *manifest;
	const BbUpkeepJob *job;
	BbRewriteStats *stats;
	XLogRecPtr	lsn_start; /* of the inputs; Invalid: there are none */
	XLogRecPtr	lsn_end;   /* exclusive */
	List	   *written;   /* BbLayerDesc *: durable, in no manifest */

	uint64		counted;	  /* bytes that the call had read before */
	uint64		paced;		  /* bytes read and written up to the last pace */
	uint64		paced_output; /* of them, those written */
} BbRewrite;

/* ---- rewrite_check.c ---- */

/* bb_rewrite_check - check the job, and set the LSNs of its inputs. */
extern void bb_rewrite_check(BbRewrite *rewrite);

/* bb_rewrite_report - raise the error that the job isn't as required. */
pg_noreturn extern void bb_rewrite_report(const BbRewrite *rewrite,
										  const char *detail);

/* ---- the kinds ---- */

extern void bb_rewrite_merge(const BbReqCtx *ctx, BbRewrite *rewrite);
extern void bb_rewrite_image(const BbReqCtx *ctx, BbRewrite *rewrite);
extern void bb_rewrite_squash(const BbReqCtx *ctx, BbRewrite *rewrite);

/* ---- rewrite_inputs.c ---- */

typedef struct BbInputs BbInputs;

/*
 * bb_inputs_new - read the entries of all inputs, in (key, LSN) order, those at
 * or after "from" and before "to".
 */
extern BbInputs *bb_inputs_new(BbRewrite *rewrite, XLogRecPtr from,
							   XLogRecPtr to);

/*
 * bb_inputs_next - return the next entry, or NULL at the end.
 *
 * It stays valid until the next call.
 *
 * Errors: DATA_CORRUPTED (an entry is outside of its layer).
 */
extern const BbEntry *bb_inputs_next(const BbReqCtx *ctx, BbInputs *inputs);

/* bb_inputs_seek - go on with the first entry at or after "key". */
extern void bb_inputs_seek(BbInputs *inputs, const BbKey *key);
extern void bb_inputs_close(BbInputs *inputs);

/* ---- rewrite_output.c ---- */

/*
 * bb_rewrite_pace - keep the pace, now and then.
 *
 * "unfinished" bytes were written to a layer that isn't finished.
 */
extern void bb_rewrite_pace(const BbReqCtx *ctx, BbRewrite *rewrite,
							uint64 unfinished);

typedef struct BbOutput BbOutput;

/*
 * bb_output_new - begin tiles of delta layers of [lsn_start, lsn_end) over the
 * job's keys; bb_output_new_image - of image layers.
 */
extern BbOutput *bb_output_new(BbRewrite *rewrite, XLogRecPtr lsn_start,
							   XLogRecPtr lsn_end);
extern BbOutput *bb_output_new_image(BbRewrite *rewrite, XLogRecPtr lsn);

/*
 * bb_output_add - add the next entry; to images, the next value.
 *
 * REQUIRES: the order of layer.h; keys within those of the job.
 */
extern void bb_output_add(const BbReqCtx *ctx, BbOutput *output,
						  const BbEntry *entry);

/* bb_output_empty - was no entry added? */
extern bool bb_output_empty(const BbOutput *output);

/*
 * bb_output_finish - make the last tile durable.  Without entries there are no
 * tiles.
 */
extern void bb_output_finish(const BbReqCtx *ctx, BbOutput *output);

#endif /* BB_REWRITE_INTERNAL_H */
