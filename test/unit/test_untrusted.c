/*-------------------------------------------------------------------------
 *
 * test_untrusted.c
 *	  Impossible values in a page store, with correct checksums.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clusterfile.h"
#include "base/codec.h"
#include "catalog/pg_tablespace_d.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "pagestore/captured.h"
#include "pagestore/catalog.h"
#include "unit.h"

/* ---- the catalog of keys ---- */

static BbPageStore *
catalog_store(void)
{
	BbPageStoreInfo info = {.timeline = "main",
							.pg_version_num = PG_VERSION_NUM};

	return fixture_pagestore_new(&info);
}

static void
check_file(const BbReqCtx *ctx, BbKey key, mode_t mode, uint64 size,
		   const char *path, bool good)
{
	BbPageStore *store = catalog_store();
	BbCapturedFile file = {0, mode, size, unconstify(char *, path)};
	BbCatalogScan *scan;
	StringInfoData value;

	initStringInfo(&value);
	bb_catalog_encode_file(&file, &value);
	fixture_put(store, key, value.data, value.len);
	scan = bb_catalog_scan_new(ctx, unit_snapshot(store, 1),
							   BB_KEY_FILE_ENTRY);
	if (good)
		CHECK(bb_catalog_next_file(ctx, scan, &file));
	else
	{
		CHECK_ERROR(bb_catalog_next_file(ctx, scan, &file),
					ERRCODE_DATA_CORRUPTED);
		CHECK(strstr(unit_last_error, "\"main\"") != NULL);
	}
}

static BbKey
file_key(void)
{
	return bb_key_make(BB_KEY_FILE_ENTRY, 0, 0, 7, 0, 0);
}

UNIT_TEST(captured_files_are_checked)
{
	check_file(ctx, file_key(), 0600, 10, "a.conf", true);
	check_file(ctx, file_key(), 0755, BB_CAPTURED_MAX_SIZE, "a.conf", true);
	check_file(ctx, file_key(), 04755, 10, "a.conf", false);
	check_file(ctx, file_key(), 02755, 10, "a.conf", false);
	check_file(ctx, file_key(), 01755, 10, "a.conf", false);
	check_file(ctx, file_key(), 0620, 10, "a.conf", false);
	check_file(ctx, file_key(), 0602, 10, "a.conf", false);
	check_file(ctx, file_key(), 0100600, 10, "a.conf", false);
	check_file(ctx, file_key(), 0600, BB_CAPTURED_MAX_SIZE + 1, "a.conf",
			   false);
	check_file(ctx, file_key(), 0600, 10, "../a.conf", false);
	check_file(ctx, file_key(), 0600, 10, "global/pg_control", false);
	check_file(ctx, file_key(), 0600, 10, "", false);
	/* the same file with another key */
	check_file(ctx, bb_key_make(BB_KEY_FILE_ENTRY, 1, 0, 7, 0, 0), 0600, 10,
			   "a.conf", false);
	check_file(ctx, bb_key_make(BB_KEY_FILE_ENTRY, 0, 0, 7, 0, 1), 0600, 10,
			   "a.conf", false);
}

typedef bool (*NextEntry) (const BbReqCtx *ctx, BbCatalogScan *scan);

#define NEXT_ENTRY(name, Entry)                                       \
	static bool next_##name(const BbReqCtx *ctx, BbCatalogScan *scan) \
	{                                                                 \
		Entry		entry;                                            \
                                                                      \
		return bb_catalog_next_##name(ctx, scan, &entry);             \
	}

NEXT_ENTRY(tablespace, BbTablespace)
NEXT_ENTRY(database, BbDatabase)
NEXT_ENTRY(relation, BbRelation)
NEXT_ENTRY(slru_segment, BbSlruSegment)
NEXT_ENTRY(twophase, BbTwophase)
NEXT_ENTRY(origin, BbOrigin)

static void
check_entry(const BbReqCtx *ctx, NextEntry next, BbKey key, const void *value,
			size_t length, bool good)
{
	BbPageStore *store = catalog_store();
	BbCatalogScan *scan;

	fixture_put(store, key, value, length);
	scan = bb_catalog_scan_new(ctx, unit_snapshot(store, 1),
							   (BbKeyKind) key.bytes[0]);
	if (good)
		CHECK(next(ctx, scan));
	else
		CHECK_ERROR((void) next(ctx, scan), ERRCODE_DATA_CORRUPTED);
}

static void
check_number(const BbReqCtx *ctx, NextEntry next, BbKey key, uint32 number,
			 bool good)
{
	uint8		bytes[4];

	bb_put_le32(bytes, number);
	check_entry(ctx, next, key, bytes, sizeof(bytes), good);
}

UNIT_TEST(catalog_entries_are_checked)
{
	uint8		eight[8] = {0};
	BbKeyKind	size = BB_KEY_REL_SIZE;
	BbKey		location = bb_key_make(BB_KEY_TABLESPACE, 16400, 0, 0, 0, 0);
	BbKey		relation = bb_key_make(size, 1663, 5, 9, 0, 0);

	check_entry(ctx, next_tablespace, location, "/x", 2, true);
	check_entry(ctx, next_tablespace,
				bb_key_make(BB_KEY_TABLESPACE, DEFAULTTABLESPACE_OID, 0, 0, 0,
							0),
				"/x", 2, false);
	check_entry(ctx, next_tablespace,
				bb_key_make(BB_KEY_TABLESPACE, 0, 0, 0, 0, 0), "/x", 2, false);
	check_entry(ctx, next_tablespace, location, "/x\0y", 4, false);
	check_entry(ctx, next_database,
				bb_key_make(BB_KEY_DATABASE, 1663, 0, 0, 0, 0), eight, 1,
				false);
	check_entry(ctx, next_database,
				bb_key_make(BB_KEY_DATABASE, 1664, 5, 0, 0, 0), eight, 1,
				false);

	check_number(ctx, next_relation, relation, 1, true);
	check_number(ctx, next_relation, relation, MaxBlockNumber, true);
	check_number(ctx, next_relation, relation, InvalidBlockNumber, false);
	check_number(ctx, next_relation, bb_key_make(size, 1663, 5, 0, 0, 0), 1,
				 false);
	check_number(ctx, next_relation, bb_key_make(size, 1663, 5, 9, 4, 0), 1,
				 false);
	check_number(ctx, next_relation, bb_key_make(size, 1663, 5, 9, 0, 1), 1,
				 false);

	check_number(ctx, next_slru_segment, bb_key_slru_size(BB_SLRU_XACT, 5), 32,
				 true);
	check_number(ctx, next_slru_segment, bb_key_slru_size(BB_SLRU_XACT, 5), 33,
				 false);
	check_number(ctx, next_slru_segment, bb_key_slru_size((BbSlru) 4, 5), 1,
				 false);
	check_number(ctx, next_slru_segment,
				 bb_key_slru_size(BB_SLRU_XACT, UINT64CONST(1) << 40), 1,
				 false);

	check_number(ctx, next_twophase, bb_key_twophase_size(700), 100, true);
	check_number(ctx, next_twophase, bb_key_twophase_size(1), 100, false);
	check_number(ctx, next_twophase, bb_key_twophase_size(700), PG_UINT32_MAX,
				 false);

	check_entry(ctx, next_origin,
				bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, 3, 0, 0), eight,
				8, true);
	check_entry(ctx, next_origin,
				bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, 0, 0, 0), eight,
				8, false);
	check_entry(ctx, next_origin,
				bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, 65536, 0, 0),
				eight, 8, false);
}

/* ---- files of the cluster ---- */

/* The server's control file, changed by a function, with a correct checksum. */
static bool
control_is_good(void (*change) (ControlFileData *))
{
	bool		crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);

	change(control);
	INIT_CRC32C(control->crc);
	COMP_CRC32C(control->crc, control, offsetof(ControlFileData, crc));
	FIN_CRC32C(control->crc);
	return bb_control_error(bb_major_own(), control, sizeof(*control)) == NULL;
}

#define CONTROL_CHANGE(name, change)              \
	static void change_##name(ControlFileData *c) \
	{                                             \
		change;                                   \
	}

CONTROL_CHANGE(nothing, (void) c)
CONTROL_CHANGE(version, c->pg_control_version++)
CONTROL_CHANGE(catalog, c->catalog_version_no++)
CONTROL_CHANGE(block, c->blcksz = 0)
CONTROL_CHANGE(relseg, c->relseg_size = 0)
CONTROL_CHANGE(wal_block, c->xlog_blcksz = 0)
CONTROL_CHANGE(segment, c->xlog_seg_size = 0)
CONTROL_CHANGE(align, c->maxAlign = 3)
CONTROL_CHANGE(names, c->nameDataLen = 0)
CONTROL_CHANGE(prepared, c->max_prepared_xacts = -1)
CONTROL_CHANGE(connections, c->MaxConnections = PG_INT32_MAX)
CONTROL_CHANGE(level, c->wal_level = 99)
CONTROL_CHANGE(state, c->state = (DBState) 99)
CONTROL_CHANGE(flag, memset(&c->track_commit_timestamp, 7, 1))

UNIT_TEST(control_file_is_checked)
{
	void (*changes[])(ControlFileData *) =
		{change_version,   change_catalog,	   change_block, change_relseg,
		 change_wal_block, change_segment,	   change_align, change_names,
		 change_prepared,  change_connections, change_level, change_state,
		 change_flag};
	bool		crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);
	CheckPoint	checkpoint = control->checkPointCopy;

	CHECK(control_is_good(change_nothing));
	for (int i = 0; i < lengthof(changes); i++)
		if (control_is_good(changes[i]))
			elog(ERROR, "change %d was believed", i);
	control->crc++;
	CHECK(bb_control_error(bb_major_own(), control, sizeof(*control)) != NULL);
	CHECK(bb_control_error(bb_major_own(), control, sizeof(*control) - 1) !=
		  NULL);

	CHECK(bb_checkpoint_error(bb_major_own(), &checkpoint,
							  sizeof(checkpoint)) == NULL);
	CHECK(bb_checkpoint_error(bb_major_own(), &checkpoint,
							  sizeof(checkpoint) - 1) != NULL);
	checkpoint.time = -1;
	CHECK(bb_checkpoint_error(bb_major_own(), &checkpoint,
							  sizeof(checkpoint)) != NULL);
	checkpoint = control->checkPointCopy;
	checkpoint.nextXid = FullTransactionIdFromU64(1);
	CHECK(bb_checkpoint_error(bb_major_own(), &checkpoint,
							  sizeof(checkpoint)) != NULL);
}
