/*-------------------------------------------------------------------------
 *
 * datadir.h
 *	  A data directory that may be imported: which cluster, in which state.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DATADIR_H
#define BB_DATADIR_H

#include "catalog/pg_control.h"
#include "import/backuplabel.h"

typedef struct BbDataDir
{
	char	   *path; /* canonical */
	ControlFileData control;
	uint32		uid; /* owner */
	uint32		gid;
	mode_t		mode;			/* 0700 or 0750, as the server would have it */
	const BbBackupLabel *label; /* of a base backup; NULL: cleanly shut down */
} BbDataDir;

/*
 * bb_datadir_open - look at a data directory.
 *
 * Errors: INVALID_PARAMETER_VALUE (path not absolute, not a data directory);
 * OBJECT_NOT_IN_PREREQUISITE_STATE (a server is running in it, not cleanly
 * shut down and no base backup, another major version, other compile-time
 * sizes); DATA_CORRUPTED (its control file or backup_label);
 * errcode_for_file_access().
 */
extern BbDataDir *bb_datadir_open(const BbReqCtx *ctx, const char *path);

/*
 * bb_datadir_check_unchanged - has no server run in it since?
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE.
 */
extern void bb_datadir_check_unchanged(const BbReqCtx *ctx,
									   const BbDataDir *dir);

#endif /* BB_DATADIR_H */
