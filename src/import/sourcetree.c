/*-------------------------------------------------------------------------
 *
 * sourcetree.c
 *	  The files of a cluster that is imported: what all drivers share.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "import/sourcetree.h"
#include "utils/memutils.h"

BbSourceList *
bb_sourcetree_list(const BbReqCtx *ctx, const BbSourceTree *tree,
				   const char *path, bool missing_ok)
{
	BbSourceList *list = tree->ops->list(ctx, tree, path);

	if (list == NULL && !(missing_ok && errno == ENOENT))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open directory \"%s%s%s\": %m", tree->name,
						path[0] != '\0' ? "/" : "", path)));
	return list;
}

const char *
bb_sourcelist_next(const BbReqCtx *ctx, BbSourceList *list)
{
	bb_reqctx_check(ctx);
	return list->ops->next(list);
}

void
bb_sourcelist_close(BbSourceList *list)
{
	list->ops->close_list(list);
}

bool
bb_sourcetree_stat(const BbSourceTree *tree, const char *path, bool follow,
				   BbSourceStat *st)
{
	return tree->ops->stat(tree, path, follow, st);
}

char *
bb_sourcetree_link_target(const BbSourceTree *tree, const char *path)
{
	return tree->ops->link_target(tree, path);
}

BbSourceFile *
bb_sourcefile_open(const BbReqCtx *ctx, const BbSourceTree *tree,
				   const char *path)
{
	MemoryContext context;
	MemoryContext old;
	BbSourceFile *file;

	bb_reqctx_check(ctx);
	context = AllocSetContextCreate(CurrentMemoryContext,
									"bbackup source file",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	file = tree->ops->open(ctx, tree, path);
	MemoryContextSwitchTo(old);
	if (file == NULL)
	{
		MemoryContextDelete(context);
		return NULL;
	}
	file->ops = tree->ops;
	file->context = context;
	return file;
}

void
bb_sourcefile_read(const BbReqCtx *ctx, BbSourceFile *file, void *data,
				   size_t length)
{
	char	   *to = data;

	while (length > 0)
	{
		size_t		n;

		bb_reqctx_check(ctx);
		n = file->ops->read(file, to, length, file->at);
		if (n == 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("file \"%s\" became shorter while it was read",
							file->path),
					 errdetail("It ends at byte " UINT64_FORMAT ".",
							   file->at),
					 errhint("Do not change the data directory during "
							 "an import.")));
		to += n;
		length -= n;
		file->at += n;
	}
}

void
bb_sourcefile_close(BbSourceFile *file)
{
	MemoryContextDelete(file->context);
}

char *
bb_sourcefile_load(const BbReqCtx *ctx, const BbSourceTree *tree,
				   const char *path, size_t max_length, size_t *length)
{
	BbSourceFile *file = bb_sourcefile_open(ctx, tree, path);
	char	   *data;

	if (file == NULL)
		return NULL;
	if (file->size > max_length)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" is too large", file->path),
				 errdetail("It has " UINT64_FORMAT
						   " bytes; at most %zu are expected.",
						   file->size, max_length)));
	*length = file->size;
	data = palloc(*length + 1);
	bb_sourcefile_read(ctx, file, data, *length);
	data[*length] = '\0';
	bb_sourcefile_close(file);
	return data;
}
