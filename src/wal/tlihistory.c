/*-------------------------------------------------------------------------
 *
 * tlihistory.c
 *	  Timeline history files, in a directory of WAL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog_internal.h"
#include "base/resource.h"
#include "lib/stringinfo.h"
#include "storage/fd.h"
#include "wal/tlihistory.h"

/* Far more bytes than a history file ever has. */
#define HISTORY_MAX_SIZE (1024 * 1024)

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
load(const BbFd *fd, const char **complaint)
{
	struct stat st;
	char	   *text;
	ssize_t		done;

	if (fstat(bb_fd_number(fd), &st) < 0)
	{
		*complaint = psprintf("It could not be read: %s.", strerror(errno));
		return NULL;
	}
	if (!S_ISREG(st.st_mode))
	{
		*complaint = "It is not a regular file.";
		return NULL;
	}
	if (st.st_size > HISTORY_MAX_SIZE)
	{
		*complaint = psprintf("It has %lld bytes; at most %d are expected.",
							  (long long) st.st_size, HISTORY_MAX_SIZE);
		return NULL;
	}

	text = palloc(st.st_size + 1);
	done = bb_fd_read_at(fd, text, st.st_size, 0);
	if (done < 0)
	{
		*complaint = psprintf("It could not be read: %s.", strerror(errno));
		return NULL;
	}
	text[done] = '\0';
	blank_zeros(text, done);
	return text;
}

BbTliHistory *
bb_tlihistory_read(const BbReqCtx *ctx, const char *directory, TimeLineID tli)
{
	char		name[MAXFNAMELEN];
	const char *complaint = NULL;
	char	   *text = NULL;
	BbTliHistory *history;
	BbFd	   *fd;

	bb_reqctx_check(ctx);
	TLHistoryFileName(name, tli);
	/* without O_NONBLOCK, opening a FIFO would wait for a writer */
	fd = bb_fd_open(psprintf("%s/%s", directory, name),
					O_RDONLY | O_NONBLOCK | PG_BINARY, 0);
	if (fd == NULL && errno == ENOENT)
		return NULL;
	if (fd == NULL)
		complaint = psprintf("It could not be opened: %s.", strerror(errno));
	else
	{
		text = load(fd, &complaint);
		bb_fd_close(fd);
	}
	if (text != NULL)
		return bb_tlihistory_parse(text, tli);

	history = palloc0(sizeof(BbTliHistory));
	history->tli = tli;
	history->complaint = complaint;
	return history;
}

List *
bb_tlihistory_list(const BbReqCtx *ctx, const char *directory)
{
	List	   *tlis = NIL;
	DIR		   *dir = AllocateDir(directory);
	struct dirent *entry;

	while ((entry = ReadDir(dir, directory)) != NULL)
	{
		bb_reqctx_check(ctx);
		if (IsTLHistoryFileName(entry->d_name))
			tlis = lappend_oid(tlis, (Oid) strtoul(entry->d_name, NULL, 16));
	}
	FreeDir(dir);
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

		appendStringInfo(
			&text, "%u\t%X/%X\tas the history file of timeline ID %u says\n",
			entry->tli, LSN_FORMAT_ARGS(entry->end), history->tli);
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
