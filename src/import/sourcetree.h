/*-------------------------------------------------------------------------
 *
 * sourcetree.h
 *	  The files of a cluster that is imported: a tree to list and to read.
 *
 *	  inventory, checks, values ──► sourcetree.c ─┬─► sourcedir.c, a directory
 *												   └─► receivedtree.c, a base
 *													   backup that was received
 *
 * Paths are relative to the data directory, with '/' between their parts; ""
 * is the data directory itself.  Symbolic links are followed.
 *
 * A list or a file belongs to the memory context that it was opened in, which
 * also closes its descriptor.  A file is read front to back in pieces.
 *
 * Errors of all functions: errcode_for_file_access(); QUERY_CANCELED.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SOURCETREE_H
#define BB_SOURCETREE_H

#include "base/reqctx.h"

typedef struct BbSourceTree BbSourceTree;
typedef struct BbSourceTreeOps BbSourceTreeOps;
typedef struct BbSourceList BbSourceList;
typedef struct BbSourceFile BbSourceFile;

typedef enum BbSourceKind
{
	BB_SOURCE_FILE,
	BB_SOURCE_DIRECTORY,
	BB_SOURCE_LINK,
	BB_SOURCE_OTHER /* a FIFO and the like */
} BbSourceKind;

typedef struct BbSourceStat
{
	BbSourceKind kind;
	uint64		size;
	mode_t		mode; /* permission bits */
	uint32		uid;
	uint32		gid;
	/* both are the same of two paths that lead to the same file */
	uint64		device;
	uint64		inode;
} BbSourceStat;

/* The first member of a driver's struct. */
struct BbSourceTree
{
	const BbSourceTreeOps *ops;
	const char *name; /* for messages: "NAME/PATH" is a file */
};

/* A driver's operations; the functions below have their contracts. */
struct BbSourceTreeOps
{
	BbSourceList *(*list) (const BbReqCtx *ctx, const BbSourceTree *tree,
						   const char *path);
	const char *(*next) (BbSourceList *list);
	void		(*close_list) (BbSourceList *list);
	bool		(*stat) (const BbSourceTree *tree, const char *path,
						 bool follow, BbSourceStat *st);
	char *(*link_target) (const BbSourceTree *tree, const char *path);
	BbSourceFile *(*open) (const BbReqCtx *ctx, const BbSourceTree *tree,
						   const char *path);
	/* Read up to "length" bytes of a file at an offset; 0: it ends there. */
	size_t		(*read) (BbSourceFile *file, void *data, size_t length,
						 uint64 offset);
};

/* The first member of a driver's struct. */
struct BbSourceFile
{
	const BbSourceTreeOps *ops;
	MemoryContext context; /* owns the file */
	const char *path;	   /* for messages */
	uint64		size;	   /* when it was opened */
	uint64		at;		   /* where the next read begins */
};

/* The first member of a driver's struct. */
struct BbSourceList
{
	const BbSourceTreeOps *ops;
};

/* bb_sourcedir_new - return the tree below a directory, palloc'd. */
extern const BbSourceTree *bb_sourcedir_new(const char *path);

/* ---- directories ---- */

/*
 * bb_sourcetree_list - list the names in a directory, in any order.
 *
 * Returns NULL if there is no such directory and it may be missing.
 */
extern BbSourceList *bb_sourcetree_list(const BbReqCtx *ctx,
										const BbSourceTree *tree,
										const char *path, bool missing_ok);
/* Return the next name, valid until the next call, or NULL. */
extern const char *bb_sourcelist_next(const BbReqCtx *ctx, BbSourceList *list);
extern void bb_sourcelist_close(BbSourceList *list);

/*
 * bb_sourcetree_stat - look at a file; of a symbolic link at its target, or at
 * the link itself.
 *
 * Returns false, with errno set, if that is not possible.
 */
extern bool bb_sourcetree_stat(const BbSourceTree *tree, const char *path,
							   bool follow, BbSourceStat *st);

/* Return the target of a symbolic link, palloc'd; NULL: it is none. */
extern char *bb_sourcetree_link_target(const BbSourceTree *tree,
									   const char *path);

/* ---- files ---- */

/*
 * bb_sourcefile_open - open a file.
 *
 * Returns NULL if there is no such file.
 *
 * Errors: INVALID_PARAMETER_VALUE (it is not a regular file).
 */
extern BbSourceFile *bb_sourcefile_open(const BbReqCtx *ctx,
										const BbSourceTree *tree,
										const char *path);

/*
 * bb_sourcefile_read - read the next "length" bytes.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (the file ends before that, so
 * another process is changing it).
 */
extern void bb_sourcefile_read(const BbReqCtx *ctx, BbSourceFile *file,
							   void *data, size_t length);
extern void bb_sourcefile_close(BbSourceFile *file);

/*
 * bb_sourcefile_load - read a whole small file, palloc'd, with a zero after it.
 *
 * Returns NULL if there is no such file.
 *
 * Errors: DATA_CORRUPTED (it is larger than max_length).
 */
extern char *bb_sourcefile_load(const BbReqCtx *ctx, const BbSourceTree *tree,
								const char *path, size_t max_length,
								size_t *length);

#endif /* BB_SOURCETREE_H */
