/*-------------------------------------------------------------------------
 *
 * files.h
 *	  The files of a place of WAL: segments and timeline history files.
 *
 *	  segments.c, tlihistory.c ──► files of WAL ─┬─► files.c, a directory
 *												  ├─► archive/, archives
 *												  └─► import/, a base backup
 *
 * A file has its own name, whatever a driver does with it: a segment
 * ("000000010000000000000001"), one that was archived incomplete (".partial"
 * after that), or a history file ("00000002.history").  There may be several
 * copies of a file, such as in several directories.  Each has a number; copies
 * with lower numbers are better.
 *
 * Contents belong to the memory context that they were opened in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WAL_FILES_H
#define BB_WAL_FILES_H

#include "base/reqctx.h"
#include "base/resource.h"
#include "wal/page.h"

typedef struct BbWalFiles BbWalFiles;
typedef struct BbWalFilesOps BbWalFilesOps;

/* What an open file contains. */
typedef struct BbWalContent
{
	const char *path;		 /* for messages */
	uint64		size;		 /* bytes, when it was opened */
	const char *complaint;	 /* why none can be read, a sentence; else NULL */
	int			failed;		 /* the errno of opening it, or 0 */
	bool		irregular;	 /* it is not a regular file */
	bool		unsupported; /* this build can't decompress it */

	BbFd	   *fd;		   /* to read from, or */
	const char *memory;	   /* the bytes */
	MemoryContext context; /* of the content */
} BbWalContent;

/* The first member of a driver's struct. */
struct BbWalFiles
{
	const BbWalFilesOps *ops;
	const char *name; /* for messages, such as: directory "/archive" */

	/*
	 * Are there files that can't be listed, but opened?  Copy BB_WAL_FETCHED of
	 * a file is then one that is fetched from elsewhere.
	 */
	bool		fetches;
};

#define BB_WAL_FETCHED PG_INT32_MAX

/* Called with each copy of each file, in any order. */
typedef void (*BbWalFileSeen) (void *arg, const char *name, int copy);

/* A driver's operations; the functions below have their contracts. */
struct BbWalFilesOps
{
	void		(*list) (const BbReqCtx *ctx, BbWalFiles *files,
						 BbWalFileSeen seen, void *arg);
	BbWalContent *(*open) (const BbReqCtx *ctx, BbWalFiles *files,
						   const char *name, int copy, uint32 need);
	int			(*find) (const BbReqCtx *ctx, BbWalFiles *files,
						 const char *name, int copy);

	/* These may be NULL. */
	void		(*begin) (const BbReqCtx *ctx, BbWalFiles *files,
						  const BbWalStart *start);
	const char *(*similar) (const BbReqCtx *ctx, BbWalFiles *files,
							const char *name);
	bool		(*is_pg_wal) (const BbWalFiles *files);
	void		(*ahead) (const BbReqCtx *ctx, BbWalFiles *files,
						  const char *name);
};

/* bb_walfiles_directory - the files in a directory, under their own names. */
extern BbWalFiles *bb_walfiles_directory(const char *path);

/*
 * bb_walfiles_begin - get ready to read WAL from "start" on.
 *
 * Called before all others.
 *
 * Errors: INVALID_PARAMETER_VALUE (not an absolute path, not a directory);
 * errcode_for_file_access().
 */
static inline void
bb_walfiles_begin(const BbReqCtx *ctx, BbWalFiles *files,
				  const BbWalStart *start)
{
	if (files->ops->begin != NULL)
		files->ops->begin(ctx, files, start);
}

/*
 * bb_walfiles_list - look which files there are.
 *
 * Segments that are far before the start may be omitted.
 *
 * Errors: errcode_for_file_access().
 */
static inline void
bb_walfiles_list(const BbReqCtx *ctx, BbWalFiles *files, BbWalFileSeen seen,
				 void *arg)
{
	files->ops->list(ctx, files, seen, arg);
}

/*
 * bb_walfiles_find - returns the best copy of a file from "copy" on; -1: none.
 *
 * Errors: those of open, if the file has to be fetched.
 */
static inline int
bb_walfiles_find(const BbReqCtx *ctx, BbWalFiles *files, const char *name,
				 int copy)
{
	return files->ops->find(ctx, files, name, copy);
}

/*
 * bb_walfiles_open - open a copy of a file.
 *
 * need: only so many bytes at the beginning are needed; 0: all.  Returns NULL if
 * the copy doesn't exist.
 *
 * A file that can't be read isn't an error: it has a complaint.
 *
 * Errors: INSUFFICIENT_RESOURCES (no file descriptor left);
 * EXTERNAL_ROUTINE_EXCEPTION (a program that fetches it failed).
 */
static inline BbWalContent *
bb_walfiles_open(const BbReqCtx *ctx, BbWalFiles *files, const char *name,
				 int copy, uint32 need)
{
	return files->ops->open(ctx, files, name, copy, need);
}

/* Returns a file that may be meant by a name, but isn't read; NULL: none. */
static inline const char *
bb_walfiles_similar(const BbReqCtx *ctx, BbWalFiles *files, const char *name)
{
	return files->ops->similar != NULL ? files->ops->similar(ctx, files, name)
									   : NULL;
}

/* Is this the pg_wal of a server, which creates segments in advance? */
static inline bool
bb_walfiles_is_pg_wal(const BbWalFiles *files)
{
	return files->ops->is_pg_wal != NULL && files->ops->is_pg_wal(files);
}

/* bb_walfiles_ahead - a file that is fetched will be opened soon. */
static inline void
bb_walfiles_ahead(const BbReqCtx *ctx, BbWalFiles *files, const char *name)
{
	if (files->ops->ahead != NULL)
		files->ops->ahead(ctx, files, name);
}

/* ---- contents ---- */

/*
 * bb_walcontent_open - open a file as it is; NULL if it doesn't exist.
 *
 * Errors: INSUFFICIENT_RESOURCES.
 */
extern BbWalContent *bb_walcontent_open(const char *path);

/* bb_walcontent_new - create an empty content, for a driver to fill. */
extern BbWalContent *bb_walcontent_new(const char *path);

/*
 * bb_walcontent_read - read up to "length" bytes; fewer where the file ends.
 *
 * Errors: errcode_for_file_access().
 */
extern uint32 bb_walcontent_read(const BbWalContent *content, uint64 offset,
								 void *buffer, uint32 length);
extern void bb_walcontent_close(BbWalContent *content);

/*
 * bb_walcontent_need_file - check that the file could be opened.
 *
 * Errors: INVALID_PARAMETER_VALUE (not a regular file); FEATURE_NOT_SUPPORTED (a
 * compression that this build doesn't have); errcode_for_file_access().
 */
extern void bb_walcontent_need_file(const BbWalContent *content);

#endif /* BB_WAL_FILES_H */
