/*-------------------------------------------------------------------------
 *
 * treewal.c
 *	  The files of WAL in the pg_wal of a tree that is imported.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "import/treewal.h"
#include "utils/memutils.h"

typedef struct TreeFiles
{
	BbWalFiles	base;
	const BbSourceTree *tree;
	BbWalFiles *rest; /* or NULL */
} TreeFiles;

static char *
path_of(const char *name)
{
	return psprintf(XLOGDIR "/%s", name);
}

static void
begin(const BbReqCtx *ctx, BbWalFiles *base, const BbWalStart *start)
{
	const TreeFiles *files = (const TreeFiles *) base;

	if (files->rest != NULL)
		bb_walfiles_begin(ctx, files->rest, start);
}

static void
list(const BbReqCtx *ctx, BbWalFiles *base, BbWalFileSeen seen, void *arg)
{
	const TreeFiles *files = (const TreeFiles *) base;
	BbSourceList *names = bb_sourcetree_list(ctx, files->tree, XLOGDIR, true);
	const char *name;

	while (names != NULL && (name = bb_sourcelist_next(ctx, names)) != NULL)
		seen(arg, name, 0);
	if (names != NULL)
		bb_sourcelist_close(names);
	if (files->rest != NULL)
		bb_walfiles_list(ctx, files->rest, seen, arg);
}

static int
find(const BbReqCtx *ctx, BbWalFiles *base, const char *name, int copy)
{
	const TreeFiles *files = (const TreeFiles *) base;
	BbSourceStat st;

	if (copy == 0 && bb_sourcetree_stat(files->tree, path_of(name), true, &st))
		return 0;
	return files->rest != NULL
		? bb_walfiles_find(ctx, files->rest, name, BB_WAL_FETCHED)
		: -1;
}

/* The bytes that are needed are read at once: a segment at most. */
static BbWalContent *
open_file(const BbReqCtx *ctx, BbWalFiles *base, const char *name, int copy,
		  uint32 need)
{
	const TreeFiles *files = (const TreeFiles *) base;
	BbSourceFile *file;
	BbWalContent *content;
	size_t		length;
	char	   *memory;

	if (copy != 0)
		return bb_walfiles_open(ctx, files->rest, name, copy, need);
	file = bb_sourcefile_open(ctx, files->tree, path_of(name));
	if (file == NULL)
		return NULL;
	content = bb_walcontent_new(file->path);
	if (file->size > WalSegMaxSize)
		content->complaint = psprintf("It has " UINT64_FORMAT " bytes.",
									  file->size);
	else
	{
		length = need != 0 ? Min(file->size, need) : file->size;
		memory = MemoryContextAllocHuge(content->context, length + 1);
		bb_sourcefile_read(ctx, file, memory, length);
		content->memory = memory;
		content->size = length;
	}
	bb_sourcefile_close(file);
	return content;
}

static void
ahead(const BbReqCtx *ctx, BbWalFiles *base, const char *name)
{
	bb_walfiles_ahead(ctx, ((const TreeFiles *) base)->rest, name);
}

static const BbWalFilesOps ops = {
	.begin = begin,
	.list = list,
	.find = find,
	.open = open_file,
	.ahead = ahead,
};

BbWalFiles *
bb_treewal_files(const BbSourceTree *tree, BbWalFiles *rest)
{
	TreeFiles  *files = palloc0(sizeof(TreeFiles));

	files->base.ops = &ops;
	files->base.fetches = rest != NULL;
	files->base.name = rest != NULL
		? psprintf("backup \"%s\" and %s", tree->name, rest->name)
		: psprintf("backup \"%s\"", tree->name);
	files->tree = tree;
	files->rest = rest;
	return &files->base;
}
