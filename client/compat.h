/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Differences between major versions of PostgreSQL, for programs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_COMPAT_H
#define BB_CLIENT_COMPAT_H

#include "common/file_utils.h"

/* 18 has replaced pg_attribute_noreturn(), which follows a declaration. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* Sync all files of a data directory of this major version. */
static inline void
bb_sync_data_directory(const char *directory)
{
#if PG_VERSION_NUM >= 180000
	sync_pgdata(directory, PG_VERSION_NUM, DATA_DIR_SYNC_METHOD_FSYNC, true);
#elif PG_VERSION_NUM >= 170000
	sync_pgdata(directory, PG_VERSION_NUM, DATA_DIR_SYNC_METHOD_FSYNC);
#else
	fsync_pgdata(directory, PG_VERSION_NUM);
#endif
}

#endif /* BB_CLIENT_COMPAT_H */
