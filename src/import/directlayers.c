/*-------------------------------------------------------------------------
 *
 * directlayers.c
 *	  Large relation files, written as layers while they are received.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "import/import_internal.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* A file that was written. */
typedef struct Segment
{
	BbKey		first; /* of its first block; the key of the hash table */
	BlockNumber count;
	List	   *layers; /* BbLayerDesc; NIL: it has less than two good pages */
	bool		has_last; /* a page that was kept back, */
	BbKey		last_key;
	uint64		last_at;	  /* there in the temporary file */
	bool		differs;	  /* are they of a difference? */
	BbKeyRange	keys;		  /* of all blocks */
	uint64		pages_stored; /* of them, if they differ */
	bool		used;
} Segment;

struct BbDirectLayers
{
	BbImport   *import;
	BbTempFile *temp;
	HTAB	   *segments;
	List	   *all;	/* BbLayerDesc *: of complete files */
	List	   *unused; /* BbLayerDesc *: of files that were sent again */

	/* the file that is being received */
	BbSourceFork fork;
	BlockNumber first; /* block of the fork */
	BlockNumber count;
	BlockNumber done; /* blocks */
	char	   *path;
	size_t		buffered; /* bytes in import->buffer */
	BbImageWriter *writer;
	BbDifference *difference; /* in its place, for a rebase */

	/* the last good page, which isn't written yet */
	const void *held; /* NULL: none */
	BbKey		held_key;
	char	   *held_copy;
};

BbDirectLayers *
bb_directlayers_new(BbImport *import, BbTempFile *temp)
{
	BbDirectLayers *direct = palloc0(sizeof(BbDirectLayers));
	HASHCTL		control = {
		.keysize = sizeof(BbKey),
		.entrysize = sizeof(Segment),
		.hcxt = CurrentMemoryContext,
	};

	direct->import = import;
	direct->temp = temp;
	direct->held_copy = palloc(BLCKSZ);
	direct->segments = hash_create("bbackup direct layers", 256, &control,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return direct;
}

static BbKey
key_of(const BbDirectLayers *direct, BlockNumber block)
{
	const BbSourceFork *fork = &direct->fork;

	return bb_key_rel_block(fork->spc, fork->db, fork->rel, fork->fork, block);
}

/* The keys of the blocks of the file. */
static BbKeyRange
range_of(const BbDirectLayers *direct)
{
	return (BbKeyRange){key_of(direct, direct->first),
						key_of(direct, direct->first + direct->count)};
}

void
bb_directlayers_begin(const BbReqCtx *ctx, BbDirectLayers *direct,
					  const BbSourceFork *fork, uint32 segment,
					  const char *path, uint64 size)
{
	BbImport   *import = direct->import;
	BbKeyRange	range;

	direct->fork = *fork;
	direct->first = segment * (BlockNumber) RELSEG_SIZE;
	direct->count = (BlockNumber) (size / BLCKSZ);
	direct->done = 0;
	direct->buffered = 0;
	direct->held = NULL;
	direct->path = pstrdup(path);
	range = range_of(direct);
	if (import->rebase != NULL &&
		!bb_basewriter_is_lost(import->rebase->images, &range))
	{
		direct->difference = bb_difference_new(ctx, &import->rebase->place,
											   &range);
		return;
	}
	direct->writer = bb_imagewriter_new_part(import->objects, import->timeline,
											 import->lsn, &range.start);
}

/* Check and write the pages in the buffer; a last part of a page is ignored. */
static void
store_pages(const BbReqCtx *ctx, BbDirectLayers *direct)
{
	BbImport   *import = direct->import;
	BlockNumber here = (BlockNumber) (direct->buffered / BLCKSZ);

	bb_reqctx_check(ctx);
	for (BlockNumber i = 0; i < here; i++)
	{
		char	   *page = import->buffer + (size_t) i * BLCKSZ;
		BlockNumber block = direct->done + i;
		BbKey		key = key_of(direct, direct->first + block);
		const void *value = bb_import_check_page(import, &key, direct->path,
												 block, (Page) page);

		if (direct->difference != NULL)
		{
			if (value != NULL)
				bb_difference_add(ctx, direct->difference, &key, value,
								  BLCKSZ);
			else
				bb_difference_omit(ctx, direct->difference, &key);
			continue;
		}
		if (value == NULL)
			continue;
		if (direct->held != NULL)
			bb_imagewriter_add(ctx, direct->writer, &direct->held_key,
							   direct->held, BLCKSZ);
		direct->held = value;
		direct->held_key = key;
	}
	if (direct->held != NULL && direct->held != direct->held_copy)
	{
		memcpy(direct->held_copy, direct->held, BLCKSZ);
		direct->held = direct->held_copy;
	}
	direct->done += here;
	direct->buffered = 0;
}

void
bb_directlayers_data(const BbReqCtx *ctx, BbDirectLayers *direct,
					 const char *data, size_t length)
{
	while (length > 0)
	{
		size_t		some = Min(length,
							   BB_IMPORT_READ_BYTES - direct->buffered);

		memcpy(direct->import->buffer + direct->buffered, data, some);
		direct->buffered += some;
		if (direct->buffered == BB_IMPORT_READ_BYTES)
			store_pages(ctx, direct);
		data += some;
		length -= some;
	}
}

static void
end_difference(const BbReqCtx *ctx, BbDirectLayers *direct, Segment *segment)
{
	segment->layers = bb_difference_finish(ctx, direct->difference);
	segment->pages_stored = bb_difference_pages(direct->difference);
	direct->all = list_concat(direct->all, segment->layers);
	direct->difference = NULL;
}

void
bb_directlayers_end(const BbReqCtx *ctx, BbDirectLayers *direct)
{
	BbKey		first = key_of(direct, direct->first);
	Segment	   *segment;
	bool		found;

	store_pages(ctx, direct);
	segment = hash_search(direct->segments, &first, HASH_ENTER, &found);
	if (found)
		direct->unused = list_concat(direct->unused, segment->layers);
	segment->count = direct->count;
	segment->used = false;
	segment->has_last = direct->held != NULL;
	segment->layers = NIL;
	segment->differs = direct->difference != NULL;
	segment->keys = range_of(direct);
	if (direct->difference != NULL)
		end_difference(ctx, direct, segment);
	if (segment->has_last)
	{
		segment->last_key = direct->held_key;
		segment->last_at = bb_tempfile_size(direct->temp);
		bb_tempfile_append(direct->temp, direct->held, BLCKSZ);
		segment->layers = bb_imagewriter_finish_part(ctx, direct->writer,
													 &direct->held_key);
		direct->all = list_concat(direct->all, segment->layers);
	}
	direct->held = NULL;
	direct->writer = NULL;
	pfree(direct->path);
}

static void
include_images(const BbReqCtx *ctx, BbDirectLayers *direct,
			   const Segment *segment)
{
	BbImport   *import = direct->import;
	BbRebase   *rebase = import->rebase;
	ListCell   *cell;

	if (rebase != NULL)
	{
		bb_basewriter_include(ctx, rebase->rest, &segment->keys,
							  segment->layers);
		foreach(cell, segment->layers)
			rebase->pages_stored += ((BbLayerDesc *) lfirst(cell))->entries;
	}
	else if (segment->layers != NIL)
		bb_imagewriter_include(ctx, import->writer, segment->layers);
	if (!segment->has_last)
		return;
	bb_tempfile_read(direct->temp, segment->last_at, direct->held_copy,
					 BLCKSZ);
	if (rebase != NULL)
		bb_basewriter_add(ctx, rebase->rest, &segment->last_key,
						  direct->held_copy, BLCKSZ);
	else
		bb_imagewriter_add(ctx, import->writer, &segment->last_key,
						   direct->held_copy, BLCKSZ);
}

bool
bb_directlayers_use(const BbReqCtx *ctx, BbDirectLayers *direct,
					const BbSourceFork *fork, BlockNumber first,
					BlockNumber count)
{
	BbImport   *import = direct->import;
	BbKey		key = bb_key_rel_block(fork->spc, fork->db, fork->rel,
									   fork->fork, first);
	Segment	   *segment = hash_search(direct->segments, &key, HASH_FIND, NULL);

	if (segment == NULL || segment->count != count)
		return false;
	segment->used = true;
	if (segment->differs)
	{
		bb_basewriter_include(ctx, import->rebase->rest, &segment->keys,
							  segment->layers);
		import->rebase->pages_stored += segment->pages_stored;
		return true;
	}
	include_images(ctx, direct, segment);
	return true;
}

static void
remove_layers(const BbReqCtx *ctx, const BbDirectLayers *direct, List *layers)
{
	const BbImport *import = direct->import;
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, layers)
		names = lappend(names,
						bb_layer_object_name(import->timeline, lfirst(cell)));
	(void) bb_objstore_remove_all(ctx, import->objects, names);
}

void
bb_directlayers_remove_unused(const BbReqCtx *ctx, BbDirectLayers *direct)
{
	HASH_SEQ_STATUS status;
	Segment	   *segment;

	remove_layers(ctx, direct, direct->unused);
	hash_seq_init(&status, direct->segments);
	while ((segment = hash_seq_search(&status)) != NULL)
		if (!segment->used)
			remove_layers(ctx, direct, segment->layers);
}

List *
bb_directlayers_all(const BbDirectLayers *direct)
{
	List	   *all = list_copy(direct->all);

	if (direct->writer != NULL)
		all = list_concat(all, bb_imagewriter_layers(direct->writer));
	if (direct->difference != NULL)
		all = list_concat(all, bb_difference_layers(direct->difference));
	return all;
}
