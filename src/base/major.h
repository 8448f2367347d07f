/*-------------------------------------------------------------------------
 *
 * major.h
 *	  What differs between the data directories of the major versions.
 *
 * A store outlives the server that wrote it.  So whoever reads a timeline asks
 * for the facts of its cluster's major version, here, at run time:
 *
 *	  manifest: pg_version_num --bb_major_of--> BbMajor --> paths, layouts, magic
 *
 * compat.h has what differs between the servers that this module is built for,
 * at compile time.  Reading WAL is the latter: its records have the form of the
 * server's structs, so a timeline takes WAL only on a server of its own major
 * version.
 *
 * (Facts from each version's catalog/pg_control.h, catalog/catversion.h,
 * access/xlog_internal.h, relmapper.c, twophase.c, slru.c, initdb.c,
 * backup_manifest.c, and guc_tables.c.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MAJOR_H
#define BB_MAJOR_H

#include "access/xlogdefs.h"
#include "common/relpath.h"

typedef struct BbMajor
{
	int			number; /* 15, 16, ... */
	uint32		control_version;
	uint32		catalog_version;
	uint16		wal_magic; /* of WAL pages */

	/* CheckPoint: its size, and where it has these fields */
	uint16		checkpoint_size;
	uint16		next_xid_at;
	uint16		time_at;
	uint16		oldest_active_xid_at;
	uint16		logical_decoding_at; /* a bool; 0: there is none */

	/*
	 * ControlFileData: its size, and where it has these fields, from the block
	 * sizes on (clusterfile.c)
	 */
	uint16		control_size;
	uint16		wal_sizes_at; /* the size of WAL blocks, and what follows */
	uint16		float8_by_val_at;
	uint16		checksum_version_at;
	uint16		crc_at;

	/* pg_filenode.map */
	uint16		relmap_size;
	uint16		relmap_crc_at;

	uint8		twophase_digits;  /* of the names in pg_twophase */
	uint8		members_digits;	  /* of the names in pg_multixact/members */
	uint8		manifest_version; /* of backup_manifest */
	bool		wal_summaries;	  /* is there a directory for them? */
	const char
		*origins_setting;  /* how many replication origins there may be */
	int			max_locks; /* the default of max_locks_per_transaction */
} BbMajor;

/* pg_filenode.map begins with it, in all versions. */
#define BB_RELMAP_MAGIC 0x592717

#define BB_MAJOR_OLDEST 15
#define BB_MAJOR_NEWEST 19

/* The room for the control file of any major version. */
#define BB_CONTROL_SIZE_MAX 512

/* bb_major_of - return the major version of a PG_VERSION_NUM; NULL: unknown. */
extern const BbMajor *bb_major_of(uint32 version_num);

/* bb_major_own - return that of this server. */
extern const BbMajor *bb_major_own(void);

/*
 * bb_major_version_directory - return the name of the directory that a server
 * has in the location of a tablespace, palloc'd.
 */
extern char *bb_major_version_directory(const BbMajor *major);

/*
 * bb_major_database_path - write the path of a database's directory in the data
 * directory; bb_major_relation_path, of a permanent relation's fork.
 */
extern void bb_major_database_path(const BbMajor *major, char *path,
								   size_t size, Oid spc, Oid db);
extern void bb_major_relation_path(const BbMajor *major, char *path,
								   size_t size, Oid spc, Oid db, Oid rel,
								   ForkNumber fork);

#endif /* BB_MAJOR_H */
