/*-------------------------------------------------------------------------
 *
 * test_layer.c
 *	  Layer files: what goes in comes out, and nothing else ever does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/pg_prng.h"
#include "layer/layer.h"
#include "port/pg_crc32c.h"
#include "unit.h"
#include "utils/timestamp.h"

#define LSN ((XLogRecPtr) 0x1234500)
#define WINDOW (512 * 1024)

/* The key and value of number i: runs of pages, with odd ones between. */
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

static BbLayerDesc *
write_layer(const BbReqCtx *ctx, BbObjectStore *store, int n,
			BbCompression compression)
{
	BbKeyRange	all = bb_key_range_all();
	BbLayerWriter *writer;
	uint8		value[BLCKSZ];

	writer = bb_layer_writer_new(ctx, store, "main", &all.start, LSN,
								 compression);
	for (int i = 0; i < n; i++)
	{
		BbKey		key = key_of(i);

		bb_layer_writer_add(ctx, writer, &key, value, value_of(i, value));
	}
	return bb_layer_writer_finish(ctx, writer, &all.end);
}

/*
 * Read the layer in both ways; every entry must be as it was written.
 */
static void
read_layer(const BbReqCtx *ctx, BbObjectStore *store, const BbLayerDesc *desc,
		   int n)
{
	BbLayer    *layer = bb_layer_open(ctx, store, "main", desc);
	BbKeyRange	all = bb_key_range_all();
	BbLayerCursor *cursor = bb_layer_cursor_new(ctx, layer, &all.start, 0, WINDOW);
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
		key.bytes[BB_KEY_LENGTH - 1] = 200; /* no such block */
		CHECK(!bb_layer_get(ctx, layer, &key, &entry));
	}
	bb_layer_close(layer);
}

UNIT_TEST(layer_roundtrip)
{
	static const int sizes[] = {1, 2, 4, 5, 100, 5000};
	BbObjectStore *store = unit_store(ctx);

	for (int i = 0; i < lengthof(sizes); i++)
	{
		for (int method = 0; method <= BB_COMPRESSION_ZSTD; method++)
		{
			if (bb_compression_available((BbCompression) method))
				read_layer(ctx, store,
						   write_layer(ctx, store, sizes[i],
									   (BbCompression) method),
						   sizes[i]);
		}
	}
}

UNIT_TEST(layer_with_three_levels)
{
	BbObjectStore *store = unit_store(ctx);
	BbKeyRange	all = bb_key_range_all();
	BbLayerWriter *writer;
	BbLayerDesc *desc;
	BbLayer    *layer;
	BbLayerCursor *cursor;
	BbEntry		entry;
	uint8		value[8] = {0};
	int			n = 2000000;

	/* small values: 33,000 to a thousand blocks, and two index levels */
	writer = bb_layer_writer_new(ctx, store, "main", &all.start, LSN,
								 BB_COMPRESSION_DEFAULT);
	for (int i = 0; i < n; i++)
	{
		BbKey		key = bb_key_rel_block(1, 2, i / 1000, MAIN_FORKNUM,
										   i % 1000);

		memcpy(value, &i, sizeof(i));
		bb_layer_writer_add(ctx, writer, &key, value, sizeof(value));
	}
	desc = bb_layer_writer_finish(ctx, writer, &all.end);
	CHECK(desc->entries == n);

	layer = bb_layer_open(ctx, store, "main", desc);
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
	BbObjectStore *store = unit_store(ctx);
	BbLayerDesc *desc = write_layer(ctx, store, 250, BB_COMPRESSION_DEFAULT);
	BbLayer    *layer = bb_layer_open(ctx, store, "main", desc);
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
	BbObjectStore *store = unit_store(ctx);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "writer",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbKeyRange	all = bb_key_range_all();
	BbKey		key = key_of(0);
	BbLayerWriter *writer;

	writer = bb_layer_writer_new(ctx, store, "main", &all.start, LSN,
								 BB_COMPRESSION_DEFAULT);
	bb_layer_writer_add(ctx, writer, &key, "x", 1);
	CHECK_ERROR(bb_layer_writer_add(ctx, writer, &key, "x", 1),
				ERRCODE_INTERNAL_ERROR);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	CHECK(bb_objstore_list(ctx, store, "timelines") == NIL);
}

UNIT_TEST(layer_knows_its_file_crc)
{
	BbObjectStore *store = unit_store(ctx);
	BbLayerDesc *desc = write_layer(ctx, store, 100, BB_COMPRESSION_DEFAULT);
	BbObjectReader *reader =
		bb_object_open(ctx, store, bb_layer_object_name("main", desc));
	char	   *data = palloc(desc->size);
	pg_crc32c	crc;

	CHECK(bb_object_size(reader) == desc->size);
	bb_object_read(ctx, reader, 0, data, desc->size);
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, data, desc->size);
	FIN_CRC32C(crc);
	CHECK(crc == desc->crc);
}

static void
overwrite(const char *path, off_t at, const void *data, size_t length)
{
	int			fd = open(path, O_WRONLY);

	CHECK(fd >= 0);
	CHECK(pwrite(fd, data, length, at) == (ssize_t) length);
	close(fd);
}

/*
 * Whatever byte is changed, reading all of the layer is an error that names
 * it.
 */
static void
flip_bytes(const BbReqCtx *ctx, int n, BbCompression compression, int flips)
{
	BbObjectStore *store = unit_store(ctx);
	BbLayerDesc *desc = write_layer(ctx, store, n, compression);
	char	   *name = bb_layer_object_name("main", desc);
	char	   *path = unit_object_path(store, name);
	BbObjectReader *reader = bb_object_open(ctx, store, name);
	char	   *data = palloc(desc->size);
	uint64		seed = (uint64) GetCurrentTimestamp();
	pg_prng_state state;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "flip",
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

		/* the header, the footer and the end of the index get their share */
		if (i < BB_LAYER_HEADER_SIZE)
			at = i;
		else if (i < BB_LAYER_HEADER_SIZE + BB_FOOTER_SIZE + 200)
			at = desc->size - 1 - (i - BB_LAYER_HEADER_SIZE) % desc->size;
		wrong = data[at] ^ (1 << pg_prng_uint64_range(&state, 0, 7));

		overwrite(path, at, &wrong, 1);
		ERROR_OF(read_layer(ctx, store, desc, n), sqlstate);
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
	read_layer(ctx, store, desc, n);
}

UNIT_TEST(layer_flipped_bytes_are_noticed)
{
	flip_bytes(ctx, 20, BB_COMPRESSION_NONE, 3000);
	flip_bytes(ctx, 20, BB_COMPRESSION_DEFAULT, 3000);
	flip_bytes(ctx, 2, BB_COMPRESSION_DEFAULT, 1000);
}

UNIT_TEST(layer_truncated_or_missing_is_noticed)
{
	BbObjectStore *store = unit_store(ctx);
	BbLayerDesc *desc = write_layer(ctx, store, 10, BB_COMPRESSION_DEFAULT);
	char	   *name = bb_layer_object_name("main", desc);
	char	   *path = unit_object_path(store, name);

	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "read",
												  ALLOCSET_DEFAULT_SIZES);

	overwrite(path, desc->size, "x", 1);
	CHECK_ERROR(read_layer(ctx, store, desc, 10), ERRCODE_DATA_CORRUPTED);
	for (off_t size = desc->size - 1; size >= 0; size -= 1 + size / 200)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK(truncate(path, size) == 0);
		CHECK_ERROR(read_layer(ctx, store, desc, 10), ERRCODE_DATA_CORRUPTED);
		CHECK(strstr(unit_last_error, name) != NULL);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	CHECK(unlink(path) == 0);
	CHECK_ERROR(read_layer(ctx, store, desc, 10), ERRCODE_UNDEFINED_FILE);
	CHECK(strstr(unit_last_error, name) != NULL);
}

UNIT_TEST(layer_in_anothers_place_is_noticed)
{
	BbObjectStore *store = unit_store(ctx);
	BbLayerDesc *a = write_layer(ctx, store, 10, BB_COMPRESSION_DEFAULT);
	BbLayerDesc *b = write_layer(ctx, store, 10, BB_COMPRESSION_DEFAULT);

	CHECK(a->size == b->size && a->file_id != b->file_id);
	CHECK(rename(unit_object_path(store, bb_layer_object_name("main", b)),
				 unit_object_path(store, bb_layer_object_name("main", a))) ==
		  0);
	CHECK_ERROR(read_layer(ctx, store, a, 10), ERRCODE_DATA_CORRUPTED);
}
