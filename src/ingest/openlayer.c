/*-------------------------------------------------------------------------
 *
 * openlayer.c
 *	  What was ingested since the last flush, in memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "ingest/openlayer.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* The arena grows by this much; larger values get a chunk of their own. */
#define CHUNK_BYTES (1024 * 1024)

/* The array of entries begins with so many. */
#define FIRST_ENTRIES 1024

/*
 * An entry.  There are millions of them, so no byte is wasted.	"ordinal" tells
 * the entries of one LSN apart; beyond 65535 of them it stays.
 */
typedef struct OpenEntry
{
	BbKey		key;
	uint16		ordinal;
	uint32		type : 4;
	uint32		length : 28;
	XLogRecPtr	lsn;
	const uint8 *value;
} OpenEntry;

struct BbOpenLayer
{
	MemoryContext context; /* of the arena and the entries; reset by a flush */
	uint8	   *chunk;
	size_t		chunk_left; /* bytes */
	size_t		arena_size; /* of all chunks */
	OpenEntry  *entries;
	size_t		nentries;
	size_t		allocated;
};

StaticAssertDecl(BB_VALUE_MAX_SIZE < 1 << 28, "a length fits its bits");

static inline int
compare_entries(const OpenEntry *a, const OpenEntry *b)
{
	int			order = bb_key_compare(&a->key, &b->key);

	if (order != 0)
		return order;
	if (a->lsn != b->lsn)
		return a->lsn < b->lsn ? -1 : 1;
	return (int) a->ordinal - (int) b->ordinal;
}

#define ST_SORT sort_entries
#define ST_ELEMENT_TYPE OpenEntry
#define ST_COMPARE(a, b) compare_entries(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#define ST_CHECK_FOR_INTERRUPTS
#include "lib/sort_template.h"

static void
reset(BbOpenLayer *layer)
{
	MemoryContextReset(layer->context);
	layer->chunk = NULL;
	layer->chunk_left = 0;
	layer->arena_size = 0;
	layer->nentries = 0;
	layer->allocated = FIRST_ENTRIES;
	layer->entries = MemoryContextAlloc(layer->context,
										layer->allocated * sizeof(OpenEntry));
}

BbOpenLayer *
bb_openlayer_new(void)
{
	BbOpenLayer *layer = palloc0(sizeof(BbOpenLayer));

	layer->context = AllocSetContextCreate(CurrentMemoryContext,
										   "bbackup open layer",
										   ALLOCSET_DEFAULT_SIZES);
	reset(layer);
	return layer;
}

const uint8 *
bb_openlayer_store(BbOpenLayer *layer, const void *data, uint32 length)
{
	uint8	   *stored;

	if (length > CHUNK_BYTES / 4)
	{
		stored = MemoryContextAllocHuge(layer->context, length);
		layer->arena_size += length;
	}
	else
	{
		if (length > layer->chunk_left)
		{
			layer->chunk = MemoryContextAlloc(layer->context, CHUNK_BYTES);
			layer->chunk_left = CHUNK_BYTES;
			layer->arena_size += CHUNK_BYTES;
		}
		stored = layer->chunk;
		layer->chunk += length;
		layer->chunk_left -= length;
	}
	if (length > 0)
		memcpy(stored, data, length);
	return stored;
}

void
bb_openlayer_add(BbOpenLayer *layer, const BbKey *key, XLogRecPtr lsn,
				 BbEntryType type, const uint8 *stored, uint32 length)
{
	OpenEntry  *entry;
	uint32		ordinal = 0;

	if (length > BB_VALUE_MAX_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value of %s at %X/%X is too large",
						bb_key_text(key), LSN_FORMAT_ARGS(lsn)),
				 errdetail("It has %u bytes; the limit is %d.", length,
						   BB_VALUE_MAX_SIZE)));

	if (layer->nentries > 0)
	{
		const OpenEntry *last = &layer->entries[layer->nentries - 1];

		if (last->lsn == lsn)
			ordinal = Min(last->ordinal + 1, PG_UINT16_MAX);
	}
	if (layer->nentries == layer->allocated)
	{
		layer->allocated *= 2;
		layer->entries = repalloc_huge(layer->entries,
									   layer->allocated * sizeof(OpenEntry));
	}

	entry = &layer->entries[layer->nentries++];
	entry->key = *key;
	entry->ordinal = (uint16) ordinal;
	entry->type = type;
	entry->length = length;
	entry->lsn = lsn;
	entry->value = stored;
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
	return layer->arena_size - layer->chunk_left +
		layer->nentries * sizeof(OpenEntry);
}

bool
bb_openlayer_is_empty(const BbOpenLayer *layer)
{
	return layer->nentries == 0;
}

void
bb_openlayer_cut(BbOpenLayer *layer, XLogRecPtr lsn)
{
	while (layer->nentries > 0 &&
		   layer->entries[layer->nentries - 1].lsn > lsn)
		layer->nentries--;
}

static inline bool
is_page(const BbKey *key)
{
	return key->bytes[0] == BB_KEY_REL_BLOCK ||
		key->bytes[0] == BB_KEY_SLRU_BLOCK;
}

/* Does a whole value at the same LSN follow? */
static inline bool
is_superseded(const OpenEntry *entry, const OpenEntry *next)
{
	return next->lsn == entry->lsn &&
		bb_key_compare(&next->key, &entry->key) == 0 &&
		(next->type == BB_ENTRY_IMAGE || next->type == BB_ENTRY_DELETED);
}

List *
bb_openlayer_flush(const BbReqCtx *ctx, BbOpenLayer *layer,
				   BbObjectStore *store, const char *timeline,
				   XLogRecPtr lsn_start, XLogRecPtr lsn_end, uint64 *pages)
{
	uint64		cut_size = (uint64) bb_setting_layer_size_mb * 1024 * 1024;
	BbLayerWriter *writer = NULL;
	const BbKey *last = NULL;
	List	   *descs = NIL;

	sort_entries(layer->entries, layer->nentries);
	for (size_t i = 0; i < layer->nentries; i++)
	{
		const OpenEntry *open = &layer->entries[i];
		bool		new_key = last == NULL ||
			bb_key_compare(last, &open->key) != 0;
		BbEntry		entry;

		bb_reqctx_check(ctx);
		if (i + 1 < layer->nentries && is_superseded(open, open + 1))
			continue;

		/* one key's entries stay together */
		if (writer != NULL && new_key &&
			bb_layer_writer_size(writer) >= cut_size)
		{
			descs = lappend(descs,
							bb_layer_writer_finish(ctx, writer, &open->key));
			writer = NULL;
		}
		if (writer == NULL)
			writer = bb_layer_writer_new_delta(ctx, store, timeline,
											   &open->key, lsn_start, lsn_end,
											   (BbCompression)
											   bb_setting_compression);
		if (new_key && is_page(&open->key))
			(*pages)++;

		entry.key = open->key;
		entry.lsn = open->lsn;
		entry.type = (BbEntryType) open->type;
		entry.value = open->value;
		entry.length = open->length;
		bb_layer_writer_add_entry(ctx, writer, &entry);
		last = &open->key;
	}
	if (writer != NULL)
	{
		BbKey		end = bb_key_next(last);

		descs = lappend(descs, bb_layer_writer_finish(ctx, writer, &end));
	}

	reset(layer);
	return descs;
}
