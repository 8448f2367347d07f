/*-------------------------------------------------------------------------
 *
 * test_visibility.c
 *	  Which tuples are visible: every combination of bits, judged by PostgreSQL.
 *
 * Transactions and multixacts of this server are put into made pages, under their
 * numbers.  So HeapTupleSatisfiesMVCC and bb_tuple_visible can be asked about the
 * same tuple header, and have to agree.  What a server can't be brought to is
 * checked by hand: multixacts whose end is not known, statuses that are missing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "heap/visibility.h"
#include "layer/native.h"
#include "made.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define NMULTIS 12

static uint64 seed;

/* ---- the judge ---- */

typedef struct Judge
{
	Relation	relation;
	Buffer		buffer; /* of a temporary table: hint bits are set in it */
	Snapshot	snapshot;
} Judge;

static Judge
judge_begin(void)
{
	Judge		judge;
	bool		pushed = false;

	if (!ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		pushed = true;
	}
	CHECK(SPI_connect() == SPI_OK_CONNECT);
	CHECK(SPI_execute("CREATE TEMP TABLE unit_judge AS SELECT 1 AS a", false,
					  0) == SPI_OK_UTILITY ||
		  SPI_processed == 1);
	SPI_finish();
	if (pushed)
		PopActiveSnapshot();
	judge.relation = table_open(RelnameGetRelid("unit_judge"),
								AccessShareLock);
	judge.buffer = ReadBuffer(judge.relation, 0);
	judge.snapshot = RegisterSnapshot(GetLatestSnapshot());
	return judge;
}

static void
judge_end(Judge *judge)
{
	UnregisterSnapshot(judge->snapshot);
	ReleaseBuffer(judge->buffer);
	table_close(judge->relation, AccessShareLock);
	CHECK(SPI_connect() == SPI_OK_CONNECT);
	CHECK(SPI_execute("DROP TABLE unit_judge", false, 0) == SPI_OK_UTILITY);
	SPI_finish();
}

static bool
judge_says(const Judge *judge, const HeapTupleHeaderData *header)
{
	HeapTupleHeaderData copy = *header;
	HeapTupleData tuple = {.t_len = sizeof(copy), .t_data = &copy};

	tuple.t_tableOid = RelationGetRelid(judge->relation);
	ItemPointerSet(&tuple.t_self, 0, 1);
	return HeapTupleSatisfiesVisibility(&tuple, judge->snapshot,
										judge->buffer);
}

/* ---- transactions of this server ---- */

static TransactionId
a_committed_xid(void)
{
	TransactionId xid = FirstNormalTransactionId;

	while (!TransactionIdDidCommit(xid))
		xid++;
	return xid;
}

static TransactionId
an_aborted_xid(void)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	TransactionId xid;

	BeginInternalSubTransaction(NULL);
	xid = GetCurrentTransactionId();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	CHECK(TransactionIdDidAbort(xid));
	return xid;
}

/* A multixact of this server, also in the made pages. */
static MultiXactId
add_multi(Made *made, const TransactionId *xids, int nxids)
{
	MultiXactMember members[4];
	int			n = 1 + pg_prng_uint64_range(&pg_global_prng_state, 0, 3);
	int			updater = pg_prng_uint64_range(&pg_global_prng_state, 0, 5);
	MultiXactId multi;

	for (int i = 0; i < n; i++)
	{
		members[i].xid = xids[pg_prng_uint64_range(&pg_global_prng_state, 0,
												   nxids - 1)];
		members[i].status = pg_prng_uint64_range(&pg_global_prng_state, 0,
												 MultiXactStatusForUpdate);
		if (i == updater)
			members[i].status = pg_prng_bool(&pg_global_prng_state)
				? MultiXactStatusNoKeyUpdate
				: MultiXactStatusUpdate;
	}
	multi = MultiXactIdCreateFromMembers(n, members);
	/* the same members make the same multixact */
	if (multi < made->next_multi)
		return multi;
	made_offset(made, multi, made->next_offset);
	for (int i = 0; i < n; i++)
		made_member(made, made->next_offset++, members[i].xid,
					members[i].status);
	made_offset(made, multi + 1, made->next_offset);
	made->next_multi = multi + 1;
	return multi;
}

/* ---- all bits ---- */

static HeapTupleHeaderData
header_of(uint16 infomask, TransactionId xmin, TransactionId xmax,
		  TransactionId xvac)
{
	HeapTupleHeaderData header = {.t_infomask = infomask};

	HeapTupleHeaderSetXmin(&header, xmin);
	HeapTupleHeaderSetXmax(&header, xmax);
	header.t_choice.t_heap.t_field3.t_xvac = xvac;
	header.t_hoff = MAXALIGN(SizeofHeapTupleHeader);
	ItemPointerSet(&header.t_ctid, 0, 1);
	return header;
}

static void
compare_header(const BbReqCtx *ctx, const Judge *judge, BbXacts *xacts,
			   HeapTupleHeaderData header)
{
	bool		expected = judge_says(judge, &header);
	bool		inserted = bb_tuple_inserted(ctx, xacts, &header);

	if (bb_tuple_visible(ctx, xacts, &header) != expected ||
		(header.t_infomask & HEAP_XMAX_INVALID && inserted != expected))
		elog(ERROR,
			 "infomask %04x, xmin %u, xmax %u, xvac %u: should be %d (seed " UINT64_FORMAT
			 ")",
			 header.t_infomask, HeapTupleHeaderGetRawXmin(&header),
			 HeapTupleHeaderGetRawXmax(&header),
			 HeapTupleHeaderGetXvac(&header), expected, seed);
}

static void
compare_headers(const BbReqCtx *ctx, const Judge *judge, BbXacts *xacts,
				TransactionId xmin, TransactionId xmax, bool multi,
				TransactionId xvac)
{
	for (uint32 bits = 0; bits <= HEAP_XACT_MASK >> 4; bits++)
	{
		HeapTupleHeaderData header = header_of(bits << 4, xmin, xmax, xvac);

		/* nobody deletes in no transaction */
		if (xmax == InvalidTransactionId &&
			header.t_infomask & HEAP_XMAX_COMMITTED)
			continue;
		/* rows that VACUUM FULL moved were committed; only 19 looks at xmin, too */
		if (header.t_infomask & HEAP_MOVED && !TransactionIdDidCommit(xmin))
			continue;
		if (((header.t_infomask & HEAP_XMAX_IS_MULTI) != 0) == multi)
			compare_header(ctx, judge, xacts, header);
	}
}

UNIT_TEST(visibility_of_all_bits)
{
	TransactionId xids[] = {a_committed_xid(), an_aborted_xid(),
							an_aborted_xid() + 1000000};
	TransactionId xmins[] = {xids[0], xids[1], InvalidTransactionId,
							 BootstrapTransactionId, FrozenTransactionId};
	Made	   *made = made_new();
	MultiXactId multis[NMULTIS];
	Judge		judge;
	BbXacts	   *xacts;

	seed = unit_seed();
	pg_prng_seed(&pg_global_prng_state, seed);
	made_status(made, xids[0], TRANSACTION_STATUS_COMMITTED);
	made_status(made, xids[1], TRANSACTION_STATUS_ABORTED);
	/* nobody finished it; here it is in the future */
	made_status(made, xids[2], TRANSACTION_STATUS_IN_PROGRESS);
	MultiXactIdSetOldestMember();
	for (int i = 0; i < NMULTIS; i++)
		multis[i] = add_multi(made, xids, lengthof(xids));
	xacts = bb_xacts_new(made_pages(made));
	judge = judge_begin();

	for (int i = 0; i < lengthof(xmins); i++)
	{
		for (int v = 0; v < 2; v++)
		{
			for (int j = 0; j < 2; j++)
				compare_headers(ctx, &judge, xacts, xmins[i], xids[j], false,
								xids[v]);
			compare_headers(ctx, &judge, xacts, xmins[i], InvalidTransactionId,
							false, xids[v]);
			for (int j = 0; j < NMULTIS; j++)
				compare_headers(ctx, &judge, xacts, xmins[i], multis[j], true,
								xids[v]);
		}
	}
	judge_end(&judge);
}

/* ---- what a server can't be brought to ---- */

/*
 * Nobody is left to finish a transaction at an LSN.  That of a subtransaction that
 * is SUB_COMMITTED is one that did not commit: PostgreSQL's TransactionIdDidCommit
 * says so of all that are older than every running transaction.
 */
UNIT_TEST(xacts_by_status)
{
	Made	   *made = made_new();
	BbXacts	   *xacts;
	HeapTupleHeaderData header;

	made_status(made, 100, TRANSACTION_STATUS_IN_PROGRESS);
	made_status(made, 101, TRANSACTION_STATUS_COMMITTED);
	made_status(made, 102, TRANSACTION_STATUS_ABORTED);
	made_status(made, 103, TRANSACTION_STATUS_SUB_COMMITTED);
	/* the last transaction of a page, and the first one of the next */
	made_status(made, BB_XACT_PER_PAGE - 1, TRANSACTION_STATUS_COMMITTED);
	made_status(made, BB_XACT_PER_PAGE, TRANSACTION_STATUS_ABORTED);
	made_status(made, PG_UINT32_MAX, TRANSACTION_STATUS_COMMITTED);
	xacts = bb_xacts_new(made_pages(made));
	/* each is asked for twice: the last answer is kept */
	for (int i = 0; i < 2; i++)
	{
		CHECK(!bb_xacts_committed(ctx, xacts, 100));
		CHECK(bb_xacts_committed(ctx, xacts, 101));
		CHECK(bb_xacts_committed(ctx, xacts, 101));
		CHECK(!bb_xacts_committed(ctx, xacts, 102));
		CHECK(!bb_xacts_committed(ctx, xacts, 103));
		CHECK(!bb_xacts_committed(ctx, xacts, 103));
		CHECK(bb_xacts_committed(ctx, xacts, BB_XACT_PER_PAGE - 1));
		CHECK(!bb_xacts_committed(ctx, xacts, BB_XACT_PER_PAGE));
		CHECK(bb_xacts_committed(ctx, xacts, PG_UINT32_MAX));
	}
	CHECK(bb_xacts_committed(ctx, xacts, FrozenTransactionId));
	CHECK(bb_xacts_committed(ctx, xacts, BootstrapTransactionId));
	CHECK(!bb_xacts_committed(ctx, xacts, InvalidTransactionId));

	/* inserted or deleted by a subtransaction whose parent never committed */
	header = header_of(HEAP_XMAX_INVALID, 103, 0, 0);
	CHECK(!bb_tuple_visible(ctx, xacts, &header));
	header = header_of(0, 101, 103, 0);
	CHECK(bb_tuple_visible(ctx, xacts, &header));
	/* a row that INSERT … ON CONFLICT took back */
	header = header_of(HEAP_XMAX_INVALID, InvalidTransactionId, 0, 0);
	CHECK(!bb_tuple_visible(ctx, xacts, &header));
}

UNIT_TEST(xacts_whose_status_is_missing)
{
	Made	   *made = made_new();
	BbXacts	   *xacts;
	HeapTupleHeaderData header;

	made_status(made, 101, TRANSACTION_STATUS_COMMITTED);
	xacts = bb_xacts_new(made_pages(made));
	CHECK_ERROR((void) bb_xacts_committed(ctx, xacts, BB_XACT_PER_PAGE + 5),
				ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, "status of transaction 32773 is missing"));
	/* an error leaves no answer */
	CHECK_ERROR((void) bb_xacts_committed(ctx, xacts, BB_XACT_PER_PAGE + 5),
				ERRCODE_DATA_CORRUPTED);
	CHECK(bb_xacts_committed(ctx, xacts, 101));

	/* nobody asks about a tuple that is frozen, or has hints */
	header = header_of(HEAP_XMIN_FROZEN | HEAP_XMAX_INVALID,
					   BB_XACT_PER_PAGE + 5, 0, 0);
	CHECK(bb_tuple_visible(ctx, xacts, &header));
	header = header_of(HEAP_XMAX_COMMITTED, 101, BB_XACT_PER_PAGE + 5, 0);
	CHECK(!bb_tuple_visible(ctx, xacts, &header));
	header = header_of(HEAP_XMAX_LOCK_ONLY | HEAP_XMAX_EXCL_LOCK, 101,
					   BB_XACT_PER_PAGE + 5, 0);
	CHECK(bb_tuple_visible(ctx, xacts, &header));
}

/* ---- multixacts ---- */

#define LOCKER 101
#define UPDATER 102

/*
 * A multixact with two members, the second of which updated, at an offset.  It wraps
 * to 0 where offsets have 32 bits.
 */
static void
make_multi(Made *made, MultiXactId multi, MultiXactOffset offset)
{
	made_offset(made, multi, offset);
	made_member(made, offset, LOCKER, MultiXactStatusForKeyShare);
	made_member(made, offset + 1, UPDATER, MultiXactStatusNoKeyUpdate);
}

static TransactionId
updater(const BbReqCtx *ctx, Made *made, MultiXactId multi)
{
	return bb_xacts_updater(ctx, bb_xacts_new(made_pages(made)), multi);
}

UNIT_TEST(multixact_ends)
{
	Made	   *made = made_new();

	/* 7 ends where 8 begins, 8 where nobody has begun yet */
	make_multi(made, 7, 50);
	made_offset(made, 8, 52);
	made_member(made, 52, LOCKER, MultiXactStatusForUpdate);
	made_member(made, 53, UPDATER, MultiXactStatusUpdate);
	made->next_multi = 9;
	made->next_offset = 53;
	CHECK(updater(ctx, made, 7) == UPDATER);
	/* the member at 53 is none of it */
	CHECK(updater(ctx, made, 8) == InvalidTransactionId);
	made->next_offset = 54;
	CHECK(updater(ctx, made, 8) == UPDATER);

	/* the last one of a page, and of all */
	make_multi(made, BB_OFFSETS_PER_PAGE - 1, 60);
	made_offset(made, BB_OFFSETS_PER_PAGE, 62);
	CHECK(updater(ctx, made, BB_OFFSETS_PER_PAGE - 1) == UPDATER);
	make_multi(made, MaxMultiXactId, 70);
	made_offset(made, FirstMultiXactId, 72);
	CHECK(updater(ctx, made, MaxMultiXactId) == UPDATER);
	made->next_multi = FirstMultiXactId;
	made->next_offset = 71;
	CHECK(updater(ctx, made, MaxMultiXactId) == InvalidTransactionId);
	/* the counter has not wrapped around yet */
	made->next_multi = InvalidMultiXactId;
	CHECK(updater(ctx, made, MaxMultiXactId) == InvalidTransactionId);
}

/*
 * Before November 2025, the offset of the next multixact was written by the next
 * multixact, whose record may come after the LSN, and after those of others.
 */
UNIT_TEST(multixact_whose_end_is_not_known)
{
	Made	   *made = made_new();

	made_offset(made, 7, 50);
	made_member(made, 50, LOCKER, MultiXactStatusForKeyShare);
	/* 8 has two members, which nobody has written; then comes 9 */
	made_offset(made, 9, 53);
	made_member(made, 53, UPDATER, MultiXactStatusUpdate);
	made->next_multi = 10;
	made->next_offset = 54;
	CHECK(updater(ctx, made, 7) == InvalidTransactionId);
	/* 7 itself has one that updated */
	made_member(made, 50, UPDATER, MultiXactStatusUpdate);
	CHECK(updater(ctx, made, 7) == UPDATER);
	/* nothing at all is known of 8 */
	CHECK_ERROR((void) updater(ctx, made, 8), ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, "multixact 8 is missing"));
	CHECK(updater(ctx, made, 9) == UPDATER);
}

#if PG_VERSION_NUM < 190000
/*
 * No multixact begins at offset 0, which says that it is not known.  But one that
 * begins before may have a member there (GetNewMultiXactId in multixact.c).
 */
UNIT_TEST(multixact_members_wrap_around)
{
	Made	   *made = made_new();

	make_multi(made, 7, PG_UINT32_MAX);
	made_offset(made, 8, 1);
	made_member(made, 1, LOCKER, MultiXactStatusForShare);
	made->next_multi = 9;
	made->next_offset = 2;
	CHECK(updater(ctx, made, 7) == UPDATER);
	/* the next one is not written yet */
	made_offset(made, 8, 0);
	CHECK(updater(ctx, made, 7) == UPDATER);

	/* one that ends there does not use it, and begins at 1 */
	made = made_new();
	make_multi(made, 7, PG_UINT32_MAX - 1);
	made_member(made, PG_UINT32_MAX, LOCKER, MultiXactStatusForShare);
	made_offset(made, 8, 1);
	made->next_multi = 9;
	made->next_offset = 1;
	/* its page may not be there, either */
	CHECK(updater(ctx, made, 7) == InvalidTransactionId);
	made_member(made, 1, UPDATER, MultiXactStatusUpdate);
	made->next_offset = 2;
	CHECK(updater(ctx, made, 7) == InvalidTransactionId);
	CHECK(updater(ctx, made, 8) == UPDATER);
}
#endif

UNIT_TEST(multixacts_that_are_missing)
{
	Made	   *made = made_new();

	make_multi(made, 7, 50);
	made->next_multi = 8;
	made->next_offset = 52;
	CHECK_ERROR((void) updater(ctx, made, 7 + BB_OFFSETS_PER_PAGE),
				ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, "is missing"));
	made_offset(made, 7, BB_MEMBERS_PER_PAGE + 50);
	made->next_offset = BB_MEMBERS_PER_PAGE + 52;
	CHECK_ERROR((void) updater(ctx, made, 7), ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, "members of multixact 7 are missing"));
	/* an end before its begin leads to members that are not there */
	make_multi(made, 7, 50);
	made_member(made, 51, LOCKER, MultiXactStatusForShare);
	made->next_offset = 40;
	CHECK_ERROR((void) updater(ctx, made, 7), ERRCODE_DATA_CORRUPTED);
}
