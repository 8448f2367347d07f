/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between PostgreSQL 15, 16, 17 and 18, in one place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_COMPAT_H
#define BB_COMPAT_H

#include "fmgr.h"

#if PG_VERSION_NUM < 150000
#error "bbackup needs PostgreSQL 15 or later"
#endif

/*
 * A function that SQL can call.  The module is built with
 * -fvisibility=hidden, and PostgreSQL 15 doesn't export such a function by
 * itself.
 */
#define BB_SQL_FUNCTION(name)                                \
	extern PGDLLEXPORT __attribute__((visibility("default"))) \
		Datum name(PG_FUNCTION_ARGS);                        \
	PG_FUNCTION_INFO_V1(name)

/* pg_twophase/ file names carry the epoch from 17 on. */
#if PG_VERSION_NUM >= 170000
#define BB_TWOPHASE_NAME_LENGTH 16
#else
#define BB_TWOPHASE_NAME_LENGTH 8
#endif

#endif /* BB_COMPAT_H */
