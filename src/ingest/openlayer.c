/*-------------------------------------------------------------------------
 *
 * openlayer.c
 *	  The open layer: what was ingested since the last flush, in memory.
 *
 * Entries are in the order of WAL, and refer to their key by a number:
 *
 *	  keys:		#0 rel block 7	  #1 checkpoint	   #2 rel block 3 ...
 *	  entries:	#0 a	#1 b	#0 c	#2 d	#1 e ...
 *
 * The entries of a key are in LSN order already.  So a flush sorts the keys,
 * which are few, and places the entries by counting.  Their values are spread
 * over the arena, so the flush prefetches each value before it reads it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/settings.h"
#include "common/hashfn.h"
#include "ingest/openlayer.h"
#include "utils/memutils.h"

/* The arena grows by chunks of this size; a large value gets a separate chunk. */
#define CHUNK_BYTES (1024 * 1024)

/* The initial size of the arrays. */
#define FIRST_ENTRIES 1024

/* The limit is checked after this many entries. */
#define CHECK_ENTRIES 1024

/* Entries and values are prefetched this far before they are written. */
#define PREFETCH_ENTRIES 16
#define PREFETCH_VALUES 8

/* There are millions of these, so no byte is wasted. */
typedef struct OpenEntry
{
	XLogRecPtr	lsn;
	const uint8 *value;
	uint32		key; /* number */
	uint32		type : 4;
	uint32		length : 28;
} OpenEntry;

/* A key, and the newest of its entries. */
typedef struct OpenKey
{
	BbKey		key;
	char		status; /* of the hash table */
	uint32		number;
	uint32		last;
	XLogRecPtr	last_lsn;
} OpenKey;

#define SH_PREFIX keys
#define SH_ELEMENT_TYPE OpenKey
#define SH_KEY_TYPE BbKey
#define SH_KEY key
#define SH_HASH_KEY(table, key) hash_bytes((key).bytes, BB_KEY_LENGTH)
#define SH_EQUAL(table, a, b) (bb_key_compare(&(a), &(b)) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct BbOpenLayer
{
	MemoryContext context; /* of all that follows */

	/* the arena: chunks of CHUNK_BYTES, of which the last one used has room */
	List	   *chunks;
	int			chunks_used;
	uint8	   *room;
	size_t		room_left;	/* bytes */
	size_t		arena_size; /* of what is used, with large values */
	MemoryContext large;	/* has those; reset by a flush */

	OpenEntry  *entries;
	uint32		nentries;
	uint32		allocated;
	keys_hash  *keys;
	size_t		limit; /* of bb_openlayer_size() */
};

StaticAssertDecl(BB_VALUE_MAX_SIZE < 1 << 28, "a length fits its bits");

/*
 * Forget all entries.  Their memory is kept for the next ones, since getting it
 * from the system again would cost more than all that is done with it.
 */
static void
reset(BbOpenLayer *layer)
{
	MemoryContextReset(layer->large);
	layer->chunks_used = 0;
	layer->room = NULL;
	layer->room_left = 0;
	layer->arena_size = 0;
	layer->nentries = 0;
	keys_reset(layer->keys);
}

BbOpenLayer *
bb_openlayer_new(void)
{
	BbOpenLayer *layer = palloc0(sizeof(BbOpenLayer));

	layer->context = AllocSetContextCreate(CurrentMemoryContext,
										   "bbackup open layer",
										   ALLOCSET_DEFAULT_SIZES);
	layer->large = AllocSetContextCreate(layer->context,
										 "bbackup open layer, large values",
										 ALLOCSET_SMALL_SIZES);
	layer->allocated = FIRST_ENTRIES;
	layer->entries = MemoryContextAlloc(layer->context,
										FIRST_ENTRIES * sizeof(OpenEntry));
	layer->keys = keys_create(layer->context, FIRST_ENTRIES, NULL);
	layer->limit = SIZE_MAX;
	return layer;
}

static void
check_limit(const BbOpenLayer *layer)
{
	if (bb_openlayer_size(layer) > layer->limit)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("WAL record changes too much at once"),
				 errdetail("With it, ingest would hold more than %zu MB in memory.",
						   layer->limit / (1024 * 1024)),
				 errhint("If a server wrote it, raise bbackup.checkpoint_distance.")));
}

/* Go on in the next chunk. */
static void
next_chunk(BbOpenLayer *layer)
{
	if (layer->chunks_used == list_length(layer->chunks))
	{
		MemoryContext old = MemoryContextSwitchTo(layer->context);

		layer->chunks = lappend(layer->chunks, palloc(CHUNK_BYTES));
		MemoryContextSwitchTo(old);
	}
	layer->room = list_nth(layer->chunks, layer->chunks_used++);
	layer->room_left = CHUNK_BYTES;
	layer->arena_size += CHUNK_BYTES;
	check_limit(layer);
}

uint8 *
bb_openlayer_reserve(BbOpenLayer *layer, uint32 length)
{
	size_t		padded = MAXALIGN(length);
	uint8	   *reserved;

	if (padded > CHUNK_BYTES / 4)
	{
		layer->arena_size += padded;
		check_limit(layer);
		return MemoryContextAllocHuge(layer->large, length);
	}
	if (padded > layer->room_left)
		next_chunk(layer);
	reserved = layer->room;
	layer->room += padded;
	layer->room_left -= padded;
	return reserved;
}

const uint8 *
bb_openlayer_store(BbOpenLayer *layer, const void *data, uint32 length)
{
	uint8	   *stored = bb_openlayer_reserve(layer, length);

	if (length > 0)
		memcpy(stored, data, length);
	return stored;
}

static inline bool
is_whole(BbEntryType type)
{
	return type == BB_ENTRY_IMAGE || type == BB_ENTRY_DELETED;
}

void
bb_openlayer_add(BbOpenLayer *layer, const BbKey *key, XLogRecPtr lsn,
				 BbEntryType type, const uint8 *stored, uint32 length)
{
	bool		found;
	OpenKey	   *open = keys_insert(layer->keys, *key, &found);
	OpenEntry  *entry;

	if (!found)
		open->number = layer->keys->members - 1;

	if (length > BB_VALUE_MAX_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value of %s at " BB_LSN_FORMAT " is too large",
						bb_key_text(key), LSN_FORMAT_ARGS(lsn)),
				 errdetail("It has %u bytes; the limit is %d.", length,
						   BB_VALUE_MAX_SIZE)));
	if (unlikely(layer->nentries % CHECK_ENTRIES == 0))
		check_limit(layer);

	if (found && open->last_lsn == lsn && is_whole(type) &&
		is_whole(layer->entries[open->last].type))
		entry = &layer->entries[open->last]; /* superseded */
	else
	{
		if (layer->nentries == layer->allocated)
		{
			/* if memory runs out, the entries here can still be flushed */
			layer->entries = repalloc_huge(layer->entries,
										   (Size) layer->allocated * 2 *
											   sizeof(OpenEntry));
			layer->allocated *= 2;
		}
		open->last = layer->nentries;
		open->last_lsn = lsn;
		entry = &layer->entries[layer->nentries++];
	}

	entry->lsn = lsn;
	entry->value = stored;
	entry->key = open->number;
	entry->type = type;
	entry->length = length;
}

void
bb_openlayer_put(BbOpenLayer *layer, const BbKey *key, XLogRecPtr lsn,
				 BbEntryType type, const void *data, uint32 length)
{
	bb_openlayer_add(layer, key, lsn, type,
					 bb_openlayer_store(layer, data, length), length);
}

size_t
bb_openlayer_size(const BbOpenLayer *layer)
{
	return layer->arena_size - layer->room_left +
		layer->nentries * (sizeof(OpenEntry) + sizeof(uint32)) +
		layer->keys->members * 2 * sizeof(OpenKey);
}

void
bb_openlayer_limit(BbOpenLayer *layer, size_t bytes)
{
	layer->limit = bytes;
}

void
bb_openlayer_cut(BbOpenLayer *layer, XLogRecPtr lsn)
{
	while (layer->nentries > 0 &&
		   layer->entries[layer->nentries - 1].lsn > lsn)
		layer->nentries--;
}

/* ---- flush ---- */

/* A key to be sorted. */
typedef struct SortedKey
{
	BbKey		key;
	uint32		number;
} SortedKey;

#define ST_SORT sort_keys
#define ST_ELEMENT_TYPE SortedKey
#define ST_COMPARE(a, b) bb_key_compare(&(a)->key, &(b)->key)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* The order of a flush. */
typedef struct FlushOrder
{
	BbKey	   *keys;	 /* by number */
	uint32	   *entries; /* by key and LSN */
} FlushOrder;

static void *
alloc_array(uint32 count, size_t size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, count * size);
}

static FlushOrder
make_order(BbOpenLayer *layer)
{
	uint32		nkeys = layer->keys->members;
	FlushOrder	order;
	SortedKey  *sorted = alloc_array(nkeys, sizeof(SortedKey));
	uint32	   *places = alloc_array(nkeys, sizeof(uint32));
	keys_iterator iterator;
	OpenKey	   *open;
	uint32		n = 0;

	order.keys = alloc_array(nkeys, sizeof(BbKey));
	order.entries = alloc_array(layer->nentries, sizeof(uint32));

	keys_start_iterate(layer->keys, &iterator);
	while ((open = keys_iterate(layer->keys, &iterator)) != NULL)
	{
		order.keys[open->number] = open->key;
		sorted[n].key = open->key;
		sorted[n++].number = open->number;
	}
	sort_keys(sorted, nkeys);

	/* count the entries of each key, which gives the place of its first one */
	memset(places, 0, nkeys * sizeof(uint32));
	for (uint32 i = 0; i < layer->nentries; i++)
		places[layer->entries[i].key]++;
	n = 0;
	for (uint32 i = 0; i < nkeys; i++)
	{
		uint32		count = places[sorted[i].number];

		places[sorted[i].number] = n;
		n += count;
	}
	for (uint32 i = 0; i < layer->nentries; i++)
		order.entries[places[layer->entries[i].key]++] = i;

	pfree(sorted);
	pfree(places);
	return order;
}

/* Prefetch an entry and a value that are written soon. */
static inline void
prefetch(const BbOpenLayer *layer, const uint32 *order, uint32 at)
{
#if defined(__GNUC__)
	if (at + PREFETCH_ENTRIES < layer->nentries)
		__builtin_prefetch(&layer->entries[order[at + PREFETCH_ENTRIES]]);
	if (at + PREFETCH_VALUES < layer->nentries)
	{
		const OpenEntry *entry = &layer->entries[order[at + PREFETCH_VALUES]];
		uint32		length = Min(entry->length, 512);

		for (uint32 i = 0; i < length; i += 64)
			__builtin_prefetch(entry->value + i);
	}
#endif
}

static inline bool
is_page(const BbKey *key)
{
	return key->bytes[0] == BB_KEY_REL_BLOCK ||
		key->bytes[0] == BB_KEY_SLRU_BLOCK;
}

List *
bb_openlayer_flush(const BbReqCtx *ctx, BbOpenLayer *layer,
				   BbObjectStore *objects, const char *timeline,
				   XLogRecPtr lsn_start, XLogRecPtr lsn_end, uint64 *pages)
{
	uint64		cut_size = (uint64) bb_setting_layer_size_mb * 1024 * 1024;
	FlushOrder	order = make_order(layer);
	BbLayerWriter *writer = NULL;
	const BbKey *last = NULL;
	List	   *descs = NIL;

	for (uint32 i = 0; i < layer->nentries; i++)
	{
		const OpenEntry *open = &layer->entries[order.entries[i]];
		const BbKey *key = &order.keys[open->key];
		BbEntry		entry;

		bb_reqctx_check(ctx);
		prefetch(layer, order.entries, i);

		/* one key's entries stay together */
		if (writer != NULL && key != last &&
			bb_layer_writer_size(writer) >= cut_size)
		{
			descs = lappend(descs, bb_layer_writer_finish(ctx, writer, key));
			writer = NULL;
		}
		if (writer == NULL)
			writer = bb_layer_writer_new_delta(ctx, objects, timeline, key,
											   lsn_start, lsn_end,
											   (BbCompression)
												   bb_setting_compression);
		if (key != last && is_page(key))
			(*pages)++;

		entry.key = *key;
		entry.lsn = open->lsn;
		entry.type = (BbEntryType) open->type;
		entry.value = open->value;
		entry.length = open->length;
		bb_layer_writer_add_entry(ctx, writer, &entry);
		last = key;
	}
	if (writer != NULL)
	{
		BbKey		end = bb_key_next(last);

		descs = lappend(descs, bb_layer_writer_finish(ctx, writer, &end));
	}

	pfree(order.keys);
	pfree(order.entries);
	reset(layer);
	return descs;
}
