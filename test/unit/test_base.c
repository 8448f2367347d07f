/*-------------------------------------------------------------------------
 *
 * test_base.c
 *	  Keys, byte codecs, CRCs, compression, request contexts, descriptors.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>

#include "base/codec.h"
#include "base/compress.h"
#include "base/crc.h"
#include "base/key.h"
#include "base/resource.h"
#include "base/settings.h"
#include "base/zerorun.h"
#include "unit.h"
#include "utils/timestamp.h"

UNIT_TEST(key_fields_survive)
{
	BbKey		key = bb_key_make(BB_KEY_REL_BLOCK, 1663, 5, 0xFFFFFFFE, 3,
								  0xFFFFFFFD);
	BbKeyFields fields = bb_key_fields(&key);

	CHECK(fields.kind == BB_KEY_REL_BLOCK);
	CHECK(fields.spc == 1663);
	CHECK(fields.db == 5);
	CHECK(fields.rel == 0xFFFFFFFE);
	CHECK(fields.fork == 3);
	CHECK(fields.block == 0xFFFFFFFD);
}

UNIT_TEST(key_order_is_numeric)
{
	BbKey		a = bb_key_rel_block(1663, 5, 255, MAIN_FORKNUM, 7);
	BbKey		b = bb_key_rel_block(1663, 5, 256, MAIN_FORKNUM, 0);
	BbKey		c = bb_key_rel_block(1663, 5, 256, FSM_FORKNUM, 0);
	BbKey		d = bb_key_rel_block(1663, 6, 1, MAIN_FORKNUM, 0);

	CHECK(bb_key_compare(&a, &b) < 0);
	CHECK(bb_key_compare(&b, &c) < 0);
	CHECK(bb_key_compare(&c, &d) < 0);
}

UNIT_TEST(key_ranges_hold_their_kind)
{
	BbKeyRange	range = bb_key_range_kind(BB_KEY_SLRU_BLOCK);
	BbKeyRange	all = bb_key_range_all();
	BbKey		inside = bb_key_slru_block(BB_SLRU_COMMIT_TS, PG_UINT64_MAX,
										   PG_UINT32_MAX);
	BbKey		outside = bb_key_make(BB_KEY_RELMAP, 0, 0, 0, 0, 0);

	CHECK(bb_key_in_range(&inside, &range));
	CHECK(!bb_key_in_range(&outside, &range));
	CHECK(bb_key_in_range(&inside, &all));
	CHECK(bb_key_in_range(&outside, &all));
}

UNIT_TEST(key_next_carries)
{
	BbKey		key = bb_key_rel_block(1, 2, 3, MAIN_FORKNUM, PG_UINT32_MAX);
	BbKey		next = bb_key_next(&key);
	BbKeyFields fields = bb_key_fields(&next);

	CHECK(bb_key_compare(&key, &next) < 0);
	CHECK(fields.fork == 1 && fields.block == 0);
}

UNIT_TEST(key_text_names_every_kind)
{
	/* every kind has a text; an unknown one shows its number */
	for (int kind = 0; kind < 256; kind++)
	{
		BbKey		key = bb_key_make((BbKeyKind) kind, 1, 2, 3, 200, 4);

		CHECK(strlen(bb_key_text(&key)) > 0);
	}
}

UNIT_TEST(codec_roundtrip)
{
	StringInfoData buf;
	BbReader	reader;

	initStringInfo(&buf);
	bb_append_u8(&buf, 0xAB);
	bb_append_le32(&buf, 0x01020304);
	bb_append_le64(&buf, UINT64CONST(0x0102030405060708));
	bb_append_text(&buf, "name");
	CHECK((uint8) buf.data[1] == 0x04 && (uint8) buf.data[4] == 0x01);

	bb_reader_init(&reader, buf.data, buf.len);
	CHECK(bb_reader_u8(&reader) == 0xAB);
	CHECK(bb_reader_le32(&reader) == 0x01020304);
	CHECK(bb_reader_le64(&reader) == UINT64CONST(0x0102030405060708));
	CHECK(strcmp(bb_reader_text(&reader, 10), "name") == 0);
	CHECK(bb_reader_done(&reader));
}

UNIT_TEST(codec_never_reads_past_the_end)
{
	StringInfoData buf;
	BbReader	reader;

	initStringInfo(&buf);
	bb_append_text(&buf, "name");
	for (int length = 0; length < buf.len; length++)
	{
		bb_reader_init(&reader, buf.data, length);
		CHECK(bb_reader_text(&reader, 10) == NULL);
		CHECK(reader.failed && !bb_reader_done(&reader));
		CHECK(bb_reader_le64(&reader) == 0);
	}

	/* longer than the limit, with a zero, with an impossible length */
	bb_reader_init(&reader, buf.data, buf.len);
	CHECK(bb_reader_text(&reader, 3) == NULL);
	buf.data[5] = '\0';
	bb_reader_init(&reader, buf.data, buf.len);
	CHECK(bb_reader_text(&reader, 10) == NULL);
	memset(buf.data, 0xFF, 4);
	bb_reader_init(&reader, buf.data, buf.len);
	CHECK(bb_reader_text(&reader, SIZE_MAX) == NULL);
}

UNIT_TEST(crc_is_the_servers)
{
	enum
	{
		SIZE = 64 * 1024
	};
	uint8	   *data = palloc(SIZE);
	uint32		noise = 1;

	for (int i = 0; i < SIZE; i++)
		data[i] = (noise = noise * 1103515245 + 12345) >> 16;
	for (int length = 0; length < SIZE / 2; length++)
	{
		const uint8 *at = data + length % 9;
		pg_crc32c	expected = ~(pg_crc32c) length;
		pg_crc32c	crc = expected;

		COMP_CRC32C(expected, at, length);
		CHECK(bb_crc32c(crc, at, length) == expected);
		crc = bb_crc32c(crc, at, length / 2);
		CHECK(bb_crc32c(crc, at + length / 2, length - length / 2) ==
			  expected);
	}
}

UNIT_TEST(compression_roundtrip)
{
	static const BbCompression methods[] = {BB_COMPRESSION_NONE,
											BB_COMPRESSION_LZ4,
											BB_COMPRESSION_ZSTD};
	char		raw[BLCKSZ];
	char		again[BLCKSZ];

	for (int i = 0; i < BLCKSZ; i++)
		raw[i] = (char) (i / 64);

	for (int m = 0; m < lengthof(methods); m++)
	{
		size_t		bound = bb_compress_bound(methods[m], BLCKSZ);
		char	   *out = palloc(bound);
		size_t		n;

		if (!bb_compression_available(methods[m]))
			continue;
		n = bb_compress(methods[m], raw, BLCKSZ, out, bound);
		if (methods[m] == BB_COMPRESSION_NONE)
		{
			CHECK(n == 0);
			continue;
		}
		CHECK(n > 0 && n < BLCKSZ);
		CHECK(bb_decompress(methods[m], out, n, again, BLCKSZ));
		CHECK(memcmp(raw, again, BLCKSZ) == 0);

		/* a wrong raw length and truncated input are refused */
		CHECK(!bb_decompress(methods[m], out, n, again, BLCKSZ - 1));
		CHECK(!bb_decompress(methods[m], out, n - 1, again, BLCKSZ));
	}
	CHECK(!bb_compression_available((BbCompression) 77));
	CHECK(!bb_decompress((BbCompression) 77, raw, 10, again, 10));
}

UNIT_TEST(context_children_count_as_they_are_linked)
{
	const BbReqCtx *root = bb_reqctx_root(BB_TASK_IMPORT, BB_DOWNLOAD_WARN);
	const BbReqCtx *attached = bb_reqctx_attached_child(root,
														BB_TASK_PAGE_READ);
	const BbReqCtx *detached = bb_reqctx_detached_child(attached,
														BB_TASK_LISTING,
														BB_DOWNLOAD_ERROR);

	CHECK(attached->parent_call_id == root->call_id);
	CHECK(attached->parent_link == BB_LINK_ATTACHED);
	CHECK(attached->download_behavior == BB_DOWNLOAD_WARN);
	CHECK(detached->parent == NULL);
	CHECK(detached->parent_call_id == attached->call_id);
	CHECK(detached->parent_link == BB_LINK_DETACHED);
	CHECK(detached->download_behavior == BB_DOWNLOAD_ERROR);

	BB_COUNT(root, blocks_read, 1);
	BB_COUNT(attached, blocks_read, 10);
	BB_COUNT(detached, blocks_read, 100);
	CHECK(root->counters->blocks_read == 11);
	CHECK(attached->counters->blocks_read == 10);
	CHECK(detached->counters->blocks_read == 100);
}

UNIT_TEST(context_child_of_another_process)
{
	const BbReqCtx *grandparent;
	const BbReqCtx *parent;
	const BbReqCtx *child;
	BbReqCtx	copy;
	BbCounters	counters = {0};
	BbCounters	told = {0};
	BbCounters	news;

	bb_setting_call_timeout_ms = 60000;
	grandparent = bb_reqctx_root(BB_TASK_BASEBACKUP, BB_DOWNLOAD_ERROR);
	bb_setting_call_timeout_ms = 0;
	parent = bb_reqctx_attached_child(grandparent, BB_TASK_BASEBACKUP);
	copy = *parent;
	copy.parent = NULL;
	copy.counters = NULL;
	copy.account = NULL;
	child = bb_reqctx_attached_child_of(&copy, BB_TASK_PAGE_READ, &counters);
	CHECK(child->task_kind == BB_TASK_PAGE_READ);
	CHECK(child->download_behavior == BB_DOWNLOAD_ERROR);
	CHECK(child->parent_link == BB_LINK_ATTACHED);
	CHECK(child->parent == NULL);
	CHECK(child->parent_call_id == parent->call_id);
	CHECK(child->deadline == grandparent->deadline && child->deadline != 0);

	for (int i = 1; i <= 2; i++)
	{
		BB_COUNT(child, keys_requested, i);
		BB_COUNT(child, bytes_out, 10 * i);
		news = bb_counters_since(&told, &counters);
		CHECK(news.keys_requested == i && news.bytes_out == 10 * i);
		bb_reqctx_add(parent, &news);
	}
	BB_COUNT(parent, keys_requested, 100);
	CHECK(parent->counters->keys_requested == 103);
	CHECK(parent->counters->bytes_out == 30);
	CHECK(grandparent->counters->keys_requested == 103);
	CHECK(grandparent->counters->bytes_out == 30);
	CHECK(child->counters->keys_requested == 3);
}

UNIT_TEST(context_keeps_its_deadline)
{
	const BbReqCtx *root;
	const BbReqCtx *child;

	CHECK(bb_reqctx_root(BB_TASK_IMPORT, BB_DOWNLOAD_ALLOW)->deadline == 0);

	bb_setting_call_timeout_ms = 5;
	root = bb_reqctx_root(BB_TASK_IMPORT, BB_DOWNLOAD_ALLOW);
	bb_setting_call_timeout_ms = 0;
	child = bb_reqctx_attached_child(root, BB_TASK_PAGE_READ);
	CHECK(child->deadline == root->deadline);
	CHECK(bb_reqctx_detached_child(root, BB_TASK_PAGE_READ, BB_DOWNLOAD_ALLOW)
			  ->deadline == 0);

	pg_usleep(10 * 1000);
	CHECK_ERROR(bb_reqctx_check(child), ERRCODE_QUERY_CANCELED);
	CHECK(strstr(unit_last_error, "page read") != NULL);
}

UNIT_TEST(descriptor_dies_with_its_context)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "fd",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbFd	   *fd = bb_fd_open("/dev/null", O_RDONLY, 0);
	int			number = bb_fd_number(fd);

	MemoryContextSwitchTo(old);
	CHECK(fcntl(number, F_GETFD) == FD_CLOEXEC);
	MemoryContextDelete(context);
	CHECK(fcntl(number, F_GETFD) == -1 && errno == EBADF);

	CHECK(bb_fd_open("/nonexistent/file", O_RDONLY, 0) == NULL);
}

/* The runs as text: "10-20 30-40". */
static char *
runs_text(const BbZeroRunList *runs)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < runs->n; i++)
		appendStringInfo(&text, "%s%u-%u", i > 0 ? " " : "",
						 runs->bounds[2 * i], runs->bounds[2 * i + 1]);
	return text.data;
}

#define CHECK_RUNS(runs, expected) \
	CHECK(strcmp(runs_text(runs), (expected)) == 0)

UNIT_TEST(zeroruns_are_cut)
{
	BbZeroRunList runs = {0};
	BbZeroRunList read;
	uint8		value[BB_ZERO_RUNS_MAX * BB_ZERO_RUN_BYTES];
	uint32		length;

	bb_zerorun_append(&runs, 10, 20);
	bb_zerorun_append(&runs, 30, 40);
	bb_zerorun_append(&runs, 40, 50);
	CHECK_RUNS(&runs, "10-20 30-50");
	CHECK(!bb_zerorun_has(&runs, 9) && bb_zerorun_has(&runs, 10) &&
		  bb_zerorun_has(&runs, 19) && !bb_zerorun_has(&runs, 20) &&
		  !bb_zerorun_has(&runs, 50));

	bb_zerorun_cut(&runs, 35, 36);
	CHECK_RUNS(&runs, "10-20 30-35 36-50");
	bb_zerorun_cut(&runs, 10, 11);
	bb_zerorun_cut(&runs, 49, 50);
	bb_zerorun_cut(&runs, 25, 26);
	CHECK_RUNS(&runs, "11-20 30-35 36-49");

	length = bb_zerorun_encode(&runs, value);
	CHECK(length == 24 && bb_zerorun_decode(value, length, &read));
	CHECK_RUNS(&read, "11-20 30-35 36-49");

	bb_zerorun_cut(&runs, 33, InvalidBlockNumber);
	CHECK_RUNS(&runs, "11-20 30-33");
	bb_zerorun_cut(&runs, 0, 32);
	CHECK_RUNS(&runs, "32-33");
	bb_zerorun_cut(&runs, 32, 33);
	CHECK_RUNS(&runs, "");
}

UNIT_TEST(invalid_zeroruns_are_refused)
{
	static const uint8 touching[] = {1, 0, 0, 0, 2, 0, 0, 0,
									 2, 0, 0, 0, 3, 0, 0, 0};
	static const uint8 empty[] = {5, 0, 0, 0, 5, 0, 0, 0};
	static uint8 many[(BB_ZERO_RUNS_MAX + 1) * BB_ZERO_RUN_BYTES];
	BbZeroRunList runs;

	for (uint32 i = 0; i < lengthof(many) / 4; i++)
		bb_put_le32(many + 4 * i, i);
	CHECK(bb_zerorun_decode(many, lengthof(many) - 8, &runs));
	CHECK(!bb_zerorun_decode(many, lengthof(many), &runs));
	CHECK(!bb_zerorun_decode(touching, 16, &runs));
	CHECK(!bb_zerorun_decode(empty, 8, &runs));
	CHECK(!bb_zerorun_decode(empty, 0, &runs));
	CHECK(!bb_zerorun_decode(many, 12, &runs));
}
