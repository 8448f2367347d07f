/*-------------------------------------------------------------------------
 *
 * test_redo.c
 *	  Redo of the server's WAL: its pages are compared with the server's.
 *
 * psql runs a workload in a new database.  Then its WAL is read, page histories
 * are gathered as by ingest, redone, and compared with the pages in the server's
 * buffers, with the masks that the server uses for wal_consistency_checking.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <pwd.h>
#include <unistd.h>

#include "access/rmgr.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogreader.h"
#include "access/xlogutils.h"
#include "base/compat.h"
#include "base/settings.h"
#include "storage/bufmgr.h"
#include "storage/smgr.h"
#include "test_redo.h"
#include "unit.h"
#include "utils/hsearch.h"
#include "wal/compat.h"

static const char prepare[] = "ALTER SYSTEM SET autovacuum = off;\n"
							  "ALTER SYSTEM SET wal_keep_size = '1GB';\n"
							  "SELECT pg_reload_conf();\n"
							  "DROP DATABASE IF EXISTS bb_redo;\n"
							  "CHECKPOINT;\n";

static const char create_database[] = "CREATE DATABASE bb_redo;\n";

static const char clean_up[] = "DROP DATABASE bb_redo;\n"
							   "ALTER SYSTEM RESET autovacuum;\n"
							   "ALTER SYSTEM RESET wal_keep_size;\n"
							   "ALTER SYSTEM RESET full_page_writes;\n"
							   "SELECT pg_reload_conf();\n";

static const char
	without_images[] = "ALTER SYSTEM SET full_page_writes = off;\n"
					   "SELECT pg_reload_conf();\n"
					   "CHECKPOINT;\n";

static const char create_objects[] =
	"CREATE EXTENSION bloom;\n"
	"CREATE SEQUENCE numbers;\n"
	"CREATE TABLE things (id int, label text, list int[], place point,\n"
	"  ballast text) WITH (fillfactor = 80);\n"
	"CREATE INDEX ON things USING btree (id);\n"
	"CREATE INDEX ON things USING btree ((id % 7));\n"
	"CREATE INDEX ON things USING hash (id);\n"
	"CREATE INDEX ON things USING gin (list);\n"
	"CREATE INDEX ON things USING gist (place);\n"
	"CREATE INDEX ON things USING spgist (label);\n"
	"CREATE INDEX ON things USING spgist (place);\n"
	"CREATE INDEX ON things USING brin (id) WITH (pages_per_range = 2);\n"
	"CREATE INDEX ON things USING bloom (id);\n"
	"CREATE TABLE marks (id int PRIMARY KEY, n int);\n"
	"CREATE TABLE copied (id int);\n"
	"CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY, list int[],\n"
	"  label text);\n"
	"CREATE INDEX ON unlogged USING gin (list);\n"
	"CREATE INDEX ON unlogged USING hash (id);\n"
	"CREATE INDEX ON unlogged USING spgist (label);\n";

/* %1$d: where numbers begin, so that it can be run again */
static const char workload[] =
	"INSERT INTO things SELECT i, 'label ' || i, ARRAY[i, i %% 10, i %% 100],\n"
	"  point(i %% 50, i / 50), repeat('x', i %% 300)\n"
	"  FROM generate_series(%1$d, %1$d + 2999) i;\n"
	/* big enough for TOAST */
	"INSERT INTO things SELECT i, 'long', NULL, NULL,\n"
	"  (SELECT string_agg(md5((i * j)::text), '')\n"
	"   FROM generate_series(1, 500) j)\n"
	"  FROM generate_series(%1$d, %1$d + 20) i;\n"
	"COPY copied FROM PROGRAM 'seq 1 2000';\n"
	"INSERT INTO marks SELECT i, 0\n"
	"  FROM generate_series(%1$d, %1$d + 999) i;\n"
	"INSERT INTO marks SELECT i, 1\n"
	"  FROM generate_series(%1$d + 900, %1$d + 1100) i\n"
	"  ON CONFLICT (id) DO UPDATE SET n = 2;\n"
	/* HOT chains, which are pruned */
	"UPDATE marks SET n = n + 1;\n"
	"UPDATE marks SET n = n + 1 WHERE id %% 3 = 0;\n"
	"SELECT count(*) FROM marks;\n"
	/* moves from page to page */
	"UPDATE things SET ballast = ballast || repeat('y', 100)\n"
	"  WHERE id %% 5 = 0;\n"
	"BEGIN;\n"
	"SELECT count(*) FROM (SELECT * FROM marks FOR KEY SHARE) m;\n"
	"SAVEPOINT s;\n"
	"UPDATE marks SET n = n + 1 WHERE id %% 11 = 0;\n"
	"SELECT count(*) FROM (SELECT * FROM marks FOR UPDATE) m;\n"
	"ROLLBACK TO s;\n"
	"UPDATE marks SET n = n + 1 WHERE id %% 13 = 0;\n"
	"COMMIT;\n"
	"BEGIN;\n"
	"DELETE FROM things WHERE id %% 4 = 0;\n"
	"ROLLBACK;\n"
	"SELECT gin_clean_pending_list('things_list_idx');\n"
	"SELECT brin_summarize_new_values('things_id_idx2');\n"
	/* whole index pages become empty, and go */
	"DELETE FROM things WHERE id BETWEEN %1$d + 500 AND %1$d + 2500;\n"
	"VACUUM things;\n"
	"SELECT brin_desummarize_range('things_id_idx2', 0);\n"
	"SELECT brin_summarize_new_values('things_id_idx2');\n"
	"INSERT INTO things SELECT i, 'again ' || i, ARRAY[i], point(i, i), ''\n"
	"  FROM generate_series(%1$d, %1$d + 500) i;\n"
	"VACUUM (FREEZE) things;\n"
	"VACUUM (FREEZE) marks;\n"
	"SELECT max(nextval('numbers')) FROM generate_series(1, 200);\n"
	"SELECT setval('numbers', %1$d);\n"
	"TRUNCATE copied;\n"
	"COPY copied FROM PROGRAM 'seq 1 500';\n"
	"ANALYZE;\n"
	"CREATE TABLE made_%1$d AS SELECT DISTINCT id FROM things;\n"
	"ALTER TABLE made_%1$d ADD PRIMARY KEY (id);\n";

typedef struct PageEntry
{
	BbKey		key; /* must be first */
	BbPageHistory history;
	RmgrId		rmid; /* of the last change */
} PageEntry;

typedef struct Walk
{
	HTAB	   *pages;		 /* PageEntry */
	XLogRecPtr	at;			 /* read so far */
	bool		keep_images; /* redo them too, rather than begin with them */
	int			init_pages;	 /* compared, of init forks */
	int			by_rmgr[RM_MAX_ID + 1]; /* changes gathered */
} Walk;

static void
init_walk(Walk *walk, XLogRecPtr start, bool keep_images)
{
	HASHCTL		ctl = {.keysize = sizeof(BbKey),
					   .entrysize = sizeof(PageEntry),
					   .hcxt = CurrentMemoryContext};

	memset(walk, 0, sizeof(Walk));
	walk->pages = hash_create("pages", 1024, &ctl,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	walk->at = start;
	walk->keep_images = keep_images;
}

/*
 * The bytes of the record that was read last, as they are in WAL.
 */
static void *
raw_record(XLogReaderState *reader)
{
	uint32		offset = reader->ReadRecPtr % XLOG_BLCKSZ;
	uint32		length = XLogRecGetTotalLen(reader);
	char	   *raw = palloc(length);

	if (offset + length <= XLOG_BLCKSZ)
		memcpy(raw, reader->readBuf + offset, length);
	else
		memcpy(raw, reader->readRecordBuf, length);
	CHECK(memcmp(raw, &reader->record->header, SizeOfXLogRecord) == 0);
	return raw;
}

static void
gather_block(Walk *walk, XLogReaderState *reader, int block_id)
{
	DecodedBkpBlock *block = XLogRecGetBlock(reader, block_id);
	BbRelLocator locator = BB_DECODED_LOCATOR(block);
	PageEntry  *entry;
	BbPageHistory *history;
	BbKey		key;
	bool		found;
	bool		image = XLogRecHasBlockImage(reader, block_id) &&
		XLogRecBlockImageApply(reader, block_id);
	bool		init = (block->flags & BKPBLOCK_WILL_INIT) != 0;

	if (block->forknum != MAIN_FORKNUM && block->forknum != INIT_FORKNUM)
		return;
	key = bb_key_rel_block(BB_LOCATOR_SPC(locator), BB_LOCATOR_DB(locator),
						   BB_LOCATOR_REL(locator), block->forknum,
						   block->blkno);
	entry = hash_search(walk->pages, &key, HASH_ENTER, &found);
	history = &entry->history;
	if (!found)
	{
		memset(history, 0, sizeof(BbPageHistory));
		history->key = key;
	}

	if (image && !walk->keep_images)
	{
		char	   *page = palloc(BLCKSZ);

		CHECK(RestoreBlockImage(reader, block_id, page));
		if (!PageIsNew((Page) page))
			PageSetLSN((Page) page, reader->EndRecPtr);
		history->base = (uint8 *) page;
		history->base_length = BLCKSZ;
		history->nchanges = 0;
		history->complete = true;
		return;
	}
	if (init || image)
	{
		history->base = NULL;
		history->nchanges = 0;
		history->complete = true;
	}
	test_redo_add(history, init ? BB_ENTRY_RECORD_INIT : BB_ENTRY_RECORD,
				  raw_record(reader), XLogRecGetTotalLen(reader),
				  reader->EndRecPtr);
	entry->rmid = XLogRecGetRmid(reader);
	walk->by_rmgr[entry->rmid]++;
}

/*
 * Gather all changes up to the end of WAL.
 */
static void
gather(Walk *walk)
{
	XLogRecPtr	end = GetXLogInsertRecPtr();
	ReadLocalXLogPageNoWaitPrivate private = {0};
	XLogReaderState *reader;
	char	   *complaint;

	XLogFlush(end);
	reader = XLogReaderAllocate(
		wal_segment_size, NULL,
		XL_ROUTINE(.page_read = read_local_xlog_page_no_wait,
				   .segment_open = wal_segment_open,
				   .segment_close = wal_segment_close),
		&private);
	CHECK(!XLogRecPtrIsInvalid(bb_walcompat_find_next(reader, walk->at)));
	while (XLogReadRecord(reader, &complaint) != NULL)
	{
		walk->at = reader->EndRecPtr;
		for (int i = 0; i <= XLogRecMaxBlockId(reader); i++)
		{
			if (XLogRecHasBlockRef(reader, i))
				gather_block(walk, reader, i);
		}
	}
	CHECK(private.end_of_wal);
	CHECK(walk->at >= end);
	XLogReaderFree(reader);
}

/*
 * The page that the server has; false if the relation has no such block any
 * more.
 */
static bool
server_page(const BbKey *key, Page copy)
{
	BbKeyFields fields = bb_key_fields(key);
	BbRelLocator locator = BB_REL_LOCATOR(fields.spc, fields.db, fields.rel);
	SMgrRelation relation = smgropen(locator, BB_NO_BACKEND);
	Buffer		buffer;

	if (!smgrexists(relation, fields.fork) ||
		smgrnblocks(relation, fields.fork) <= fields.block)
		return false;
	buffer = ReadBufferWithoutRelcache(locator, fields.fork, fields.block,
									   RBM_NORMAL, NULL, true);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(copy, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	return true;
}

/*
 * Throws if they differ; false if there is nothing to compare with.
 */
static bool
compare(Walk *walk, const PageEntry *entry, Page redone)
{
	PGAlignedBlock server;
	BlockNumber block = bb_key_fields(&entry->key).block;
	const char *name = GetRmgr(entry->rmid).rm_name;

	/* hint bits after an image that has no resource manager can't be masked */
	if (entry->rmid == RM_XLOG_ID || !server_page(&entry->key, server.data))
		return false;
	if (PageGetLSN(redone) != PageGetLSN(server.data))
		elog(ERROR, "%s, %s: LSN " BB_LSN_FORMAT " instead of " BB_LSN_FORMAT,
			 bb_key_text(&entry->key), name,
			 LSN_FORMAT_ARGS(PageGetLSN(redone)),
			 LSN_FORMAT_ARGS(PageGetLSN(server.data)));
	if (GetRmgr(entry->rmid).rm_mask != NULL)
	{
		GetRmgr(entry->rmid).rm_mask(redone, block);
		GetRmgr(entry->rmid).rm_mask(server.data, block);
	}
	for (int i = 0; i < BLCKSZ; i++)
	{
		if (redone[i] != server.data[i])
			elog(ERROR, "%s, %s: differs at byte %d",
				 bb_key_text(&entry->key), name, i);
	}
	walk->init_pages += bb_key_fields(&entry->key).fork == INIT_FORKNUM;
	return true;
}

/*
 * Redo all pages that have changes, and compare them.  Returns how many it
 * could compare.
 */
static int
redo_all(const BbReqCtx *ctx, Walk *walk)
{
	BbRedo	   *redo = test_redo_open(ctx);
	HASH_SEQ_STATUS seq;
	PageEntry  *entry;
	List	   *submitted = NIL;
	int			taken = 0;
	int			count = 0;

	hash_seq_init(&seq, walk->pages);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (entry->history.nchanges == 0)
			continue;
		if (!entry->history.complete)
			elog(ERROR, "%s has no base", bb_key_text(&entry->key));
		submitted = lappend(submitted, entry);
	}

	for (int i = 0; i < list_length(submitted) || bb_redo_pending(redo) > 0;)
	{
		PGAlignedBlock page;

		if (i < list_length(submitted) &&
			bb_redo_pending(redo) < bb_redo_depth(redo))
		{
			entry = list_nth(submitted, i++);
			bb_redo_submit(ctx, redo, &entry->history);
			continue;
		}
		memcpy(page.data, bb_redo_next(ctx, redo), BLCKSZ);
		count += compare(walk, list_nth(submitted, taken++), page.data);
	}
	return count;
}

static void
drop_database(void *unused)
{
	unit_psql("postgres", clean_up);
}

/* helper.c must take libc's place in helpers only. */
UNIT_TEST(redo_leaves_user_names_alone)
{
	struct passwd *entry = getpwuid(geteuid());

	CHECK(entry == NULL || strcmp(entry->pw_name, "bbackup") != 0);
}

UNIT_TEST(redo_makes_the_pages_that_the_server_has)
{
	static const RmgrId wanted[] = {RM_HEAP_ID,	  RM_HEAP2_ID,	RM_BTREE_ID,
									RM_HASH_ID,	  RM_GIN_ID,	RM_GIST_ID,
									RM_SEQ_ID,	  RM_SPGIST_ID, RM_BRIN_ID,
									RM_GENERIC_ID};
	XLogRecPtr	start;
	Walk		walk;
	Walk		walk_images;

	unit_psql("postgres", prepare);
	start = GetXLogInsertRecPtr();
	unit_psql("postgres", "CHECKPOINT;\n");
	unit_psql("postgres", create_database);
	test_redo_at_end_of_test(drop_database);
	unit_psql("bb_redo", create_objects);
	unit_psql("bb_redo", psprintf(workload, 1));

	init_walk(&walk, start, false);
	gather(&walk);
	CHECK(redo_all(ctx, &walk) > 300);
	CHECK(walk.init_pages > 0);
	init_walk(&walk_images, start, true);
	gather(&walk_images);
	CHECK(redo_all(ctx, &walk_images) > 300);

	/* no images from here on, and histories become long */
	unit_psql("postgres", without_images);
	for (int i = 1; i <= 3; i++)
	{
		unit_psql("bb_redo", psprintf(workload, 10000 * i));
		gather(&walk);
		CHECK(redo_all(ctx, &walk) > 500);
	}
	for (int i = 0; i < lengthof(wanted); i++)
	{
		if (walk.by_rmgr[wanted[i]] < 10)
			elog(ERROR, "%d records of %s", walk.by_rmgr[wanted[i]],
				 GetRmgr(wanted[i]).rm_name);
	}
}
