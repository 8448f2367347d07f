/*-------------------------------------------------------------------------
 *
 * test_major.c
 *	  What is known of the major versions, against files that their servers made.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/bindirs.h"
#include "base/compat.h"
#include "base/settings.h"
#include "catalog/catversion.h"
#include "catalog/pg_control.h"
#include "cluster.h"
#include "common/relpath.h"
#include "majorfiles.h"
#include "members/filelist.h"
#include "members/plan.h"
#include "members/seed.h"
#include "miscadmin.h"
#include "unit.h"
#include "utils/builtins.h"

#define PARTS lengthof(major_files)

static uint8 *
bytes_of(const char *hexadecimal)
{
	size_t		length = strlen(hexadecimal) / 2;
	uint8	   *bytes = palloc(length);

	hex_decode(hexadecimal, 2 * length, (char *) bytes);
	return bytes;
}

/* The checkpoint in a control file. */
static const uint8 *
checkpoint_in(const uint8 *control)
{
	return control + offsetof(ControlFileData, checkPointCopy);
}

UNIT_TEST(major_own_is_the_server)
{
	const BbMajor *own = bb_major_own();
	char		path[MAXPGPATH];

	CHECK(own->number == PG_VERSION_NUM / 10000);
	CHECK(own->control_version == PG_CONTROL_VERSION);
	CHECK(own->catalog_version == CATALOG_VERSION_NO);
	CHECK(own->wal_magic == XLOG_PAGE_MAGIC);
	CHECK(own->checkpoint_size == sizeof(CheckPoint));
	CHECK(own->next_xid_at == offsetof(CheckPoint, nextXid));
	CHECK(own->time_at == offsetof(CheckPoint, time));
	CHECK(own->oldest_active_xid_at == offsetof(CheckPoint, oldestActiveXid));
#if PG_VERSION_NUM >= 190000
	CHECK(own->logical_decoding_at ==
		  offsetof(CheckPoint, logicalDecodingEnabled));
#endif
	CHECK(own->control_size == sizeof(ControlFileData));
	CHECK(own->wal_sizes_at == offsetof(ControlFileData, xlog_blcksz));
	CHECK(own->float8_by_val_at == offsetof(ControlFileData, float8ByVal));
	CHECK(own->checksum_version_at ==
		  offsetof(ControlFileData, data_checksum_version));
	CHECK(own->crc_at == offsetof(ControlFileData, crc));
	CHECK(strcmp(bb_major_version_directory(own),
				 TABLESPACE_VERSION_DIRECTORY) == 0);
	bb_major_database_path(own, path, sizeof(path), 16400, 5);
	CHECK(strcmp(path, GetDatabasePath(5, 16400)) == 0);
}

UNIT_TEST(major_unknown)
{
	CHECK(bb_major_of(140020) == NULL && bb_major_of(200000) == NULL);
	CHECK(bb_major_of(0) == NULL && bb_major_of(PG_UINT32_MAX) == NULL);
	for (int number = BB_MAJOR_OLDEST; number <= BB_MAJOR_NEWEST; number++)
		CHECK(bb_major_of(number * 10000 + 3)->number == number);
}

UNIT_TEST(major_paths)
{
	char		path[MAXPGPATH];
	const BbMajor *eighteen = bb_major_of(180000);

	bb_major_relation_path(eighteen, path, sizeof(path), 16400, 5, 1259,
						   VISIBILITYMAP_FORKNUM);
	CHECK(strcmp(path, "pg_tblspc/16400/PG_18_202506291/5/1259_vm") == 0);
	bb_major_relation_path(eighteen, path, sizeof(path), 1663, 5, 1259,
						   MAIN_FORKNUM);
	CHECK(strcmp(path, "base/5/1259") == 0);
	bb_major_relation_path(eighteen, path, sizeof(path), 1664, 0, 1262,
						   FSM_FORKNUM);
	CHECK(strcmp(path, "global/1262_fsm") == 0);
	CHECK(strcmp(bb_slru_path(eighteen, BB_SLRU_MULTIXACT_MEMBERS, 0x1a),
				 "pg_multixact/members/001A") == 0);
	CHECK(strcmp(bb_slru_path(bb_major_of(190000), BB_SLRU_MULTIXACT_MEMBERS,
							  0x1a),
				 "pg_multixact/members/00000000000001A") == 0);
}

/* ---- control files ---- */

UNIT_TEST(major_control_files)
{
	for (int i = 0; i < PARTS; i++)
	{
		const BbMajor *major = bb_major_of(major_files[i].major * 10000);
		uint8	   *data = bytes_of(major_files[i].control);
		size_t		length = strlen(major_files[i].control) / 2;
		BbControl	control;
		BbCheckpoint checkpoint;

		CHECK(length == major->control_size);
		if (bb_control_error(major, data, length) != NULL)
			elog(ERROR, "control file of %d: %s", major->number,
				 bb_control_error(major, data, length));
		bb_control_read(major, data, &control);
		CHECK(control.system_identifier == major_files[i].system_identifier);
		CHECK(control.checkpoint_lsn == major_files[i].checkpoint_lsn);
		CHECK(control.state == DB_SHUTDOWNED);
		CHECK(control.max_connections == 100 && control.max_wal_senders == 10);
		CHECK(control.max_locks_per_xact == major->max_locks);
		CHECK(control.wal_segment_size == 16 * 1024 * 1024);
		CHECK(control.checksum_version == 1 && !control.wal_log_hints);

		CHECK(bb_checkpoint_error(major, checkpoint_in(data),
								  major->checkpoint_size) == NULL);
		checkpoint = bb_checkpoint_read(major, checkpoint_in(data));
		CHECK(checkpoint.redo == control.checkpoint_lsn);
		CHECK(checkpoint.tli == 1);
		CHECK(checkpoint.next_xid == major_files[i].next_xid);
		CHECK(checkpoint.time > 1700000000 && checkpoint.time < 1900000000);

		CHECK(memcmp(bytes_of(major_files[i].wal_magic), &major->wal_magic,
					 sizeof(major->wal_magic)) == 0);
	}
}

/* No bit may be wrong, and no file may be taken for one of another version. */
UNIT_TEST(major_control_files_are_checked)
{
	for (int i = 0; i < PARTS; i++)
	{
		const BbMajor *major = bb_major_of(major_files[i].major * 10000);
		uint8	   *data = bytes_of(major_files[i].control);

		for (int at = 0; at < major->crc_at + sizeof(pg_crc32c); at++)
		{
			data[at] ^= 0x10;
			if (bb_control_error(major, data, major->control_size) == NULL)
				elog(ERROR, "byte %d of %d was believed", at, major->number);
			data[at] ^= 0x10;
		}
		for (int length = 0; length < major->control_size; length++)
			CHECK(bb_control_error(major, data, length) != NULL);
		for (int n = BB_MAJOR_OLDEST; n <= BB_MAJOR_NEWEST; n++)
			if (n != major->number)
			{
				const BbMajor *other = bb_major_of(n * 10000);

				CHECK(bb_control_error(other, data, other->control_size) !=
					  NULL);
			}
	}
}

/* ---- backups ---- */

/* The cluster of a fixture, with a control file that another server made. */
static BbPageStore *
store_of(int i)
{
	const BbMajor *major = bb_major_of(major_files[i].major * 10000);
	uint8	   *data = bytes_of(major_files[i].control);
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store;
	uint8		path[] = "/srv/fast";
	uint8		size[4] = {10};

	info.pg_version_num = major->number * 10000 + 2;
	info.system_identifier = major_files[i].system_identifier;
	info.wal_segment_size = 16 * 1024 * 1024;
	info.data_checksum_version = 1;
	store = fixture_pagestore_new(&info);
	fixture_put(store, bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0), data,
				major->control_size);
	fixture_put(store, bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0),
				checkpoint_in(data), major->checkpoint_size);
	fixture_put(store, bb_key_make(BB_KEY_TABLESPACE, 16400, 0, 0, 0, 0), path,
				sizeof(path) - 1);
	fixture_put(store, bb_key_make(BB_KEY_TWOPHASE_SIZE, 0, 0xABC, 0, 0, 0),
				size, sizeof(size));
	return store;
}

/* The control file and the record that a server of that version reads first. */
UNIT_TEST(major_seed)
{
	for (int i = 0; i < PARTS; i++)
	{
		const BbMajor *major = bb_major_of(major_files[i].major * 10000);
		BbPageStore *store = store_of(i);
		XLogRecPtr	lsn = bb_pagestore_info(store)->end_lsn;
		BbSeed	   *seed = bb_seed_new(ctx, unit_snapshot(store, lsn), lsn - 8,
									   2, NULL);
		uint8	   *control = seed->control.bytes;
		BbCheckpoint checkpoint;
		XLogPageHeaderData page;
		XLogRecord	record;
		pg_crc32c	crc;
		uint8	   *at;

		CHECK(bb_control_error(major, control, major->control_size) == NULL);
		checkpoint = bb_checkpoint_read(major, checkpoint_in(control));
		CHECK(checkpoint.redo == seed->record_start && checkpoint.tli == 2);
		CHECK(checkpoint.next_xid == major_files[i].next_xid);

		memcpy(&page, seed->pages, sizeof(page));
		CHECK(page.xlp_magic == major->wal_magic && page.xlp_tli == 2);
		at = seed->pages + (seed->record_start - seed->record_page);
		memcpy(&record, at, SizeOfXLogRecord);
		CHECK(record.xl_tot_len ==
			  SizeOfXLogRecord + 2 + major->checkpoint_size);
		INIT_CRC32C(crc);
		COMP_CRC32C(crc, at + SizeOfXLogRecord,
					record.xl_tot_len - SizeOfXLogRecord);
		COMP_CRC32C(crc, &record, offsetof(XLogRecord, xl_crc));
		FIN_CRC32C(crc);
		CHECK(EQ_CRC32C(crc, record.xl_crc));
		CHECK(at[SizeOfXLogRecord + 1] == major->checkpoint_size);
		CHECK(memcmp(at + SizeOfXLogRecord + 2, checkpoint_in(control),
					 major->checkpoint_size) == 0);
	}
}

static bool
has_member(const BbReqCtx *ctx, BbPageStore *store, const char *path)
{
	BbBackupOptions options = bb_options_defaults();
	BbSnapshot	snapshot = bb_snapshot_at(store,
										  bb_pagestore_info(store)->end_lsn);
	BbFileList *list;
	BbMember	member;

	/* the fixture has no databases, so the walk is over before their files */
	list = bb_filelist_new(bb_plan_new(ctx, &snapshot, &options));
	while (bb_filelist_next(ctx, list, &member))
	{
		if (strcmp(member.path, path) == 0)
			return true;
		if (member.kind == BB_MEMBER_CONTROL)
			break;
	}
	return false;
}

UNIT_TEST(major_members)
{
	for (int i = 0; i < PARTS; i++)
	{
		const BbMajor *major = bb_major_of(major_files[i].major * 10000);
		BbPageStore *store = store_of(i);

		CHECK(has_member(ctx, store, "pg_wal/summaries") ==
			  (major->number >= 17));
		CHECK(has_member(ctx, store, "pg_twophase/00000ABC") ==
			  (major->number < 17));
		CHECK(has_member(ctx, store, "pg_twophase/0000000000000ABC") ==
			  (major->number >= 17));
		CHECK(has_member(ctx, store,
						 psprintf("pg_tblspc/16400/PG_%d_%u", major->number,
								  major->catalog_version)));
	}
}

/* ---- bbackup.redo_bindir ---- */

static bool
is_valid(const char *value)
{
	char	   *copy = pstrdup(value);

	return bb_bindirs_check(&copy, NULL, PGC_S_FILE);
}

UNIT_TEST(bindirs_form)
{
	const char *value = " 16=/a b/bin , 18 = /c=d/bin";

	CHECK(is_valid(""));
	CHECK(is_valid(value));
	CHECK(!is_valid("18"));
	CHECK(!is_valid("18="));
	CHECK(!is_valid("18=bin"));
	CHECK(!is_valid("=/bin"));
	CHECK(!is_valid("14=/bin"));
	CHECK(!is_valid("20=/bin"));
	CHECK(!is_valid("x=/bin"));
	CHECK(!is_valid("-18=/bin"));
	CHECK(!is_valid("18=/bin 17=/bin, 18=/bin"));
	CHECK(!is_valid("18=/bin, 18=/sbin"));

	CHECK(strcmp(bb_bindirs_find(value, 16), "/a b/bin") == 0);
	CHECK(strcmp(bb_bindirs_find(value, 18), "/c=d/bin") == 0);
	CHECK(bb_bindirs_find(value, 17) == NULL);
	CHECK(bb_bindirs_find("", 17) == NULL);
}

/* When a user sets it, the programs are run. */
UNIT_TEST(bindirs_programs)
{
	char		own[MAXPGPATH];
	int			major = PG_VERSION_NUM / 10000;
	int			other = major == BB_MAJOR_OLDEST ? BB_MAJOR_NEWEST
												 : BB_MAJOR_OLDEST;

	strlcpy(own, my_exec_path, sizeof(own));
	get_parent_directory(own);
	bb_settings_defined = true;
	CHECK(is_valid(psprintf("%d=%s", major, own)));
	CHECK(!is_valid(psprintf("%d=%s", other, own)));
	CHECK(!is_valid("18=/nowhere"));
	CHECK(!is_valid("18=/it's no directory; touch /tmp/x"));
	bb_settings_defined = false;
	CHECK(is_valid("18=/nowhere"));
}
