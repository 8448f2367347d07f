/*-------------------------------------------------------------------------
 *
 * rewrite_merge.c
 *	  Merges: delta layers into fewer ones, cut by key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/rewrite_internal.h"

/* As many entries as the inputs have, by the manifest, must have been written. */
static void
check_entries(const BbRewrite *rewrite)
{
	uint64		expected = 0;
	uint64		written = 0;
	ListCell   *cell;

	foreach(cell, rewrite->job->inputs)
		expected += ((const BbLayerDesc *) lfirst(cell))->entries;
	foreach(cell, rewrite->written)
		written += ((const BbLayerDesc *) lfirst(cell))->entries;
	if (written != expected)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("layers of timeline \"%s\" don't have as many entries as its manifest says",
						rewrite->manifest->timeline),
				 errdetail("They have " UINT64_FORMAT " instead of " UINT64_FORMAT
						   ".",
						   written, expected)));
}

void
bb_rewrite_merge(const BbReqCtx *ctx, BbRewrite *rewrite)
{
	BbInputs   *inputs = bb_inputs_new(rewrite, rewrite->lsn_start,
									   rewrite->lsn_end);
	BbOutput   *output = bb_output_new(rewrite, rewrite->lsn_start,
									   rewrite->lsn_end);
	const BbEntry *entry;

	while ((entry = bb_inputs_next(ctx, inputs)) != NULL)
		bb_output_add(ctx, output, entry);
	bb_output_finish(ctx, output);
	bb_inputs_close(inputs);
	check_entries(rewrite);
}
