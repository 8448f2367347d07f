/*-------------------------------------------------------------------------
 *
 * tlihistory.c
 *	  Timeline history files, among the files of a place of WAL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/xlog_internal.h"
#include "base/clusterfile.h"
#include "lib/stringinfo.h"
#include "wal/tlihistory.h"

/* ---- parsing ---- */

/* "Line 3: what is wrong." */
static const char *
at_line(int line, const char *complaint)
{
	return psprintf("Line %d: %s", line, complaint);
}

/*
 * Parse a line.  Return NULL if it is empty, or if it is wrong; then there is a
 * complaint.
 */
static BbTliRange *
parse_line(const char *line, int number, const char **complaint)
{
	uint32		tli;
	uint32		high;
	uint32		low;
	BbTliRange *entry;

	while (isspace((unsigned char) *line))
		line++;
	if (*line == '\0' || *line == '#')
		return NULL;
	if (sscanf(line, "%u\t%X/%X", &tli, &high, &low) != 3)
	{
		*complaint = at_line(
			number,
			"A timeline ID and the position where it ended are expected.");
		return NULL;
	}
	entry = palloc(sizeof(BbTliRange));
	entry->tli = tli;
	entry->end = ((uint64) high << 32) | low;
	return entry;
}

/* Return the next line or NULL.  The server splits a long line like this. */
static char *
next_line(const char **rest)
{
	const char *start = *rest;
	size_t		length = strcspn(start, "\n");

	if (*start == '\0')
		return NULL;
	if (length > MAXPGPATH - 1)
		length = MAXPGPATH - 1;
	*rest += length;
	if (length < MAXPGPATH - 1 && **rest == '\n')
		(*rest)++;
	return pnstrdup(start, length);
}

/* Parse all lines.  Return false if there is a complaint. */
static bool
parse_lines(BbTliHistory *history)
{
	XLogRecPtr	begin = InvalidXLogRecPtr;
	TimeLineID	last = 0;
	const char *rest = history->text;
	char	   *line;
	BbTliRange *entry;

	for (int number = 1; (line = next_line(&rest)) != NULL; number++)
	{
		entry = parse_line(line, number, &history->complaint);
		if (history->complaint != NULL)
			return false;
		if (entry == NULL)
			continue;
		if ((history->tlis != NIL && entry->tli <= last) ||
			entry->tli >= history->tli)
		{
			history->complaint = at_line(
				number,
				"Timeline IDs must rise, and be less than that of the file.");
			return false;
		}
		entry->begin = begin;
		begin = entry->end;
		last = entry->tli;
		history->tlis = lcons(entry, history->tlis);
	}
	if (history->tlis == NIL)
	{
		history->complaint = "It names no timeline ID.";
		return false;
	}

	entry = palloc(sizeof(BbTliRange));
	entry->tli = history->tli;
	entry->begin = begin;
	entry->end = PG_UINT64_MAX;
	history->tlis = lcons(entry, history->tlis);
	return true;
}

BbTliHistory *
bb_tlihistory_parse(const char *text, TimeLineID tli)
{
	BbTliHistory *history = palloc0(sizeof(BbTliHistory));

	history->tli = tli;
	history->text = text;
	if (!parse_lines(history))
		history->tlis = NIL;
	return history;
}

List *
bb_tlihistory_tlis(const char *text)
{
	List	   *tlis = NIL;
	const char *complaint;
	char	   *line;

	while ((line = next_line(&text)) != NULL)
	{
		BbTliRange *entry = parse_line(line, 0, &complaint);

		if (entry != NULL)
			tlis = list_append_unique_oid(tlis, entry->tli);
	}
	return tlis;
}

/* ---- reading ---- */

/* The server ignores the rest of a line after a zero byte. */
static void
blank_zeros(char *text, size_t length)
{
	bool		is_after = false;

	for (size_t i = 0; i < length; i++)
	{
		if (text[i] == '\n')
			is_after = false;
		else if (text[i] == '\0')
			is_after = true;
		if (is_after)
			text[i] = ' ';
	}
}

/* Return the text of an open file, or NULL with a complaint. */
static char *
load(const BbWalContent *content, const char **complaint)
{
	char	   *text;
	uint32		done;

	if (content->complaint != NULL)
	{
		*complaint = pstrdup(content->complaint);
		return NULL;
	}
	if (content->size > BB_TLIHISTORY_MAX)
	{
		*complaint = psprintf("It has " UINT64_FORMAT
							  " bytes; at most %d are expected.",
							  content->size, BB_TLIHISTORY_MAX);
		return NULL;
	}
	text = palloc(content->size + 1);
	done = bb_walcontent_read(content, 0, text, content->size);
	text[done] = '\0';
	blank_zeros(text, done);
	return text;
}

/* As bb_tlihistory_read, of one copy. */
static BbTliHistory *
read_copy(const BbReqCtx *ctx, BbWalFiles *files, const char *name, int copy,
		  TimeLineID tli)
{
	BbWalContent *content = bb_walfiles_open(ctx, files, name, copy, 0);
	const char *complaint = NULL;
	BbTliHistory *history;
	char	   *path;
	char	   *text;

	if (content == NULL)
		return NULL;
	path = pstrdup(content->path);
	text = load(content, &complaint);
	bb_walcontent_close(content);
	if (text != NULL)
		history = bb_tlihistory_parse(text, tli);
	else
	{
		history = palloc0(sizeof(BbTliHistory));
		history->tli = tli;
		history->complaint = complaint;
	}
	history->path = path;
	return history;
}

BbTliHistory *
bb_tlihistory_read(const BbReqCtx *ctx, BbWalFiles *files, TimeLineID tli)
{
	char		name[MAXFNAMELEN];
	BbTliHistory *first = NULL;
	int			copy = -1;

	bb_reqctx_check(ctx);
	TLHistoryFileName(name, tli);
	while (copy < BB_WAL_FETCHED &&
		   (copy = bb_walfiles_find(ctx, files, name, copy + 1)) >= 0)
	{
		BbTliHistory *history = read_copy(ctx, files, name, copy, tli);

		if (history != NULL && history->complaint == NULL)
			return history;
		if (first == NULL)
			first = history;
	}
	return first;
}

/* Called with each file: arg is the list. */
static void
note_history(void *arg, const char *name, int copy)
{
	List	  **tlis = arg;

	if (IsTLHistoryFileName(name))
		*tlis = list_append_unique_oid(*tlis, (Oid) strtoul(name, NULL, 16));
}

List *
bb_tlihistory_list(const BbReqCtx *ctx, BbWalFiles *files)
{
	List	   *tlis = NIL;

	bb_walfiles_list(ctx, files, note_history, &tlis);
	list_sort(tlis, list_oid_cmp);
	return tlis;
}

/* ---- writing ---- */

/* The entries of a history that are older than tli, newest first. */
static List *
ancestors(const BbTliHistory *history, TimeLineID tli)
{
	List	   *older = NIL;
	ListCell   *cell;

	foreach(cell, history->tlis)
	{
		BbTliRange *entry = lfirst(cell);

		if (entry->tli < tli)
			older = lappend(older, entry);
	}
	return older;
}

static bool
same_ancestors(const BbTliHistory *one, const BbTliHistory *other,
			   TimeLineID tli)
{
	List	   *ones = ancestors(one, tli);
	List	   *others = ancestors(other, tli);
	ListCell   *cell;
	ListCell   *other_cell;

	if (list_length(ones) != list_length(others))
		return false;
	forboth(cell, ones, other_cell, others)
	{
		const BbTliRange *entry = lfirst(cell);
		const BbTliRange *other_entry = lfirst(other_cell);

		if (entry->tli != other_entry->tli || entry->end != other_entry->end)
			return false;
	}
	return true;
}

static char *
ancestors_text(const BbTliHistory *history, TimeLineID tli)
{
	List	   *older = ancestors(history, tli);
	StringInfoData text;

	initStringInfo(&text);
	for (int i = list_length(older) - 1; i >= 0; i--)
	{
		const BbTliRange *entry = list_nth(older, i);

		appendStringInfo(&text,
						 "%u\t" BB_FILE_LSN_FORMAT
						 "\tas the history file of timeline ID %u says\n",
						 entry->tli, LSN_FORMAT_ARGS(entry->end),
						 history->tli);
	}
	return text.data;
}

const char *
bb_tlihistory_text(const BbTliHistory *chosen, const BbTliHistory *own,
				   TimeLineID tli)
{
	return own != NULL && own->complaint == NULL &&
			same_ancestors(own, chosen, tli)
		? own->text
		: ancestors_text(chosen, tli);
}
