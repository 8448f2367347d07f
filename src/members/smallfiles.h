/*-------------------------------------------------------------------------
 *
 * smallfiles.h
 *	  The small files of a backup: captured from the source, or generated.
 *
 * A captured file goes into a backup as it was, unless it was given another
 * text.  Captured directories go into it too.  Each path comes once, in the
 * order of strcmp, after the directories that it needs.  Files that the backup
 * makes itself, or that would make a server recover, are not among them.
 *
 * Errors: those of the page store; DATA_CORRUPTED (a path that leads out of
 * the data directory).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SMALLFILES_H
#define BB_SMALLFILES_H

#include "members/member.h"
#include "nodes/pg_list.h"

typedef struct BbSmallFiles BbSmallFiles;

/*
 * bb_smallfiles_new - read the list of captured files and directories.
 *
 * Everything is allocated in CurrentMemoryContext.
 */
extern BbSmallFiles *bb_smallfiles_new(const BbReqCtx *ctx,
									   const BbSnapshot *snapshot);

/*
 * bb_smallfiles_read - return the content of a file, palloc'd, with a zero byte
 * after its *length bytes; NULL if there is no such file.
 */
extern char *bb_smallfiles_read(const BbReqCtx *ctx, const BbSmallFiles *files,
								const char *path, size_t *length);

/*
 * bb_smallfiles_write - replace the content of a file, or add a generated file.
 *
 * The text isn't copied.
 */
extern void bb_smallfiles_write(BbSmallFiles *files, const char *path,
								char *text, size_t length);

/* bb_smallfiles_remove - remove a file, if there is one. */
extern void bb_smallfiles_remove(BbSmallFiles *files, const char *path);

/* bb_smallfiles_has - is there such a file, or directory? */
extern bool bb_smallfiles_has(const BbSmallFiles *files, const char *path,
							  bool directory);

/*
 * bb_smallfiles_list - return the paths (char *) of the files in a directory,
 * without those in directories below it, in the order of strcmp.
 */
extern List *bb_smallfiles_list(const BbSmallFiles *files,
								const char *directory);

/* A walk over the members; begins with all fields but the first two zero. */
typedef struct BbSmallFilesWalk
{
	const BbSmallFiles *files;
	const BbMajor *major; /* of the cluster */
	int			next;
	List	   *directories; /* char *: members made for the files in them */
} BbSmallFilesWalk;

/*
 * bb_smallfiles_next - return the next member; false at the end.
 *
 * The walk's own data are in CurrentMemoryContext.
 */
extern bool bb_smallfiles_next(BbSmallFilesWalk *walk, BbMember *member);

#endif /* BB_SMALLFILES_H */
