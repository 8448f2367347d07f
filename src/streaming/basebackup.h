/*-------------------------------------------------------------------------
 *
 * basebackup.h
 *	  A base backup of a server: BASE_BACKUP on a replication connection.
 *
 *	  start ( next = ARCHIVE ( next = DATA | next = PROGRESS )* )* next = END
 *
 * Archives are tars: one for each tablespace, then the one of the data
 * directory, whose first member is backup_label and whose last is
 * global/pg_control, and which has the symbolic links in pg_tblspc.
 * (basebackup.c and basebackup_copy.c of PostgreSQL.)
 *
 * Errors of all functions: those of connection.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STREAMING_BASEBACKUP_H
#define BB_STREAMING_BASEBACKUP_H

#include "nodes/pg_list.h"
#include "streaming/connection.h"

typedef struct BbServerBackupOptions
{
	const char *label;
	bool		fast_checkpoint;
	int			max_rate_kb; /* kilobytes a second; 0: no limit */
} BbServerBackupOptions;

typedef struct BbServerTablespace
{
	Oid			spc;	  /* Invalid: the data directory */
	const char *location; /* NULL: of the data directory */
	uint64		bytes;	  /* about */
} BbServerTablespace;

typedef struct BbServerBackupStart
{
	XLogRecPtr	lsn; /* WAL from here makes the backup consistent */
	TimeLineID	tli;
	List	   *tablespaces; /* BbServerTablespace *, in the archives' order */
} BbServerBackupStart;

typedef enum BbServerBackupNext
{
	BB_SERVERBACKUP_ARCHIVE,  /* the archive of a tablespace begins */
	BB_SERVERBACKUP_DATA,	  /* bytes of it */
	BB_SERVERBACKUP_PROGRESS, /* the server has read so many bytes */
	BB_SERVERBACKUP_END
} BbServerBackupNext;

typedef struct BbServerBackupPiece
{
	const BbServerTablespace *tablespace; /* ARCHIVE */
	const char *data;					  /* DATA: valid until the next call */
	size_t		length;
	uint64		bytes_done; /* PROGRESS */
	XLogRecPtr	end_lsn;	/* END */
	TimeLineID	end_tli;
} BbServerBackupPiece;

/*
 * bb_serverbackup_start - start a base backup, and wait for its checkpoint.
 *
 * The server makes no manifest and verifies no checksums, since the caller
 * checks every page.
 */
extern BbServerBackupStart bb_serverbackup_start(
	const BbReqCtx *ctx, BbReplConnection *connection,
	const BbServerBackupOptions *options);

/* bb_serverbackup_next - wait for the next piece. */
extern BbServerBackupNext bb_serverbackup_next(const BbReqCtx *ctx,
											   BbReplConnection *connection,
											   BbServerBackupPiece *piece);

#endif /* BB_STREAMING_BASEBACKUP_H */
