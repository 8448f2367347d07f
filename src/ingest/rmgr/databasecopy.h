/*-------------------------------------------------------------------------
 *
 * databasecopy.h
 *	  The copy of a database's files, which one WAL record stands for.
 *
 * CREATE DATABASE … STRATEGY file_copy and ALTER DATABASE … SET TABLESPACE
 * copy a directory, and WAL has no more than that fact.  So a scan with redo
 * reads the source's blocks at that LSN from the store, and they are written as
 * image layers at the end of the record:
 *
 *	  flush ── scan of the source's blocks ── image layers of the copy's
 *
 * Neither the copy nor its source is kept in memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DATABASECOPY_H
#define BB_DATABASECOPY_H

#include "ingest/handler.h"

/* The directory of a database in a tablespace. */
typedef struct BbDatabaseDir
{
	Oid			spc;
	Oid			db;
} BbDatabaseDir;

/*
 * bb_databasecopy_run - replace the database "to" by a copy of "from".
 *
 * REQUIRES: the record being handled has no entry yet.
 */
extern void bb_databasecopy_run(BbIngest *ingest, BbDatabaseDir from,
								BbDatabaseDir to);

#endif /* BB_DATABASECOPY_H */
