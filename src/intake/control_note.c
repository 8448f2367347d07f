/*-------------------------------------------------------------------------
 *
 * control_note.c
 *	  What the follower and its receiver note for others: errors, and where the
 *	  source's WAL ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "intake/control_internal.h"
#include "lib/stringinfo.h"
#include "utils/timestamp.h"

/* ---- the lag ---- */

void
bb_followcontrol_note_source(BbFollowControl *control, XLogRecPtr lsn,
							 bool is_stream)
{
	TimestampTz now = GetCurrentTimestamp();
	Block	   *block = control->block;

	SpinLockAcquire(&block->mutex);
	bb_lag_note(&block->lag, lsn, block->status.covered_lsn, now, is_stream);
	block->status.source_lsn = lsn;
	SpinLockRelease(&block->mutex);
}

void
bb_followcontrol_note_stored(BbFollowControl *control, TimestampTz time)
{
	SpinLockAcquire(&control->block->mutex);
	if (control->block->lag.heard == 0)
		control->block->lag.heard = time;
	SpinLockRelease(&control->block->mutex);
}

int64
bb_followcontrol_lag(BbFollowControl *control, XLogRecPtr lsn)
{
	TimestampTz now = GetCurrentTimestamp();
	BbLag		lag;
	bool		is_connected;

	SpinLockAcquire(&control->block->mutex);
	lag = control->block->lag;
	is_connected = control->block->status.connected;
	SpinLockRelease(&control->block->mutex);
	return bb_lag_get(&lag, lsn, now, is_connected);
}

/* ---- errors ---- */

/* Make one line of a text: libpq's messages have line breaks. */
static void
join_lines(char *text)
{
	char	   *to = text;

	for (const char *from = text; *from != '\0'; from++)
	{
		char		c = strchr("\n\r\t", *from) != NULL ? ' ' : *from;

		if (c != ' ' || (to > text && to[-1] != ' '))
			*to++ = c;
	}
	while (to > text && to[-1] == ' ')
		to--;
	*to = '\0';
}

void
bb_followcontrol_error(BbFollowControl *control, const ErrorData *error)
{
	char		text[sizeof(control->noted)];
	StringInfoData all;
	BbFollowStatus *status;
	BbFollowStatus names;
	TimestampTz now = GetCurrentTimestamp();
	ErrorData	copy = *error;

	initStringInfo(&all);
	appendStringInfoString(&all, error->message);
	if (error->detail != NULL)
		appendStringInfo(&all, " (%s)", error->detail);
	if (error->hint != NULL)
		appendStringInfo(&all, " Hint: %s", error->hint);
	join_lines(all.data);
	bb_text_copy(text, all.data, sizeof(text));
	pfree(all.data);
	status = bb_followcontrol_lock(control);
	/* why following has failed is not to be forgotten */
	if (control->leads || status->state != BB_FOLLOW_FAILED)
	{
		strlcpy(status->error, text, sizeof(status->error));
		status->error_time = now;
	}
	bb_followcontrol_unlock(control);

	/* details may have figures that change from one attempt to the next */
	if (control->noted_code == error->sqlerrcode &&
		strncmp(control->noted, error->message, sizeof(control->noted) - 1) ==
			0)
		return;
	control->noted_code = error->sqlerrcode;
	strlcpy(control->noted, error->message, sizeof(control->noted));
	copy.elevel = LOG_SERVER_ONLY;
	/* most errors don't say which of several timelines they stop */
	bb_followcontrol_get(control, &names);
	copy.context =
		psprintf("%s%sfollowing source \"%s\" through replication slot \"%s\"",
				 error->context != NULL ? error->context : "",
				 error->context != NULL ? "\n" : "", names.source, names.slot);
	ThrowErrorData(&copy);
	pfree(copy.context);
}

void
bb_followcontrol_fine(BbFollowControl *control)
{
	control->noted_code = -1;
}
