/*-------------------------------------------------------------------------
 *
 * test_walsource.c
 *	  Ingest from a source of WAL that is no directory.
 *
 * The driver here is as one that follows a server: its WAL is in memory and
 * arrives in pieces, which cut records, so that ingest has to wait; it learns
 * of a tli switch while it reads; and it is told what is committed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "base/clusterfile.h"
#include "base/compat.h"
#include "base/settings.h"
#include "catalog/pg_control.h"
#include "cluster.h"
#include "ingest/ingest.h"
#include "layer/imagewriter.h"
#include "layer/manifest.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "timeline/timeline.h"
#include "utils/wait_event.h"

#define WAL_PAGES 32
#define WAL_BEGIN (LSN - LSN % XLOG_BLCKSZ)

/* A piece of WAL arrives with each wait. */
#define PIECE_BYTES 100

/* Memory is measured after so many commits, a few times. */
#define THOUSAND 1000
#define MEASURED 4

typedef struct MemorySource
{
	BbWalOrigin origin;
	BbWalSource base;
	BbWalStream stream;
	BbWalNext	last; /* what next returns once all WAL was read */

	uint8		pages[WAL_PAGES * XLOG_BLCKSZ];
	XLogRecPtr	start; /* of the last record that was written */
	XLogRecPtr	end;
	XLogRecPtr	switch_lsn; /* where tli 2 begins */

	XLogRecPtr	arrived;
	int			waits;
	int			signal_at; /* this wait is interrupted by a signal; 0: none */
	int			signal;
	XLogRecPtr	committed;
	int			ncommits;
	Size		allocated[MEASURED]; /* after so many thousand commits */
	int			idle_waits; /* so often there was nothing more to arrive */
} MemorySource;

static inline MemorySource *
memory_of(const BbWalSource *base)
{
	return (MemorySource *) ((char *) base - offsetof(MemorySource, base));
}

/* ---- writing WAL ---- */

/* Append a record of the resource manager XLOG.  Returns its end. */
static XLogRecPtr
write_record(MemorySource *memory, uint8 info, const void *data, uint32 length)
{
	XLogRecord	header = {0};
	StringInfoData record;
	uint8	   *page;
	uint8		page_header[SizeOfXLogShortPHD];

	header.xl_tot_len = SizeOfXLogRecord + SizeOfXLogRecordDataHeaderLong +
		length;
	header.xl_prev = memory->start;
	header.xl_info = info;
	header.xl_rmid = RM_XLOG_ID;
	initStringInfo(&record);
	appendBinaryStringInfo(&record, (char *) &header, SizeOfXLogRecord);
	appendStringInfoChar(&record, (char) XLR_BLOCK_ID_DATA_LONG);
	appendBinaryStringInfo(&record, (char *) &length, sizeof(length));
	appendBinaryStringInfo(&record, data, length);
	INIT_CRC32C(header.xl_crc);
	COMP_CRC32C(header.xl_crc, record.data + SizeOfXLogRecord,
				record.len - SizeOfXLogRecord);
	COMP_CRC32C(header.xl_crc, record.data, offsetof(XLogRecord, xl_crc));
	FIN_CRC32C(header.xl_crc);
	memcpy(record.data, &header, SizeOfXLogRecord);

	memory->start = bb_wal_record_start(&memory->stream, memory->end);
	page = memory->pages +
		(memory->start - memory->start % XLOG_BLCKSZ - WAL_BEGIN);
	/* a page that has records keeps its header */
	memcpy(page_header, page, sizeof(page_header));
	memory->end = bb_wal_place_record(&memory->stream, memory->start,
									  record.data, record.len, page);
	if (((XLogPageHeader) page_header)->xlp_magic != 0)
		memcpy(page, page_header, sizeof(page_header));
	return memory->end;
}

static XLogRecPtr
write_next_oid(MemorySource *memory, Oid oid)
{
	return write_record(memory, XLOG_NEXTOID, &oid, sizeof(oid));
}

static void
write_switch(MemorySource *memory)
{
	xl_end_of_recovery switched = {0};

	switched.ThisTimeLineID = 2;
	switched.PrevTimeLineID = 1;
	memory->switch_lsn = memory->end;
	write_record(memory, XLOG_END_OF_RECOVERY, &switched, sizeof(switched));
}

/* ---- the driver ---- */

static int
read_page(XLogReaderState *reader, XLogRecPtr page, int wanted,
		  XLogRecPtr record, char *buffer)
{
	MemorySource *memory = reader->private_data;
	int64		length = Min((int64) (memory->arrived - page), XLOG_BLCKSZ);

	reader->seg.ws_tli = 1;
	if (page % SEGMENT_SIZE == 0)
	{
		/* the reader looks at a segment's first page before any other */
		bb_wal_page_header(&memory->stream, page, 0, (uint8 *) buffer);
		return XLOG_BLCKSZ;
	}
	if (length < wanted)
		return XLREAD_WOULDBLOCK;
	memcpy(buffer, memory->pages + (page - WAL_BEGIN), length);
	return length;
}

static void
add_tli(BbTliPath *path, TimeLineID tli, XLogRecPtr begin)
{
	BbTliRange *range = palloc(sizeof(BbTliRange));

	range->tli = tli;
	range->begin = begin;
	range->end = PG_UINT64_MAX;
	if (path->tlis != NIL)
		((BbTliRange *) linitial(path->tlis))->end = begin;
	path->tlis = lcons(range, path->tlis);
}

static BbWalNext
memory_next(const BbReqCtx *ctx, BbWalSource *base)
{
	MemorySource *memory = memory_of(base);
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(memory));
	char	   *message;
	bool		found = XLogReadRecord(base->reader, &message) != NULL;

	if (memory->switch_lsn != 0 && memory->arrived > memory->switch_lsn &&
		bb_tlipath_find(base->path, 2) == NULL)
		add_tli(base->path, 2, memory->switch_lsn);
	MemoryContextSwitchTo(old);
	if (found)
		return BB_WAL_RECORD;
	return memory->arrived < memory->end ? BB_WAL_WAIT : memory->last;
}

static void
memory_wait(const BbReqCtx *ctx, BbWalSource *base, long timeout_ms)
{
	MemorySource *memory = memory_of(base);

	CHECK(timeout_ms > 0);
	if (++memory->waits == memory->signal_at)
	{
		kill(MyProcPid, memory->signal);
		CHECK(WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0,
						PG_WAIT_EXTENSION) == WL_LATCH_SET);
		ResetLatch(MyLatch);
	}
	/* a source that waits at its end breaks at last */
	if (memory->arrived == memory->end && ++memory->idle_waits == 3)
		memory->last = BB_WAL_BROKEN;
	memory->arrived = Min(memory->arrived + PIECE_BYTES, memory->end);
}

static void
memory_committed(const BbReqCtx *ctx, BbWalSource *base, XLogRecPtr lsn)
{
	MemorySource *memory = memory_of(base);

	memory->committed = lsn;
	if (++memory->ncommits % THOUSAND == 0)
		memory->allocated[memory->ncommits / THOUSAND] =
			MemoryContextMemAllocated(TopMemoryContext, true);
}

static XLogRecPtr
memory_limit(const BbWalSource *base)
{
	return memory_of(base)->arrived;
}

static const char *
memory_history(const BbReqCtx *ctx, const BbWalSource *base, TimeLineID tli)
{
	CHECK(tli == 2);
	return psprintf("1\t" BB_LSN_FORMAT "\tno recovery target specified\n",
					LSN_FORMAT_ARGS(memory_of(base)->switch_lsn));
}

static void
memory_raise(const BbReqCtx *ctx, BbWalSource *base, XLogRecPtr until)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("WAL in %s ends", base->name)));
}

static BbWalSource *
memory_open(const BbReqCtx *ctx, const BbWalOrigin *origin,
			const BbWalStart *start)
{
	static const BbWalSourceOps ops = {
		.next = memory_next,
		.limit = memory_limit,
		.history = memory_history,
		.raise = memory_raise,
		.wait = memory_wait,
		.committed = memory_committed,
	};
	MemorySource *memory = (MemorySource *) origin;

	CHECK(start->lsn == LSN && start->prev_lsn == PREV);
	CHECK(start->stream.system_identifier == SYSTEM_ID);
	memory->base.ops = &ops;
	memory->base.name = "memory";
	memory->base.path = palloc0(sizeof(BbTliPath));
	add_tli(memory->base.path, 1, InvalidXLogRecPtr);
	memory->base
		.reader = XLogReaderAllocate(SEGMENT_SIZE, NULL,
									 XL_ROUTINE(.page_read = read_page),
									 memory);
	XLogBeginRead(memory->base.reader,
				  bb_wal_record_start(&start->stream, start->lsn));
	memory->arrived = LSN;
	return &memory->base;
}

static MemorySource *
memory_new(void)
{
	MemorySource *memory = palloc0(sizeof(MemorySource));

	memory->origin.open = memory_open;
	memory->stream.tli = 1;
	memory->stream.system_identifier = SYSTEM_ID;
	memory->stream.segment_size = SEGMENT_SIZE;
	memory->stream.magic = XLOG_PAGE_MAGIC;
	memory->last = BB_WAL_END;
	memory->start = PREV;
	memory->end = LSN;
	return memory;
}

/* ---- the timeline ---- */

/* A timeline that ends at LSN, with a checkpoint and a control file. */
static BbObjectStore *
timeline_at_lsn(const BbReqCtx *ctx)
{
	BbObjectStore *objects = unit_store(ctx);
	BbPageStoreInfo info = cluster_info();
	ControlFileData control = cluster_control(&info);
	CheckPoint	checkpoint = cluster_checkpoint();
	BbKey		control_key = bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0);
	BbKey		checkpoint_key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
	BbImageWriter *writer = bb_imagewriter_new(objects, "main", LSN);
	BbManifest	manifest = {0};
	List	   *layers;

	CHECK(bb_key_compare(&control_key, &checkpoint_key) < 0);
	bb_imagewriter_add(ctx, writer, &control_key, &control, sizeof(control));
	bb_imagewriter_add(ctx, writer, &checkpoint_key, &checkpoint,
					   sizeof(checkpoint));
	layers = bb_imagewriter_finish(ctx, writer);
	manifest.timeline = pstrdup("main");
	manifest.pg_version_num = PG_VERSION_NUM;
	manifest.system_identifier = SYSTEM_ID;
	manifest.wal_segment_size = SEGMENT_SIZE;
	manifest.tli = 1;
	manifest.directory_mode = 0700;
	manifest.start_lsn = LSN;
	manifest.end_lsn = LSN;
	manifest.prev_lsn = PREV;
	manifest.layers = linitial(layers);
	manifest.nlayers = list_length(layers);
	CHECK(manifest.nlayers == 1 &&
		  bb_manifest_commit(ctx, objects, &manifest));
	return objects;
}

static Oid
next_oid_at(const BbReqCtx *ctx, BbObjectStore *objects, XLogRecPtr lsn)
{
	BbTimeline *timeline = bb_timeline_open(ctx, objects, "main");
	BbKey		key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
	CheckPoint	checkpoint;
	BbEntry		entry;

	CHECK(bb_timeline_get(ctx, timeline, &key, lsn, &entry));
	memcpy(&checkpoint, entry.value, sizeof(checkpoint));
	return checkpoint.nextOid;
}

/* ---- tests ---- */

UNIT_TEST(ingest_waits_for_a_source)
{
	BbObjectStore *objects = timeline_at_lsn(ctx);
	MemorySource *memory = memory_new();
	XLogRecPtr	first = write_next_oid(memory, 30001);
	uint8		filler[XLOG_BLCKSZ / 3] = {0};
	BbIngestResult result;
	const BbManifest *manifest;

	/* over a page's end, then under another tli */
	for (int i = 0; i < 2; i++)
		write_record(memory, XLOG_NOOP, filler, sizeof(filler));
	write_switch(memory);
	write_next_oid(memory, 30002);

	result = bb_ingest(ctx, objects, "main", &memory->origin,
					   InvalidXLogRecPtr);
	CHECK(result.records == 5 && result.tli == 2);
	CHECK(result.start_lsn == LSN && result.end_lsn == memory->end);
	CHECK(memory->waits ==
		  (memory->end - LSN + PIECE_BYTES - 1) / PIECE_BYTES);
	CHECK(memory->committed == memory->end);

	manifest = bb_manifest_read(ctx, objects, "main");
	CHECK(manifest->end_lsn == memory->end && manifest->tli == 2);
	CHECK(manifest->nswitches == 1 && manifest->switches[0].tli == 1);
	CHECK(manifest->switches[0].until == memory->switch_lsn);
	CHECK(next_oid_at(ctx, objects, LSN) == 20000);
	CHECK(next_oid_at(ctx, objects, first) == 30001);
	CHECK(next_oid_at(ctx, objects, memory->end) == 30002);
}

/* Up to "until" there is no need to wait for more. */
UNIT_TEST(ingest_stops_waiting_at_until)
{
	BbObjectStore *objects = timeline_at_lsn(ctx);
	MemorySource *memory = memory_new();
	XLogRecPtr	first = write_next_oid(memory, 30001);
	BbIngestResult result;

	for (int i = 2; i < 20; i++)
		write_next_oid(memory, 30000 + i);
	result = bb_ingest(ctx, objects, "main", &memory->origin, first);
	CHECK(result.records == 1 && result.end_lsn == first);
	CHECK(memory->waits == 1 && memory->committed == first);
}

/*
 * A driver waits for its latch and resets it.  A cancellation that arrives
 * meanwhile takes effect before the next wait, and commits nothing.
 */
UNIT_TEST(ingest_is_canceled_while_it_waits)
{
	BbObjectStore *objects = timeline_at_lsn(ctx);
	MemorySource *memory = memory_new();

	for (int i = 1; i < 20; i++)
		write_next_oid(memory, 30000 + i);
	memory->signal_at = 5;
	memory->signal = SIGINT;
	CHECK_ERROR(bb_ingest(ctx, objects, "main", &memory->origin,
						  InvalidXLogRecPtr),
				ERRCODE_QUERY_CANCELED);
	CHECK(memory->waits == 5 && memory->committed == 0);
	CHECK(bb_manifest_read(ctx, objects, "main")->end_lsn == LSN);
}

/* Another signal that sets the latch only ends the wait. */
UNIT_TEST(ingest_waits_again_after_a_signal)
{
	BbObjectStore *objects = timeline_at_lsn(ctx);
	MemorySource *memory = memory_new();
	XLogRecPtr	first = write_next_oid(memory, 30001);

	memory->signal_at = 1;
	memory->signal = SIGHUP;
	(void) bb_ingest(ctx, objects, "main", &memory->origin, first);
	CHECK(memory->waits == 1 && memory->committed == first);
}

/* What was read before the source failed is kept. */
static void
check_failure(const BbReqCtx *ctx, BbWalNext last, XLogRecPtr until)
{
	BbObjectStore *objects = timeline_at_lsn(ctx);
	MemorySource *memory = memory_new();

	write_next_oid(memory, 30001);
	memory->last = last;
	CHECK_ERROR(bb_ingest(ctx, objects, "main", &memory->origin, until),
				ERRCODE_CONNECTION_FAILURE);
	CHECK(strcmp(unit_last_error, "WAL in memory ends") == 0);
	CHECK(memory->committed == memory->end);
	CHECK(next_oid_at(ctx, objects, memory->end) == 30001);
}

UNIT_TEST(ingest_keeps_records_before_a_failure)
{
	check_failure(ctx, BB_WAL_END, LSN + 1000);
	check_failure(ctx, BB_WAL_BROKEN, InvalidXLogRecPtr);
}

/*
 * An ingest that follows a server flushes as often as each second, for months.
 * Only the manifest grows.
 */
UNIT_TEST(ingest_keeps_no_memory_of_flushes)
{
	BbObjectStore *objects = timeline_at_lsn(ctx);
	MemorySource *memory = memory_new();
	int			saved = bb_setting_checkpoint_distance_mb;
	int			n = (MEASURED - 1) * THOUSAND;
	Size		manifest_growth = (n - THOUSAND) * sizeof(BbLayerDesc);

	for (int i = 1; i <= n; i++)
		write_next_oid(memory, 30000 + i);
	bb_setting_checkpoint_distance_mb = 0; /* a flush for each record */
	PG_TRY();
	{
		(void) bb_ingest(ctx, objects, "main", &memory->origin,
						 InvalidXLogRecPtr);
	}
	PG_FINALLY();
	{
		bb_setting_checkpoint_distance_mb = saved;
	}
	PG_END_TRY();
	CHECK(memory->ncommits == n);
	/* 16 bytes a flush would be 32 kB */
	CHECK(memory->allocated[MEASURED - 1] <
		  memory->allocated[1] + manifest_growth + 16 * 1024);
}

/* ---- an ingest that follows ---- */

typedef struct TestControl
{
	BbIngestControl base;
	int			interval_ms;
	XLogRecPtr	wanted;
	bool		objects;
	int			ncommitted;
	XLogRecPtr	end; /* the last one reported */
	XLogRecPtr	covered;
	XLogRecPtr	first_end; /* the first one reported that isn't LSN */
	const MemorySource *memory;
} TestControl;

static int
control_interval(const BbIngestControl *control)
{
	return ((const TestControl *) control)->interval_ms;
}

static XLogRecPtr
control_wanted(const BbIngestControl *control, XLogRecPtr done_lsn)
{
	if (((const TestControl *) control)->objects)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE), errmsg("objection")));
	return ((const TestControl *) control)->wanted;
}

static void
control_committed(const BbIngestControl *base, XLogRecPtr end,
				  XLogRecPtr covered)
{
	TestControl *control = (TestControl *) base;

	CHECK(end >= control->end && covered > control->covered);
	CHECK(covered >= end && covered <= control->memory->arrived);
	if (end > LSN && control->first_end == 0)
		control->first_end = end;
	control->end = end;
	control->covered = covered;
	control->ncommitted++;
}

/* Follow until the source breaks. */
static void
follow(const BbReqCtx *ctx, BbObjectStore *objects, MemorySource *memory,
	   TestControl *control)
{
	control->base.flush_interval_ms = control_interval;
	control->base.wanted = control_wanted;
	control->base.committed = control_committed;
	control->end = LSN;
	control->memory = memory;
	memory->last = BB_WAL_WAIT;
	CHECK_ERROR(bb_ingest_follow(ctx, objects, "main", &memory->origin,
								 &control->base),
				ERRCODE_CONNECTION_FAILURE);
	CHECK(bb_manifest_read(ctx, objects, "main")->end_lsn == control->end);
	CHECK(control->end == LSN || memory->committed == control->end);
}

UNIT_TEST(follow_commits_after_the_interval)
{
	BbObjectStore *objects = timeline_at_lsn(ctx);
	MemorySource *memory = memory_new();
	TestControl control = {.interval_ms = 0};

	for (int i = 1; i < 20; i++)
		write_next_oid(memory, 30000 + i);
	follow(ctx, objects, memory, &control);
	CHECK(control.end == memory->end && control.covered == memory->end);
	/* a wait covers more than a record's end */
	CHECK(control.ncommitted >= 10);
	CHECK(next_oid_at(ctx, objects, memory->end) == 30019);
}

/* Records that a server may have taken back aren't committed at the end. */
UNIT_TEST(follow_drops_what_is_too_young)
{
	BbObjectStore *objects = timeline_at_lsn(ctx);
	MemorySource *memory = memory_new();
	TestControl control = {.interval_ms = 1000000};

	for (int i = 1; i < 20; i++)
		write_next_oid(memory, 30000 + i);
	follow(ctx, objects, memory, &control);
	CHECK(control.end == LSN && control.covered < memory->end);
	CHECK(strcmp(unit_last_error, "WAL in memory ends") == 0);
}

UNIT_TEST(follow_commits_what_is_wanted)
{
	BbObjectStore *objects = timeline_at_lsn(ctx);
	MemorySource *memory = memory_new();
	TestControl control = {.interval_ms = 1000000};
	XLogRecPtr	ends[20];

	for (int i = 1; i < 20; i++)
		ends[i] = write_next_oid(memory, 30000 + i);
	/* in the midst of a record: the one before it is committed */
	control.wanted = ends[7] + 1;
	follow(ctx, objects, memory, &control);
	CHECK(control.first_end >= ends[7] && control.first_end <= ends[10]);
	CHECK(control.end == control.first_end);
	CHECK(control.covered >= control.wanted);
	CHECK(next_oid_at(ctx, objects, ends[7]) == 30007);
}

UNIT_TEST(follow_commits_nothing_after_an_objection)
{
	BbObjectStore *objects = timeline_at_lsn(ctx);
	MemorySource *memory = memory_new();
	TestControl control = {.interval_ms = 0, .objects = true};

	for (int i = 1; i < 20; i++)
		write_next_oid(memory, 30000 + i);
	follow(ctx, objects, memory, &control);
	CHECK(control.end == LSN && strcmp(unit_last_error, "objection") == 0);
}
