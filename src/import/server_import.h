/*-------------------------------------------------------------------------
 *
 * server_import.h
 *	  Import of a running server as a new timeline of a page store.
 *
 *	  BASE_BACKUP ── tar ──┬── large relation files ──► image layers, at once
 *						   └── all else ──► a temporary file ── in key order ──►
 *												image layers that fill the gaps
 *	  WAL, meanwhile ──► a spool ──► ingest, until the backup is consistent
 *
 * Nothing is stored in a directory between.  Memory doesn't depend on the size
 * of the cluster, but for an entry for each file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SERVER_IMPORT_H
#define BB_SERVER_IMPORT_H

#include "import/import.h"
#include "streaming/basebackup.h"
#include "wal/source.h"

/*
 * The WAL that belongs to a base backup, which somebody else receives.
 *
 *	  reserve, (the backup starts), receive, check*, origin
 */
typedef struct BbServerWal BbServerWal;

struct BbServerWal
{
	/*
	 * Wait until the source keeps its WAL from now on for us.  It is the system
	 * of "server", which the base backup comes from.
	 */
	void		(*reserve) (const BbReqCtx *ctx, BbServerWal *wal,
							const BbReplServer *server);
	/* Receive the WAL of tli from lsn on. */
	void		(*receive) (const BbReqCtx *ctx, BbServerWal *wal,
							TimeLineID tli, XLogRecPtr lsn);
	/* Raise an error if it can't be received; called now and then. */
	void		(*check) (const BbReqCtx *ctx, BbServerWal *wal);
	/* Returns that WAL, as it arrives. */
	const BbWalOrigin *(*origin) (const BbReqCtx *ctx, BbServerWal *wal);
};

/*
 * bb_import_server - store the cluster of a server as "timeline".
 *
 * Errors: those of bb_import_directory, except those of a directory;
 * those of connection.h and of "wal".
 */
extern BbImportResult bb_import_server(const BbReqCtx *ctx,
									   BbObjectStore *objects,
									   const char *timeline,
									   BbReplConnection *connection,
									   const BbServerBackupOptions *options,
									   BbServerWal *wal);

#endif /* BB_SERVER_IMPORT_H */
