/*-------------------------------------------------------------------------
 *
 * test_native.c
 *	  Native records: each type is applied, and refused if it is broken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/clog.h"
#include "access/visibilitymapdefs.h"
#include "base/compat.h"
#include "layer/native.h"
#include "storage/fsm_internals.h"
#include "unit.h"

/* A page, aligned as a Page. */
typedef union TestPage
{
	PGAlignedBlock block;
	uint8		bytes[BLCKSZ];
} TestPage;

static BbKey
vm_key(void)
{
	return bb_key_rel_block(1663, 5, 1000, VISIBILITYMAP_FORKNUM, 0);
}

static void
apply(BbKey key, XLogRecPtr lsn, StringInfo record, TestPage *page)
{
	BbChange	change = {lsn, BB_ENTRY_NATIVE, (uint8 *) record->data,
						  record->len};

	bb_native_apply(&key, &change, page->bytes);
}

static uint8
vm_bits(const TestPage *page, uint32 entry)
{
	uint8		byte = PageGetContents((Page) page->bytes)[entry / 4];

	return (byte >> (entry % 4 * 2)) & 3;
}

UNIT_TEST(native_xact)
{
	TestPage	page = {0};
	BbKey		key = bb_key_slru_block(BB_SLRU_XACT, 0, 0);
	StringInfoData buf;

	initStringInfo(&buf);
	bb_native_xact_begin(&buf, TRANSACTION_STATUS_COMMITTED);
	bb_native_xact_add(&buf, 0);
	bb_native_xact_add(&buf, 5);
	bb_native_xact_add(&buf, BB_XACT_PER_PAGE - 1);
	apply(key, 100, &buf, &page);
	CHECK(page.bytes[0] == 0x01 && page.bytes[1] == 0x04);
	CHECK(page.bytes[BLCKSZ - 1] == 0x40);

	resetStringInfo(&buf);
	bb_native_xact_begin(&buf, TRANSACTION_STATUS_ABORTED);
	bb_native_xact_add(&buf, 5);
	apply(key, 200, &buf, &page);
	CHECK(page.bytes[0] == 0x01 && page.bytes[1] == 0x08);
}

UNIT_TEST(native_commit_ts)
{
	TestPage	page = {0};
	BbKey		key = bb_key_slru_block(BB_SLRU_COMMIT_TS, 0, 0);
	TimestampTz time = INT64CONST(0x0102030405060708);
	TimestampTz stored;
	uint16		origin;
	StringInfoData buf;

	initStringInfo(&buf);
	bb_native_commit_ts_begin(&buf, time, 0xABCD);
	bb_native_commit_ts_add(&buf, 1);
	bb_native_commit_ts_add(&buf, BB_COMMIT_TS_PER_PAGE - 1);
	apply(key, 100, &buf, &page);
	for (int i = 1; i < BB_COMMIT_TS_PER_PAGE; i += BB_COMMIT_TS_PER_PAGE - 2)
	{
		memcpy(&stored, page.bytes + i * 10, sizeof(stored));
		memcpy(&origin, page.bytes + i * 10 + 8, sizeof(origin));
		CHECK(stored == time && origin == 0xABCD);
	}
	CHECK(page.bytes[0] == 0 && page.bytes[20] == 0);
}

UNIT_TEST(native_multixact)
{
	TestPage	page = {0};
	MultiXactOffset offset;
	uint32		word;
	StringInfoData buf;

	initStringInfo(&buf);
	bb_native_offsets_begin(&buf);
	bb_native_offsets_add(&buf, 3, 77);
	bb_native_offsets_add(&buf, BB_OFFSETS_PER_PAGE - 1,
						  BB_MAX_MULTIXACT_OFFSET - 1);
	apply(bb_key_slru_block(BB_SLRU_MULTIXACT_OFFSETS, 0, 0), 100, &buf,
		  &page);
	memcpy(&offset, page.bytes + 3 * sizeof(offset), sizeof(offset));
	CHECK(offset == 77);
	memcpy(&offset, page.bytes + BLCKSZ - sizeof(offset), sizeof(offset));
	CHECK(offset == BB_MAX_MULTIXACT_OFFSET - 1);

	/* members 3 and 4 are in two groups */
	memset(&page, 0, sizeof(page));
	resetStringInfo(&buf);
	bb_native_members_begin(&buf, 3);
	bb_native_members_add(&buf, 1001, 2);
	bb_native_members_add(&buf, 1002, 5);
	apply(bb_key_slru_block(BB_SLRU_MULTIXACT_MEMBERS, 0, 0), 100, &buf,
		  &page);
	CHECK(page.bytes[3] == 2);
	memcpy(&word, page.bytes + 4 + 3 * 4, 4);
	CHECK(word == 1001);
	CHECK(page.bytes[20] == 5);
	memcpy(&word, page.bytes + 24, 4);
	CHECK(word == 1002);
}

UNIT_TEST(native_visibility_map)
{
	TestPage	page = {0};
	StringInfoData buf;

	/* a set initializes the page and sets its LSN */
	initStringInfo(&buf);
	bb_native_vm_set(&buf, 6, VISIBILITYMAP_ALL_VISIBLE);
	apply(vm_key(), 100, &buf, &page);
	CHECK(!PageIsNew((Page) page.bytes));
	CHECK(PageGetLSN((Page) page.bytes) == 100);
	CHECK(vm_bits(&page, 6) == 1 && vm_bits(&page, 5) == 0);

	/* an older record changes nothing, nor does one whose bits are set */
	resetStringInfo(&buf);
	bb_native_vm_set(&buf, 5, VISIBILITYMAP_ALL_VISIBLE);
	apply(vm_key(), 100, &buf, &page);
	CHECK(vm_bits(&page, 5) == 0);
	resetStringInfo(&buf);
	bb_native_vm_set(&buf, 6, VISIBILITYMAP_ALL_VISIBLE);
	apply(vm_key(), 200, &buf, &page);
	CHECK(PageGetLSN((Page) page.bytes) == 100);
	resetStringInfo(&buf);
	bb_native_vm_set(&buf, 6, VISIBILITYMAP_VALID_BITS);
	apply(vm_key(), 300, &buf, &page);
	CHECK(PageGetLSN((Page) page.bytes) == 300 && vm_bits(&page, 6) == 3);

	/* a clear neither changes nor compares the LSN */
	resetStringInfo(&buf);
	bb_native_vm_clear_begin(&buf, false);
	bb_native_vm_clear_add(&buf, 6, VISIBILITYMAP_ALL_FROZEN);
	bb_native_vm_clear_add(&buf, BB_VM_PER_PAGE - 1, VISIBILITYMAP_VALID_BITS);
	apply(vm_key(), 50, &buf, &page);
	CHECK(PageGetLSN((Page) page.bytes) == 300 && vm_bits(&page, 6) == 1);

	/* except if the record refers to the map's page */
	resetStringInfo(&buf);
	bb_native_vm_clear_begin(&buf, true);
	bb_native_vm_clear_add(&buf, 6, VISIBILITYMAP_VALID_BITS);
	bb_native_vm_clear_add(&buf, 7, VISIBILITYMAP_VALID_BITS);
	apply(vm_key(), 300, &buf, &page);
	CHECK(PageGetLSN((Page) page.bytes) == 300 && vm_bits(&page, 6) == 1);
	apply(vm_key(), 350, &buf, &page);
	CHECK(PageGetLSN((Page) page.bytes) == 350 && vm_bits(&page, 6) == 0);
	/* if no bit is cleared, the LSN stays */
	apply(vm_key(), 360, &buf, &page);
	CHECK(PageGetLSN((Page) page.bytes) == 350);
	/* a page of zeros stays so; if the record doesn't refer to it, it's initialized */
	memset(&page, 0, sizeof(page));
	apply(vm_key(), 370, &buf, &page);
	CHECK(PageIsNew((Page) page.bytes));
	buf.data[0] = BB_NATIVE_VM_CLEAR;
	apply(vm_key(), 380, &buf, &page);
	CHECK(!PageIsNew((Page) page.bytes));
	CHECK(PageGetLSN((Page) page.bytes) == InvalidXLogRecPtr);

	/* truncation within a byte */
	memset(PageGetContents((Page) page.bytes), 0xFF, BB_VM_BYTES);
	resetStringInfo(&buf);
	bb_native_vm_truncate(&buf, 6);
	apply(vm_key(), 400, &buf, &page);
	CHECK(vm_bits(&page, 5) == 3 && vm_bits(&page, 6) == 0);
	CHECK(vm_bits(&page, 8) == 0 && vm_bits(&page, BB_VM_PER_PAGE - 1) == 0);
}

UNIT_TEST(native_free_space_map)
{
	TestPage	page = {0};
	StringInfoData buf;
	BbKey		key = bb_key_rel_block(1663, 5, 1000, FSM_FORKNUM, 2);

	PageInit((Page) page.bytes, BLCKSZ, 0);
	fsm_set_avail((Page) page.bytes, 10, 200);
	fsm_set_avail((Page) page.bytes, 4, 100);
	initStringInfo(&buf);
	bb_native_fsm_truncate(&buf, 10);
	apply(key, 100, &buf, &page);
	CHECK(fsm_get_avail((Page) page.bytes, 10) == 0);
	CHECK(fsm_get_avail((Page) page.bytes, 4) == 100);
	CHECK(fsm_get_max_avail((Page) page.bytes) == 100);
}

/* Native records that are cut short, of an unknown type, or out of the page. */
UNIT_TEST(native_broken_is_refused)
{
	TestPage	page = {0};
	BbKey		xact = bb_key_slru_block(BB_SLRU_XACT, 0, 0);
	BbKey		members = bb_key_slru_block(BB_SLRU_MULTIXACT_MEMBERS, 0, 0);
	StringInfoData buf;

	PageInit((Page) page.bytes, BLCKSZ, 0);
	initStringInfo(&buf);
	CHECK_ERROR(apply(xact, 1, &buf, &page), ERRCODE_DATA_CORRUPTED);

	appendStringInfoChar(&buf, 99);
	CHECK_ERROR(apply(xact, 1, &buf, &page), ERRCODE_DATA_CORRUPTED);

	resetStringInfo(&buf);
	bb_native_xact_begin(&buf, TRANSACTION_STATUS_COMMITTED);
	bb_native_xact_add(&buf, 1);
	CHECK_ERROR(apply(members, 1, &buf, &page), ERRCODE_DATA_CORRUPTED);
	buf.len--;
	CHECK_ERROR(apply(xact, 1, &buf, &page), ERRCODE_DATA_CORRUPTED);

	resetStringInfo(&buf);
	bb_native_members_begin(&buf, BB_MEMBERS_PER_PAGE - 1);
	bb_native_members_add(&buf, 7, 0);
	apply(members, 1, &buf, &page);
	bb_native_members_add(&buf, 8, 0);
	CHECK_ERROR(apply(members, 1, &buf, &page), ERRCODE_DATA_CORRUPTED);

	resetStringInfo(&buf);
	bb_native_vm_truncate(&buf, BB_VM_PER_PAGE);
	CHECK_ERROR(apply(vm_key(), 1, &buf, &page), ERRCODE_DATA_CORRUPTED);
	resetStringInfo(&buf);
	bb_native_vm_set(&buf, 0, 0x04);
	CHECK_ERROR(apply(vm_key(), 1, &buf, &page), ERRCODE_DATA_CORRUPTED);
}
