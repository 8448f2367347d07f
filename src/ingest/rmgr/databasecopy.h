/*-------------------------------------------------------------------------
 *
 * databasecopy.h
 *	  A database copied by its files, as one WAL record does it.
 *
 * CREATE DATABASE … STRATEGY file_copy and ALTER DATABASE … SET TABLESPACE
 * copy a directory, and WAL says just that.	 So what the directory has at that
 * point is read from the store, by a scan that redo keeps up with, and
 * written as image layers at the record's end:
 *
 *	  flush ── scan of the source's blocks ── image layers of the copy's
 *
 * Neither the copy nor its source is ever in memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DATABASECOPY_H
#define BB_DATABASECOPY_H

#include "ingest/handler.h"

/* A database's directory in a tablespace. */
typedef struct BbDatabaseDir
{
	Oid			spc;
	Oid			db;
} BbDatabaseDir;

/*
 * bb_databasecopy_run - "to" becomes what "from" is.
 *
 * REQUIRES: no entry of the record being handled yet.
 */
extern void bb_databasecopy_run(BbIngest *ingest, BbDatabaseDir from,
								BbDatabaseDir to);

#endif /* BB_DATABASECOPY_H */
