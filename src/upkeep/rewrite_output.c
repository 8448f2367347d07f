/*-------------------------------------------------------------------------
 *
 * rewrite_output.c
 *	  The output of a rewrite: layers, side by side, over the job's keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "upkeep/pace.h"
#include "upkeep/rewrite_internal.h"
#include "utils/memutils.h"

/* After how many bytes the pace is kept. */
#define PACE_BYTES (256 * 1024)

struct BbOutput
{
	BbRewrite  *rewrite;
	XLogRecPtr	lsn_start;
	XLogRecPtr	lsn_end;
	bool		image;
	uint64		limit;	   /* bytes of a tile */
	BbKey		border;	   /* a tile ends there, whatever its size */
	int			cut;	   /* index of the first cut that isn't behind it */
	BbKey		start;	   /* of the open tile, or of the next one */
	BbLayerWriter *writer; /* NULL: no tile is open */
	BbKey		last;	   /* key that was added */
	uint64		entries;
};

static BbOutput *
new_output(BbRewrite *rewrite)
{
	BbOutput   *output = MemoryContextAllocZero(rewrite->context,
												sizeof(BbOutput));

	output->rewrite = rewrite;
	output->limit = (uint64) bb_setting_layer_size_mb * 1024 * 1024;
	output->border = bb_key_range_kind(BB_KEY_TABLESPACE).start;
	output->start = rewrite->job->keys.start;
	return output;
}

BbOutput *
bb_output_new(BbRewrite *rewrite, XLogRecPtr lsn_start, XLogRecPtr lsn_end)
{
	BbOutput   *output = new_output(rewrite);

	output->lsn_start = lsn_start;
	output->lsn_end = lsn_end;
	return output;
}

BbOutput *
bb_output_new_image(BbRewrite *rewrite, XLogRecPtr lsn)
{
	BbOutput   *output = bb_output_new(rewrite, lsn, lsn + 1);

	output->image = true;
	return output;
}

void
bb_rewrite_pace(const BbReqCtx *ctx, BbRewrite *rewrite, uint64 unfinished)
{
	BbRewriteStats *stats = rewrite->stats;
	uint64		output = stats->bytes_written + unfinished;
	uint64		done;

	stats->bytes_read = ctx->counters->bytes_read - rewrite->counted;
	done = stats->bytes_read + output;
	if (done < rewrite->paced + PACE_BYTES)
		return;
	bb_upkeeppace(ctx,
				  output > rewrite->paced_output
					  ? output - rewrite->paced_output
					  : 0);
	rewrite->paced = done;
	rewrite->paced_output = Max(output, rewrite->paced_output);
}

static void
begin_tile(const BbReqCtx *ctx, BbOutput *output)
{
	BbRewrite  *rewrite = output->rewrite;
	const char *timeline = rewrite->manifest->timeline;
	BbCompression compression = (BbCompression) bb_setting_upkeep_compression;
	MemoryContext old = MemoryContextSwitchTo(rewrite->context);

	if (output->image)
		output->writer = bb_layer_writer_new(ctx, rewrite->objects, timeline,
											 &output->start, output->lsn_start,
											 compression);
	else
		output->writer = bb_layer_writer_new_delta(ctx, rewrite->objects,
												   timeline, &output->start,
												   output->lsn_start,
												   output->lsn_end,
												   compression);
	MemoryContextSwitchTo(old);
}

static void
finish_tile(const BbReqCtx *ctx, BbOutput *output, const BbKey *end)
{
	BbRewrite  *rewrite = output->rewrite;
	MemoryContext old = MemoryContextSwitchTo(rewrite->context);
	BbLayerDesc *desc = bb_layer_writer_finish(ctx, output->writer, end);

	output->writer = NULL;
	output->start = *end;
	rewrite->written = lappend(rewrite->written, desc);
	rewrite->stats->layers_written++;
	rewrite->stats->bytes_written += desc->size;
	MemoryContextSwitchTo(old);
}

/*
 * Where a tile is to end between the last key and "key": where the journal ends,
 * or else at the last of the job's cuts; NULL: nowhere.
 */
static const BbKey *
cut_before(BbOutput *output, const BbKey *key)
{
	const List *cuts = output->rewrite->job->cuts;
	const BbKey *found = NULL;

	for (; output->cut < list_length(cuts); output->cut++)
	{
		const BbKey *cut = list_nth(cuts, output->cut);

		if (bb_key_compare(cut, key) > 0)
			break;
		if (bb_key_compare(&output->last, cut) < 0)
			found = cut;
	}
	if (bb_key_compare(&output->last, &output->border) < 0 &&
		bb_key_compare(key, &output->border) >= 0)
		found = &output->border;
	return found;
}

/* Where the open tile ends, if that is before a key other than the last. */
static const BbKey *
tile_end(BbOutput *output, const BbKey *key)
{
	const BbKey *cut = cut_before(output, key);

	if (cut == NULL && bb_layer_writer_size(output->writer) >= output->limit)
		return key;
	return cut;
}

void
bb_output_add(const BbReqCtx *ctx, BbOutput *output, const BbEntry *entry)
{
	bb_reqctx_check(ctx);
	if (output->writer != NULL &&
		bb_key_compare(&entry->key, &output->last) != 0)
	{
		const BbKey *end = tile_end(output, &entry->key);

		if (end != NULL)
			finish_tile(ctx, output, end);
	}
	if (output->writer == NULL)
		begin_tile(ctx, output);

	if (output->image)
		bb_layer_writer_add(ctx, output->writer, &entry->key, entry->value,
							entry->length);
	else
		bb_layer_writer_add_entry(ctx, output->writer, entry);
	output->last = entry->key;
	output->entries++;
	output->rewrite->stats->entries_written++;
	bb_rewrite_pace(ctx, output->rewrite,
					bb_layer_writer_size(output->writer));
}

bool
bb_output_empty(const BbOutput *output)
{
	return output->entries == 0;
}

void
bb_output_finish(const BbReqCtx *ctx, BbOutput *output)
{
	if (output->writer != NULL)
		finish_tile(ctx, output, &output->rewrite->job->keys.end);
	pfree(output);
}
