/*-------------------------------------------------------------------------
 *
 * walspool_end.c
 *	  Where the complete records of a spool end.
 *
 * What a crash left is read as a source reads it, but without a tail: up to the
 * first record that isn't complete or isn't valid, or doesn't follow the one
 * before it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/resource.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "wal/walspool.h"

/* All of the WAL up to a tli may be read. */
typedef struct EndlessTail
{
	BbWalTail	base;
	TimeLineID	tli;
} EndlessTail;

static void
endless_position(const BbWalTail *tail, TimeLineID *tli, XLogRecPtr *lsn)
{
	*tli = ((const EndlessTail *) tail)->tli;
	*lsn = PG_UINT64_MAX;
}

static bool
has_segment_of(const BbReqCtx *ctx, const BbWalSpool *spool, TimeLineID tli)
{
	const char *directory = bb_walspool_path(spool);
	DIR		   *dir = AllocateDir(directory);
	struct dirent *entry;
	bool		found = false;

	while (!found && (entry = ReadDir(dir, directory)) != NULL)
	{
		bb_reqctx_check(ctx);
		found = IsXLogFileName(entry->d_name) &&
			strncmp(entry->d_name, psprintf("%08X", tli), 8) == 0;
	}
	FreeDir(dir);
	return found;
}

/*
 * The newest tli that the spool has WAL of and that continues "start".
 *
 * History files of other tlis may be left from a server that was followed
 * before.
 */
static TimeLineID
newest_tli(const BbReqCtx *ctx, const BbWalSpool *spool,
		   const BbWalStart *start)
{
	BbWalFiles *files = bb_walfiles_directory(bb_walspool_path(spool));
	List	   *tlis = bb_tlihistory_list(ctx, files);

	for (int i = list_length(tlis) - 1; i >= 0; i--)
	{
		TimeLineID	tli = list_nth_oid(tlis, i);
		const BbTliHistory *history;
		const BbTliPath *path;

		if (tli <= start->stream.tli)
			break;
		history = bb_tlihistory_read(ctx, files, tli);
		if (history == NULL || history->complaint != NULL ||
			!has_segment_of(ctx, spool, tli))
			continue;
		path = bb_tlipath_along(history, start->stream.tli);
		if (path != NULL && bb_tlipath_leaves_at(path) >= start->lsn)
			return tli;
	}
	return start->stream.tli;
}

XLogRecPtr
bb_walspool_end(const BbReqCtx *ctx, BbWalSpool *spool,
				const BbWalStart *start, TimeLineID *tli)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup spool end",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	EndlessTail tail = {.base.position = endless_position};
	const BbWalOrigin *origin;
	BbWalSource *source;
	XLogRecPtr	end = start->lsn;

	*tli = start->stream.tli;
	tail.tli = newest_tli(ctx, spool, start);
	origin = bb_walspool_origin(bb_walspool_path(spool), &tail.base);
	source = origin->open(ctx, origin, start);
	while (bb_walsource_next(ctx, source) == BB_WAL_RECORD)
	{
		end = source->reader->EndRecPtr;
		*tli = bb_tlipath_at(source->path, source->reader->ReadRecPtr)->tli;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return end;
}
