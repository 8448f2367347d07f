/*-------------------------------------------------------------------------
 *
 * datadir.h
 *	  A data directory, or one that was received, to import: its cluster and
 *	  its state.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DATADIR_H
#define BB_DATADIR_H

#include "catalog/pg_control.h"
#include "import/backuplabel.h"

typedef struct BbDataDir
{
	const BbSourceTree *tree;
	const char *path; /* of messages: the tree's name */
	ControlFileData control;
	uint32		uid; /* owner */
	uint32		gid;
	mode_t		mode;			/* 0700 or 0750, as the server would set it */
	const BbBackupLabel *label; /* of a base backup; NULL: clean shutdown */
	bool		received;		/* from a server: nobody can change it */
} BbDataDir;

/*
 * bb_datadir_open - check that a data directory can be imported.
 *
 * Errors: INVALID_PARAMETER_VALUE (the path is not absolute, or not that of a
 * data directory); OBJECT_NOT_IN_PREREQUISITE_STATE (a server runs in it, it is
 * neither a base backup nor shut down cleanly, its major version or build
 * differs); DATA_CORRUPTED (its control file or backup_label);
 * errcode_for_file_access().
 */
extern BbDataDir *bb_datadir_open(const BbReqCtx *ctx, const char *path);

/*
 * bb_datadir_received - the same of the files of a base backup that a server
 * sent.
 */
extern BbDataDir *bb_datadir_received(const BbReqCtx *ctx,
									  const BbSourceTree *tree);

/*
 * bb_datadir_check_unchanged - check that no server has run in it since.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE.
 */
extern void bb_datadir_check_unchanged(const BbReqCtx *ctx,
									   const BbDataDir *dir);

/*
 * bb_datadir_warn - warn that the file "name" in the directory "path" is omitted
 * although no rule excludes it.  The detail says why.
 */
extern void bb_datadir_warn(const char *path, const char *name,
							const char *detail);

#endif /* BB_DATADIR_H */
