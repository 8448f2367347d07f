/*-------------------------------------------------------------------------
 *
 * imagewriter.c
 *	  Writing values, in key order, into image layers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "layer/imagewriter.h"
#include "utils/memutils.h"

struct BbImageWriter
{
	MemoryContext context; /* owns the writer and its layers */
	BbObjectStore *objects;
	const char *timeline;
	XLogRecPtr	lsn;
	uint64		limit;	  /* bytes of a layer */
	BbKey		start;	  /* of the keys of the open layer, or of the next */
	BbLayerWriter *layer; /* NULL: none is open */
	List	   *finished; /* BbLayerDesc */
};

BbImageWriter *
bb_imagewriter_new_part(BbObjectStore *objects, const char *timeline,
						XLogRecPtr lsn, const BbKey *start)
{
	BbImageWriter *writer = palloc0(sizeof(BbImageWriter));

	writer->context = CurrentMemoryContext;
	writer->objects = objects;
	writer->timeline = pstrdup(timeline);
	writer->lsn = lsn;
	writer->limit = (uint64) bb_setting_layer_size_mb * 1024 * 1024;
	writer->start = *start;
	return writer;
}

BbImageWriter *
bb_imagewriter_new(BbObjectStore *objects, const char *timeline,
				   XLogRecPtr lsn)
{
	BbKey		start = bb_key_range_all().start;

	return bb_imagewriter_new_part(objects, timeline, lsn, &start);
}

static void
finish_layer(const BbReqCtx *ctx, BbImageWriter *writer, const BbKey *end)
{
	MemoryContext old = MemoryContextSwitchTo(writer->context);
	BbLayerDesc *desc = bb_layer_writer_finish(ctx, writer->layer, end);

	writer->finished = lappend(writer->finished, desc);
	writer->layer = NULL;
	writer->start = *end;
	MemoryContextSwitchTo(old);
}

void
bb_imagewriter_add(const BbReqCtx *ctx, BbImageWriter *writer,
				   const BbKey *key, const void *value, size_t length)
{
	if (writer->layer != NULL &&
		bb_layer_writer_size(writer->layer) >= writer->limit)
		finish_layer(ctx, writer, key);

	if (writer->layer == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(writer->context);

		writer->layer = bb_layer_writer_new(ctx, writer->objects,
											writer->timeline, &writer->start,
											writer->lsn,
											bb_setting_compression);
		MemoryContextSwitchTo(old);
	}
	bb_layer_writer_add(ctx, writer->layer, key, value, length);
}

void
bb_imagewriter_include(const BbReqCtx *ctx, BbImageWriter *writer, List *part)
{
	const BbLayerDesc *first = linitial(part);
	const BbLayerDesc *last = llast(part);
	MemoryContext old;

	if (writer->layer == NULL ||
		bb_key_compare(&first->keys.start, &writer->start) <= 0)
		elog(ERROR, "part of image layers is out of order: %s",
			 bb_key_text(&first->keys.start));
	finish_layer(ctx, writer, &first->keys.start);
	writer->start = last->keys.end;
	old = MemoryContextSwitchTo(writer->context);
	writer->finished = list_concat(writer->finished, part);
	MemoryContextSwitchTo(old);
}

List *
bb_imagewriter_finish_part(const BbReqCtx *ctx, BbImageWriter *writer,
						   const BbKey *end)
{
	if (writer->layer != NULL)
		finish_layer(ctx, writer, end);
	return writer->finished;
}

List *
bb_imagewriter_layers(const BbImageWriter *writer)
{
	return writer->finished;
}

List *
bb_imagewriter_finish(const BbReqCtx *ctx, BbImageWriter *writer)
{
	BbKeyRange	all = bb_key_range_all();

	finish_layer(ctx, writer, &all.end);
	return writer->finished;
}
