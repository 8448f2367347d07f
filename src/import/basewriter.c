/*-------------------------------------------------------------------------
 *
 * basewriter.c
 *	  Writes the values of a new base of a timeline.
 *
 * The keys are cut into stretches, which are written one after the other: those
 * that are lost, and what is between them.  Each stretch of the second kind has
 * a difference of its own, which reads nothing of the timeline beyond its keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "import/basewriter.h"
#include "layer/imagewriter.h"
#include "utils/memutils.h"

struct BbBaseWriter
{
	MemoryContext context;
	BbDifferencePlace place;
	const List *images;
	int			next; /* of images */

	/* the present stretch: one of the writers, NULL after the last one */
	BbKeyRange	stretch;
	BbDifference *difference;
	BbImageWriter *image;
	bool		has_value; /* has the image writer one? */

	List	   *finished; /* BbLayerDesc *, of stretches before */
	uint64		pages;
};

/* ---- what is lost ---- */

static int
compare_ranges(const ListCell *a, const ListCell *b)
{
	const BbKeyRange *left = lfirst(a);
	const BbKeyRange *right = lfirst(b);

	return bb_key_compare(&left->start, &right->start);
}

/* The first key of the file that has a block. */
static BbKey
start_of_file(const BbKey *block)
{
	BbKeyFields fields = bb_key_fields(block);

	return bb_key_make(BB_KEY_REL_BLOCK, fields.spc, fields.db, fields.rel,
					   fields.fork,
					   fields.block -
						   fields.block % (BlockNumber) RELSEG_SIZE);
}

/* The first key behind the file that has the last block before "end". */
static BbKey
end_of_file(const BbKey *end)
{
	BbKey		start = start_of_file(end);
	BbKeyFields fields = bb_key_fields(&start);
	BbKey		last;

	if (bb_key_compare(&start, end) == 0)
		return start;
	last = bb_key_make(BB_KEY_REL_BLOCK, fields.spc, fields.db, fields.rel,
					   fields.fork,
					   fields.block + ((BlockNumber) RELSEG_SIZE - 1));
	return bb_key_next(&last);
}

List *
bb_basewriter_widen(const List *lost)
{
	BbKeyRange	blocks = bb_key_range_kind(BB_KEY_REL_BLOCK);
	List	   *files = NIL;
	List	   *images = NIL;
	const ListCell *cell;

	foreach(cell, lost)
	{
		const BbKeyRange *range = lfirst(cell);
		BbKeyRange *file = palloc(sizeof(BbKeyRange));

		files = lappend(files, file);
		if (bb_key_compare(&range->start, &blocks.start) < 0 ||
			bb_key_compare(&range->end, &blocks.end) > 0)
		{
			*file = bb_key_range_all();
			return list_make1(file);
		}
		file->start = start_of_file(&range->start);
		file->end = bb_key_compare(&range->end, &blocks.end) < 0
			? end_of_file(&range->end)
			: blocks.end;
	}
	list_sort(files, compare_ranges);
	foreach(cell, files)
	{
		BbKeyRange *file = lfirst(cell);
		BbKeyRange *last = images == NIL ? NULL : llast(images);

		if (last == NULL || bb_key_compare(&file->start, &last->end) > 0)
			images = lappend(images, file);
		else if (bb_key_compare(&file->end, &last->end) > 0)
			last->end = file->end;
	}
	return images;
}

bool
bb_basewriter_is_lost(const List *images, const BbKeyRange *range)
{
	const ListCell *cell;

	foreach(cell, images)
	{
		const BbKeyRange *image = lfirst(cell);

		if (bb_key_compare(&range->start, &image->end) < 0 &&
			bb_key_compare(&image->start, &range->end) < 0)
			return true;
	}
	return false;
}

/* ---- stretches ---- */

static void
begin_images(BbBaseWriter *writer, const BbKey *start)
{
	const char *name = bb_timeline_manifest(writer->place.timeline)->timeline;

	writer->image = bb_imagewriter_new_part(writer->place.objects, name,
											writer->place.lsn, start);
	writer->has_value = false;
}

/* Begin with the stretch that begins at a key. */
static void
begin_stretch(const BbReqCtx *ctx, BbBaseWriter *writer, const BbKey *start)
{
	MemoryContext old = MemoryContextSwitchTo(writer->context);
	const BbKeyRange *image = writer->next < list_length(writer->images)
		? list_nth(writer->images, writer->next)
		: NULL;

	if (image != NULL && bb_key_compare(&image->start, start) == 0)
	{
		writer->next++;
		writer->stretch = *image;
		begin_images(writer, start);
	}
	else
	{
		writer->stretch = (BbKeyRange){*start,
									   image != NULL ? image->start
													 : bb_key_range_all().end};
		writer->difference = bb_difference_new(ctx, &writer->place,
											   &writer->stretch);
	}
	MemoryContextSwitchTo(old);
}

static void
add_finished(BbBaseWriter *writer, List *layers)
{
	MemoryContext old = MemoryContextSwitchTo(writer->context);

	writer->finished = list_concat(writer->finished, layers);
	MemoryContextSwitchTo(old);
}

static void
finish_images(const BbReqCtx *ctx, BbBaseWriter *writer, const BbKey *end)
{
	add_finished(writer, bb_imagewriter_finish_part(ctx, writer->image, end));
	writer->image = NULL;
}

static void
finish_stretch(const BbReqCtx *ctx, BbBaseWriter *writer)
{
	if (writer->image != NULL)
		finish_images(ctx, writer, &writer->stretch.end);
	else
	{
		add_finished(writer, bb_difference_finish(ctx, writer->difference));
		writer->pages += bb_difference_pages(writer->difference);
		writer->difference = NULL;
	}
}

/* Go to the stretch that has a key. */
static void
go_to(const BbReqCtx *ctx, BbBaseWriter *writer, const BbKey *key)
{
	while (bb_key_compare(key, &writer->stretch.end) >= 0)
	{
		BbKey		end = writer->stretch.end;

		finish_stretch(ctx, writer);
		begin_stretch(ctx, writer, &end);
	}
}

BbBaseWriter *
bb_basewriter_new(const BbReqCtx *ctx, const BbDifferencePlace *place,
				  const List *images)
{
	BbBaseWriter *writer = palloc0(sizeof(BbBaseWriter));
	BbKeyRange	all = bb_key_range_all();

	writer->context = CurrentMemoryContext;
	writer->place = *place;
	writer->images = images;
	begin_stretch(ctx, writer, &all.start);
	return writer;
}

/* ---- values ---- */

void
bb_basewriter_add(const BbReqCtx *ctx, BbBaseWriter *writer, const BbKey *key,
				  const void *value, size_t length)
{
	go_to(ctx, writer, key);
	if (writer->difference != NULL)
	{
		bb_difference_add(ctx, writer->difference, key, value, length);
		return;
	}
	bb_imagewriter_add(ctx, writer->image, key, value, length);
	writer->has_value = true;
	writer->pages += key->bytes[0] == BB_KEY_REL_BLOCK;
}

void
bb_basewriter_omit(const BbReqCtx *ctx, BbBaseWriter *writer, const BbKey *key)
{
	go_to(ctx, writer, key);
	/* an image says so by itself */
	if (writer->difference != NULL)
		bb_difference_omit(ctx, writer->difference, key);
}

void
bb_basewriter_include(const BbReqCtx *ctx, BbBaseWriter *writer,
					  const BbKeyRange *part, List *layers)
{
	MemoryContext old;

	go_to(ctx, writer, &part->start);
	if (writer->difference != NULL)
	{
		bb_difference_include(ctx, writer->difference, part, layers);
		return;
	}
	if (layers == NIL)
		return;
	if (writer->has_value)
	{
		bb_imagewriter_include(ctx, writer->image, layers);
		writer->has_value = false;
		return;
	}
	/* no value can be an image of the keys before the part */
	finish_images(ctx, writer, &part->start);
	add_finished(writer, layers);
	old = MemoryContextSwitchTo(writer->context);
	begin_images(writer, &((BbLayerDesc *) llast(layers))->keys.end);
	MemoryContextSwitchTo(old);
}

List *
bb_basewriter_finish(const BbReqCtx *ctx, BbBaseWriter *writer)
{
	BbKeyRange	all = bb_key_range_all();

	while (bb_key_compare(&writer->stretch.end, &all.end) < 0)
	{
		BbKey		end = writer->stretch.end;

		finish_stretch(ctx, writer);
		begin_stretch(ctx, writer, &end);
	}
	finish_stretch(ctx, writer);
	return writer->finished;
}

List *
bb_basewriter_layers(const BbBaseWriter *writer)
{
	List	   *layers = list_copy(writer->finished);

	if (writer->image != NULL)
		layers = list_concat(layers, bb_imagewriter_layers(writer->image));
	if (writer->difference != NULL)
		layers = list_concat(layers, bb_difference_layers(writer->difference));
	return layers;
}

uint64
bb_basewriter_pages(const BbBaseWriter *writer)
{
	return writer->pages +
		(writer->difference ? bb_difference_pages(writer->difference) : 0);
}
