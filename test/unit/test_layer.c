/*-------------------------------------------------------------------------
 *
 * test_layer.c
 *	  Layer files: reads return exactly what was written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/crc.h"
#include "common/pg_prng.h"
#include "layer/layer.h"
#include "unit.h"
#include "utils/timestamp.h"

#define LSN ((XLogRecPtr) 0x1234500)
#define WINDOW (512 * 1024)

/* The key and value of number i: runs of pages, with other keys between. */
static BbKey
key_of(int i)
{
	return bb_key_rel_block(1663, 5, 1000 + i / 100, MAIN_FORKNUM, i % 100);
}

static uint32
value_of(int i, uint8 *value)
{
	pg_prng_state state;
	uint32		length = i % 7 == 0 ? i % 100 : BLCKSZ;

	pg_prng_seed(&state, i);
	for (uint32 at = 0; at < length; at++)
		value[at] = at % 16 < 4 ? (uint8) pg_prng_uint32(&state) : (uint8) i;
	return length;
}

static BbLayerWriter *
new_image(const BbReqCtx *ctx, BbObjectStore *objects,
		  BbCompression compression)
{
	BbKeyRange	all = bb_key_range_all();

	return bb_layer_writer_new(ctx, objects, "main", &all.start, LSN,
							   compression);
}

static BbLayerWriter *
new_delta(const BbReqCtx *ctx, BbObjectStore *objects, XLogRecPtr from,
		  XLogRecPtr end, BbCompression compression)
{
	BbKeyRange	all = bb_key_range_all();

	return bb_layer_writer_new_delta(ctx, objects, "main", &all.start, from,
									 end, compression);
}

static BbLayerDesc *
finish(const BbReqCtx *ctx, BbLayerWriter *writer)
{
	BbKeyRange	all = bb_key_range_all();

	return bb_layer_writer_finish(ctx, writer, &all.end);
}

static BbLayerDesc *
write_layer(const BbReqCtx *ctx, BbObjectStore *objects, int n,
			BbCompression compression)
{
	BbLayerWriter *writer = new_image(ctx, objects, compression);
	uint8		value[BLCKSZ];

	for (int i = 0; i < n; i++)
	{
		BbKey		key = key_of(i);

		bb_layer_writer_add(ctx, writer, &key, value, value_of(i, value));
	}
	return finish(ctx, writer);
}

/* Read the layer in both ways; each entry must be the one that was written. */
static void
read_layer(const BbReqCtx *ctx, BbObjectStore *objects,
		   const BbLayerDesc *desc, int n)
{
	BbLayer	   *layer = bb_layer_open(ctx, objects, "main", desc);
	BbKeyRange	all = bb_key_range_all();
	BbLayerCursor *cursor = bb_layer_cursor_new(ctx, layer, &all.start, 0,
												WINDOW);
	BbEntry		entry;
	uint8		value[BLCKSZ];

	for (int i = 0; i < n; i++)
	{
		BbKey		key = key_of(i);
		uint32		length = value_of(i, value);

		CHECK(bb_layer_cursor_next(ctx, cursor, &entry));
		CHECK(bb_key_compare(&entry.key, &key) == 0 && entry.lsn == LSN);
		CHECK(entry.length == length &&
			  memcmp(entry.value, value, length) == 0);
	}
	CHECK(!bb_layer_cursor_next(ctx, cursor, &entry));
	CHECK(!bb_layer_cursor_next(ctx, cursor, &entry));

	for (int i = 0; i < n; i += 3)
	{
		BbKey		key = key_of(i);
		uint32		length = value_of(i, value);

		CHECK(bb_layer_get(ctx, layer, &key, &entry));
		CHECK(entry.length == length &&
			  memcmp(entry.value, value, length) == 0);
		key.bytes[BB_KEY_LENGTH - 1] = 200; /* there is no such block */
		CHECK(!bb_layer_get(ctx, layer, &key, &entry));
	}
	bb_layer_close(layer);
}

UNIT_TEST(layer_roundtrip)
{
	static const int sizes[] = {1, 2, 4, 5, 100, 5000};
	BbObjectStore *objects = unit_store(ctx);

	for (int i = 0; i < lengthof(sizes); i++)
		for (int method = 0; method <= BB_COMPRESSION_ZSTD; method++)
			if (bb_compression_available((BbCompression) method))
				read_layer(ctx, objects,
						   write_layer(ctx, objects, sizes[i],
									   (BbCompression) method),
						   sizes[i]);
}

UNIT_TEST(layer_with_three_levels)
{
	BbObjectStore *objects = unit_store(ctx);
	BbLayerWriter *writer = new_image(ctx, objects, BB_COMPRESSION_DEFAULT);
	BbLayerDesc *desc;
	BbLayer	   *layer;
	BbLayerCursor *cursor;
	BbEntry		entry;
	uint8		value[8] = {0};
	int			n = 2000000;

	/* small values: 33,000 in about 1,000 blocks, with two index levels */
	for (int i = 0; i < n; i++)
	{
		BbKey		key = bb_key_rel_block(1, 2, i / 1000, MAIN_FORKNUM,
										   i % 1000);

		memcpy(value, &i, sizeof(i));
		bb_layer_writer_add(ctx, writer, &key, value, sizeof(value));
	}
	desc = finish(ctx, writer);
	CHECK(desc->entries == n);

	layer = bb_layer_open(ctx, objects, "main", desc);
	for (int start = 0; start < n; start += 123457)
	{
		BbKey		key = bb_key_rel_block(1, 2, start / 1000, MAIN_FORKNUM,
										   start % 1000);

		CHECK(bb_layer_get(ctx, layer, &key, &entry));
		CHECK(memcmp(entry.value, &start, sizeof(start)) == 0);

		cursor = bb_layer_cursor_new(ctx, layer, &key, 0, WINDOW);
		for (int i = start; i < Min(start + 3000, n); i++)
		{
			CHECK(bb_layer_cursor_next(ctx, cursor, &entry));
			CHECK(memcmp(entry.value, &i, sizeof(i)) == 0);
		}
		bb_layer_cursor_close(cursor);
	}
}

UNIT_TEST(layer_cursor_starts_between_keys)
{
	BbObjectStore *objects = unit_store(ctx);
	BbLayerDesc *desc = write_layer(ctx, objects, 250, BB_COMPRESSION_DEFAULT);
	BbLayer	   *layer = bb_layer_open(ctx, objects, "main", desc);
	BbLayerCursor *cursor;
	BbEntry		entry;
	BbKey		start = bb_key_rel_block(1663, 5, 1000, MAIN_FORKNUM, 100);
	BbKey		next = key_of(100);

	cursor = bb_layer_cursor_new(ctx, layer, &start, 0, WINDOW);
	CHECK(bb_layer_cursor_next(ctx, cursor, &entry));
	CHECK(bb_key_compare(&entry.key, &next) == 0);

	start = bb_key_rel_block(1663, 5, 1002, MAIN_FORKNUM, 50);
	cursor = bb_layer_cursor_new(ctx, layer, &start, 0, WINDOW);
	CHECK(!bb_layer_cursor_next(ctx, cursor, &entry));
}

UNIT_TEST(layer_writer_leaves_nothing_behind)
{
	BbObjectStore *objects = unit_store(ctx);
	MemoryContext context = unit_enter();
	BbKey		key = key_of(0);
	BbLayerWriter *writer = new_image(ctx, objects, BB_COMPRESSION_DEFAULT);

	bb_layer_writer_add(ctx, writer, &key, "x", 1);
	CHECK_ERROR(bb_layer_writer_add(ctx, writer, &key, "x", 1),
				ERRCODE_INTERNAL_ERROR);
	unit_leave(context);
	CHECK(bb_objstore_list(ctx, objects, "timelines") == NIL);
}

UNIT_TEST(layer_knows_its_file_crc)
{
	BbObjectStore *objects = unit_store(ctx);
	BbLayerDesc *desc = write_layer(ctx, objects, 100, BB_COMPRESSION_DEFAULT);
	BbObjectReader *reader = bb_object_open(ctx, objects,
											bb_layer_object_name("main",
																 desc));
	char	   *data = palloc(desc->size);

	CHECK(bb_object_size(reader) == desc->size);
	bb_object_read(ctx, reader, 0, data, desc->size);
	CHECK(bb_crc32c_of(data, desc->size) == desc->crc);
}

/* ---- delta layers ---- */

#define DELTA_START ((XLogRecPtr) 1000)
#define DELTA_END ((XLogRecPtr) 2000)

/*
 * Entry i of a delta layer: a few for every third key, some with the same LSN,
 * sometimes with a large value.
 */
static BbEntry
delta_entry(int i, uint8 *value)
{
	BbEntry		entry;
	pg_prng_state state;

	pg_prng_seed(&state, i);
	entry.key = key_of(i / 50 * 3);
	entry.lsn = DELTA_START + i % 50 / 2 * 10;
	entry.type = i % 3 == 0 ? BB_ENTRY_NATIVE : BB_ENTRY_RECORD;
	if (i % 31 == 5)
		entry.type = BB_ENTRY_IMAGE;
	else if (i % 37 == 6)
		entry.type = BB_ENTRY_DELETED;
	else if (i % 41 == 7)
		entry.type = BB_ENTRY_RECORD_INIT;

	entry.length = pg_prng_uint32(&state) % (i % 10 == 0 ? 20000 : 200);
	if (i % 1000 == 77)
		entry.length = BB_VALUE_MAX_SIZE;
	if (entry.type == BB_ENTRY_DELETED)
		entry.length = 0;
	for (uint32 at = 0; at < entry.length; at++)
		value[at] = (uint8) (at % 64 == 0 ? pg_prng_uint32(&state) : i);
	entry.value = value;
	return entry;
}

static BbLayerDesc *
write_delta(const BbReqCtx *ctx, BbObjectStore *objects, int n,
			BbCompression compression)
{
	uint8	   *value = palloc(BB_VALUE_MAX_SIZE);
	BbLayerWriter *writer = new_delta(ctx, objects, DELTA_START, DELTA_END,
									  compression);

	for (int i = 0; i < n; i++)
	{
		BbEntry		entry = delta_entry(i, value);

		bb_layer_writer_add_entry(ctx, writer, &entry);
	}
	pfree(value);
	return finish(ctx, writer);
}

static void
check_entry(const BbEntry *entry, const BbEntry *expected)
{
	CHECK(bb_key_compare(&entry->key, &expected->key) == 0);
	CHECK(entry->lsn == expected->lsn && entry->type == expected->type);
	CHECK(entry->length == expected->length);
	CHECK(memcmp(entry->value, expected->value, entry->length) == 0);
}

/*
 * Check what collect finds of the key whose entries are first to last, above
 * floor and up to ceiling.
 */
static void
check_collect(const BbReqCtx *ctx, BbLayer *layer, int first, int last,
			  XLogRecPtr floor, XLogRecPtr ceiling)
{
	uint8	   *value = palloc(BB_VALUE_MAX_SIZE);
	BbKey		key = key_of(first / 50 * 3);
	BbPageHistory history;
	int			found = 0;
	bool		complete = false;

	bb_history_init(&history, CurrentMemoryContext);
	bb_history_reset(&history, &key);
	bb_layer_collect(ctx, layer, floor, ceiling, &history);
	for (int i = last; i >= first && !complete; i--)
	{
		BbEntry		expected = delta_entry(i, value);
		const BbChange *change = &history.changes[found];

		if (expected.lsn > ceiling || expected.lsn <= floor)
			continue;
		if (expected.type == BB_ENTRY_IMAGE)
		{
			CHECK(history.base != NULL && history.base_lsn == expected.lsn);
			CHECK(history.base_length == expected.length);
			CHECK(memcmp(history.base, value, expected.length) == 0);
			complete = true;
		}
		else if (expected.type == BB_ENTRY_DELETED)
		{
			CHECK(history.deleted);
			complete = true;
		}
		else
		{
			CHECK(found++ < history.nchanges);
			CHECK(change->lsn == expected.lsn &&
				  change->type == expected.type);
			CHECK(change->length == expected.length);
			CHECK(memcmp(change->data, value, expected.length) == 0);
			complete = expected.type == BB_ENTRY_RECORD_INIT;
		}
	}
	CHECK(found == history.nchanges && history.complete == complete);
	bb_history_free(&history);
	pfree(value);
}

/*
 * Read a delta layer in all ways; each entry must be the one that was written.
 */
static void
read_delta(const BbReqCtx *ctx, BbObjectStore *objects,
		   const BbLayerDesc *desc, int n)
{
	BbLayer	   *layer = bb_layer_open(ctx, objects, "main", desc);
	BbKeyRange	all = bb_key_range_all();
	uint8	   *value = palloc(BB_VALUE_MAX_SIZE);
	BbLayerCursor *cursor;
	BbEntry		entry;
	BbEntry		expected;

	CHECK(desc->entries == n);
	cursor = bb_layer_cursor_new(ctx, layer, &all.start, 0, WINDOW);
	for (int i = 0; i < n; i++)
	{
		expected = delta_entry(i, value);
		CHECK(bb_layer_cursor_next(ctx, cursor, &entry));
		check_entry(&entry, &expected);
	}
	CHECK(!bb_layer_cursor_next(ctx, cursor, &entry));

	/* in leaps, through a window smaller than a block */
	cursor = bb_layer_cursor_new(ctx, layer, &all.start, 0, 8192);
	for (int i = 1; i < n; i += 2 + i * 7919 % 200)
	{
		i -= i % 50 % 2; /* the first of its LSN */
		expected = delta_entry(i, value);
		bb_layer_cursor_seek(ctx, cursor, &expected.key, expected.lsn - 3);
		CHECK(bb_layer_cursor_next(ctx, cursor, &entry));
		check_entry(&entry, &expected);
		if (i + 1 < n)
		{
			expected = delta_entry(i + 1, value);
			CHECK(bb_layer_cursor_next(ctx, cursor, &entry));
			check_entry(&entry, &expected);
		}
	}

	for (int first = 0; first < n; first += 50)
	{
		int			last = Min(first + 50, n) - 1;
		BbKey		key = key_of(first / 50 * 3);

		CHECK(bb_layer_may_hold(ctx, layer, &key));
		check_collect(ctx, layer, first, last, 0, DELTA_END);
		check_collect(ctx, layer, first, last, DELTA_START + 55,
					  DELTA_START + 170);
		check_collect(ctx, layer, first, last, DELTA_START + 50,
					  DELTA_START + 60);
		check_collect(ctx, layer, first, last, 0, DELTA_START - 1);
	}
	bb_layer_close(layer);
	pfree(value);
}

UNIT_TEST(delta_roundtrip)
{
	static const int sizes[] = {1, 2, 50, 51, 333, 6000};
	BbObjectStore *objects = unit_store(ctx);

	for (int i = 0; i < lengthof(sizes); i++)
		for (int method = 0; method <= BB_COMPRESSION_LZ4; method++)
			if (bb_compression_available((BbCompression) method))
				read_delta(ctx, objects,
						   write_delta(ctx, objects, sizes[i],
									   (BbCompression) method),
						   sizes[i]);
}

/* Entries of one key in many blocks: the index has to consider LSNs, too. */
UNIT_TEST(delta_of_one_key)
{
	BbObjectStore *objects = unit_store(ctx);
	BbKey		key = key_of(1);
	BbKey		other = key_of(2);
	BbLayerWriter *writer;
	BbLayer	   *layer;
	BbPageHistory history;
	BbEntry		entry;
	int			n = 100000;

	writer = new_delta(ctx, objects, 1, n + 1, BB_COMPRESSION_DEFAULT);
	entry.key = key;
	entry.value = (const uint8 *) &entry.lsn;
	entry.length = sizeof(entry.lsn);
	for (entry.lsn = 1; entry.lsn <= n; entry.lsn++)
	{
		entry.type = entry.lsn == 500 ? BB_ENTRY_IMAGE : BB_ENTRY_RECORD;
		bb_layer_writer_add_entry(ctx, writer, &entry);
	}
	entry.key = other;
	entry.lsn = 7;
	bb_layer_writer_add_entry(ctx, writer, &entry);
	layer = bb_layer_open(ctx, objects, "main", finish(ctx, writer));

	bb_history_init(&history, CurrentMemoryContext);
	for (XLogRecPtr lsn = 1; lsn <= n; lsn += 1 + lsn * 3 / 7)
	{
		uint64		blocks = ctx->counters->blocks_read;

		bb_layer_forget(layer);
		bb_history_reset(&history, &key);
		bb_layer_collect(ctx, layer, lsn - 1, lsn, &history);
		CHECK((history.base ? history.base_lsn : history.changes[0].lsn) ==
			  lsn);
		/* root, index and one or two leaves */
		CHECK(ctx->counters->blocks_read - blocks <= 4);
	}
	bb_history_reset(&history, &key);
	bb_layer_collect(ctx, layer, 0, n, &history);
	CHECK(history.nchanges == n - 500 && history.base_lsn == 500);
	for (int i = 0; i < history.nchanges; i++)
		CHECK(history.changes[i].lsn == n - i);
	bb_history_reset(&history, &other);
	bb_layer_collect(ctx, layer, 0, n, &history);
	CHECK(history.nchanges == 1 && history.changes[0].lsn == 7);
}

/* A page that comes again and again takes little more than its changes. */
UNIT_TEST(delta_keeps_versions_together)
{
	BbObjectStore *objects = unit_store(ctx);
	uint8		page[BLCKSZ];
	BbKey		key = key_of(0);
	pg_prng_state state;

	pg_prng_seed(&state, 7);
	for (int at = 0; at < BLCKSZ; at++)
		page[at] = (uint8) pg_prng_uint32(&state);
	for (int method = BB_COMPRESSION_LZ4; method <= BB_COMPRESSION_ZSTD;
		 method++)
	{
		BbLayerWriter *writer;
		BbEntry		entry = {.key = key,
							 .type = BB_ENTRY_IMAGE,
							 .value = page,
							 .length = BLCKSZ};
		uint64		size;

		if (!bb_compression_available((BbCompression) method))
			continue;
		writer = new_delta(ctx, objects, LSN, LSN + 100,
						   (BbCompression) method);
		for (int i = 0; i < 14; i++)
		{
			page[i * 16]++;
			entry.lsn = LSN + i;
			bb_layer_writer_add_entry(ctx, writer, &entry);
		}
		size = finish(ctx, writer)->size;
		if (size > 3 * BLCKSZ)
			elog(ERROR, "method %d: 14 versions take " UINT64_FORMAT " bytes",
				 method, size);
	}
}

UNIT_TEST(delta_filter_says_no)
{
	BbObjectStore *objects = unit_store(ctx);
	BbLayerWriter *writer = new_delta(ctx, objects, 5, 6,
									  BB_COMPRESSION_DEFAULT);
	BbLayer	   *layer;
	BbEntry		entry = {.lsn = 5, .type = BB_ENTRY_DELETED};
	int			n = 50000;
	int			held = 0;

	/* every other block, since neighbors would be the first to collide */
	for (int i = 0; i < n; i++)
	{
		entry.key = bb_key_rel_block(1663, 5, 1000, MAIN_FORKNUM, 2 * i);
		bb_layer_writer_add_entry(ctx, writer, &entry);
	}
	layer = bb_layer_open(ctx, objects, "main", finish(ctx, writer));
	for (int i = 0; i < n; i++)
	{
		BbKey		key = bb_key_rel_block(1663, 5, 1000, MAIN_FORKNUM, 2 * i);

		CHECK(bb_layer_may_hold(ctx, layer, &key));
		key = bb_key_rel_block(1663, 5, 1000, MAIN_FORKNUM, 2 * i + 1);
		held += bb_layer_may_hold(ctx, layer, &key);
	}
	CHECK(held < n / 50);
}

UNIT_TEST(delta_writer_refuses)
{
	BbObjectStore *objects = unit_store(ctx);
	BbEntry		entry = {.type = BB_ENTRY_RECORD, .lsn = 10};
	uint8	   *value = palloc0(BB_VALUE_MAX_SIZE + 1);
	BbLayerWriter *writer = new_delta(ctx, objects, 10, 20,
									  BB_COMPRESSION_DEFAULT);

	entry.key = key_of(5);
	entry.value = value;
	entry.length = 1;
	bb_layer_writer_add_entry(ctx, writer, &entry);
	entry.lsn = 9;
	CHECK_ERROR(bb_layer_writer_add_entry(ctx, writer, &entry),
				ERRCODE_INTERNAL_ERROR);
	entry.lsn = 20;
	CHECK_ERROR(bb_layer_writer_add_entry(ctx, writer, &entry),
				ERRCODE_INTERNAL_ERROR);
	entry.lsn = 15;
	entry.key = key_of(4);
	CHECK_ERROR(bb_layer_writer_add_entry(ctx, writer, &entry),
				ERRCODE_INTERNAL_ERROR);
	entry.key = key_of(6);
	entry.length = BB_VALUE_MAX_SIZE + 1;
	CHECK_ERROR(bb_layer_writer_add_entry(ctx, writer, &entry),
				ERRCODE_PROGRAM_LIMIT_EXCEEDED);
}

/* ---- broken files ---- */

/* Both kinds of layers; n is the argument of the write function. */
typedef struct LayerKind
{
	BbLayerDesc *(*write) (const BbReqCtx *ctx, BbObjectStore *objects, int n,
						   BbCompression compression);
	void		(*read) (const BbReqCtx *ctx, BbObjectStore *objects,
						 const BbLayerDesc *desc, int n);
} LayerKind;

static const LayerKind image_kind = {write_layer, read_layer};
static const LayerKind delta_kind = {write_delta, read_delta};

static void
overwrite(const char *path, off_t at, const void *data, size_t length)
{
	int			fd = open(path, O_WRONLY);

	CHECK(fd >= 0);
	CHECK(pwrite(fd, data, length, at) == (ssize_t) length);
	close(fd);
}

/*
 * If any byte is changed, reading all of the layer raises an error that names
 * the layer.
 */
static void
flip_bytes(const BbReqCtx *ctx, const LayerKind *kind, int n,
		   BbCompression compression, int flips)
{
	BbObjectStore *objects = unit_store(ctx);
	BbLayerDesc *desc = kind->write(ctx, objects, n, compression);
	char	   *name = bb_layer_object_name("main", desc);
	char	   *path = unit_object_path(objects, name);
	BbObjectReader *reader = bb_object_open(ctx, objects, name);
	char	   *data = palloc(desc->size);
	uint64		seed = unit_seed();
	pg_prng_state state;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "flip",
												  ALLOCSET_DEFAULT_SIZES);

	bb_object_read(ctx, reader, 0, data, desc->size);
	bb_object_close(reader);
	pg_prng_seed(&state, seed);
	for (int i = 0; i < flips; i++)
	{
		uint64		at = pg_prng_uint64_range(&state, 0, desc->size - 1);
		char		wrong;
		int			sqlstate;
		MemoryContext old = MemoryContextSwitchTo(context);

		/* header, footer and the bytes before the footer get their share */
		if (i < BB_LAYER_HEADER_SIZE)
			at = i;
		else if (i < BB_LAYER_HEADER_SIZE + BB_FOOTER_SIZE + 200)
			at = desc->size - 1 - (i - BB_LAYER_HEADER_SIZE) % desc->size;
		wrong = data[at] ^ (1 << pg_prng_uint64_range(&state, 0, 7));

		overwrite(path, at, &wrong, 1);
		ERROR_OF(kind->read(ctx, objects, desc, n), sqlstate);
		if (sqlstate != ERRCODE_DATA_CORRUPTED ||
			strstr(unit_last_error, name) == NULL)
			elog(ERROR, "byte " UINT64_FORMAT " of " UINT64_FORMAT
				 " flipped, seed " UINT64_FORMAT ": %s",
				 at, desc->size, seed,
				 sqlstate ? unit_last_error : "nobody noticed");
		overwrite(path, at, &data[at], 1);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	kind->read(ctx, objects, desc, n);
}

UNIT_TEST(layer_flipped_bytes_are_noticed)
{
	flip_bytes(ctx, &image_kind, 20, BB_COMPRESSION_NONE, 3000);
	flip_bytes(ctx, &image_kind, 20, BB_COMPRESSION_DEFAULT, 3000);
	flip_bytes(ctx, &image_kind, 2, BB_COMPRESSION_DEFAULT, 1000);
	flip_bytes(ctx, &delta_kind, 60, BB_COMPRESSION_NONE, 3000);
	flip_bytes(ctx, &delta_kind, 60, BB_COMPRESSION_DEFAULT, 3000);
	flip_bytes(ctx, &delta_kind, 1, BB_COMPRESSION_DEFAULT, 2000);
}

/* A forged layer may say that its root is where no block can be. */
static void
forge_root(const BbReqCtx *ctx, const LayerKind *kind)
{
	BbObjectStore *objects = unit_store(ctx);
	BbLayerDesc *desc = kind->write(ctx, objects, 10, BB_COMPRESSION_DEFAULT);
	char	   *name = bb_layer_object_name("main", desc);
	BbObjectReader *reader = bb_object_open(ctx, objects, name);
	uint64		at = desc->size - BB_FOOTER_SIZE;
	uint64		offsets[] = {0, 1, BB_LAYER_HEADER_SIZE - 1, at,
							 PG_UINT64_MAX};
	uint8		footer[BB_FOOTER_SIZE];

	bb_object_read(ctx, reader, at, footer, sizeof(footer));
	bb_object_close(reader);
	for (int i = 0; i < lengthof(offsets); i++)
	{
		bb_put_le64(footer, offsets[i]);
		bb_put_le32(footer + BB_FOOTER_SIZE - 12,
					bb_crc32c_of(footer, BB_FOOTER_SIZE - 12));
		overwrite(unit_object_path(objects, name), at, footer, sizeof(footer));
		CHECK_ERROR(kind->read(ctx, objects, desc, 10),
					ERRCODE_DATA_CORRUPTED);
	}
}

UNIT_TEST(layer_forged_root_is_noticed)
{
	forge_root(ctx, &image_kind);
	forge_root(ctx, &delta_kind);
}

UNIT_TEST(layer_of_a_newer_version_is_refused)
{
	BbObjectStore *objects = unit_store(ctx);
	BbLayerDesc *desc = image_kind.write(ctx, objects, 10,
										 BB_COMPRESSION_DEFAULT);
	char	   *name = bb_layer_object_name("main", desc);
	BbObjectReader *reader = bb_object_open(ctx, objects, name);
	uint8		header[BB_LAYER_HEADER_SIZE];

	bb_object_read(ctx, reader, 0, header, sizeof(header));
	bb_object_close(reader);
	for (uint32 version = 0; version <= 2; version++)
	{
		bb_put_le32(header + 8, version);
		bb_put_le32(header + 24, bb_crc32c_of(header, 24));
		overwrite(unit_object_path(objects, name), 0, header, sizeof(header));
		if (version == 1)
			image_kind.read(ctx, objects, desc, 10);
		else
			CHECK_ERROR(image_kind.read(ctx, objects, desc, 10),
						version == 0 ? ERRCODE_DATA_CORRUPTED
									 : ERRCODE_FEATURE_NOT_SUPPORTED);
	}
	CHECK(strstr(unit_last_error, name) != NULL);

	/* a flipped bit isn't a newer version */
	header[8] ^= 4;
	overwrite(unit_object_path(objects, name), 0, header, sizeof(header));
	CHECK_ERROR(image_kind.read(ctx, objects, desc, 10),
				ERRCODE_DATA_CORRUPTED);
}

static void
truncate_and_remove(const BbReqCtx *ctx, const LayerKind *kind)
{
	BbObjectStore *objects = unit_store(ctx);
	BbLayerDesc *desc = kind->write(ctx, objects, 10, BB_COMPRESSION_DEFAULT);
	char	   *name = bb_layer_object_name("main", desc);
	char	   *path = unit_object_path(objects, name);

	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "read",
												  ALLOCSET_DEFAULT_SIZES);

	overwrite(path, desc->size, "x", 1);
	CHECK_ERROR(kind->read(ctx, objects, desc, 10), ERRCODE_DATA_CORRUPTED);
	for (off_t size = desc->size - 1; size >= 0; size -= 1 + size / 200)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK(truncate(path, size) == 0);
		CHECK_ERROR(kind->read(ctx, objects, desc, 10),
					ERRCODE_DATA_CORRUPTED);
		CHECK(strstr(unit_last_error, name) != NULL);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	CHECK(unlink(path) == 0);
	CHECK_ERROR(kind->read(ctx, objects, desc, 10), ERRCODE_UNDEFINED_FILE);
	CHECK(strstr(unit_last_error, name) != NULL);
}

UNIT_TEST(layer_truncated_or_missing_is_noticed)
{
	truncate_and_remove(ctx, &image_kind);
	truncate_and_remove(ctx, &delta_kind);
}

UNIT_TEST(layer_in_anothers_place_is_noticed)
{
	BbObjectStore *objects = unit_store(ctx);
	BbLayerDesc *a = write_layer(ctx, objects, 10, BB_COMPRESSION_DEFAULT);
	BbLayerDesc *b = write_layer(ctx, objects, 10, BB_COMPRESSION_DEFAULT);

	CHECK(a->size == b->size && a->file_id != b->file_id);
	CHECK(rename(unit_object_path(objects, bb_layer_object_name("main", b)),
				 unit_object_path(objects, bb_layer_object_name("main", a))) ==
		  0);
	CHECK_ERROR(read_layer(ctx, objects, a, 10), ERRCODE_DATA_CORRUPTED);
}
