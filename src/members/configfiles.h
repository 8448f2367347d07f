/*-------------------------------------------------------------------------
 *
 * configfiles.h
 *	  Small files: those captured from the source, and what it lacked.
 *
 * A captured file goes into a backup as it was, unless it was given another
 * text, after the directories that it needs; so do captured directories.  Each
 * path comes once, in the order of strcmp, and none that the backup makes
 * itself, or that would make a server recover.  Three files have to be there
 * for a server to start; a source that keeps them elsewhere (Debian:
 * /etc/postgresql) gets minimal ones.
 *
 * Errors: those of the page store; DATA_CORRUPTED (a path that leads out of
 * the data directory).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CONFIGFILES_H
#define BB_CONFIGFILES_H

#include "catalog/pg_control.h"
#include "members/member.h"

typedef struct BbConfigFiles BbConfigFiles;

/*
 * bb_configfiles_new - look at what was captured.
 *
 * All belongs to CurrentMemoryContext.
 */
extern BbConfigFiles *bb_configfiles_new(const BbReqCtx *ctx,
										 BbPageStore *store, XLogRecPtr lsn);

/*
 * bb_configfiles_generate - have the files without which no server starts.
 *
 * "control" is what they are to fit.
 */
extern void bb_configfiles_generate(BbConfigFiles *files,
									const ControlFileData *control);

/*
 * bb_configfiles_read - the content of a file, palloc'd, with a zero behind
 * its *length bytes; NULL: there is no such file.
 */
extern char *bb_configfiles_read(const BbReqCtx *ctx, BbConfigFiles *files,
								 const char *path, size_t *length);

/*
 * bb_configfiles_write - give a file this content from now on; a new one if
 * there is none.  The text is kept, not copied.
 */
extern void bb_configfiles_write(BbConfigFiles *files, const char *path,
								 char *text, size_t length);

/* bb_configfiles_leave_out - have no such file. */
extern void bb_configfiles_leave_out(BbConfigFiles *files, const char *path);

/* bb_configfiles_has - is there such a file, or directory? */
extern bool bb_configfiles_has(const BbConfigFiles *files, const char *path,
							   bool directory);

/*
 * bb_configfiles_list - the paths (char *) of the files right in a directory,
 * in the order of strcmp.
 */
extern List *bb_configfiles_list(const BbConfigFiles *files,
								 const char *directory);

/*
 * bb_configfiles_next - the next member; false: no more.
 */
extern bool bb_configfiles_next(const BbReqCtx *ctx, BbConfigFiles *files,
								BbMember *member);

#endif /* BB_CONFIGFILES_H */
