/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between PostgreSQL 15, 16, 17, 18 and 19, in one place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_COMPAT_H
#define BB_COMPAT_H

#include "access/heapam_xlog.h"
#include "access/xlogdefs.h"
#include "access/xlogreader.h"
#include "common/relpath.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "storage/bufpage.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_namespace.h"
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

/* 19 has a name for this attribute, and takes no comment for it. */
#ifndef pg_fallthrough
#define pg_fallthrough __attribute__((fallthrough))
#endif

/* 19 renamed RepOriginId, and PageSetChecksumInplace. */
#if PG_VERSION_NUM >= 190000
typedef ReplOriginId RepOriginId;
#define InvalidRepOriginId InvalidReplOriginId
#else
#define PageSetChecksum(page, block) PageSetChecksumInplace(page, block)
#endif

/*
 * Up to 18, a buffer that was dropped is the next one that is taken (freelist.c).
 * From 19 on, there is no list of free buffers: the clock hand takes the next
 * one in turn.
 */
#if PG_VERSION_NUM < 190000
#define BB_HAVE_FREE_BUFFERS true
#else
#define BB_HAVE_FREE_BUFFERS false
#endif

/*
 * How the server writes an LSN, as pg_lsn_out() does; it takes LSN_FORMAT_ARGS().
 * Messages show an LSN as SQL does.
 */
#if PG_VERSION_NUM >= 190000
#define BB_LSN_FORMAT "%X/%08X"
#else
#define BB_LSN_FORMAT "%X/%X"
#endif

/* The arguments of a signal handler, for another handler. */
#if PG_VERSION_NUM >= 190000
#define BB_SIGNAL_ARGS postgres_signal_arg, pg_siginfo
#else
#define BB_SIGNAL_ARGS postgres_signal_arg
#endif

/*
 * Offsets of members of multixacts have 64 bits from 19 on.  The segments of
 * members then have names of 15 digits.
 */
#if PG_VERSION_NUM >= 190000
#define BB_HAVE_LONG_OFFSETS
#define BB_MAX_MULTIXACT_OFFSET PG_UINT64_MAX
#else
#define BB_MAX_MULTIXACT_OFFSET PG_UINT32_MAX
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

/*
 * bb_compat_attribute_set - end a change of a column of a descriptor.
 *
 * From 18 on a descriptor has the main facts of each column twice.
 */
static inline void
bb_compat_attribute_set(TupleDesc desc, int i)
{
#if PG_VERSION_NUM >= 180000
	populate_compact_attribute(desc, i);
#else
	TupleDescAttr(desc, i)->attcacheoff = -1;
#endif
}

/* From 19 on, a descriptor has to be ended before it is used. */
#if PG_VERSION_NUM < 190000
#define TupleDescFinalize(desc) ((void) (desc))
#endif

/*
 * Create the path of a scan of a foreign table that keeps no order.  17 added the
 * join clauses that a path heeds, 18 the number of disabled nodes.
 */
#if PG_VERSION_NUM >= 180000
#define BB_FOREIGNSCAN_PATH(root, rel, rows, startup, total, outer, private) \
	create_foreignscan_path(root, rel, NULL, rows, 0, startup, total, NIL,   \
							outer, NULL, NIL, private)
#elif PG_VERSION_NUM >= 170000
#define BB_FOREIGNSCAN_PATH(root, rel, rows, startup, total, outer, private) \
	create_foreignscan_path(root, rel, NULL, rows, startup, total, NIL,      \
							outer, NULL, NIL, private)
#else
#define BB_FOREIGNSCAN_PATH(root, rel, rows, startup, total, outer, private) \
	create_foreignscan_path(root, rel, NULL, rows, startup, total, NIL,      \
							outer, NULL, private)
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

static inline AclResult
bb_compat_schema_usage(Oid schema, Oid user)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(NamespaceRelationId, schema, user, ACL_USAGE);
#else
	return pg_namespace_aclcheck(schema, user, ACL_USAGE);
#endif
}

#endif /* BB_COMPAT_H */
