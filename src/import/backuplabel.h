/*-------------------------------------------------------------------------
 *
 * backuplabel.h
 *	  backup_label, which says where the WAL of a base backup begins.
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
#include "import/sourcetree.h"

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
 * bb_backuplabel_parse - parse the text of a label.
 *
 * Returns NULL, and sets *complaint to an errdetail, if the text is no label.
 */
extern const BbBackupLabel *bb_backuplabel_parse(const char *text,
												 const char **complaint);

/*
 * bb_backuplabel_read - read the label of a data directory.
 *
 * Returns NULL if there is no such file.
 *
 * Errors: DATA_CORRUPTED (the file is no label); FEATURE_NOT_SUPPORTED (it is
 * that of an incremental backup).
 */
extern const BbBackupLabel *bb_backuplabel_read(const BbReqCtx *ctx,
												const BbSourceTree *tree);

#endif /* BB_BACKUPLABEL_H */
