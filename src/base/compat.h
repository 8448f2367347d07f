/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between PostgreSQL 15, 16, 17 and 18, in one place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_COMPAT_H
#define BB_COMPAT_H

#include "access/heapam_xlog.h"
#include "access/xlogreader.h"
#include "common/relpath.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_foreign_server.h"
#include "storage/relfilelocator.h"
#include "varatt.h"
#else
#include "storage/relfilenode.h"
#endif
#if PG_VERSION_NUM >= 170000
#include "common/file_utils.h" /* PG_TEMP_FILES_DIR, storage/fd.h's before */
#include "storage/procnumber.h"
#else
#include "storage/backendid.h"
#endif

#if PG_VERSION_NUM < 150000
#error "bbackup needs PostgreSQL 15 or later"
#endif

/*
 * The module is built with -fvisibility=hidden.  From 16 on the server's macros
 * (PG_MODULE_MAGIC, PG_FUNCTION_INFO_V1) export what they declare; in 15 they
 * use PGDLLEXPORT, but that is empty.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

/* 18 replaced pg_attribute_noreturn(), which follows a declaration. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* pg_twophase/ file names carry the epoch from 17 on. */
#if PG_VERSION_NUM >= 170000
#define BB_TWOPHASE_NAME_LENGTH 16
#else
#define BB_TWOPHASE_NAME_LENGTH 8
#endif

/*
 * pg_filenode.map begins with a magic number, ends with the CRC of all bytes
 * before it, and has a fixed size (RelMapFile in PostgreSQL's relmapper.c).
 */
#define BB_RELMAP_MAGIC 0x592717
#if PG_VERSION_NUM >= 160000
#define BB_RELMAP_CRC_AT 520
#define BB_RELMAP_SIZE 524
#else
#define BB_RELMAP_CRC_AT 504
#define BB_RELMAP_SIZE 512
#endif

/* 17 introduced the directory of WAL summaries. */
#if PG_VERSION_NUM >= 170000
#define BB_HAVE_WAL_SUMMARIES
#endif

/* 17 introduced version 2 of backup_manifest, with the system identifier. */
#if PG_VERSION_NUM >= 170000
#define BB_BACKUP_MANIFEST_VERSION 2
#else
#define BB_BACKUP_MANIFEST_VERSION 1
#endif

/* 16 renamed RelFileNode to RelFileLocator. */
#if PG_VERSION_NUM >= 160000
typedef RelFileLocator BbRelLocator;
#define BB_REL_LOCATOR(spc, db, rel) \
	((RelFileLocator){.spcOid = (spc), .dbOid = (db), .relNumber = (rel)})
#define BB_LOCATOR_SPC(locator) ((locator).spcOid)
#define BB_LOCATOR_DB(locator) ((locator).dbOid)
#define BB_LOCATOR_REL(locator) ((locator).relNumber)
#define BB_LOCATOR_EQUALS(a, b) RelFileLocatorEquals(a, b)
#define BB_DECODED_LOCATOR(block) ((block)->rlocator)
#else
typedef RelFileNode BbRelLocator;
#define BB_REL_LOCATOR(spc, db, rel) \
	((RelFileNode){.spcNode = (spc), .dbNode = (db), .relNode = (rel)})
#define BB_LOCATOR_SPC(locator) ((locator).spcNode)
#define BB_LOCATOR_DB(locator) ((locator).dbNode)
#define BB_LOCATOR_REL(locator) ((locator).relNode)
#define BB_LOCATOR_EQUALS(a, b) RelFileNodeEquals(a, b)
#define BB_DECODED_LOCATOR(block) ((block)->rnode)
#endif

/* Drop a relation's buffers, of all forks, without writing them. */
#if PG_VERSION_NUM >= 160000
#define BB_DROP_ALL_BUFFERS(relations, n) DropRelationsAllBuffers(relations, n)
#else
#define BB_DROP_ALL_BUFFERS(relations, n) \
	DropRelFileNodesAllBuffers(relations, n)
#endif

/* The backend of a relation that is not temporary. */
#if PG_VERSION_NUM >= 170000
#define BB_NO_BACKEND INVALID_PROC_NUMBER
#else
#define BB_NO_BACKEND InvalidBackendId
#endif

/* From 17 on a relation is closed at the end of a transaction unless pinned. */
#if PG_VERSION_NUM >= 170000
#define BB_SMGR_PIN(relation) smgrpin(relation)
#else
#define BB_SMGR_PIN(relation) ((void) (relation))
#endif

/* A wait event set that belongs to no resource owner. */
#if PG_VERSION_NUM >= 170000
#define BB_WAIT_EVENT_SET_NEW(nevents) CreateWaitEventSet(NULL, nevents)
#else
#define BB_WAIT_EVENT_SET_NEW(nevents) \
	CreateWaitEventSet(TopMemoryContext, nevents)
#endif

/*
 * bb_compat_forget_invalidations - make redo of an inplace update change only
 * the page.
 *
 * From 18 on it also sends invalidation messages and unlinks relcache init files
 * if the record's main data has them.
 */
static inline void
bb_compat_forget_invalidations(XLogReaderState *record)
{
#if PG_VERSION_NUM >= 180000
	if (XLogRecGetRmid(record) == RM_HEAP_ID &&
		(XLogRecGetInfo(record) & XLOG_HEAP_OPMASK) == XLOG_HEAP_INPLACE)
	{
		xl_heap_inplace *inplace = (xl_heap_inplace *) XLogRecGetData(record);

		inplace->nmsgs = 0;
		inplace->relcacheInitFileInval = false;
	}
#endif
}

/*
 * bb_compat_relation_path - write the path of a permanent relation's fork.
 */
static inline void
bb_compat_relation_path(char *path, size_t size, Oid spc, Oid db, Oid rel,
						ForkNumber fork)
{
#if PG_VERSION_NUM >= 180000
	RelPathStr	made = GetRelationPath(db, spc, rel, INVALID_PROC_NUMBER,
									   fork);

	strlcpy(path, made.str, size);
#else
#if PG_VERSION_NUM >= 170000
	char	   *made = GetRelationPath(db, spc, rel, INVALID_PROC_NUMBER,
									   fork);
#else
	char	   *made = GetRelationPath(db, spc, rel, InvalidBackendId, fork);
#endif

	strlcpy(path, made, size);
	pfree(made);
#endif
}

/*
 * bb_compat_backend_status - return entry i, counted from 1, of the local copy.
 */
static inline PgBackendStatus *
bb_compat_backend_status(int i)
{
#if PG_VERSION_NUM >= 160000
	return &pgstat_get_local_beentry_by_index(i)->backendStatus;
#else
	return &pgstat_fetch_stat_local_beentry(i)->backendStatus;
#endif
}

/*
 * bb_compat_settings - return all settings of this process; *n is their number.
 */
static inline struct config_generic **
bb_compat_settings(int *n)
{
#if PG_VERSION_NUM >= 160000
	return get_guc_variables(n);
#else
	*n = GetNumConfigOptions();
	return get_guc_variables();
#endif
}

/*
 * bb_compat_server_usage - may the user use a foreign server?
 */
static inline AclResult
bb_compat_server_usage(Oid server, Oid user)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ForeignServerRelationId, server, user, ACL_USAGE);
#else
	return pg_foreign_server_aclcheck(server, user, ACL_USAGE);
#endif
}

#endif /* BB_COMPAT_H */
