/*-------------------------------------------------------------------------
 *
 * walhistory.c
 *	  Timeline history files: parsed, and the way chosen.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "ingest/sourcefile.h"
#include "ingest/walhistory.h"
#include "storage/fd.h"

/* Far more than a history file ever has; bytes. */
#define HISTORY_MAX_SIZE (1024 * 1024)

static void
refuse(const char *file, int line, const char *complaint)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("timeline history file \"%s\" is not valid", file),
			 errdetail("Line %d: %s", line, complaint)));
}

/* One line without its end; NULL: nothing but blanks and a comment. */
static BbWalTli *
parse_line(char *line, const char *file, int number)
{
	uint32		tli;
	uint32		high;
	uint32		low;
	BbWalTli   *entry;

	line += strspn(line, " \t\r");
	if (*line == '\0' || *line == '#')
		return NULL;
	if (sscanf(line, "%u\t%X/%X", &tli, &high, &low) != 3)
		refuse(file, number,
			   "A timeline ID and the position where it ended are expected.");
	entry = palloc(sizeof(BbWalTli));
	entry->tli = tli;
	entry->end = ((uint64) high << 32) | low;
	return entry;
}

List *
bb_walhistory_parse(const char *text, TimeLineID tli, const char *file)
{
	List	   *tlis = NIL;
	XLogRecPtr	begin = InvalidXLogRecPtr;
	TimeLineID	last = 0;
	char	   *copy = pstrdup(text);
	char	   *rest = copy;
	char	   *line;
	BbWalTli   *entry;

	for (int number = 1; (line = strsep(&rest, "\n")) != NULL; number++)
	{
		entry = parse_line(line, file, number);
		if (entry == NULL)
			continue;
		if (entry->tli <= last || entry->tli >= tli)
			refuse(file, number,
				   "Timeline IDs must rise, and stay below that of the file.");
		if (entry->end < begin)
			refuse(file, number, "Positions must rise.");
		entry->begin = begin;
		begin = entry->end;
		last = entry->tli;
		tlis = lcons(entry, tlis);
	}
	pfree(copy);

	entry = palloc(sizeof(BbWalTli));
	entry->tli = tli;
	entry->begin = begin;
	entry->end = PG_UINT64_MAX;
	return lcons(entry, tlis);
}

char *
bb_walhistory_read(const BbReqCtx *ctx, const char *directory, TimeLineID tli)
{
	char		name[MAXFNAMELEN];
	size_t		length;

	TLHistoryFileName(name, tli);
	return bb_sourcefile_load(ctx, directory, name, HISTORY_MAX_SIZE, &length);
}

/* The tlis above "tli" that have a history file, newest first. */
static List *
list_newer(const BbReqCtx *ctx, const char *directory, TimeLineID tli)
{
	List	   *newer = NIL;
	DIR		   *dir = AllocateDir(directory);
	struct dirent *entry;

	while ((entry = ReadDir(dir, directory)) != NULL)
	{
		TimeLineID	found;

		bb_reqctx_check(ctx);
		if (!IsTLHistoryFileName(entry->d_name))
			continue;
		found = (TimeLineID) strtoul(entry->d_name, NULL, 16);
		if (found > tli)
			newer = lappend_oid(newer, found);
	}
	FreeDir(dir);
	list_sort(newer, list_oid_cmp);
	return newer;
}

/* The part of a history from tli on; NIL when tli isn't in it. */
static List *
from_tli(List *tlis, TimeLineID tli)
{
	for (int i = 0; i < list_length(tlis); i++)
		if (((BbWalTli *) list_nth(tlis, i))->tli == tli)
			return list_truncate(tlis, i + 1);
	return NIL;
}

List *
bb_walhistory_choose(const BbReqCtx *ctx, const char *directory,
					 TimeLineID tli, XLogRecPtr lsn)
{
	List	   *newer = list_newer(ctx, directory, tli);
	BbWalTli   *parted = NULL;
	TimeLineID	parted_tli = 0;
	BbWalTli   *own;

	for (int i = list_length(newer) - 1; i >= 0; i--)
	{
		TimeLineID	candidate = list_nth_oid(newer, i);
		char	   *text = bb_walhistory_read(ctx, directory, candidate);
		char		name[MAXFNAMELEN];
		List	   *tlis;

		if (text == NULL)
			continue; /* removed since */
		TLHistoryFileName(name, candidate);
		tlis = from_tli(bb_walhistory_parse(text, candidate, name), tli);
		if (tlis == NIL)
			continue; /* of another branch */
		own = llast(tlis);
		if (own->end >= lsn)
			return tlis;
		if (parted == NULL)
		{
			parted = own;
			parted_tli = candidate;
		}
	}

	if (parted != NULL)
		ereport(WARNING,
				(errmsg("WAL of timeline ID %u is not followed", parted_tli),
				 errdetail("It parted at %X/%X from timeline ID %u, which has been ingested up to %X/%X.",
						   LSN_FORMAT_ARGS(parted->end), tli,
						   LSN_FORMAT_ARGS(lsn)),
				 errhint("Make a branch at %X/%X and ingest into that.",
						 LSN_FORMAT_ARGS(parted->end))));

	own = palloc(sizeof(BbWalTli));
	own->tli = tli;
	own->begin = InvalidXLogRecPtr;
	own->end = PG_UINT64_MAX;
	return list_make1(own);
}
