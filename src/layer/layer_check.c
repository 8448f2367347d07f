/*-------------------------------------------------------------------------
 *
 * layer_check.c
 *	  Checking a layer file whole, every byte of it.
 *
 * The writer writes an index block right after the last of the blocks that it
 * names (layer_writer.c).  So the blocks of a level that no index block has named
 * yet are those that the next index block has to name, all of them and in their
 * order.  At the end, only the root is left.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/crc.h"
#include "layer/layer_check.h"
#include "layer/layer_internal.h"
#include "utils/memutils.h"

/* How much is read at once, and how much may be looked at together. */
#define PIECE_BYTES (512 * 1024)
#define WINDOW_BYTES (BB_BLOCK_HEADER_SIZE + BB_BLOCK_MAX_SIZE + PIECE_BYTES)

/* A block that no index block has named yet. */
typedef struct Child
{
	BbKey		key;
	XLogRecPtr	lsn;
	BbPlace		place;
} Child;

typedef struct Children
{
	Child	   *items;
	uint32		n;
	uint32		allocated;
} Children;

typedef struct Check
{
	const BbReqCtx *ctx;
	MemoryContext results; /* for the faults */
	List	   *faults;
	BbLayerPace pace;
	BbLayer		layer;

	/* reading front to back */
	uint64		at;		/* bytes passed */
	uint64		loaded; /* bytes read, and in the checksum */
	pg_crc32c	crc;
	uint8	   *window;
	uint64		window_at; /* the offset of its first byte; it ends at "loaded" */

	BbBlock		block;
	Children	children[BB_LEVEL_MAX + 1];

	uint64		entries;
	BbKey		last_key;
	XLogRecPtr	last_lsn;

	uint32	   *hashes; /* of the keys */
	uint64		nhashes;
	uint64		hashes_allocated;
} Check;

/* ---- faults ---- */

static void
add_fault(Check *check, BbLayerFaultKind kind, uint64 offset,
		  const char *detail, const BbKeyRange *keys)
{
	MemoryContext old = MemoryContextSwitchTo(check->results);
	BbLayerFault *fault = palloc(sizeof(BbLayerFault));

	*fault = (BbLayerFault){.kind = kind,
							.offset = offset,
							.detail = pstrdup(detail),
							.keys = *keys};
	check->faults = lappend(check->faults, fault);
	MemoryContextSwitchTo(old);
}

/* Note a fault that concerns all keys.  Returns false, for the caller to return. */
static bool
fail(Check *check, BbLayerFaultKind kind, uint64 offset, const char *detail)
{
	add_fault(check, kind, offset, detail, &check->layer.desc.keys);
	return false;
}

/* ---- front to back ---- */

/* Return the next "length" bytes, without passing them. */
static const uint8 *
peek(Check *check, size_t length)
{
	uint64		size = check->layer.desc.size;

	Assert(length <= WINDOW_BYTES - PIECE_BYTES);
	Assert(length <= size - check->at);
	while (check->loaded - check->at < length)
	{
		size_t		have = check->loaded - check->at;
		size_t		piece = Min(PIECE_BYTES, size - check->loaded);

		memmove(check->window, check->window + (check->at - check->window_at),
				have);
		check->window_at = check->at;

		bb_reqctx_check(check->ctx);
		bb_object_read(check->ctx, check->layer.object, check->loaded,
					   check->window + have, piece);
		check->crc = bb_crc32c(check->crc, check->window + have, piece);
		check->loaded += piece;
		if (check->pace)
			check->pace(check->ctx);
	}
	return check->window + (check->at - check->window_at);
}

static void
pass(Check *check, size_t length)
{
	check->at += length;
}

static void
remember_key(Check *check, const BbKey *key)
{
	if (check->nhashes == check->hashes_allocated)
	{
		check->hashes_allocated *= 2;
		check->hashes = repalloc_huge(check->hashes,
									  check->hashes_allocated *
										  sizeof(uint32));
	}
	check->hashes[check->nhashes++] = bb_filter_hash(key);
}

/* Check an entry of a data block; returns an errdetail or NULL. */
static const char *
entry_error(Check *check, const BbEntry *entry)
{
	const BbLayerDesc *desc = &check->layer.desc;
	int			order = check->entries == 0
		? 1
		: bb_key_compare(&entry->key, &check->last_key);

	if (!bb_key_in_range(&entry->key, &desc->keys))
		return "An entry has a key that is not in the range of the layer.";
	if (entry->lsn < desc->lsn_start || entry->lsn >= desc->lsn_end)
		return "An entry has an LSN that is not in the range of the layer.";
	if (order < 0 ||
		(order == 0 && (desc->image || entry->lsn < check->last_lsn)))
		return "The keys are not in order.";
	if (order > 0)
		remember_key(check, &entry->key);
	check->entries++;
	check->last_key = entry->key;
	check->last_lsn = entry->lsn;
	return NULL;
}

/* Check that entry i of an index block names the next child. */
static const char *
index_error(const Children *children, uint32 i, const BbEntry *entry)
{
	BbPlace		place = bb_layer_entry_place(entry);
	const Child *child = &children->items[i];

	if (i >= children->n || place.offset != child->place.offset ||
		place.size != child->place.size || entry->lsn != child->lsn ||
		bb_key_compare(&entry->key, &child->key) != 0)
		return "The index names a block that is not there.";
	return NULL;
}

static const char *
entries_error(Check *check)
{
	const BbBlock *block = &check->block;
	Children   *below = block->level > 0 ? &check->children[block->level - 1]
										 : NULL;

	for (uint32 i = 0; i < block->count; i++)
	{
		BbEntry		entry;
		const char *error;

		if (!bb_layer_entry_possible(&check->layer, block, i, &entry))
			return "The block has an invalid entry.";
		error = below ? index_error(below, i, &entry)
					  : entry_error(check, &entry);
		if (error != NULL)
			return error;
	}
	if (below != NULL && below->n != block->count)
		return "The index lacks a block.";
	if (below != NULL)
		below->n = 0;
	return NULL;
}

/* The block that was opened waits for an index block that names it. */
static void
remember_block(Check *check, const BbPlace *place)
{
	Children   *children = &check->children[check->block.level];
	BbEntry		first;

	(void) bb_block_entry(&check->block, 0, &first);
	if (children->n == children->allocated)
	{
		children->allocated = Max(64, children->allocated * 2);
		children->items = children->items
			? repalloc_huge(children->items,
							children->allocated * sizeof(Child))
			: palloc(children->allocated * sizeof(Child));
	}
	children->items[children->n++] = (Child){first.key, first.lsn, *place};
}

/* Check the block at check->at, and pass it. */
static bool
check_block(Check *check, uint64 end)
{
	BbPlace		place = {.offset = check->at};
	BbBlockHeader header;
	const char *error;

	if (end - check->at < BB_BLOCK_HEADER_SIZE ||
		!bb_block_header_decode(peek(check, BB_BLOCK_HEADER_SIZE), &header) ||
		header.stored_length > end - check->at - BB_BLOCK_HEADER_SIZE)
		return fail(check, BB_FAULT_BLOCK, check->at,
					"The block header is invalid.");

	place.size = BB_BLOCK_HEADER_SIZE + header.stored_length;
	error = bb_block_open(&check->block, peek(check, place.size), place.size,
						  check->layer.desc.file_id, place.offset);
	if (error != NULL)
		return fail(check, BB_FAULT_BLOCK, place.offset, error);
	if (header.level > check->layer.root_level)
		return fail(check, BB_FAULT_ORDER, place.offset,
					"The block has the wrong level.");
	error = entries_error(check);
	if (error != NULL)
		return fail(check, BB_FAULT_ORDER, place.offset, error);
	BB_COUNT(check->ctx, blocks_read, 1);
	remember_block(check, &place);
	pass(check, place.size);
	return true;
}

/* All blocks were passed: only the root may be left, and nothing may lack. */
static bool
check_tree(Check *check)
{
	const BbLayer *layer = &check->layer;

	for (int level = 0; level <= BB_LEVEL_MAX; level++)
	{
		const Children *left = &check->children[level];

		if (left->n != (level == layer->root_level ? 1 : 0))
			return fail(check, BB_FAULT_ORDER, layer->root.offset,
						"The index does not name all blocks.");
		if (level == layer->root_level &&
			(left->items[0].place.offset != layer->root.offset ||
			 left->items[0].place.size != layer->root.size))
			return fail(check, BB_FAULT_ORDER, layer->root.offset,
						"The root is not where the footer says.");
	}
	if (check->entries != layer->desc.entries)
		return fail(check, BB_FAULT_ORDER, layer->root.offset,
					"The number of entries is not the one that the manifest "
					"says.");
	return true;
}

static bool
check_filter(Check *check)
{
	const BbLayer *layer = &check->layer;
	uint32		pages = layer->filter_pages;
	Size		size = (Size) pages * BB_FILTER_PAGE_SIZE;
	uint8	   *filter;

	if (pages == 0)
		return true;
	filter = palloc_extended(size, MCXT_ALLOC_HUGE);
	for (Size at = 0; at < size; at += BB_FILTER_PAGE_SIZE)
	{
		memcpy(filter + at, peek(check, BB_FILTER_PAGE_SIZE),
			   BB_FILTER_PAGE_SIZE);
		if (!bb_filter_page_check(filter + at, layer->desc.file_id, check->at))
			return fail(check, BB_FAULT_FILTER, check->at,
						"The checksum of the key filter does not match.");
		pass(check, BB_FILTER_PAGE_SIZE);
	}
	for (uint64 i = 0; i < check->nhashes; i++)
	{
		uint32		hash = check->hashes[i];
		Size		at = (Size) bb_filter_page_of(hash, pages) *
			BB_FILTER_PAGE_SIZE;

		if (!bb_filter_page_test(filter + at, hash))
			return fail(check, BB_FAULT_FILTER, layer->filter_offset + at,
						"The key filter lacks a key of the layer.");
	}
	return true;
}

/* Returns false after a fault. */
static bool
check_front_to_back(Check *check)
{
	const BbLayerDesc *desc = &check->layer.desc;
	uint64		footer = desc->size - BB_FOOTER_SIZE;
	uint64		end = check->layer.filter_pages > 0
		? check->layer.filter_offset
		: footer;

	(void) peek(check, BB_LAYER_HEADER_SIZE);
	pass(check, BB_LAYER_HEADER_SIZE);
	while (check->at < end)
		if (!check_block(check, end))
			return false;
	if (!check_tree(check) || !check_filter(check))
		return false;
	if (check->at != footer)
		return fail(check, BB_FAULT_ORDER, check->at,
					"There are bytes that belong to nothing.");
	(void) peek(check, BB_FOOTER_SIZE);
	FIN_CRC32C(check->crc);
	if (check->crc != desc->crc)
		return fail(check, BB_FAULT_CHECKSUM, 0,
					"The file is not the one that the manifest names: its "
					"checksum differs.");
	return true;
}

/* ---- what can't be read ---- */

/* Open the block at a place.  Returns an errdetail or NULL. */
static const char *
block_error(Check *check, const BbPlace *place, int level,
			const BbEntry *index, const BbKey *until, BbBlock *block)
{
	uint8	   *bytes;
	const char *error;
	BbEntry		entry = {0};

	if (!bb_layer_place_possible(&check->layer, place))
		return "There can't be a block here.";
	bytes = palloc(place->size);
	bb_object_read(check->ctx, check->layer.object, place->offset, bytes,
				   place->size);
	error = bb_block_open(block, bytes, place->size, check->layer.desc.file_id,
						  place->offset);
	pfree(bytes);
	if (error != NULL)
		return error;
	if (block->level != level)
		return "The block has the wrong level.";
	for (uint32 i = 0; i < block->count; i++)
	{
		if (!bb_layer_entry_possible(&check->layer, block, i, &entry))
			return "The block has an invalid entry.";
		if (i == 0 && index != NULL &&
			(bb_key_compare(&entry.key, &index->key) != 0 ||
			 entry.lsn != index->lsn))
			return "The block is not the one that the index names.";
	}
	if (bb_key_compare(&entry.key, until) > 0)
		return "The keys are not in order.";
	return NULL;
}

/*
 * Find the blocks that can't be read, from the block that "index" names (NULL:
 * the root) downwards.  Its keys are those of the range.
 */
static void
find_broken(Check *check, const BbPlace *place, int level,
			const BbEntry *index, const BbKeyRange *range)
{
	BbBlock		block = {0};
	const char *error;

	bb_reqctx_check(check->ctx);
	error = block_error(check, place, level, index, &range->end, &block);
	if (error != NULL)
		add_fault(check, BB_FAULT_BLOCK, place->offset, error, range);
	else if (level > 0)
	{
		for (uint32 i = 0; i < block.count; i++)
		{
			BbKeyRange	below = *range;
			BbEntry		entry;
			BbEntry		next;
			BbPlace		child;

			(void) bb_block_entry(&block, i, &entry);
			child = bb_layer_entry_place(&entry);
			if (i > 0)
				below.start = entry.key;
			if (i + 1 < block.count)
			{
				/* a cursor for the first key of a block begins in the block
				 * before, which may have it, too */
				(void) bb_block_entry(&block, i + 1, &next);
				below.end = bb_key_next(&next.key);
			}
			find_broken(check, &child, level - 1, &entry, &below);
		}
	}
	if (block.payload)
		pfree(block.payload);
}

/*
 * After a fault in a block: which keys does it concern?  If all blocks can be
 * read, the fault stays the one that was found.
 */
static void
narrow(Check *check)
{
	BbLayerFault *first = linitial(check->faults);

	if (first->kind != BB_FAULT_BLOCK)
		return;
	check->faults = NIL;
	find_broken(check, &check->layer.root, check->layer.root_level, NULL,
				&check->layer.desc.keys);
	if (check->faults == NIL)
		add_fault(check, first->kind, first->offset, first->detail,
				  &first->keys);
}

/* ---- the check ---- */

static void
check_layer(Check *check, BbObjectStore *objects, const char *name)
{
	const BbLayerDesc *desc = &check->layer.desc;
	uint64		size;
	uint64		offset;
	const char *error;

	check->layer.object = bb_object_open(check->ctx, objects, name);
	size = bb_object_size(check->layer.object);
	if (size != desc->size || size < BB_LAYER_HEADER_SIZE + BB_FOOTER_SIZE)
	{
		fail(check, BB_FAULT_SIZE, 0,
			 psprintf("It has " UINT64_FORMAT
					  " bytes; the manifest says " UINT64_FORMAT ".",
					  size, desc->size));
		return;
	}
	BB_COUNT(check->ctx, layers_visited, 1);
	error = bb_layer_frame_error(check->ctx, &check->layer, &offset);
	if (error != NULL)
		fail(check,
			 offset < BB_LAYER_HEADER_SIZE ? BB_FAULT_HEADER : BB_FAULT_FOOTER,
			 offset, error);
	else if (!check_front_to_back(check))
		narrow(check);
}

bool
bb_layer_error_is_fault(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_DATA_CORRUPTED ||
		sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE ||
		sqlerrcode == ERRCODE_WRONG_OBJECT_TYPE ||
		ERRCODE_TO_CATEGORY(sqlerrcode) ==
		ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR);
}

List *
bb_layer_check(const BbReqCtx *ctx, BbObjectStore *objects,
			   const char *timeline, const BbLayerDesc *desc, BbLayerPace pace)
{
	MemoryContext results = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(results,
												  "bbackup layer check",
												  ALLOCSET_DEFAULT_SIZES);
	Check	   *check;
	List	   *faults;

	MemoryContextSwitchTo(scratch);
	check = palloc0(sizeof(Check));
	check->ctx = ctx;
	check->results = results;
	check->pace = pace;
	check->layer.desc = *desc;
	check->window = palloc(WINDOW_BYTES);
	check->hashes_allocated = 1024;
	check->hashes = palloc(check->hashes_allocated * sizeof(uint32));
	INIT_CRC32C(check->crc);

	PG_TRY();
	{
		check_layer(check, objects, bb_layer_object_name(timeline, desc));
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(scratch);
		error = CopyErrorData();
		if (!bb_layer_error_is_fault(error->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		fail(check,
			 error->sqlerrcode == ERRCODE_UNDEFINED_FILE ? BB_FAULT_MISSING
														 : BB_FAULT_UNREADABLE,
			 check->loaded, psprintf("%s.", error->message));
	}
	PG_END_TRY();

	faults = check->faults;
	MemoryContextSwitchTo(results);
	MemoryContextDelete(scratch);
	return faults;
}
