/*-------------------------------------------------------------------------
 *
 * tlipath.c
 *	  Which tlis' WAL leads from the end of a timeline to its target.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
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

/* ---- ways ---- */

/* The BbWalTli of a tli in a list of them; NULL: it has none. */
static const BbWalTli *
find_tli(const List *tlis, TimeLineID tli)
{
	ListCell   *cell;

	foreach(cell, tlis)
	{
		const BbWalTli *entry = lfirst(cell);

		if (entry->tli == tli)
			return entry;
	}
	return NULL;
}

/* Is own in that history? */
static bool
descends(const BbWalHistory *history, TimeLineID own)
{
	return find_tli(history->tlis, own) != NULL;
}

/* The way along a history, from a tli in it. */
static BbWalWay *
along(const BbWalHistory *history, const BbWalPlace *place)
{
	BbWalWay   *way = palloc0(sizeof(BbWalWay));
	XLogRecPtr	bound = PG_UINT64_MAX;
	bool		reached = false;
	ListCell   *cell;

	way->ancestors_known = true;
	foreach(cell, history->tlis)
	{
		const BbWalTli *entry = lfirst(cell);
		BbWalTli   *part;

		if (reached)
		{
			way->ancestors = lappend_oid(way->ancestors, entry->tli);
			continue;
		}
		reached = entry->tli == place->stream.tli;
		/* a newer one has all that is from its beginning on */
		if (entry->begin >= bound && !reached)
			continue;
		part = palloc(sizeof(BbWalTli));
		part->tli = entry->tli;
		/* where the place is on its tli is known already */
		part->begin = reached ? InvalidXLogRecPtr : entry->begin;
		part->end = bound;
		way->tlis = lappend(way->tlis, part);
		bound = entry->begin;
	}
	return way;
}

/* Where the way leaves the place's tli. */
static inline XLogRecPtr
leaves_at(const BbWalWay *way)
{
	return ((const BbWalTli *) llast(way->tlis))->end;
}

/* The way that stays on the place's tli. */
static BbWalWay *
stay(const BbReqCtx *ctx, const BbWalPlace *place)
{
	BbWalHistory *history = NULL;
	BbWalHistory alone = {0};
	BbWalTli	entry = {place->stream.tli, InvalidXLogRecPtr, PG_UINT64_MAX};
	BbWalWay   *way;

	/* only for the ancestors, so it doesn't matter if it can't be used */
	if (place->stream.tli > 1)
		history = bb_walway_history(ctx, place, place->stream.tli);
	if (history != NULL && history->complaint == NULL)
		return along(history, place);

	alone.tli = entry.tli;
	alone.tlis = list_make1(&entry);
	way = along(&alone, place);
	way->ancestors_known = place->stream.tli == 1;
	return way;
}

BbWalHistory *
bb_walway_history(const BbReqCtx *ctx, const BbWalPlace *place, TimeLineID tli)
{
	BbWalHistory *history = bb_walhistory_read(ctx, place->directory, tli);

	if (history == NULL && place->history_directory != NULL)
		history = bb_walhistory_read(ctx, place->history_directory, tli);
	return history;
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
warn_unusable(const BbWalPlace *place, const BbWalHistory *history)
{
	ereport(WARNING,
			(errmsg("timeline history file \"%s/%s\" is not valid",
					place->directory, history_name(history->tli)),
			 errdetail("%s Timeline ID %u is not followed.",
					   history->complaint, history->tli)));
}

static void
warn_parted(const BbWalPlace *place, TimeLineID tli, XLogRecPtr lsn)
{
	ereport(WARNING,
			(errmsg("WAL of timeline ID %u is not followed", tli),
			 errdetail("It parted at %X/%X from timeline ID %u, which has been ingested up to %X/%X.",
					   LSN_FORMAT_ARGS(lsn), place->stream.tli,
					   LSN_FORMAT_ARGS(place->lsn)),
			 errhint("Make a branch at %X/%X and ingest into that.",
					 LSN_FORMAT_ARGS(lsn))));
}

/* Recovery would refuse to begin (InitWalRecovery in xlogrecovery.c). */
static void
warn_stranger(const BbWalPlace *place, TimeLineID tli)
{
	ereport(WARNING,
			(errmsg("WAL of timeline ID %u is not followed", tli),
			 errdetail("\"%s\" does not have timeline ID %u, which has been ingested up to %X/%X.",
					   history_name(tli), place->stream.tli,
					   LSN_FORMAT_ARGS(place->lsn)),
			 errhint("Make a branch where the two parted and ingest into that.")));
}

/*
 * Stock recovery doesn't see a tli behind a gap in the history files, and
 * stays below it.  It is much more likely that a file was lost.
 */
static void
refuse_gap(const BbReqCtx *ctx, const BbWalPlace *place, List *tlis,
		   TimeLineID missing)
{
	for (int i = list_length(tlis) - 1; i >= 0; i--)
	{
		TimeLineID	tli = list_nth_oid(tlis, i);
		BbWalHistory *history;

		if (tli < missing)
			return;
		history = bb_walhistory_read(ctx, place->directory, tli);
		if (history == NULL || history->complaint != NULL ||
			!descends(history, place->stream.tli) ||
			leaves_at(along(history, place)) < place->lsn)
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("timeline history file \"%s\" is missing from directory \"%s\"",
						history_name(missing), place->directory),
				 errdetail("There is \"%s\", which descends from timeline ID %u. Without the files between them, it is unknown whether it is the latest.",
						   history_name(tli), place->stream.tli),
				 errhint("Put the file there, or use tli => '%u' to follow timeline ID %u, or tli => 'current' to stay on %u.",
						 tli, tli, place->stream.tli)));
	}
}

static BbWalWay *
latest(const BbReqCtx *ctx, const BbWalPlace *place)
{
	List	   *tlis = bb_walhistory_list(ctx, place->directory);
	TimeLineID	own = place->stream.tli;
	TimeLineID	newest = own;
	TimeLineID	parted = 0;
	TimeLineID	stranger = 0;
	XLogRecPtr	parted_at = InvalidXLogRecPtr;
	BbWalWay   *way = NULL;

	while (list_member_oid(tlis, newest + 1))
		newest++;
	refuse_gap(ctx, place, tlis, newest + 1);

	for (TimeLineID tli = newest; tli > own && way == NULL; tli--)
	{
		BbWalHistory *history = bb_walhistory_read(ctx, place->directory, tli);

		if (history == NULL)
			continue; /* removed since */
		if (history->complaint != NULL)
		{
			warn_unusable(place, history);
			continue;
		}
		if (!descends(history, own))
		{
			stranger = Max(stranger, tli);
			continue;
		}
		way = along(history, place);
		if (leaves_at(way) >= place->lsn)
			break;
		if (parted == 0)
		{
			parted = tli;
			parted_at = leaves_at(way);
		}
		way = NULL;
	}

	if (parted != 0)
		warn_parted(place, parted, parted_at);
	else if (way == NULL && stranger != 0)
		warn_stranger(place, stranger);
	return way != NULL ? way : stay(ctx, place);
}

/* ---- a number ---- */

static BbWalWay *
to_number(const BbReqCtx *ctx, const BbWalPlace *place)
{
	TimeLineID	own = place->stream.tli;
	TimeLineID	tli = place->target.tli;
	BbWalHistory *history;
	BbWalWay   *way;

	if (tli < own)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL of timeline ID %u cannot be followed", tli),
				 errdetail("At %X/%X the timeline is on timeline ID %u, which is newer.",
						   LSN_FORMAT_ARGS(place->lsn), own),
				 errhint("Make a branch where timeline ID %u was left, and ingest into that.",
						 tli)));

	history = bb_walway_history(ctx, place, tli);
	if (history == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeline ID %u does not exist in directory \"%s\"",
						tli, place->directory),
				 errdetail("There is no \"%s\".", history_name(tli))));
	if (history->complaint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("timeline history file \"%s/%s\" is not valid",
						place->directory, history_name(tli)),
				 errdetail("%s", history->complaint)));
	if (!descends(history, own))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeline ID %u does not descend from timeline ID %u",
						tli, own),
				 errdetail("\"%s\" does not have it.", history_name(tli))));
	way = along(history, place);
	if (leaves_at(way) < place->lsn)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL of timeline ID %u cannot be followed", tli),
				 errdetail("It parted at %X/%X from timeline ID %u, which has been ingested up to %X/%X.",
						   LSN_FORMAT_ARGS(leaves_at(way)), own,
						   LSN_FORMAT_ARGS(place->lsn)),
				 errhint("Make a branch at %X/%X and ingest into that.",
						 LSN_FORMAT_ARGS(leaves_at(way)))));
	return way;
}

/* The same way, which goes on to newer tlis as far as there are any. */
static BbWalWay *
borrow(const BbReqCtx *ctx, const BbWalPlace *place, BbWalWay *way)
{
	List	   *tlis = bb_walhistory_list(ctx, place->directory);
	TimeLineID	target = ((const BbWalTli *) linitial(way->tlis))->tli;

	for (int i = list_length(tlis) - 1; i >= 0; i--)
	{
		BbWalHistory *history;
		BbWalWay   *longer;

		if (list_nth_oid(tlis, i) <= target)
			break;
		history = bb_walhistory_read(ctx, place->directory,
									 list_nth_oid(tlis, i));
		if (history == NULL || history->complaint != NULL ||
			!descends(history, place->stream.tli))
			continue;
		longer = along(history, place);
		if (leaves_at(longer) < place->lsn ||
			bb_walway_find(longer, target) == NULL)
			continue;
		longer->target = target;
		return longer;
	}
	return way;
}

void
bb_walway_shorten(BbWalWay *way)
{
	BbWalTli   *entry = linitial(way->tlis);

	while (entry->tli != way->target)
	{
		way->tlis = list_delete_first(way->tlis);
		entry = linitial(way->tlis);
	}
	entry->end = PG_UINT64_MAX;
	way->target = 0;
}

BbWalWay *
bb_walway_choose(const BbReqCtx *ctx, const BbWalPlace *place)
{
	BbWalWay   *way = NULL;

	switch (place->target.kind)
	{
		case BB_WAL_LATEST:
			return latest(ctx, place);
		case BB_WAL_CURRENT:
			break;
		case BB_WAL_NUMBER:
			if (place->target.tli != place->stream.tli)
				way = to_number(ctx, place);
			break;
	}
	if (way == NULL)
		way = stay(ctx, place);
	return place->borrow ? borrow(ctx, place, way) : way;
}

/* ---- questions ---- */

const BbWalTli *
bb_walway_at(const BbWalWay *way, XLogRecPtr lsn)
{
	ListCell   *cell;

	foreach(cell, way->tlis)
	{
		const BbWalTli *entry = lfirst(cell);

		if (lsn >= entry->begin)
			return entry;
	}
	return llast(way->tlis);
}

const BbWalTli *
bb_walway_find(const BbWalWay *way, TimeLineID tli)
{
	return find_tli(way->tlis, tli);
}

bool
bb_walway_has(const BbWalWay *way, TimeLineID tli)
{
	if (bb_walway_find(way, tli) != NULL)
		return true;
	if (!way->ancestors_known)
		return tli < ((const BbWalTli *) llast(way->tlis))->tli;
	return list_member_oid(way->ancestors, tli);
}
