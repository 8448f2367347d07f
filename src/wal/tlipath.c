/*-------------------------------------------------------------------------
 *
 * tlipath.c
 *	  A path along tlis, whose WAL leads from the end of a timeline to a target.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/compat.h"
#include "wal/tlipath.h"

BbWalTarget
bb_waltarget_parse(const char *text)
{
	BbWalTarget target = {BB_WAL_NUMBER, 0};
	unsigned long number;
	char	   *end;

	if (strcmp(text, "latest") == 0)
		target.kind = BB_WAL_LATEST;
	else if (strcmp(text, "current") == 0)
		target.kind = BB_WAL_CURRENT;
	else
	{
		errno = 0;
		number = strtoul(text, &end, 10);
		if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
			number == 0 || number > PG_UINT32_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid timeline ID: \"%s\"", text),
					 errhint("tli is 'latest', 'current' or a number.")));
		target.tli = (TimeLineID) number;
	}
	return target;
}

/* ---- paths ---- */

/* Find the BbTliRange of a tli in a list; NULL if there is none. */
static const BbTliRange *
find_tli(const List *tlis, TimeLineID tli)
{
	ListCell   *cell;

	foreach(cell, tlis)
	{
		const BbTliRange *entry = lfirst(cell);

		if (entry->tli == tli)
			return entry;
	}
	return NULL;
}

BbTliPath *
bb_tlipath_along(const BbTliHistory *history, TimeLineID from)
{
	BbTliPath  *path = palloc0(sizeof(BbTliPath));
	XLogRecPtr	bound = PG_UINT64_MAX;
	bool		reached = false;
	ListCell   *cell;

	path->ancestors_known = true;
	foreach(cell, history->tlis)
	{
		const BbTliRange *entry = lfirst(cell);
		BbTliRange *part;

		if (reached)
		{
			path->ancestors = lappend_oid(path->ancestors, entry->tli);
			continue;
		}
		reached = entry->tli == from;
		/* all WAL after the beginning of a newer tli is taken from that */
		if (entry->begin >= bound && !reached)
			continue;
		part = palloc(sizeof(BbTliRange));
		part->tli = entry->tli;
		/* that position is known to be on its tli */
		part->begin = reached ? InvalidXLogRecPtr : entry->begin;
		part->end = bound;
		path->tlis = lappend(path->tlis, part);
		bound = entry->begin;
	}
	return reached ? path : NULL;
}

XLogRecPtr
bb_tlipath_leaves_at(const BbTliPath *path)
{
	return ((const BbTliRange *) llast(path->tlis))->end;
}

/* Return the path that stays on the place's tli. */
static BbTliPath *
stay(const BbReqCtx *ctx, const BbWalPlace *place)
{
	BbTliHistory *history = NULL;
	BbTliHistory alone = {0};
	BbTliRange	entry = {place->start.stream.tli, InvalidXLogRecPtr,
						 PG_UINT64_MAX};
	BbTliPath  *path;

	/* only for the ancestors, so it doesn't matter if it can't be used */
	if (place->start.stream.tli > 1)
		history = bb_tlipath_history(ctx, place, place->start.stream.tli);
	if (history != NULL && history->complaint == NULL)
		return bb_tlipath_along(history, place->start.stream.tli);

	alone.tli = entry.tli;
	alone.tlis = list_make1(&entry);
	path = bb_tlipath_along(&alone, entry.tli);
	path->ancestors_known = place->start.stream.tli == 1;
	return path;
}

BbTliHistory *
bb_tlipath_history(const BbReqCtx *ctx, const BbWalPlace *place,
				   TimeLineID tli)
{
	BbTliHistory *history = bb_tlihistory_read(ctx, place->files, tli);

	if (history == NULL && place->history_files != NULL)
		history = bb_tlihistory_read(ctx, place->history_files, tli);
	return history;
}

const char *
bb_tlipath_text(const BbReqCtx *ctx, const BbTliPath *path,
				const BbWalPlace *place, TimeLineID tli)
{
	const BbTliRange *newest = linitial(path->tlis);
	const BbTliHistory *chosen = bb_tlipath_history(ctx, place, newest->tli);

	if (chosen == NULL || chosen->complaint != NULL)
		return NULL;
	if (tli == newest->tli)
		return chosen->text;
	return bb_tlihistory_text(chosen, bb_tlipath_history(ctx, place, tli),
							  tli);
}

/* ---- the newest ---- */

static const char *
history_name(TimeLineID tli)
{
	char	   *name = palloc(MAXFNAMELEN);

	TLHistoryFileName(name, tli);
	return name;
}

static void
warn_unusable(const BbTliHistory *history)
{
	ereport(WARNING,
			(errmsg("timeline history file \"%s\" is not valid",
					history->path),
			 errdetail("%s Timeline ID %u is not followed.",
					   history->complaint, history->tli)));
}

static void
warn_parted(const BbWalPlace *place, TimeLineID tli, XLogRecPtr lsn)
{
	ereport(WARNING,
			(errmsg("WAL of timeline ID %u is not followed", tli),
			 errdetail("It forked at " BB_LSN_FORMAT " from timeline ID %u, which has been ingested up to " BB_LSN_FORMAT ".",
					   LSN_FORMAT_ARGS(lsn), place->start.stream.tli,
					   LSN_FORMAT_ARGS(place->start.lsn)),
			 errhint("Make a branch at " BB_LSN_FORMAT " and ingest into that.",
					 LSN_FORMAT_ARGS(lsn))));
}

/* Recovery would refuse to start (InitWalRecovery in xlogrecovery.c). */
static void
warn_stranger(const BbWalPlace *place, TimeLineID tli)
{
	ereport(WARNING,
			(errmsg("WAL of timeline ID %u is not followed", tli),
			 errdetail("\"%s\" does not have timeline ID %u, which has been ingested up to " BB_LSN_FORMAT ".",
					   history_name(tli), place->start.stream.tli,
					   LSN_FORMAT_ARGS(place->start.lsn)),
			 errhint("Make a branch where the two forked, and ingest into that.")));
}

/*
 * Stock recovery doesn't see a tli after a gap in the history files, and
 * stays before the gap.  It is much more likely that a file was lost.
 */
static void
refuse_gap(const BbReqCtx *ctx, const BbWalPlace *place, List *tlis,
		   TimeLineID missing)
{
	for (int i = list_length(tlis) - 1; i >= 0; i--)
	{
		TimeLineID	tli = list_nth_oid(tlis, i);
		BbTliHistory *history;

		if (tli < missing)
			return;
		history = bb_tlihistory_read(ctx, place->files, tli);
		if (history == NULL || history->complaint != NULL ||
			find_tli(history->tlis, place->start.stream.tli) == NULL ||
			bb_tlipath_leaves_at(
				bb_tlipath_along(history, place->start.stream.tli)) <
				place->start.lsn)
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("timeline history file \"%s\" is missing from %s",
						history_name(missing), place->files->name),
				 errdetail("There is \"%s\", which descends from timeline ID %u. Without the files between them, it is unknown whether it is the latest.",
						   history_name(tli), place->start.stream.tli),
				 errhint("Put the file there, or use tli => '%u' to follow timeline ID %u, or tli => 'current' to stay on %u.",
						 tli, tli, place->start.stream.tli)));
	}
}

static BbTliPath *
latest(const BbReqCtx *ctx, const BbWalPlace *place)
{
	List	   *tlis = bb_tlihistory_list(ctx, place->files);
	TimeLineID	own = place->start.stream.tli;
	TimeLineID	newest = own;
	TimeLineID	parted = 0;
	TimeLineID	stranger = 0;
	XLogRecPtr	parted_at = InvalidXLogRecPtr;
	BbTliPath  *path = NULL;

	while (list_member_oid(tlis, newest + 1) ||
		   (place->files->fetches &&
			bb_tlihistory_read(ctx, place->files, newest + 1) != NULL))
		newest++;
	refuse_gap(ctx, place, tlis, newest + 1);

	for (TimeLineID tli = newest; tli > own && path == NULL; tli--)
	{
		BbTliHistory *history = bb_tlihistory_read(ctx, place->files, tli);

		if (history == NULL)
			continue; /* removed since */
		if (history->complaint != NULL)
		{
			warn_unusable(history);
			continue;
		}
		if (find_tli(history->tlis, own) == NULL)
		{
			stranger = Max(stranger, tli);
			continue;
		}
		path = bb_tlipath_along(history, place->start.stream.tli);
		if (bb_tlipath_leaves_at(path) >= place->start.lsn)
			break;
		if (parted == 0)
		{
			parted = tli;
			parted_at = bb_tlipath_leaves_at(path);
		}
		path = NULL;
	}

	if (parted != 0)
		warn_parted(place, parted, parted_at);
	else if (path == NULL && stranger != 0)
		warn_stranger(place, stranger);
	return path != NULL ? path : stay(ctx, place);
}

/* ---- a number ---- */

static BbTliPath *
to_number(const BbReqCtx *ctx, const BbWalPlace *place)
{
	TimeLineID	own = place->start.stream.tli;
	TimeLineID	tli = place->target.tli;
	BbTliHistory *history;
	BbTliPath  *path;

	if (tli < own)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL of timeline ID %u cannot be followed", tli),
				 errdetail("At " BB_LSN_FORMAT " the timeline is on timeline ID %u, which is newer.",
						   LSN_FORMAT_ARGS(place->start.lsn), own),
				 errhint("Make a branch where timeline ID %u was left, and ingest into that.",
						 tli)));

	history = bb_tlipath_history(ctx, place, tli);
	if (history == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeline ID %u does not exist in %s", tli,
						place->files->name),
				 errdetail("There is no \"%s\".", history_name(tli))));
	if (history->complaint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("timeline history file \"%s\" is not valid",
						history->path),
				 errdetail("%s", history->complaint)));
	if (find_tli(history->tlis, own) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeline ID %u does not descend from timeline ID %u",
						tli, own),
				 errdetail("\"%s\" does not have it.", history_name(tli))));
	path = bb_tlipath_along(history, place->start.stream.tli);
	if (bb_tlipath_leaves_at(path) < place->start.lsn)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL of timeline ID %u cannot be followed", tli),
				 errdetail("It forked at " BB_LSN_FORMAT " from timeline ID %u, which has been ingested up to " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(bb_tlipath_leaves_at(path)), own,
						   LSN_FORMAT_ARGS(place->start.lsn)),
				 errhint("Make a branch at " BB_LSN_FORMAT " and ingest into that.",
						 LSN_FORMAT_ARGS(bb_tlipath_leaves_at(path)))));
	return path;
}

/* Extend the path to newer tlis that descend from it. */
static BbTliPath *
borrow(const BbReqCtx *ctx, const BbWalPlace *place, BbTliPath *path)
{
	List	   *tlis = bb_tlihistory_list(ctx, place->files);
	TimeLineID	target = ((const BbTliRange *) linitial(path->tlis))->tli;

	for (int i = list_length(tlis) - 1; i >= 0; i--)
	{
		BbTliHistory *history;
		BbTliPath  *longer;

		if (list_nth_oid(tlis, i) <= target)
			break;
		history = bb_tlihistory_read(ctx, place->files, list_nth_oid(tlis, i));
		if (history == NULL || history->complaint != NULL ||
			find_tli(history->tlis, place->start.stream.tli) == NULL)
			continue;
		longer = bb_tlipath_along(history, place->start.stream.tli);
		if (bb_tlipath_leaves_at(longer) < place->start.lsn ||
			bb_tlipath_find(longer, target) == NULL)
			continue;
		longer->target = target;
		return longer;
	}
	return path;
}

void
bb_tlipath_shorten(BbTliPath *path)
{
	BbTliRange *entry = linitial(path->tlis);

	while (entry->tli != path->target)
	{
		path->tlis = list_delete_first(path->tlis);
		entry = linitial(path->tlis);
	}
	entry->end = PG_UINT64_MAX;
	path->target = 0;
}

BbTliPath *
bb_tlipath_choose(const BbReqCtx *ctx, const BbWalPlace *place)
{
	BbTliPath  *path = NULL;

	switch (place->target.kind)
	{
		case BB_WAL_LATEST:
			return latest(ctx, place);
		case BB_WAL_CURRENT:
			break;
		case BB_WAL_NUMBER:
			if (place->target.tli != place->start.stream.tli)
				path = to_number(ctx, place);
			break;
	}
	if (path == NULL)
		path = stay(ctx, place);
	return place->borrow ? borrow(ctx, place, path) : path;
}

/* ---- questions ---- */

const BbTliRange *
bb_tlipath_at(const BbTliPath *path, XLogRecPtr lsn)
{
	ListCell   *cell;

	foreach(cell, path->tlis)
	{
		const BbTliRange *entry = lfirst(cell);

		if (lsn >= entry->begin)
			return entry;
	}
	return llast(path->tlis);
}

const BbTliRange *
bb_tlipath_find(const BbTliPath *path, TimeLineID tli)
{
	return find_tli(path->tlis, tli);
}

bool
bb_tlipath_has(const BbTliPath *path, TimeLineID tli)
{
	if (bb_tlipath_find(path, tli) != NULL)
		return true;
	if (!path->ancestors_known)
		return tli < ((const BbTliRange *) llast(path->tlis))->tli;
	return list_member_oid(path->ancestors, tli);
}
