/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between PostgreSQL 15, 16, 17 and 18, in one place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_COMPAT_H
#define BB_COMPAT_H

#include "common/relpath.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_foreign_server.h"
#endif
#if PG_VERSION_NUM >= 170000
#include "storage/procnumber.h"
#else
#include "storage/backendid.h"
#endif

#if PG_VERSION_NUM < 150000
#error "bbackup needs PostgreSQL 15 or later"
#endif

/*
 * The module is built with -fvisibility=hidden.  From 16 on the server's
 * macros (PG_MODULE_MAGIC, PG_FUNCTION_INFO_V1) export what they declare; in
 * 15 they would, if PGDLLEXPORT meant something.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

/* A function that SQL can call. */
#define BB_SQL_FUNCTION(name)                       \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name)

/* pg_twophase/ file names carry the epoch from 17 on. */
#if PG_VERSION_NUM >= 170000
#define BB_TWOPHASE_NAME_LENGTH 16
#else
#define BB_TWOPHASE_NAME_LENGTH 8
#endif

/* The directory of WAL summaries came with 17. */
#if PG_VERSION_NUM >= 170000
#define BB_HAVE_WAL_SUMMARIES
#endif

/*
 * bb_compat_relation_path - the path of a permanent relation's fork.
 */
static inline void
bb_compat_relation_path(char *path, size_t size, Oid spc, Oid db, Oid rel,
						ForkNumber fork)
{
#if PG_VERSION_NUM >= 180000
	RelPathStr	made = GetRelationPath(db, spc, rel, INVALID_PROC_NUMBER, fork);

	strlcpy(path, made.str, size);
#else
#if PG_VERSION_NUM >= 170000
	char	   *made = GetRelationPath(db, spc, rel, INVALID_PROC_NUMBER, fork);
#else
	char	   *made = GetRelationPath(db, spc, rel, InvalidBackendId, fork);
#endif

	strlcpy(path, made, size);
	pfree(made);
#endif
}

/*
 * bb_compat_backend_status - of number i, from 1 on, in the local copy.
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
