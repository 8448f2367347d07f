/*-------------------------------------------------------------------------
 *
 * backuplabel.h
 *	  backup_label: where the WAL begins that a base backup needs.
 *
 * (do_pg_backup_start in PostgreSQL's xlog.c writes it, build_backup_content in
 * xlogbackup.c from 16 on, and createBackupLabel in pg_rewind.c, with fewer
 * lines; read_backup_label in xlogrecovery.c reads it.)
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
	bool		incremental;
} BbBackupLabel;

/*
 * bb_backuplabel_parse - the text of a label; NULL: it is none, and there is a
 * complaint, a sentence.
 */
extern const BbBackupLabel *bb_backuplabel_parse(const char *text,
												 const char **complaint);

/*
 * bb_backuplabel_read - of a data directory; NULL if it has none.
 *
 * Errors: DATA_CORRUPTED (it is not one); FEATURE_NOT_SUPPORTED (of an
 * incremental backup).
 */
extern const BbBackupLabel *bb_backuplabel_read(const BbReqCtx *ctx,
												const char *directory);

#endif /* BB_BACKUPLABEL_H */
