/*-------------------------------------------------------------------------
 *
 * position.c
 *	  Where a receiver goes on, and what it may confirm.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "intake/position.h"
#include "lib/stringinfo.h"
#include "utils/timestamp.h"

#define FEEDBACK_INTERVAL_MS 10000

/* ---- positions ---- */

BbPositionStep
bb_position_leave(const BbPosition *here, XLogRecPtr lsn)
{
	BbPositionStep step = {BB_POSITION_GO, lsn};

	if (here->durable_lsn > lsn)
		step.kind = BB_POSITION_DIVERGED;
	else if (here->read_lsn > lsn)
		step.kind = BB_POSITION_REWIND;
	else if (here->received_lsn > lsn)
		step.kind = BB_POSITION_CUT;
	return step;
}

/*
 * Two servers that were promoted to the same tli, not knowing of each other: where
 * do their histories part?  Invalid: they don't, as far as that is known.
 */
static XLogRecPtr
find_fork(const BbTliHistory *ours, const BbTliHistory *theirs)
{
	int			n;
	int			m;

	if (ours == NULL || theirs == NULL || ours->complaint != NULL ||
		theirs->complaint != NULL)
		return InvalidXLogRecPtr;
	n = list_length(ours->tlis);
	m = list_length(theirs->tlis);
	/* the oldest tli is the last */
	for (int i = 1; i <= Min(n, m); i++)
	{
		const BbTliRange *one = list_nth(ours->tlis, n - i);
		const BbTliRange *other = list_nth(theirs->tlis, m - i);

		if (one->tli != other->tli)
			return Max(one->begin, 1);
		if (one->end != other->end)
			return Max(Min(one->end, other->end), 1);
	}
	return InvalidXLogRecPtr;
}

BbPositionStep
bb_position_connect(const BbPosition *here, const BbPositionSource *source)
{
	const BbTliRange *range = NULL;
	ListCell   *cell;

	if (source->tli < here->tli)
		return (BbPositionStep){BB_POSITION_OLDER, InvalidXLogRecPtr};
	if (source->tli == here->tli)
	{
		XLogRecPtr	fork = find_fork(here->history, source->history);

		if (!XLogRecPtrIsInvalid(fork))
			return (BbPositionStep){BB_POSITION_OTHER, fork};
		if (source->lsn >= here->received_lsn)
			return (BbPositionStep){BB_POSITION_GO, InvalidXLogRecPtr};
		if (source->is_standby)
			return (BbPositionStep){BB_POSITION_BEHIND, InvalidXLogRecPtr};
		/* it writes other WAL in its place */
		return (BbPositionStep){BB_POSITION_LOST, source->lsn};
	}
	if (source->history == NULL || source->history->complaint != NULL)
		return (BbPositionStep){BB_POSITION_UNREADABLE, InvalidXLogRecPtr};
	foreach(cell, source->history->tlis)
	{
		if (((BbTliRange *) lfirst(cell))->tli == here->tli)
			range = lfirst(cell);
	}
	if (range == NULL)
		return (BbPositionStep){BB_POSITION_UNRELATED, InvalidXLogRecPtr};
	return bb_position_leave(here, range->end);
}

/* ---- feedback ---- */

XLogRecPtr
bb_feedback_flushed(BbConfirm confirm, XLogRecPtr stored_lsn,
					XLogRecPtr synced_lsn, XLogRecPtr received_lsn,
					XLogRecPtr confirmed_lsn)
{
	XLogRecPtr	flushed = stored_lsn;

	if (confirm == BB_CONFIRM_SPOOL && !XLogRecPtrIsInvalid(stored_lsn))
		flushed = Max(flushed, synced_lsn);
	return Max(Min(flushed, received_lsn), confirmed_lsn);
}

long
bb_feedback_wait_ms(const BbFeedback *last, const BbFeedback *next,
					bool is_requested, bool is_synchronous, long interval_ms)
{
	long		passed;

	if (is_requested || last->time == 0 || next->flushed != last->flushed ||
		(is_synchronous && next->written != last->written))
		return 0;
	/* a clock that was set back is no reason to keep silent */
	if (next->time < last->time)
		return 0;
	passed = (long) Min((next->time - last->time) / 1000, interval_ms);
	return interval_ms - passed;
}

long
bb_feedback_interval_ms(int sender_timeout_ms)
{
	if (sender_timeout_ms <= 0)
		return FEEDBACK_INTERVAL_MS;
	return Max(1, Min(sender_timeout_ms / 2, FEEDBACK_INTERVAL_MS));
}

/* ---- synchronous_standby_names ---- */

/* Return the next token, palloc'd, and its kind; NULL at the end. */
static char *
next_token(const char **rest, bool *is_quoted)
{
	const char *at = *rest;
	StringInfoData token;

	while (isspace((unsigned char) *at))
		at++;
	if (*at == '\0')
		return NULL;
	initStringInfo(&token);
	*is_quoted = *at == '"';
	if (*is_quoted)
	{
		at++;
		while (*at != '\0' && (*at != '"' || at[1] == '"'))
		{
			at += *at == '"';
			appendStringInfoChar(&token, *at++);
		}
		at += *at == '"';
	}
	else if (strchr("(),*", *at) != NULL)
		appendStringInfoChar(&token, *at++);
	else
	{
		while (*at != '\0' && strchr("(),*\"", *at) == NULL &&
			   !isspace((unsigned char) *at))
			appendStringInfoChar(&token, *at++);
	}
	*rest = at;
	return token.data;
}

bool
bb_sync_names_has(const char *names, const char *application_name)
{
	bool		is_quoted;
	char	   *token;
	const char *rest = names;
	const char *list = strchr(names, '(');

	/*
	 * A list in parentheses has nothing but FIRST, ANY and a number before it;
	 * a quoted name may have a parenthesis.
	 */
	if (list != NULL && memchr(names, '"', list - names) == NULL)
		rest = list + 1;
	while ((token = next_token(&rest, &is_quoted)) != NULL)
	{
		if (!is_quoted && strcmp(token, "*") == 0)
			return true;
		if (!is_quoted && strchr("(),", *token) != NULL)
			continue;
		/* application_name is cut at 63 bytes by the source */
		if (pg_strcasecmp(token, application_name) == 0)
			return true;
	}
	return false;
}
