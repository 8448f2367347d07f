/*-------------------------------------------------------------------------
 *
 * test_snapshot.c
 *	  LSNs: the end of a record before one, its tli, its predecessor.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "cluster.h"
#include "members/filelist.h"
#include "pagestore/snapshot.h"

static void
check_round(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn,
			XLogRecPtr expected, XLogRecPtr expected_start)
{
	BbSnapshot	snapshot = bb_snapshot_take(ctx, store, lsn);

	CHECK(snapshot.store == store && snapshot.lsn == expected);
	CHECK(bb_snapshot_prev_lsn(ctx, &snapshot) == expected_start);
}

UNIT_TEST(lsn_rounded_to_record_end)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store;
	XLogRecPtr	border = PAGE + 3 * XLOG_BLCKSZ;

	info.start_lsn = PAGE - 96;
	store = cluster_with_records(&info);
	check_round(ctx, store, PAGE - 96, PAGE - 96, 0);
	check_round(ctx, store, PAGE + 999, PAGE - 96, 0);
	check_round(ctx, store, PAGE + 1000, PAGE + 1000, PAGE - 96);
	check_round(ctx, store, PAGE + 1999, PAGE + 1000, PAGE - 96);
	check_round(ctx, store, PAGE + 2000, PAGE + 2000, PAGE + 1000);
	check_round(ctx, store, border - 1, PAGE + 8000, PAGE + 2000);
	check_round(ctx, store, border, border, PAGE + 8000);
	/* the next record begins after the page's header */
	check_round(ctx, store, border + XLOG_BLCKSZ + 5000,
				border + XLOG_BLCKSZ + 5000, border + SizeOfXLogShortPHD);
	check_round(ctx, store, LSN - 1, border + XLOG_BLCKSZ + 5000,
				border + SizeOfXLogShortPHD);
	check_round(ctx, store, LSN, LSN, PREV);
	check_round(ctx, store, InvalidXLogRecPtr, LSN, PREV);
	CHECK_ERROR((void) bb_snapshot_take(ctx, store, PAGE - 97),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK_ERROR((void) bb_snapshot_take(ctx, store, LSN + 1),
				ERRCODE_INVALID_PARAMETER_VALUE);

	/* a record that ended before the start is not the timeline's */
	info.start_lsn = PAGE + 1000;
	store = cluster_with_records(&info);
	check_round(ctx, store, PAGE + 1000, PAGE + 1000, 0);
	check_round(ctx, store, PAGE + 1500, PAGE + 1000, 0);
	check_round(ctx, store, PAGE + 2000, PAGE + 2000, PAGE + 1000);
	info.start_lsn = PAGE + 1504;
	store = cluster_with_records(&info);
	/* but its end is where the next record starts */
	check_round(ctx, store, PAGE + 1999, PAGE + 1504, PAGE + 1000);
	check_round(ctx, store, PAGE + 2000, PAGE + 2000, PAGE + 1504);
}

UNIT_TEST(tli_of_an_lsn)
{
	BbTliSwitch switches[] = {{1, 1000}, {3, 2000}};
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store;

	info.tli = 4;
	info.nswitches = 2;
	info.switches = switches;
	store = fixture_pagestore_new(&info);
	CHECK(bb_snapshot_at(store, 999).tli == 1);
	CHECK(bb_snapshot_at(store, 1000).tli == 1);
	CHECK(bb_snapshot_at(store, 1001).tli == 3);
	CHECK(bb_snapshot_at(store, 2000).tli == 3);
	CHECK(bb_snapshot_at(store, 2001).tli == 4);
}

UNIT_TEST(lsn_beside_gaps)
{
	XLogRecPtr	border = PAGE + 3 * XLOG_BLCKSZ;
	BbGap		gaps[] = {{.from = PAGE + 1000, .until = PAGE + 2000},
						  {.from = PAGE + 8000, .until = border + 1000}};
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store;

	info.start_lsn = PAGE - 96;
	info.ngaps = lengthof(gaps);
	info.gaps = gaps;
	store = cluster_with_records(&info);
	check_round(ctx, store, PAGE + 1000, PAGE + 1000, PAGE - 96);
	CHECK_ERROR((void) bb_snapshot_take(ctx, store, PAGE + 1001),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK_ERROR((void) bb_snapshot_take(ctx, store, PAGE + 1999),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	/* the record end before the gap isn't where the first record starts */
	check_round(ctx, store, PAGE + 2000, PAGE + 2000, 0);
	check_round(ctx, store, PAGE + 7999, PAGE + 2000, 0);
	check_round(ctx, store, PAGE + 8000, PAGE + 8000, PAGE + 2000);
	CHECK_ERROR((void) bb_snapshot_take(ctx, store, border),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	/* a record that ended in the gap tells where the next one starts */
	check_round(ctx, store, border + 1000, border + 1000,
				border + SizeOfXLogShortPHD);
	check_round(ctx, store, border + XLOG_BLCKSZ + 4999, border + 1000,
				border + SizeOfXLogShortPHD);
	check_round(ctx, store, border + XLOG_BLCKSZ + 5000,
				border + XLOG_BLCKSZ + 5000, border + 1000);
}

/* The text of the signal files; NULL if there are none. */
static char *
signal_of(const BbReqCtx *ctx, const BbPageStoreInfo *info, XLogRecPtr lsn,
		  XLogRecPtr given)
{
	BbBackupOptions options = {.prev_lsn = given};
	BbFileList *list = bb_filelist_new(
		plan_of(ctx, cluster_with_records(info), lsn, &options));
	BbMember	member;

	while (bb_filelist_next(ctx, list, &member))
		if (member.kind == BB_MEMBER_SIGNAL)
			return pnstrdup(member.source.bytes, member.size);
	return NULL;
}

UNIT_TEST(prev_lsn_rules)
{
	BbPageStoreInfo info = cluster_info();
	XLogRecPtr	given = PAGE + 1000;
	char	   *expected = psprintf("PREV LSN: %s", unit_lsn(given));

	info.start_lsn = PAGE - 96;
	info.ancestor_lsn = PAGE - 96;
	CHECK(strcmp(signal_of(ctx, &info, LSN, 0), "PREV LSN: 0/12345600") == 0);
	CHECK(strcmp(signal_of(ctx, &info, LSN, PREV), "PREV LSN: 0/12345600") ==
		  0);
	CHECK(strcmp(signal_of(ctx, &info, PAGE - 96, 0), "PREV LSN: none") == 0);
	/* before the end nobody may go on writing, unless the caller gives it */
	CHECK(strcmp(signal_of(ctx, &info, PAGE + 2000, 0), "PREV LSN: invalid") ==
		  0);
	CHECK(strcmp(signal_of(ctx, &info, PAGE + 2100, given), expected) == 0);
	/* if it is unknown, it is what the caller gives */
	CHECK(strcmp(signal_of(ctx, &info, PAGE - 96, 0x1000),
				 "PREV LSN: 0/1000") == 0);

	CHECK_ERROR(signal_of(ctx, &info, LSN, PREV - 8),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(signal_of(ctx, &info, PAGE + 2000, given + 8),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(signal_of(ctx, &info, PAGE - 96, PAGE - 96),
				ERRCODE_INVALID_PARAMETER_VALUE);

	/* a branch without records */
	info.start_lsn = LSN;
	info.ancestor_lsn = LSN;
	info.prev_lsn = InvalidXLogRecPtr;
	CHECK(strcmp(signal_of(ctx, &info, LSN, 0), "PREV LSN: none") == 0);
}
