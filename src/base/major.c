/*-------------------------------------------------------------------------
 *
 * major.c
 *	  What differs between the data directories of the major versions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/major.h"
#include "catalog/catversion.h"
#include "catalog/pg_tablespace_d.h"

/*
 * Files of this server's own version count whatever its catalog version is: it
 * may be a test version.
 */
#define CATALOG_VERSION(number, released) \
	(PG_VERSION_NUM / 10000 == (number) ? CATALOG_VERSION_NO : (released))

#define ORIGINS_WITH_SLOTS "max_replication_slots"
#define ORIGINS_ALONE "max_active_replication_origins"

static const BbMajor majors[] = {
	{
		.number = 15,
		.control_version = 1300,
		.catalog_version = CATALOG_VERSION(15, 202209061),
		.wal_magic = 0xD110,
		.checkpoint_size = 88,
		.next_xid_at = 24,
		.time_at = 64,
		.oldest_active_xid_at = 80,
		.control_size = 296,
		.wal_sizes_at = 224,
		.float8_by_val_at = 248,
		.checksum_version_at = 252,
		.crc_at = 288,
		.relmap_size = 512,
		.relmap_crc_at = 504,
		.twophase_digits = 8,
		.members_digits = 4,
		.manifest_version = 1,
		.origins_setting = ORIGINS_WITH_SLOTS,
		.max_locks = 64,
	},
	{
		.number = 16,
		.control_version = 1300,
		.catalog_version = CATALOG_VERSION(16, 202307071),
		.wal_magic = 0xD113,
		.checkpoint_size = 88,
		.next_xid_at = 24,
		.time_at = 64,
		.oldest_active_xid_at = 80,
		.control_size = 296,
		.wal_sizes_at = 224,
		.float8_by_val_at = 248,
		.checksum_version_at = 252,
		.crc_at = 288,
		.relmap_size = 524,
		.relmap_crc_at = 520,
		.twophase_digits = 8,
		.members_digits = 4,
		.manifest_version = 1,
		.origins_setting = ORIGINS_WITH_SLOTS,
		.max_locks = 64,
	},
	{
		.number = 17,
		.control_version = 1700,
		.catalog_version = CATALOG_VERSION(17, 202406281),
		.wal_magic = 0xD116,
		.checkpoint_size = 88,
		.next_xid_at = 24,
		.time_at = 64,
		.oldest_active_xid_at = 80,
		.control_size = 296,
		.wal_sizes_at = 224,
		.float8_by_val_at = 248,
		.checksum_version_at = 252,
		.crc_at = 288,
		.relmap_size = 524,
		.relmap_crc_at = 520,
		.twophase_digits = 16,
		.members_digits = 4,
		.manifest_version = 2,
		.wal_summaries = true,
		.origins_setting = ORIGINS_WITH_SLOTS,
		.max_locks = 64,
	},
	{
		.number = 18,
		.control_version = 1800,
		.catalog_version = CATALOG_VERSION(18, 202506291),
		.wal_magic = 0xD118,
		.checkpoint_size = 88,
		.next_xid_at = 24,
		.time_at = 64,
		.oldest_active_xid_at = 80,
		.control_size = 296,
		.wal_sizes_at = 224,
		.float8_by_val_at = 248,
		.checksum_version_at = 252,
		.crc_at = 292,
		.relmap_size = 524,
		.relmap_crc_at = 520,
		.twophase_digits = 16,
		.members_digits = 4,
		.manifest_version = 2,
		.wal_summaries = true,
		.origins_setting = ORIGINS_ALONE,
		.max_locks = 64,
	},
	{
		.number = 19,
		.control_version = 1905,
		.catalog_version = CATALOG_VERSION(19, 202610061),
		.wal_magic = 0xD122,
		.checkpoint_size = 96,
		.next_xid_at = 32,
		.time_at = 72,
		.oldest_active_xid_at = 88,
		.logical_decoding_at = 24,
		.control_size = 312,
		.wal_sizes_at = 236,
		.float8_by_val_at = 260,
		.checksum_version_at = 268,
		.crc_at = 308,
		.relmap_size = 524,
		.relmap_crc_at = 520,
		.twophase_digits = 16,
		.members_digits = 15,
		.manifest_version = 2,
		.wal_summaries = true,
		.origins_setting = ORIGINS_ALONE,
		.max_locks = 128,
	},
};

StaticAssertDecl(lengthof(majors) == BB_MAJOR_NEWEST - BB_MAJOR_OLDEST + 1,
				 "each major version has a row");
StaticAssertDecl(PG_VERSION_NUM / 10000 >= BB_MAJOR_OLDEST &&
					 PG_VERSION_NUM / 10000 <= BB_MAJOR_NEWEST,
				 "the server's major version has a row");

const BbMajor *
bb_major_of(uint32 version_num)
{
	uint32		number = version_num / 10000;

	if (number < BB_MAJOR_OLDEST || number > BB_MAJOR_NEWEST)
		return NULL;
	return &majors[number - BB_MAJOR_OLDEST];
}

const BbMajor *
bb_major_own(void)
{
	return bb_major_of(PG_VERSION_NUM);
}

/* (TABLESPACE_VERSION_DIRECTORY) */
char *
bb_major_version_directory(const BbMajor *major)
{
	return psprintf("PG_%d_%u", major->number, major->catalog_version);
}

/* (GetDatabasePath in PostgreSQL's relpath.c) */
void
bb_major_database_path(const BbMajor *major, char *path, size_t size, Oid spc,
					   Oid db)
{
	if (spc == GLOBALTABLESPACE_OID)
		strlcpy(path, "global", size);
	else if (spc == DEFAULTTABLESPACE_OID)
		snprintf(path, size, "base/%u", db);
	else
		snprintf(path, size, "pg_tblspc/%u/PG_%d_%u/%u", spc, major->number,
				 major->catalog_version, db);
}

/* (GetRelationPath) */
void
bb_major_relation_path(const BbMajor *major, char *path, size_t size, Oid spc,
					   Oid db, Oid rel, ForkNumber fork)
{
	size_t		length;

	bb_major_database_path(major, path, size, spc, db);
	length = strlen(path);
	if (fork == MAIN_FORKNUM)
		snprintf(path + length, size - length, "/%u", rel);
	else
		snprintf(path + length, size - length, "/%u_%s", rel, forkNames[fork]);
}
