/*-------------------------------------------------------------------------
 *
 * backuplabel.h
 *	  backup_label: where the WAL begins that a base backup needs.
 *
 * (do_pg_backup_start in PostgreSQL's xlog.c writes it, read_backup_label in
 * xlogrecovery.c reads it; build_backup_content in xlogbackup.c from 16 on.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BACKUPLABEL_H
#define BB_BACKUPLABEL_H

#include "access/xlogdefs.h"
#include "base/reqctx.h"

/* Below the data directory. */
#define BB_BACKUP_LABEL_FILE "backup_label"

typedef struct BbBackupLabel
{
	XLogRecPtr	start_lsn;		/* redo begins here */
	XLogRecPtr	checkpoint_lsn; /* where the checkpoint's record begins */
	TimeLineID	tli;
	bool		from_standby;
} BbBackupLabel;

/*
 * bb_backuplabel_read - of a data directory; NULL if it has none.
 *
 * Errors: DATA_CORRUPTED (it is not one); FEATURE_NOT_SUPPORTED (of an
 * incremental backup).
 */
extern BbBackupLabel *bb_backuplabel_read(const BbReqCtx *ctx,
										  const char *directory);

#endif /* BB_BACKUPLABEL_H */
