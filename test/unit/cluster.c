/*-------------------------------------------------------------------------
 *
 * cluster.c
 *	  A small cluster in a page store, and its backup, for tests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/xlog_internal.h"
#include "backup/backup.h"
#include "base/clusterfile.h"
#include "base/codec.h"
#include "base/crc.h"
#include "catalog/catversion.h"
#include "catalog/pg_control.h"
#include "catalog/pg_tablespace_d.h"
#include "cluster.h"
#include "pgtar.h"
#include "sinks/destinations.h"
#include "sinks/stages.h"
#include "storage/large_object.h"

static void
put_text(BbPageStore *store, BbKey key, const char *text)
{
	fixture_put(store, key, text, strlen(text));
}

void
put_u32(BbPageStore *store, BbKey key, uint32 v)
{
	uint8		bytes[4];

	bb_put_le32(bytes, v);
	fixture_put(store, key, bytes, sizeof(bytes));
}

void
put_page(BbPageStore *store, BbKey key, uint8 fill)
{
	uint8		page[BLCKSZ];

	memset(page, fill, sizeof(page));
	fixture_put(store, key, page, sizeof(page));
}

void
put_fork(BbPageStore *store, Oid spc, Oid db, Oid rel, ForkNumber fork,
		 BlockNumber blocks, uint8 fill)
{
	put_u32(store, bb_key_rel_size(spc, db, rel, fork), blocks);
	for (BlockNumber i = 0; i < blocks; i++)
		put_page(store, bb_key_rel_block(spc, db, rel, fork, i), fill + i);
}

void
put_database(BbPageStore *store, Oid spc, Oid db, uint8 flags)
{
	fixture_put(store, bb_key_make(BB_KEY_DATABASE, spc, db, 0, 0, 0), &flags,
				1);
}

BbPageStoreInfo
cluster_info(void)
{
	return (BbPageStoreInfo){
		.timeline = "main",
		.pg_version_num = PG_VERSION_NUM,
		.system_identifier = SYSTEM_ID,
		.wal_segment_size = SEGMENT_SIZE,
		.tli = 1,
		.uid = 105,
		.gid = 113,
		.directory_mode = 0700,
		.start_lsn = LSN,
		.end_lsn = LSN,
		.prev_lsn = PREV,
		.end_time = 1700000000,
	};
}

static void
put_relmap(BbPageStore *store, Oid spc, Oid db)
{
	const BbMajor *major = bb_major_own();
	uint8		map[1024] = {0};
	uint32		magic = BB_RELMAP_MAGIC;
	pg_crc32c	crc;

	memcpy(map, &magic, sizeof(magic));
	memcpy(map + 8, &db, sizeof(db));
	crc = bb_crc32c_of(map, major->relmap_crc_at);
	memcpy(map + major->relmap_crc_at, &crc, sizeof(crc));
	fixture_put(store, bb_key_make(BB_KEY_RELMAP, spc, db, 0, 0, 0), map,
				major->relmap_size);
}

CheckPoint
cluster_checkpoint(void)
{
	return (CheckPoint){
		.ThisTimeLineID = 1,
		.PrevTimeLineID = 1,
		.fullPageWrites = true,
		.nextXid = FullTransactionIdFromU64(1000),
		.nextOid = 20000,
		.time = 1700000000,
	};
}

ControlFileData
cluster_control(const BbPageStoreInfo *info)
{
	ControlFileData control = {0};

	control.system_identifier = info->system_identifier;
	control.pg_control_version = PG_CONTROL_VERSION;
	control.catalog_version_no = CATALOG_VERSION_NO;
	control.state = DB_IN_PRODUCTION;
	control.minRecoveryPoint = 1;
	control.minRecoveryPointTLI = 1;
	control.backupStartPoint = 1;
	control.backupEndRequired = true;
	control.max_prepared_xacts = 7;
	control.xlog_blcksz = XLOG_BLCKSZ;
	control.xlog_seg_size = info->wal_segment_size;
	control.maxAlign = MAXIMUM_ALIGNOF;
	control.floatFormat = FLOATFORMAT_VALUE;
	control.blcksz = BLCKSZ;
	control.relseg_size = RELSEG_SIZE;
	control.nameDataLen = NAMEDATALEN;
	control.indexMaxKeys = INDEX_MAX_KEYS;
	control.toast_max_chunk_size = TOAST_MAX_CHUNK_SIZE;
	control.loblksize = LOBLKSIZE;
	control.float8ByVal = FLOAT8PASSBYVAL;
	control.MaxConnections = 100;
	control.max_locks_per_xact = 64;
	control.crc = bb_control_crc(bb_major_own(), &control);
	return control;
}

BbPageStore *
empty_cluster(const BbPageStoreInfo *info)
{
	BbPageStore *store = fixture_pagestore_new(info);
	ControlFileData control = cluster_control(info);
	CheckPoint	checkpoint = cluster_checkpoint();

	fixture_put(store, bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0),
				&control, sizeof(control));
	fixture_put(store, bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0),
				&checkpoint, sizeof(checkpoint));
	return store;
}

BbPageStore *
small_cluster(void)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store = empty_cluster(&info);
	uint8		origin[8];

	put_text(store, bb_key_make(BB_KEY_TABLESPACE, 16400, 0, 0, 0, 0),
			 "/srv/fast");
	put_text(store, bb_key_make(BB_KEY_TABLESPACE, 16401, 0, 0, 0, 0),
			 "/srv/empty");

	put_database(store, DEFAULTTABLESPACE_OID, 5,
				 BB_DATABASE_DEFAULT_TABLESPACE);
	put_database(store, GLOBALTABLESPACE_OID, 0, 0);
	put_database(store, 16400, 5, 0);
	put_relmap(store, DEFAULTTABLESPACE_OID, 5);
	put_relmap(store, GLOBALTABLESPACE_OID, 0);

	put_fork(store, DEFAULTTABLESPACE_OID, 5, 1259, MAIN_FORKNUM, 3, 10);
	put_fork(store, DEFAULTTABLESPACE_OID, 5, 1259, FSM_FORKNUM, 1, 20);
	put_fork(store, DEFAULTTABLESPACE_OID, 5, 2000, MAIN_FORKNUM, 0, 0);
	/* unlogged: a backup has its init fork in place of the main one */
	put_fork(store, DEFAULTTABLESPACE_OID, 5, 3000, MAIN_FORKNUM, 2, 30);
	put_fork(store, DEFAULTTABLESPACE_OID, 5, 3000, INIT_FORKNUM, 1, 40);
	put_fork(store, DEFAULTTABLESPACE_OID, 5, 3001, MAIN_FORKNUM, 1, 45);
	put_fork(store, GLOBALTABLESPACE_OID, 0, 1262, MAIN_FORKNUM, 1, 50);
	put_fork(store, 16400, 5, 4000, MAIN_FORKNUM, 1, 60);

	put_u32(store, bb_key_slru_size(BB_SLRU_XACT, 0), 2);
	put_page(store, bb_key_slru_block(BB_SLRU_XACT, 0, 0), 70);
	put_page(store, bb_key_slru_block(BB_SLRU_XACT, 0, 1), 71);
	put_u32(store, bb_key_slru_size(BB_SLRU_MULTIXACT_OFFSETS, 0x1A), 1);
	put_page(store, bb_key_slru_block(BB_SLRU_MULTIXACT_OFFSETS, 0x1A, 0), 72);

	put_u32(store, bb_key_twophase_size(0xABC), 16);
	put_text(store, bb_key_twophase_block(0xABC, 0), "prepared state..");
	bb_put_le64(origin, UINT64CONST(0x1122334455));
	fixture_put(store, bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, 3, 0, 0),
				origin, sizeof(origin));

	fixture_put_file(store, 0, "conf.d/more/a.conf", "a = 1\n");
	fixture_put_file(store, 1, "pg_hba.conf", "local all all trust\n");
	fixture_put_file(store, 2, "pg_wal/00000001.history", "");
	fixture_put_file(store, 3, "pg_wal/00000002.history",
					 "another cluster's\n");
	put_text(store, bb_key_make(BB_KEY_FILE_DIRECTORY, 0, 0, 1, 0, 0),
			 "sockets");
	return store;
}

/* The offsets of record ends in a page of WAL; 0 ends the list. */
static void
put_record_ends(BbPageStore *store, XLogRecPtr page, const uint16 *offsets)
{
	StringInfoData value;

	initStringInfo(&value);
	for (int i = 0; i == 0 || offsets[i] != 0; i++)
	{
		bb_append_u8(&value, (uint8) offsets[i]);
		bb_append_u8(&value, offsets[i] >> 8);
	}
	page /= XLOG_BLCKSZ;
	fixture_put(store,
				bb_key_make(BB_KEY_RECORD_ENDS, 0, page >> 32, (uint32) page,
							0, 0),
				value.data, value.len);
}

BbPageStore *
cluster_with_records(const BbPageStoreInfo *info)
{
	static const uint16 first[] = {1000, 2000, 8000, 0};
	/* a record that ends on the page's border, and one later */
	static const uint16 third[] = {0, 0};
	static const uint16 fourth[] = {5000, 0};
	BbPageStore *store = empty_cluster(info);

	put_record_ends(store, PAGE, first);
	put_record_ends(store, PAGE + 3 * XLOG_BLCKSZ, third);
	put_record_ends(store, PAGE + 4 * XLOG_BLCKSZ, fourth);
	return store;
}

BbBackupOptions
options_of(bool full)
{
	BbBackupOptions options = bb_options_defaults();

	options.full = full;
	/* other tests cover the settings that are added for a clone */
	options.settings = BB_SETTINGS_SOURCE;
	return options;
}

BbBackupPlan *
plan_of(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn,
		const BbBackupOptions *options)
{
	BbSnapshot	snapshot = bb_snapshot_take(ctx, store, lsn);

	return bb_plan_new(ctx, &snapshot, options);
}

bytea *
tar_of(const BbReqCtx *ctx, BbPageStore *store, bool full, size_t chunk)
{
	BbBackupOptions options = options_of(full);
	BbBackupPlan *plan = plan_of(ctx, store, LSN, &options);
	BbSink	   *sink = bb_sink_chunks_new(chunk);
	BbBackup   *backup = bb_backup_new(ctx, plan, NULL, BB_FORM_TAR, sink);
	bytea	   *tar;
	uint64		size;
	size_t		filled = 0;
	size_t		before = 0;
	bool		more = true;

	bb_backup_measure(ctx, plan);
	size = plan->size;
	tar = palloc(VARHDRSZ + size);
	while (more)
	{
		more = bb_backup_step(ctx, backup);
		CHECK(bb_sink_chunks_filled(sink) - before <= 65536);
		before = bb_sink_chunks_filled(sink);
		if (before >= chunk || !more)
		{
			bytea	   *taken = bb_sink_chunks_take(sink);

			CHECK(VARSIZE(taken) - VARHDRSZ == before);
			CHECK(filled + before <= size);
			memcpy(VARDATA(tar) + filled, VARDATA(taken), before);
			filled += before;
			before = 0;
		}
	}
	CHECK(!bb_backup_step(ctx, backup));
	CHECK(filled == size);
	SET_VARSIZE(tar, VARHDRSZ + size);
	return tar;
}

char *
tar_find(bytea *tar, const char *path, uint64 *size)
{
	char	   *at = VARDATA(tar);
	char	   *end = at + VARSIZE(tar) - VARHDRSZ - BB_TAR_END_SIZE;

	while (at < end)
	{
		*size = read_tar_number(at + 124, 12);
		CHECK(tarChecksum(at) == read_tar_number(at + 148, 8));
		if (strcmp(at, path) == 0)
			return at + TAR_BLOCK_SIZE;
		at += TAR_BLOCK_SIZE + *size + tarPaddingBytesRequired(*size);
	}
	CHECK(at == end);
	return NULL;
}

void
check_text(const char *actual, const char *expected)
{
	while (*actual != '\0' && *expected != '\0')
	{
		size_t		a = strcspn(actual, "\n");
		size_t		e = strcspn(expected, "\n");

		if (a != e || memcmp(actual, expected, a) != 0)
			break;
		actual += a + 1;
		expected += e + 1;
	}
	if (strcmp(actual, expected) != 0)
		elog(ERROR, "\"%s\" instead of \"%s\"",
			 pnstrdup(actual, strcspn(actual, "\n")),
			 pnstrdup(expected, strcspn(expected, "\n")));
}
