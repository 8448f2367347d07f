/*-------------------------------------------------------------------------
 *
 * configfiles.h
 *	  Small files: those captured from the source, and what it lacked.
 *
 * A captured file goes into a backup as it was, after the directories that
 * it needs.  Three files have to be there for a server to start; a source
 * that keeps them elsewhere (Debian: /etc/postgresql) gets minimal ones.
 *
 * Errors: those of the page store; DATA_CORRUPTED (a path that leads out of
 * the data directory).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CONFIGFILES_H
#define BB_CONFIGFILES_H

#include "assembly/member.h"
#include "catalog/pg_control.h"

typedef struct BbConfigFiles BbConfigFiles;

/*
 * bb_configfiles_new - look at what was captured.
 */
extern BbConfigFiles *bb_configfiles_new(const BbReqCtx *ctx,
										 BbPageStore *store, XLogRecPtr lsn);

/*
 * bb_configfiles_read - the content of a captured file as text, palloc'd, or
 * NULL if there is no such file.
 */
extern char *bb_configfiles_read(const BbReqCtx *ctx, BbConfigFiles *files,
								 const char *path);

/*
 * bb_configfiles_next - the next member; false: no more.
 *
 * Skips the file with the path "without", if not NULL.  "control" is what
 * the generated files are to fit.
 */
extern bool bb_configfiles_next(const BbReqCtx *ctx, BbConfigFiles *files,
								const char *without,
								const ControlFileData *control,
								BbMember *member);

#endif /* BB_CONFIGFILES_H */
