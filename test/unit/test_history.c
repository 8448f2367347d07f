/*-------------------------------------------------------------------------
 *
 * test_history.c
 *	  Reads at any LSN, against a model.
 *
 * Random things happen to some keys on a timeline, on a branch of it and on a
 * branch of that.  They go into delta layers, flush by flush, and image layers
 * are made between; the model has them in a list and applies them one by one.
 * The records are real ones, of the simplest resource managers that there
 * are, so real helpers apply them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlogrecord.h"
#include "base/codec.h"
#include "base/compat.h"
#include "commands/sequence.h"
#include "common/controldata_utils.h"
#include "common/pg_prng.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pagestore/pagestore_driver.h"
#include "pagestore/walposition.h"
#include "redo/native.h"
#include "storage/bufpage.h"
#include "storage/checksum.h"
#include "timeline/timeline.h"
#include "unit.h"
#include "utils/timestamp.h"

#define START ((XLogRecPtr) 1000)
#define SPC 1663
#define DB 5
#define REL 1000

/* The keys, in key order. */
#define NTIMES 1
#define NSLRU 10
#define NSIZES 8
#define NBLOCKS 40
#define NKEYS (NTIMES + NSLRU + NSIZES + NBLOCKS)

static BbKey
key_of(int k)
{
	if (k < NTIMES)
		return bb_key_make(BB_KEY_COMMIT_TIME, 0, 0, 0, 0, 0);
	k -= NTIMES;
	if (k < NSLRU)
		return bb_key_slru_block(BB_SLRU_XACT, 0, k);
	k -= NSLRU;
	if (k < NSIZES)
		return bb_key_rel_size(SPC, DB, REL + k, MAIN_FORKNUM);
	k -= NSIZES;
	return bb_key_rel_block(SPC, DB, REL, MAIN_FORKNUM, k * 3);
}

/* Something that happened. */
typedef struct Event
{
	int			k;
	XLogRecPtr	lsn;
	BbEntryType type;
	uint8	   *data;
	uint32		length;
} Event;

/* A timeline, and its model. */
typedef struct Line
{
	BbObjectStore *store;
	BbManifest	manifest;
	struct Line *ancestor;
	Event	   *events;
	int			nevents;
	bool		exists[NKEYS]; /* at the end */
	/* the root only: what was imported, NULL for nothing */
	uint8	   *imported[NKEYS];
	uint32		imported_length[NKEYS];
} Line;

typedef struct Value
{
	bool		exists;
	bool		touched;
	uint32		length;
	PGAlignedBlock page;
} Value;

static pg_prng_state prng;
static uint64 seed;

/* In [0, n). */
static int
roll(int n)
{
	return (int) pg_prng_uint64_range(&prng, 0, n - 1);
}

#define CHECK_SEED(condition)                                              \
	do                                                                     \
	{                                                                      \
		if (!(condition))                                                  \
			elog(ERROR, "test_history.c:%d: %s (seed " UINT64_FORMAT ")",  \
				 __LINE__, #condition, seed);                              \
	} while (0)

/* ---- records ---- */

static void
finish_record(StringInfo record, RmgrId rmid, Event *event)
{
	XLogRecord *header = (XLogRecord *) record->data;

	header->xl_tot_len = record->len;
	header->xl_rmid = rmid;
	event->data = (uint8 *) record->data;
	event->length = record->len;
}

static void
begin_record(StringInfo record, BbKey key, uint8 flags, uint16 data_length)
{
	XLogRecord	header = {0};
	XLogRecordBlockHeader block_header = {0};
	BbRelLocator locator = BB_REL_LOCATOR(SPC, DB, REL);
	BlockNumber block = bb_key_fields(&key).block;

	initStringInfo(record);
	block_header.fork_flags = MAIN_FORKNUM | flags;
	block_header.data_length = data_length;
	appendBinaryStringInfo(record, (char *) &header, SizeOfXLogRecord);
	appendBinaryStringInfo(record, (char *) &block_header,
						   SizeOfXLogRecordBlockHeader);
	appendBinaryStringInfo(record, (char *) &locator, sizeof(locator));
	appendBinaryStringInfo(record, (char *) &block, sizeof(block));
}

/* Generic WAL: "length" bytes at an offset.  (generic_xlog.c) */
static void
make_generic(Event *event)
{
	StringInfoData record;
	uint16		offset = 100 + roll(800);
	uint16		length = 1 + roll(60);

	begin_record(&record, key_of(event->k), BKPBLOCK_HAS_DATA,
				 2 * sizeof(uint16) + length);
	appendBinaryStringInfo(&record, (char *) &offset, sizeof(offset));
	appendBinaryStringInfo(&record, (char *) &length, sizeof(length));
	for (int i = 0; i < length; i++)
		appendStringInfoChar(&record, (char) roll(256));
	finish_record(&record, RM_GENERIC_ID, event);
}

static void
apply_generic(const Event *event, Page page)
{
	PageHeader	header = (PageHeader) page;
	size_t		at = SizeOfXLogRecord + SizeOfXLogRecordBlockHeader +
					 sizeof(BbRelLocator) + sizeof(BlockNumber);
	uint16		offset;
	uint16		length;

	memcpy(&offset, event->data + at, sizeof(offset));
	memcpy(&length, event->data + at + 2, sizeof(length));
	memcpy(page + offset, event->data + at + 4, length);
	memset(page + header->pd_lower, 0, header->pd_upper - header->pd_lower);
	PageSetLSN(page, event->lsn);
}

/* A sequence's page: one tuple of random bytes.  (sequence.c) */
static void
make_sequence(Event *event)
{
	StringInfoData record;
	BbRelLocator locator = BB_REL_LOCATOR(SPC, DB, REL);
	uint8		length = 8 * (1 + roll(20));

	begin_record(&record, key_of(event->k), BKPBLOCK_WILL_INIT, 0);
	appendStringInfoChar(&record, (char) XLR_BLOCK_ID_DATA_SHORT);
	appendStringInfoChar(&record, (char) (sizeof(locator) + length));
	appendBinaryStringInfo(&record, (char *) &locator, sizeof(locator));
	for (int i = 0; i < length; i++)
		appendStringInfoChar(&record, (char) roll(256));
	finish_record(&record, RM_SEQ_ID, event);
}

static void
apply_sequence(const Event *event, Page page)
{
	size_t		at = SizeOfXLogRecord + SizeOfXLogRecordBlockHeader +
					 sizeof(BbRelLocator) + sizeof(BlockNumber) + 2 +
					 sizeof(BbRelLocator);
	char	   *tuple = palloc(event->length - at);

	memcpy(tuple, event->data + at, event->length - at);
	PageInit(page, BLCKSZ, sizeof(uint32));
	*(uint32 *) PageGetSpecialPointer(page) = 0x1717;
	CHECK(PageAddItem(page, (Item) tuple, event->length - at,
					  FirstOffsetNumber, false, false) != InvalidOffsetNumber);
	PageSetLSN(page, event->lsn);
	pfree(tuple);
}

/* ---- the model ---- */

static void
apply(const Event *event, Value *value)
{
	BbKey		key = key_of(event->k);
	BbChange	change = {event->lsn, event->type, event->data, event->length};

	value->touched = true;
	switch (event->type)
	{
		case BB_ENTRY_IMAGE:
			value->exists = true;
			value->length = event->length;
			memcpy(value->page.data, event->data, event->length);
			break;
		case BB_ENTRY_DELETED:
			value->exists = false;
			break;
		case BB_ENTRY_RECORD:
			apply_generic(event, value->page.data);
			break;
		case BB_ENTRY_RECORD_INIT:
			value->exists = true;
			value->length = BLCKSZ;
			apply_sequence(event, value->page.data);
			break;
		case BB_ENTRY_NATIVE:
			bb_native_apply(&key, &change, (uint8 *) value->page.data);
			break;
		case BB_ENTRY_INDEX:
			break;
	}
}

static void
apply_line(const Line *line, int k, XLogRecPtr lsn, Value *value)
{
	if (line->ancestor)
		apply_line(line->ancestor, k, Min(lsn, line->manifest.ancestor_lsn),
				   value);
	else if (line->imported[k])
	{
		value->exists = true;
		value->length = line->imported_length[k];
		memcpy(value->page.data, line->imported[k], value->length);
	}
	for (int i = 0; i < line->nevents && line->events[i].lsn <= lsn; i++)
	{
		if (line->events[i].k == k)
			apply(&line->events[i], value);
	}
}

/* What is there, by the model. */
static void
model_value(const Line *line, int k, XLogRecPtr lsn, Value *value)
{
	BbKey		key = key_of(k);
	Page		page = value->page.data;

	value->exists = false;
	value->touched = false;
	apply_line(line, k, lsn, value);
	if (value->exists && value->touched && value->length == BLCKSZ &&
		key.bytes[0] == BB_KEY_REL_BLOCK && !PageIsNew(page))
		((PageHeader) page)->pd_checksum =
			pg_checksum_page(page, bb_key_fields(&key).block);
}

/* ---- things happen ---- */

/* A page that could be a relation's, with a checksum that isn't right. */
static uint8 *
random_page(XLogRecPtr lsn)
{
	Page		page = palloc(BLCKSZ);

	PageInit(page, BLCKSZ, 16);
	((PageHeader) page)->pd_lower = 1000;
	((PageHeader) page)->pd_upper = 7000;
	((PageHeader) page)->pd_checksum = (uint16) roll(65536);
	for (int i = 100; i < 1000; i++)
		page[i] = (char) roll(256);
	for (int i = 7000; i < 8000; i++)
		page[i] = (char) (i + lsn);
	PageSetLSN(page, lsn);
	return (uint8 *) page;
}

static uint8 *
random_value(int k, XLogRecPtr lsn, uint32 *length)
{
	BbKey		key = key_of(k);
	uint8	   *value;

	*length = BLCKSZ;
	switch (key.bytes[0])
	{
		case BB_KEY_REL_BLOCK:
			if (roll(20) == 0)
				return palloc0(BLCKSZ);
			return random_page(lsn);
		case BB_KEY_SLRU_BLOCK:
			return palloc0(BLCKSZ);
		default:
			*length = sizeof(uint64);
			value = palloc(sizeof(uint64));
			bb_put_le64(value, lsn * 1000);
			return value;
	}
}

static void
make_native(Event *event)
{
	StringInfoData record;

	initStringInfo(&record);
	bb_native_xact_begin(&record, 1 + roll(3));
	for (int i = roll(5); i >= 0; i--)
		bb_native_xact_add(&record, roll(BB_XACT_PER_PAGE));
	event->data = (uint8 *) record.data;
	event->length = record.len;
}

/*
 * Can a generic record be applied to the key's page?  Not to one of zeros.
 */
static bool
takes_records(const Line *line, int k, XLogRecPtr lsn)
{
	Value		value;

	model_value(line, k, lsn, &value);
	return value.exists && !PageIsNew((Page) value.page.data);
}

static void
make_event(Line *line, Event *event)
{
	BbKey		key = key_of(event->k);
	bool		exists = line->exists[event->k];
	int			die = roll(20);

	event->type = BB_ENTRY_IMAGE;
	if (exists && die == 0)
		event->type = BB_ENTRY_DELETED;
	else if (key.bytes[0] == BB_KEY_REL_BLOCK)
	{
		if (die <= 3)
			event->type = BB_ENTRY_RECORD_INIT;
		else if (die > 5 && takes_records(line, event->k, event->lsn))
			event->type = BB_ENTRY_RECORD;
	}
	else if (key.bytes[0] == BB_KEY_SLRU_BLOCK && exists && die > 2)
		event->type = BB_ENTRY_NATIVE;

	switch (event->type)
	{
		case BB_ENTRY_IMAGE:
			event->data = random_value(event->k, event->lsn, &event->length);
			break;
		case BB_ENTRY_RECORD:
			make_generic(event);
			break;
		case BB_ENTRY_RECORD_INIT:
			make_sequence(event);
			break;
		case BB_ENTRY_NATIVE:
			make_native(event);
			break;
		default:
			event->data = (uint8 *) "";
			event->length = 0;
			break;
	}
	line->exists[event->k] = event->type != BB_ENTRY_DELETED;
}

static int
compare_events(const void *a, const void *b)
{
	const Event *left = *(Event *const *) a;
	const Event *right = *(Event *const *) b;

	if (left->k != right->k)
		return left->k - right->k;
	return left < right ? -1 : left > right; /* as they happened */
}

/*
 * Let n things happen, and flush them into one to three delta layers.
 */
static void
happen(const BbReqCtx *ctx, Line *line, int n)
{
	BbManifest *manifest = &line->manifest;
	XLogRecPtr	start = manifest->end_lsn + 1;
	XLogRecPtr	lsn = manifest->end_lsn;
	Event	  **sorted = palloc(n * sizeof(Event *));
	BbLayerWriter *writer = NULL;
	BbKeyRange	all = bb_key_range_all();

	for (int i = 0; i < n; i++)
	{
		Event	   *event = &line->events[line->nevents];

		/* one record may do several things, to SLRU pages even twice */
		event->k = roll(roll(2) ? NKEYS : NKEYS / 4);
		if (i == 0 || roll(3) > 0 || event->k >= NTIMES + NSLRU)
			lsn += 8 * (1 + roll(4));
		event->lsn = lsn;
		make_event(line, event);
		sorted[i] = event;
		line->nevents++;
	}
	manifest->end_lsn = lsn;

	qsort(sorted, n, sizeof(Event *), compare_events);
	for (int i = 0; i < n; i++)
	{
		BbKey		key = key_of(sorted[i]->k);
		BbEntry		entry = {key, sorted[i]->lsn, sorted[i]->type,
							 sorted[i]->data, sorted[i]->length};

		if (writer && i > 0 && sorted[i]->k != sorted[i - 1]->k &&
			roll(NKEYS / 2) == 0)
		{
			/* next to each other, or with a gap */
			BbKey		last = key_of(sorted[i - 1]->k);
			BbKey		end = roll(2) ? key : bb_key_next(&last);

			manifest->layers[manifest->nlayers++] =
				*bb_layer_writer_finish(ctx, writer, &end);
			writer = NULL;
		}
		if (writer == NULL)
			writer = bb_layer_writer_new_delta(ctx, line->store,
											   manifest->timeline, &key, start,
											   lsn + 1,
											   BB_COMPRESSION_DEFAULT);
		bb_layer_writer_add_entry(ctx, writer, &entry);
	}
	manifest->layers[manifest->nlayers++] =
		*bb_layer_writer_finish(ctx, writer, &all.end);
}

/*
 * Write an image layer of [from, to), numbers of keys, at lsn.
 */
static void
write_image(const BbReqCtx *ctx, Line *line, int from, int to, XLogRecPtr lsn)
{
	BbManifest *manifest = &line->manifest;
	BbKey		start = from == 0 ? bb_key_range_all().start : key_of(from);
	BbKey		end = to == NKEYS ? bb_key_range_all().end : key_of(to);
	BbLayerWriter *writer;
	int			n = 0;

	writer = bb_layer_writer_new(ctx, line->store, manifest->timeline, &start,
								 lsn, BB_COMPRESSION_DEFAULT);
	if (from == 0)
	{
		bool		crc_ok;
		ControlFileData *control = get_controlfile(DataDir, &crc_ok);
		BbKey		key = bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0);

		bb_layer_writer_add(ctx, writer, &key, control, sizeof(*control));
		n++;
	}
	for (int k = from; k < to; k++)
	{
		BbKey		key = key_of(k);
		Value		value;

		model_value(line, k, lsn, &value);
		if (!value.exists)
			continue;
		bb_layer_writer_add(ctx, writer, &key, value.page.data, value.length);
		n++;
	}
	if (n == 0)
	{
		/* an empty layer can't be written; one key that nobody reads */
		BbKey		last = bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, 1, 0, 0);

		if (to < NKEYS)
			return;
		bb_layer_writer_add(ctx, writer, &last, "", 0);
	}
	manifest->layers[manifest->nlayers++] =
		*bb_layer_writer_finish(ctx, writer, &end);
}

static Line *
new_line(BbObjectStore *store, const char *name, Line *ancestor,
		 XLogRecPtr ancestor_lsn)
{
	Line	   *line = palloc0(sizeof(Line));
	BbManifest *manifest = &line->manifest;

	line->store = store;
	line->ancestor = ancestor;
	line->events = palloc(10000 * sizeof(Event));
	manifest->timeline = pstrdup(name);
	manifest->pg_version_num = PG_VERSION_NUM;
	manifest->wal_segment_size = 16 * 1024 * 1024;
	manifest->data_checksum_version = 1;
	manifest->tli = 1;
	manifest->directory_mode = 0700;
	manifest->start_lsn = START;
	manifest->end_lsn = START;
	manifest->layers = palloc(1000 * sizeof(BbLayerDesc));
	if (ancestor)
	{
		manifest->ancestor = ancestor->manifest.timeline;
		manifest->ancestor_lsn = ancestor_lsn;
		manifest->start_lsn = ancestor_lsn;
		manifest->end_lsn = ancestor_lsn;
		for (int k = 0; k < NKEYS; k++)
		{
			Value		value;

			model_value(ancestor, k, ancestor_lsn, &value);
			line->exists[k] = value.exists;
		}
	}
	return line;
}

static void
import(const BbReqCtx *ctx, Line *line)
{
	int			cut = 1 + roll(NKEYS - 1);

	for (int k = 0; k < NKEYS; k++)
	{
		if (k < NTIMES || roll(3) == 0)
			continue;
		line->imported[k] = random_value(k, START, &line->imported_length[k]);
		line->exists[k] = true;
	}
	write_image(ctx, line, 0, cut, START);
	write_image(ctx, line, cut, NKEYS, START);
}

/* A few flushes, and here and there an image layer, in the midst of one too. */
static void
live(const BbReqCtx *ctx, Line *line, int flushes)
{
	for (int i = 0; i < flushes; i++)
	{
		XLogRecPtr	before = line->manifest.end_lsn;

		happen(ctx, line, 5 + roll(100));
		if (roll(3) == 0)
		{
			int			from = roll(NKEYS);
			int			to = from + 1 + roll(NKEYS - from);
			XLogRecPtr	lsn = line->manifest.end_lsn;

			if (roll(2))
				lsn = pg_prng_uint64_range(&prng, before + 1, lsn);
			write_image(ctx, line, from, to, lsn);
		}
	}
}

/* ---- and are read ---- */

static void
check_value(const BbEntry *entry, const Value *value, int k)
{
	BbKey		key = key_of(k);

	CHECK_SEED(bb_key_compare(&entry->key, &key) == 0);
	CHECK_SEED(entry->length == value->length);
	CHECK_SEED(memcmp(entry->value, value->page.data, value->length) == 0);
}

static void
check_gets(const BbReqCtx *ctx, Line *line, BbTimeline *timeline,
		   XLogRecPtr lsn)
{
	for (int i = 0; i < NKEYS; i++)
	{
		int			k = roll(NKEYS);
		BbKey		key = key_of(k);
		BbEntry		entry;
		Value		value;
		bool		found;

		model_value(line, k, lsn, &value);
		found = bb_timeline_get(ctx, timeline, &key, lsn, &entry);
		CHECK_SEED(found == value.exists);
		if (found)
			check_value(&entry, &value, k);
	}
}

/* Scan all from key number "from" to "to", now and then with a leap. */
static void
check_scan(const BbReqCtx *ctx, Line *line, BbTimeline *timeline,
		   XLogRecPtr lsn, int from, int to, bool leaps)
{
	BbKeyRange	range = {key_of(from), key_of(to - 1)};
	BbTimelineScan *scan;
	BbEntry		entry;
	Value		value;

	range.end = bb_key_next(&range.end);
	scan = bb_timeline_scan_new(ctx, timeline, &range, lsn);
	for (int k = from; k < to; k++)
	{
		if (leaps && roll(5) == 0)
		{
			int			leap = roll(8);
			BbKey		target;

			k = Min(k + leap, to - 1);
			target = key_of(k);
			bb_timeline_scan_seek(ctx, scan, &target);
		}
		model_value(line, k, lsn, &value);
		if (!value.exists)
			continue;
		CHECK_SEED(bb_timeline_scan_next(ctx, scan, &entry));
		check_value(&entry, &value, k);
	}
	CHECK_SEED(!bb_timeline_scan_next(ctx, scan, &entry));
	CHECK_SEED(!bb_timeline_scan_next(ctx, scan, &entry));
	bb_timeline_scan_close(scan);
}

static int
count_versions(const Line *line, int k, XLogRecPtr after, XLogRecPtr until,
			   XLogRecPtr *lsns)
{
	int			n = 0;

	if (line->ancestor)
		n = count_versions(line->ancestor, k, after,
						   Min(until, line->manifest.ancestor_lsn), lsns);
	for (int i = 0; i < line->nevents; i++)
	{
		const Event *event = &line->events[i];

		if (event->k == k && event->lsn > after && event->lsn <= until)
			lsns[n++] = event->lsn;
	}
	return n;
}

static void
check_versions(const BbReqCtx *ctx, Line *line, BbTimeline *timeline,
			   XLogRecPtr after, XLogRecPtr until)
{
	int			k = roll(NKEYS);
	BbKey		key = key_of(k);
	XLogRecPtr *lsns = palloc(30000 * sizeof(XLogRecPtr));
	int			n = count_versions(line, k, after, until, lsns);
	BbTimelineVersions *versions;
	BbEntry		entry;

	versions = bb_timeline_versions_new(ctx, timeline, &key, after, until);
	for (int i = 0; i < n; i++)
	{
		CHECK_SEED(bb_timeline_versions_next(ctx, versions, &entry));
		CHECK_SEED(bb_key_compare(&entry.key, &key) == 0);
		CHECK_SEED(entry.lsn == lsns[i]);
	}
	CHECK_SEED(!bb_timeline_versions_next(ctx, versions, &entry));
	bb_timeline_versions_close(versions);
	pfree(lsns);
}

static void
check_line(const BbReqCtx *ctx, Line *line, int rounds)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "read",
												  ALLOCSET_DEFAULT_SIZES);
	XLogRecPtr	last = line->manifest.end_lsn;

	line->manifest.tag = BB_OBJECT_ABSENT;
	CHECK(bb_manifest_commit(ctx, line->store, &line->manifest));
	for (int i = 0; i < rounds; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		BbTimeline *timeline = bb_timeline_open(ctx, line->store,
												line->manifest.timeline);
		XLogRecPtr	lsn = last;
		int			from = roll(NKEYS);

		if (i > 0)
			lsn = pg_prng_uint64_range(&prng, line->manifest.start_lsn, last);
		check_gets(ctx, line, timeline, lsn);
		check_scan(ctx, line, timeline, lsn, 0, NKEYS, false);
		check_scan(ctx, line, timeline, lsn, 0, NKEYS, true);
		check_scan(ctx, line, timeline, lsn, from,
				   from + 1 + roll(NKEYS - from), roll(2));
		check_versions(ctx, line, timeline,
					   pg_prng_uint64_range(&prng, 0, lsn), lsn);
		check_gets(ctx, line, timeline,
				   pg_prng_uint64_range(&prng, line->manifest.start_lsn,
										last));
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
}

UNIT_TEST(history_as_the_model)
{
	for (int round = 0; round < 4; round++)
	{
		BbObjectStore *store = unit_store(ctx);
		Line	   *root;
		Line	   *branch;
		Line	   *twig;

		seed = (uint64) GetCurrentTimestamp();
		pg_prng_seed(&prng, seed);
		root = new_line(store, "main", NULL, 0);
		import(ctx, root);
		live(ctx, root, 1 + roll(20));
		branch = new_line(store, "branch", root,
						  pg_prng_uint64_range(&prng, START,
											   root->manifest.end_lsn));
		live(ctx, branch, 1 + roll(5));
		/* its ancestor goes on */
		live(ctx, root, 1 + roll(3));
		twig = new_line(store, "twig", branch,
						pg_prng_uint64_range(&prng,
											 branch->manifest.start_lsn,
											 branch->manifest.end_lsn));
		live(ctx, twig, roll(3));

		check_line(ctx, root, 12);
		check_line(ctx, branch, 8);
		check_line(ctx, twig, 8);
	}
}

/* ---- what is no history ---- */

/* A timeline whose one delta layer has one entry. */
static BbTimeline *
timeline_with(const BbReqCtx *ctx, BbEntry entry)
{
	Line	   *line = new_line(unit_store(ctx), "main", NULL, 0);
	BbManifest *manifest = &line->manifest;
	BbKey		end = bb_key_next(&entry.key);
	BbLayerWriter *writer;

	write_image(ctx, line, 0, NKEYS, START);
	writer = bb_layer_writer_new_delta(ctx, line->store, "main", &entry.key,
									   START + 1, START + 100,
									   BB_COMPRESSION_DEFAULT);
	bb_layer_writer_add_entry(ctx, writer, &entry);
	manifest->layers[manifest->nlayers++] =
		*bb_layer_writer_finish(ctx, writer, &end);
	manifest->end_lsn = START + 99;
	CHECK(bb_manifest_commit(ctx, line->store, manifest));
	return bb_timeline_open(ctx, line->store, "main");
}

static void
scan_all(const BbReqCtx *ctx, BbTimeline *timeline, XLogRecPtr lsn)
{
	BbKeyRange	all = bb_key_range_all();
	BbTimelineScan *scan = bb_timeline_scan_new(ctx, timeline, &all, lsn);
	BbEntry		entry;

	while (bb_timeline_scan_next(ctx, scan, &entry))
		;
	bb_timeline_scan_close(scan);
}

/* Below the entry all is well; at it neither get nor scan gives a page. */
static void
check_no_history(const BbReqCtx *ctx, BbEntry entry, const char *message)
{
	BbTimeline *timeline = timeline_with(ctx, entry);
	BbEntry		found;

	CHECK(!bb_timeline_get(ctx, timeline, &entry.key, entry.lsn - 1, &found));
	scan_all(ctx, timeline, entry.lsn - 1);
	CHECK_ERROR(bb_timeline_get(ctx, timeline, &entry.key, entry.lsn, &found),
				ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, message) != NULL);
	CHECK(strstr(unit_last_error, bb_key_text(&entry.key)) != NULL);
	CHECK_ERROR(scan_all(ctx, timeline, entry.lsn), ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, message) != NULL);
}

UNIT_TEST(history_without_base)
{
	Event		event = {.k = NKEYS - 1};
	BbEntry		entry = {.lsn = START + 50, .type = BB_ENTRY_RECORD};

	make_generic(&event);
	entry.key = key_of(event.k);
	entry.value = event.data;
	entry.length = event.length;
	check_no_history(ctx, entry, "no base");

	make_native(&event);
	entry.type = BB_ENTRY_NATIVE;
	entry.key = key_of(NTIMES);
	entry.value = event.data;
	entry.length = event.length;
	check_no_history(ctx, entry, "no base");
}

UNIT_TEST(history_of_the_wrong_key)
{
	Event		event = {.k = NKEYS - 1};
	BbEntry		entry = {.lsn = START + 50, .type = BB_ENTRY_RECORD_INIT};
	BbKey		no_pages[] = {
		bb_key_rel_block(SPC, DB, REL, VISIBILITYMAP_FORKNUM, 0),
		bb_key_rel_block(SPC, DB, REL, FSM_FORKNUM, 0),
		bb_key_rel_size(SPC, DB, REL, MAIN_FORKNUM),
		bb_key_slru_block(BB_SLRU_XACT, 0, 0),
	};

	make_sequence(&event);
	entry.value = event.data;
	entry.length = event.length;
	for (int i = 0; i < lengthof(no_pages); i++)
	{
		entry.key = no_pages[i];
		check_no_history(ctx, entry, "cannot be applied");
	}
	entry.type = BB_ENTRY_NATIVE;
	entry.key = key_of(NKEYS - 1);
	check_no_history(ctx, entry, "cannot be applied");
	entry.key = key_of(NKEYS - NBLOCKS - 1);
	check_no_history(ctx, entry, "cannot be applied");
}

/* Two layers that tell the same story: it must not be told twice. */
UNIT_TEST(history_from_layers_that_overlap)
{
	Line	   *line = new_line(unit_store(ctx), "main", NULL, 0);
	BbManifest *manifest = &line->manifest;
	BbKey		key = key_of(0);
	BbEntry		entry = {.key = key, .type = BB_ENTRY_IMAGE};
	BbKeyRange	all = bb_key_range_all();
	BbTimeline *timeline;

	write_image(ctx, line, 0, NKEYS, START);
	entry.value = (const uint8 *) "x";
	entry.length = 1;
	/* the second is of the same flush, the third of one that reaches back */
	for (int i = 0; i < 3; i++)
	{
		XLogRecPtr	end = START + (i == 2 ? 200 : 100);
		BbLayerWriter *writer;

		writer = bb_layer_writer_new_delta(ctx, line->store, "main",
										   &all.start, START + 1, end,
										   BB_COMPRESSION_DEFAULT);
		entry.lsn = START + 90 - 10 * i;
		entry.type = i == 2 ? BB_ENTRY_RECORD : BB_ENTRY_NATIVE;
		bb_layer_writer_add_entry(ctx, writer, &entry);
		manifest->layers[manifest->nlayers++] =
			*bb_layer_writer_finish(ctx, writer, &all.end);
	}
	manifest->end_lsn = START + 199;
	CHECK(bb_manifest_commit(ctx, line->store, manifest));
	CHECK_ERROR(bb_timeline_open(ctx, line->store, "main"),
				ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, "overlap") != NULL);

	manifest->layers[1] = manifest->layers[--manifest->nlayers];
	CHECK(bb_manifest_commit(ctx, line->store, manifest));
	timeline = bb_timeline_open(ctx, line->store, "main");
	CHECK_ERROR(bb_timeline_get(ctx, timeline, &key, START + 199, &entry),
				ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, "out of order") != NULL);
}

/*
 * Each flush has its own layer, all over the same keys: more than a process
 * may have files open, and few of them with something to say of a key.
 */
UNIT_TEST(history_in_many_layers)
{
	BbObjectStore *store = unit_store(ctx);
	Line	   *line = new_line(store, "main", NULL, 0);
	BbManifest *manifest = &line->manifest;
	BbKeyRange	all = bb_key_range_all();
	int			nlayers = 1200;
	int			nblocks = 400;
	BbTimeline *timeline;
	BbTimelineScan *scan;
	BbEntry		entry = {.type = BB_ENTRY_IMAGE};
	uint64		skipped;

	write_image(ctx, line, 0, NKEYS, START);
	manifest->layers = repalloc(manifest->layers,
								(nlayers + 1) * sizeof(BbLayerDesc));
	/* flush i has block i and some others, at START + 10 * (i + 1) */
	for (int i = 0; i < nlayers; i++)
	{
		XLogRecPtr	lsn = START + 10 * (i + 1);
		BbLayerWriter *writer;
		uint8		value[8];

		bb_put_le64(value, lsn);
		writer = bb_layer_writer_new_delta(ctx, store, "main", &all.start,
										   lsn - 9, lsn + 1,
										   BB_COMPRESSION_DEFAULT);
		for (int block = i % 40; block < nblocks; block += 40)
		{
			entry.key = bb_key_rel_block(SPC, DB, 1, MAIN_FORKNUM, block);
			entry.lsn = lsn;
			entry.value = value;
			entry.length = sizeof(value);
			bb_layer_writer_add_entry(ctx, writer, &entry);
		}
		manifest->layers[manifest->nlayers++] =
			*bb_layer_writer_finish(ctx, writer, &all.end);
	}
	manifest->end_lsn = START + 10 * nlayers;
	CHECK(bb_manifest_commit(ctx, store, manifest));

	timeline = bb_timeline_open(ctx, store, "main");
	all.start = bb_key_rel_block(SPC, DB, 1, MAIN_FORKNUM, 0);
	scan = bb_timeline_scan_new(ctx, timeline, &all, manifest->end_lsn);
	for (int block = 0; block < nblocks; block++)
	{
		CHECK(bb_timeline_scan_next(ctx, scan, &entry));
		CHECK(bb_key_fields(&entry.key).block == block);
		CHECK(bb_get_le64(entry.value) ==
			  START + 10 * (nlayers - 40 + block % 40 + 1));
	}
	CHECK(!bb_timeline_scan_next(ctx, scan, &entry));
	bb_timeline_scan_close(scan);

	/* at an old LSN, and where the newest flushes know nothing of the key */
	entry.key = bb_key_rel_block(SPC, DB, 1, MAIN_FORKNUM, 41);
	skipped = ctx->counters->layers_skipped;
	CHECK(bb_timeline_get(ctx, timeline, &entry.key, manifest->end_lsn,
						  &entry));
	CHECK(bb_get_le64(entry.value) == START + 10 * (nlayers - 40 + 2));
	CHECK(ctx->counters->layers_skipped - skipped >= 30);
	CHECK(bb_timeline_get(ctx, timeline, &entry.key, START + 20, &entry));
	CHECK(bb_get_le64(entry.value) == START + 20);
	CHECK(!bb_timeline_get(ctx, timeline, &entry.key, START + 19, &entry));
}

/* The first and the last LSN of layers, and of what is read. */
UNIT_TEST(history_at_the_borders_of_layers)
{
	BbObjectStore *store = unit_store(ctx);
	Line	   *line = new_line(store, "main", NULL, 0);
	BbManifest *manifest = &line->manifest;
	BbKey		key = key_of(NTIMES + NSLRU);
	BbKeyRange	range = {key, bb_key_next(&key)};
	BbTimeline *timeline;
	BbEntry		entry = {.key = key, .type = BB_ENTRY_IMAGE};

	write_image(ctx, line, 0, NKEYS, START);
	/* layers of two LSNs each, with an entry at both */
	for (int i = 0; i < 10; i++)
	{
		XLogRecPtr	lsn = START + 1 + 2 * i;
		BbLayerWriter *writer;

		writer = bb_layer_writer_new_delta(ctx, store, "main", &range.start,
										   lsn, lsn + 2,
										   BB_COMPRESSION_DEFAULT);
		for (entry.lsn = lsn; entry.lsn < lsn + 2; entry.lsn++)
		{
			Event	   *event = &line->events[line->nevents++];
			uint8	   *value = palloc(sizeof(uint64));

			bb_put_le64(value, entry.lsn);
			entry.value = value;
			entry.length = sizeof(uint64);
			bb_layer_writer_add_entry(ctx, writer, &entry);
			event->k = NTIMES + NSLRU;
			event->lsn = entry.lsn;
			event->type = BB_ENTRY_IMAGE;
			event->data = value;
			event->length = sizeof(uint64);
		}
		manifest->layers[manifest->nlayers++] =
			*bb_layer_writer_finish(ctx, writer, &range.end);
		/* at the first LSN of a layer, and at the last of another */
		if (i == 3 || i == 6)
			write_image(ctx, line, NTIMES, NKEYS, lsn + i % 2);
	}
	manifest->end_lsn = START + 20;
	CHECK(bb_manifest_commit(ctx, store, manifest));

	timeline = bb_timeline_open(ctx, store, "main");
	for (XLogRecPtr lsn = START; lsn <= START + 20; lsn++)
	{
		BbTimelineScan *scan = bb_timeline_scan_new(ctx, timeline, &range,
													lsn);
		bool		expected = lsn > START;

		CHECK(bb_timeline_get(ctx, timeline, &key, lsn, &entry) == expected);
		if (expected)
			CHECK(bb_get_le64(entry.value) == lsn);
		CHECK(bb_timeline_scan_next(ctx, scan, &entry) == expected);
		if (expected)
			CHECK(bb_get_le64(entry.value) == lsn);
		bb_timeline_scan_close(scan);
	}
}

/* ---- times ---- */

/* A timeline with commits at START + 10, 20, …, at these seconds. */
static BbPageStore *
store_with_commits(const BbReqCtx *ctx, const int *seconds, int n)
{
	Line	   *line = new_line(unit_store(ctx), "main", NULL, 0);
	BbManifest *manifest = &line->manifest;
	BbEntry		entry = {.key = key_of(0), .type = BB_ENTRY_IMAGE};
	BbKey		end = bb_key_next(&entry.key);

	write_image(ctx, line, 0, NKEYS, START);
	for (int i = 0; i < n; i++)
	{
		BbLayerWriter *writer;
		uint8		value[8];

		bb_put_le64(value, (uint64) (seconds[i] * USECS_PER_SEC));
		entry.lsn = START + 10 * (i + 1);
		entry.value = value;
		entry.length = sizeof(value);
		writer = bb_layer_writer_new_delta(ctx, line->store, "main",
										   &entry.key, entry.lsn - 9,
										   entry.lsn + 1,
										   BB_COMPRESSION_DEFAULT);
		bb_layer_writer_add_entry(ctx, writer, &entry);
		manifest->layers[manifest->nlayers++] =
			*bb_layer_writer_finish(ctx, writer, &end);
	}
	manifest->end_lsn = START + 10 * n + 5;
	CHECK(bb_manifest_commit(ctx, line->store, manifest));
	return bb_pagestore_timeline(ctx, line->store, "main");
}

static void
check_time(const BbReqCtx *ctx, BbPageStore *store, int second,
		   BbTimeAnswer answer, XLogRecPtr expected)
{
	XLogRecPtr	lsn;

	CHECK(bb_pagestore_lsn_at_time(ctx, store, second * USECS_PER_SEC, &lsn) ==
		  answer);
	CHECK(lsn == expected);
}

UNIT_TEST(lsn_at_a_time)
{
	/* the clock goes back after the third */
	static const int seconds[] = {100, 200, 200, 150, 300};
	BbPageStore *store = store_with_commits(ctx, seconds, 5);

	check_time(ctx, store, 99, BB_TIME_PAST, START);
	check_time(ctx, store, 100, BB_TIME_FOUND, START + 10);
	/* recovery would stop before the second, and never see the fourth */
	check_time(ctx, store, 150, BB_TIME_FOUND, START + 10);
	check_time(ctx, store, 199, BB_TIME_FOUND, START + 10);
	check_time(ctx, store, 200, BB_TIME_FOUND, START + 40);
	check_time(ctx, store, 299, BB_TIME_FOUND, START + 40);
	check_time(ctx, store, 300, BB_TIME_FUTURE, START + 50);
	check_time(ctx, store, 999, BB_TIME_FUTURE, START + 50);

	CHECK(bb_pagestore_time_at(ctx, store, START + 19) ==
		  timestamptz_to_time_t(100 * USECS_PER_SEC));
	CHECK(bb_pagestore_time_at(ctx, store, START + 40) ==
		  timestamptz_to_time_t(150 * USECS_PER_SEC));

	store = store_with_commits(ctx, NULL, 0);
	check_time(ctx, store, 100, BB_TIME_NO_DATA, START);
}

UNIT_TEST(branch_has_its_own_tli)
{
	Line	   *line = new_line(unit_store(ctx), "main", NULL, 0);
	BbTliSwitch switches[] = {{1, START + 10}, {4, START + 20}};
	BbManifest *branch;
	static const struct
	{
		XLogRecPtr	lsn;
		TimeLineID	tli;
		int			nswitches;
	}			cases[] = {
		{START + 5, 1, 0}, {START + 10, 1, 0}, {START + 11, 4, 1},
		{START + 20, 4, 1}, {START + 21, 7, 2}, {START + 30, 7, 2},
	};

	write_image(ctx, line, 0, NKEYS, START);
	line->manifest.tli = 7;
	line->manifest.nswitches = 2;
	line->manifest.switches = switches;
	line->manifest.end_lsn = START + 30;
	CHECK(bb_manifest_commit(ctx, line->store, &line->manifest));
	for (int i = 0; i < lengthof(cases); i++)
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
													  "branch",
													  ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(context);
		char	   *name = psprintf("b%d", i);

		bb_timeline_branch(ctx, line->store, name, "main", cases[i].lsn);
		branch = bb_manifest_read(ctx, line->store, name);
		CHECK(branch->tli == cases[i].tli);
		CHECK(branch->nswitches == cases[i].nswitches);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context); /* with the lock */
	}
}
