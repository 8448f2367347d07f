/*-------------------------------------------------------------------------
 *
 * tree.h
 *	  A cluster's files: in a data directory, and in mapped tablespaces.
 *
 *	  base/5/1259					-> data directory
 *	  pg_tblspc/16400				-> data directory, a symbolic link
 *	  pg_tblspc/16400/PG_15_.../5/1 -> directory of that tablespace
 *
 * Paths are those of members.  Each is looked up from the descriptor of its
 * directory, part by part, and no symbolic link is followed: what is written
 * or removed is beneath that directory, whatever the path says and whatever
 * lies there.
 *
 * All a tree does is in small steps, for the sinks; see sink_directory.c and
 * sink_delta.c.  What holds memory is made in CurrentMemoryContext.
 *
 * Errors: errcode_for_file_access().
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TREE_H
#define BB_TREE_H

#include <sys/stat.h>

#include "base/reqctx.h"
#include "files/outdir.h"
#include "files/pathlist.h"

/*
 * The control file's name until all else is there, and that of the one which
 * was there before: a server starts with neither.
 */
#define BB_CONTROL_NEW "global/pg_control.new"
#define BB_CONTROL_REPLACED "global/pg_control.replaced"

/* A tablespace that goes to a directory of its own. */
typedef struct BbMappedTablespace
{
	Oid			spc;
	char	   *directory; /* canonical */
} BbMappedTablespace;

typedef struct BbTree
{
	BbOutDir   *root;
	List	   *tablespaces; /* BbTreeTablespace * */
} BbTree;

typedef struct BbTreeTablespace
{
	Oid			spc;
	BbOutDir   *dir;
} BbTreeTablespace;

/*
 * bb_tree_new - an empty one: a new or empty directory, and such for each of
 * the mapped tablespaces (BbMappedTablespace *).
 * bb_tree_existing - one that is there.  Where a tablespace's symbolic link
 * leads to its directory already, that may have a content, too.
 *
 * off_limits: see outdir.h.
 *
 * Errors: those of outdir.h.
 */
extern BbTree *bb_tree_new(const char *directory, List *mapped,
						   List *off_limits);
extern BbTree *bb_tree_existing(const char *directory, List *mapped,
								List *off_limits);

/* The directory of a mapped tablespace, by its path "pg_tblspc/OID"; or NULL. */
extern const char *bb_tree_mapped(const BbTree *tree, const char *path);

/* "/directory/base/5/1259", for messages; palloc'd. */
extern char *bb_tree_text(const BbTree *tree, const char *path);

/* bb_tree_stat - as lstat(2); false: there is nothing. */
extern bool bb_tree_stat(const BbTree *tree, const char *path,
						 struct stat *st);

/*
 * bb_tree_make_directory, _make_link, _create - what isn't there yet.
 * bb_tree_open - a file that is; NULL, with errno set, if that can't be.
 */
extern void bb_tree_make_directory(const BbTree *tree, const char *path);
extern void bb_tree_make_link(const BbTree *tree, const char *path,
							  const char *target);
extern BbFd *bb_tree_create(const BbTree *tree, const char *path);
extern BbFd *bb_tree_open(const BbTree *tree, const char *path, int flags);

/* The permission bits of a directory ("": that of all), of an open file. */
extern void bb_tree_set_mode(const BbTree *tree, const char *path,
							 mode_t mode);
extern void bb_tree_set_file_mode(const BbTree *tree, const char *path,
								  const BbFd *fd, mode_t mode);
/* What a symbolic link says; palloc'd. */
extern char *bb_tree_read_link(const BbTree *tree, const char *path);

/*
 * bb_tree_list - the names in a directory, which "" is for the data directory
 * itself, as char *.
 */
extern List *bb_tree_list(const BbTree *tree, const char *path);

/*
 * bb_tree_remove - whatever is there, with all that it holds.  Returns how many
 * that were, not counting directories.
 */
extern uint64 bb_tree_remove(const BbReqCtx *ctx, const BbTree *tree,
							 const char *path);

/* bb_tree_discard - remove a file or an empty directory, if that can be. */
extern void bb_tree_discard(const BbTree *tree, const char *path,
							bool directory);

extern void bb_tree_rename(const BbTree *tree, const char *from,
						   const char *to);

/*
 * bb_tree_sync - the files, then the directories, and those that hold all, are
 * durable.
 *
 * A file that can't be is removed: the kernel would say that it is, when asked
 * again.
 */
extern void bb_tree_sync(const BbReqCtx *ctx, const BbTree *tree,
						 const BbPathList *files,
						 const BbPathList *directories);
extern void bb_tree_sync_directory(const BbTree *tree, const char *path);

/* bb_tree_publish - the new control file gets its name, durably. */
extern void bb_tree_publish(const BbTree *tree);

/* bb_tree_keep - the directories made for it stay; nothing more comes. */
extern void bb_tree_keep(BbTree *tree);

#endif /* BB_TREE_H */
