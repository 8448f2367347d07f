/*-------------------------------------------------------------------------
 *
 * test_golden.c
 *	  Files as earlier versions wrote them.
 *
 * They are stored as bytes, so that a change of the code can't change them.
 * When the format changes, the old files stay and new ones are added.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/manifest_values.h"
#include "lib/stringinfo.h"
#include "unit.h"
#include "utils/builtins.h"

/* The bytes of the files, in hexadecimal. */
static const char image_v1[] =
	"62626c617965720a0100000000000000f32d02d88bd4f96d4718f70300000000ac000000"
	"ac0000009190f443420000067f00000005000004eb000000000028000001000000000114"
	"0000006161616161616161616161616161616161616161420000067f00000005000004eb"
	"000000000128000001000000000115000000626262626262626262626262626262626262"
	"626262420000067f00000005000004eb0000000002280000010000000001160000006363"
	"636363636363636363636363636363636363636300000000330000006700000003000000"
	"1c00000000000000bc000000000000000000000000000000030000000000000028000001"
	"000000002900000100000000000000000000000000000000000000000000ff0000000000"
	"0000000000000000000000000100f32d02d88bd4f96d010000004abb1f9d6262666f6f74"
	"310a";

static const char delta_v1[] =
	"62626c617965720a010000000000000071bd8bc8185d66a16ee7c7b200000000dd000000"
	"dd0000006fad6a1b420000067f00000005000004eb000000000060000001000000000308"
	"00000061207265636f7264420000067f00000005000004eb000000000000010001000000"
	"000108000000616e20696d616765420000067f00000005000004eb0000000001a0000001"
	"00000000040b00000061207061676520616e6577420000067f00000005000004eb000000"
	"0001a000000100000000050f00000061206e6174697665207265636f7264420000067f00"
	"000005000004eb00000000020001000100000000060000000000000000270000004e0000"
	"0078000000a6000000050000000000000000000000000000000000021000000000000000"
	"000000000004000000000000000000000000000800000000000000000080000000100000"
	"000000000000000000000020000000000000000000000000004000000000000000000000"
	"000000800000000000000000000000000000000000000000000000000100080040000000"
	"000000000000000000000000000000000100000000000000000000000000000000000000"
	"000000000000000000000000000000000000000000000000000000000000000000000000"
	"000000000000000000000000000000000000000000000000000000000000000000000000"
	"000002000000000000000000000000000000000000000000000000000000000000000000"
	"000000000000000000000000000000000000020010000000000000000000000000000000"
	"000000000000000000000000000000000000000000000000040000000000000000000000"
	"000000000000000000000000000000000000000000000000000000000000000000000000"
	"000000000000000000000000000000000000000000000000000000000000000000000000"
	"000000000000000000000800000000000000000000000000000000000000000000000000"
	"000000000000000004002040000000000000000000000000000000000000000000000000"
	"00000000000000000000000000000000003df0cda41c00000000000000ed000000090100"
	"000000000001000000050000000000000029000001000000000101000100000000420000"
	"067f00000005000004eb0000000000420000067f00000005000004eb0000000003000071"
	"bd8bc8185d66a101000000210f30716262666f6f74310a";

static const char manifest_v1[] =
	"62626d616e69660a01000000040000006d61696e0300000000000000044a02004ef3ec39"
	"359adb620000000101000000020000000100000001000000000100010000000065000000"
	"68000000c001000028000001000000000001000100000000a00000010000000000f15365"
	"00000000030000006f6c6400009000000000000200000000000000000000000000000000"
	"0000000000ff000000000000000000000000000000000028000001000000002900000100"
	"00000001f32d02d88bd4f96d46010000000000000300000000000000755296ca42000006"
	"7f00000005000004eb0000000000420000067f00000005000004eb000000000329000001"
	"0000000001010001000000000071bd8bc8185d66a1770300000000000005000000000000"
	"00b0b880d02e470891";

/* The same with a gap. */
static const char manifest_v2[] =
	"62626d616e69660a02000000040000006d61696e0300000000000000044a02004ef3ec39"
	"359adb620000000101000000020000000100000001000000000100010000000065000000"
	"68000000c001000028000001000000000001000100000000a00000010000000000f15365"
	"00000000030000006f6c6400009000000000000100000060000001000000004000000100"
	"00000018ed53650000000080000001000000000cef536500000000020000000000000000"
	"00000000000000000000000000ff00000000000000000000000000000000002800000100"
	"000000290000010000000001f32d02d88bd4f96d46010000000000000300000000000000"
	"755296ca420000067f00000005000004eb0000000000420000067f00000005000004eb00"
	"00000003290000010000000001010001000000000071bd8bc8185d66a177030000000000"
	"000500000000000000b0b880d0bfd6ee38";

/* The same with all that can be kept, and a retired layer. */
static const char manifest_v3[] =
	"62626d616e69660a03000000040000006d61696e0300000000000000044a02004ef3ec39"
	"359adb620000000101000000020000000100000001000000000100010000000065000000"
	"68000000c001000028000001000000000001000100000000a00000010000000000f15365"
	"00000000030000006f6c6400009000000000000100000060000001000000004000000100"
	"00000018ed53650000000080000001000000000cef5365000000001032547698badcfe80"
	"3a0900000000008051010000000000180000001e000000080000000c0000000500000002"
	"000000090000006d6f6e74682d656e641000000100000000000000000000000001f15365"
	"0000000000000000000000000900000072656c656173652e37a000000100000000120000"
	"006265666f726520746865207570677261646508000000706f73746772657302f1536500"
	"00000000d2496b00000000020000000800000100000000f0c95365000000001000000100"
	"000000d8cd53650000000001000000000000000000000000000000000000000000ff0000"
	"000000000000000000000000000000100000010000000011000001000000000188776655"
	"4433221146010000000000000300000000000000755296ca03f153650000000010000000"
	"73333a2f2f6275636b65742f70726f644d0000000000000004f153650000000002000000"
	"000000000000000000000000000000000000ff0000000000000000000000000000000000"
	"2800000100000000290000010000000001f32d02d88bd4f96d4601000000000000030000"
	"0000000000755296ca420000067f00000005000004eb0000000000420000067f00000005"
	"000004eb0000000003290000010000000001010001000000000071bd8bc8185d66a17703"
	"0000000000000500000000000000b0b880d0711df9bf";

static StringInfo
bytes_of(const char *hexadecimal)
{
	StringInfo	bytes = makeStringInfo();
	int			length = strlen(hexadecimal) / 2;

	enlargeStringInfo(bytes, length);
	bytes->len = hex_decode(hexadecimal, 2 * length, bytes->data);
	return bytes;
}

/* Does a manifest become these bytes? */
static void
check_bytes(const BbManifest *manifest, const StringInfo bytes)
{
	StringInfoData buf;

	initStringInfo(&buf);
	bb_manifest_encode(manifest, &buf);
	CHECK(buf.len == bytes->len);
	CHECK(memcmp(buf.data, bytes->data, buf.len) == 0);
}

static BbManifest *
golden_manifest(void)
{
	StringInfo	bytes = bytes_of(manifest_v1);
	const char *error;
	BbManifest *manifest = bb_manifest_decode(bytes->data, bytes->len, &error);

	CHECK(manifest != NULL);
	return manifest;
}

UNIT_TEST(golden_manifest_v1)
{
	StringInfo	bytes = bytes_of(manifest_v1);
	BbManifest *manifest = golden_manifest();

	CHECK(strcmp(manifest->timeline, "main") == 0);
	CHECK(manifest->generation == 3 && manifest->pg_version_num == 150020);
	CHECK(manifest->system_identifier == UINT64CONST(7123456789012345678));
	CHECK(manifest->wal_segment_size == 16777216);
	CHECK(manifest->data_checksum_version == 1 && manifest->tli == 2);
	CHECK(manifest->uid == 101 && manifest->gid == 104);
	CHECK(manifest->directory_mode == 0700);
	CHECK(manifest->nswitches == 1 && manifest->switches[0].tli == 1);
	CHECK(manifest->switches[0].until == 0x1000100);
	CHECK(manifest->start_lsn == 0x1000028 && manifest->end_lsn == 0x1000100);
	CHECK(manifest->prev_lsn == 0x10000a0);
	CHECK(manifest->end_time == 1700000000);
	CHECK(strcmp(manifest->ancestor, "old") == 0);
	CHECK(manifest->ancestor_lsn == 0x900000 && manifest->nlayers == 2);
	CHECK(manifest->ngaps == 0);
	check_bytes(manifest, bytes);
}

UNIT_TEST(golden_manifest_v2)
{
	StringInfo	bytes = bytes_of(manifest_v2);
	const char *error;
	BbManifest *manifest = bb_manifest_decode(bytes->data, bytes->len, &error);
	const BbGap *gap;

	CHECK(manifest != NULL && manifest->ngaps == 1);
	gap = &manifest->gaps[0];
	CHECK(gap->from == 0x1000060 && gap->from_prev == 0x1000040);
	CHECK(gap->from_time == 1699999000 && gap->until == 0x1000080);
	CHECK(gap->until_time == 1699999500);
	CHECK(manifest->ancestor_lsn == 0x900000 && manifest->nlayers == 2);
	check_bytes(manifest, bytes);
}

UNIT_TEST(golden_manifest_v3)
{
	StringInfo	bytes = bytes_of(manifest_v3);
	const char *error;
	BbManifest *manifest = bb_manifest_decode(bytes->data, bytes->len, &error);
	BbRetention retention = {.window_s = 604800,
							 .floor_s = 86400,
							 .hourly = 24,
							 .daily = 30,
							 .weekly = 8,
							 .monthly = 12,
							 .yearly = 5};
	BbPin		first = {"month-end", 0x1000010, "", "", 1700000001, 0};
	BbPin		second = {"release.7", 0x10000a0,  "before the upgrade",
						  "postgres",  1700000002, 1800000000};
	const BbKeeps *keeps;

	CHECK(manifest != NULL && manifest->ngaps == 1 && manifest->nlayers == 2);
	keeps = &manifest->keeps;
	CHECK(bb_retention_equal(&keeps->retention, &retention));
	CHECK(keeps->npins == 2 && bb_keeps_find_pin(keeps, "month-end") == 0);
	CHECK(bb_keeps_has_pin(keeps, &first) && bb_keeps_has_pin(keeps, &second));
	CHECK(keeps->npoints == 2 && keeps->points[0].lsn == 0x1000008);
	CHECK(keeps->points[0].time == 1699990000);
	CHECK(keeps->points[1].lsn == 0x1000010);
	CHECK(keeps->points[1].time == 1699991000);
	CHECK(keeps->nretired == 1 && keeps->retired[0].since == 1700000003);
	CHECK(keeps->retired[0].layer.image &&
		  keeps->retired[0].layer.lsn_start == 0x1000010);
	CHECK(keeps->retired[0].layer.file_id == UINT64CONST(0x1122334455667788));
	CHECK(keeps->retired[0].layer.crc == manifest->layers[0].crc);
	CHECK(keeps->origin == UINT64CONST(0xfedcba9876543210));
	CHECK(strcmp(keeps->copy.source, "s3://bucket/prod") == 0);
	CHECK(keeps->copy.generation == 77);
	CHECK(keeps->copy.copied_at == 1700000004);
	check_bytes(manifest, bytes);
}

/* A golden layer, opened as the golden manifest describes it. */
static BbLayer *
open_golden(const BbReqCtx *ctx, int index, const char *hexadecimal)
{
	StringInfo	bytes = bytes_of(hexadecimal);
	BbObjectStore *objects = unit_store(ctx);
	BbLayerDesc *desc = &golden_manifest()->layers[index];
	char	   *name = bb_layer_object_name("main", desc);
	BbObjectWriter *writer = bb_object_create(ctx, objects, name);

	bb_object_write(ctx, writer, bytes->data, bytes->len);
	bb_object_finish(ctx, writer);
	return bb_layer_open(ctx, objects, "main", desc);
}

UNIT_TEST(golden_image_v1)
{
	BbLayer	   *layer = open_golden(ctx, 0, image_v1);
	BbKeyRange	all = bb_key_range_all();
	BbLayerCursor *cursor;
	BbEntry		entry;

	cursor = bb_layer_cursor_new(ctx, layer, &all.start, 0, 65536);
	for (int i = 0; i < 3; i++)
	{
		BbKey		key = bb_key_rel_block(1663, 5, 1259, MAIN_FORKNUM, i);

		CHECK(bb_layer_cursor_next(ctx, cursor, &entry));
		CHECK(bb_key_compare(&entry.key, &key) == 0);
		CHECK(entry.lsn == 0x1000028 && entry.length == 20 + i);
		for (int at = 0; at < 20 + i; at++)
			CHECK(entry.value[at] == 'a' + i);
	}
	CHECK(!bb_layer_cursor_next(ctx, cursor, &entry));
}

UNIT_TEST(golden_delta_v1)
{
	static const struct
	{
		uint32		block;
		XLogRecPtr	lsn;
		BbEntryType type;
		const char *value;
	}			expected[] = {
		{0, 0x1000060, BB_ENTRY_RECORD, "a record"},
		{0, 0x1000100, BB_ENTRY_IMAGE, "an image"},
		{1, 0x10000a0, BB_ENTRY_RECORD_INIT, "a page anew"},
		{1, 0x10000a0, BB_ENTRY_NATIVE, "a native record"},
		{2, 0x1000100, BB_ENTRY_DELETED, ""},
	};
	BbLayer	   *layer = open_golden(ctx, 1, delta_v1);
	BbKeyRange	all = bb_key_range_all();
	BbLayerCursor *cursor;
	BbEntry		entry;
	int			held = 0;

	cursor = bb_layer_cursor_new(ctx, layer, &all.start, 0, 65536);
	for (int i = 0; i < lengthof(expected); i++)
	{
		BbKey		key = bb_key_rel_block(1663, 5, 1259, MAIN_FORKNUM,
										   expected[i].block);

		CHECK(bb_layer_cursor_next(ctx, cursor, &entry));
		CHECK(bb_key_compare(&entry.key, &key) == 0);
		CHECK(entry.lsn == expected[i].lsn && entry.type == expected[i].type);
		CHECK(entry.length == strlen(expected[i].value) &&
			  memcmp(entry.value, expected[i].value, entry.length) == 0);
		CHECK(bb_layer_may_hold(ctx, layer, &key));
	}
	CHECK(!bb_layer_cursor_next(ctx, cursor, &entry));

	/* its filter accepts few other keys, as when it was written */
	for (uint32 block = 3; block < 1000; block++)
	{
		BbKey		key = bb_key_rel_block(1663, 5, 1259, MAIN_FORKNUM, block);

		held += bb_layer_may_hold(ctx, layer, &key);
	}
	CHECK(held == 0);
}
