/*-------------------------------------------------------------------------
 *
 * trial_record.c
 *	  What a store remembers of the restore tests of a timeline.
 *
 *	  last | good | started, each: u8 (0: none), i64 tested_at, u8 start,
 *	  u64 lsn, u64 bytes, u64 duration_us, error, answer (texts; "": none)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "layer/manifest.h"
#include "layer/note.h"
#include "trial/trial_record.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define TEXT_MAX_SIZE 2000

static const BbNoteKind note_kind = {
	.magic = "bbtest\r\n",
	.version = 1,
	.max_size = 64 * 1024,
};

static const char *
object_name(const char *timeline)
{
	return psprintf("timelines/%s/" BB_TESTED_OBJECT, timeline);
}

/* ---- bytes ---- */

static void
append_text(StringInfo out, const char *text)
{
	char		cut[TEXT_MAX_SIZE];

	bb_text_copy(cut, text ? text : "", sizeof(cut));
	bb_append_text(out, cut);
}

static void
encode(StringInfo out, const BbTrialRecord *record)
{
	bb_append_u8(out, record != NULL);
	if (record == NULL)
		return;
	bb_append_le64(out, (uint64) record->tested_at);
	bb_append_u8(out, record->start);
	bb_append_le64(out, record->lsn);
	bb_append_le64(out, record->bytes);
	bb_append_le64(out, record->duration_us);
	append_text(out, record->error);
	append_text(out, record->answer);
}

static const char *
decode_text(BbReader *reader)
{
	const char *text = bb_reader_text(reader, TEXT_MAX_SIZE);

	return text != NULL && text[0] != '\0' ? text : NULL;
}

static const BbTrialRecord *
decode(BbReader *reader)
{
	BbTrialRecord *record;

	if (bb_reader_u8(reader) == 0)
		return NULL;
	record = palloc0(sizeof(BbTrialRecord));
	record->tested_at = (TimestampTz) bb_reader_le64(reader);
	record->start = bb_reader_u8(reader) != 0;
	record->lsn = bb_reader_le64(reader);
	record->bytes = bb_reader_le64(reader);
	record->duration_us = bb_reader_le64(reader);
	record->error = decode_text(reader);
	record->answer = decode_text(reader);
	if (!IS_VALID_TIMESTAMP(record->tested_at))
		reader->failed = true;
	return record;
}

BbTrialRecords
bb_trial_records_read(const BbReqCtx *ctx, BbObjectStore *objects,
					  const char *timeline)
{
	BbTrialRecords records = {0};
	BbReader	reader;

	if (!bb_note_read(ctx, objects, &note_kind, object_name(timeline),
					  &reader))
		return records;
	records.last = decode(&reader);
	records.good = decode(&reader);
	records.started = decode(&reader);
	return bb_reader_done(&reader) ? records : (BbTrialRecords){0};
}

/* ---- a test ---- */

static void
note(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
	 const BbTrialRecord *record)
{
	BbTrialRecords records = bb_trial_records_read(ctx, objects, timeline);
	StringInfoData out;
	ErrorData  *error;

	records.last = record;
	if (record->error == NULL)
	{
		records.good = record;
		if (record->start)
			records.started = record;
	}
	bb_note_begin(&out, &note_kind);
	encode(&out, records.last);
	encode(&out, records.good);
	encode(&out, records.started);
	error = bb_note_write(ctx, objects, object_name(timeline), &out);
	if (error != NULL)
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("the restore test of timeline \"%s\" is not recorded in the page store: %s",
						timeline, error->message)));
}

BbTrialResult
bb_trial_recorded(const BbReqCtx *ctx, BbObjectStore *objects,
				  const char *timeline, bool start, BbTrialMake make,
				  void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller,
												  "bbackup restore test",
												  ALLOCSET_DEFAULT_SIZES);
	BbTrialRecord record = {.start = start};
	BbTrialResult result;
	TimestampTz began = GetCurrentTimestamp();
	ErrorData *volatile error = NULL;

	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		result = make(ctx, arg);
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) ==
			ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION))
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		memset(&result, 0, sizeof(result));
	}
	PG_END_TRY();

	MemoryContextSwitchTo(caller);
	if (result.answer != NULL)
		result.answer = pstrdup(result.answer);
	/* ends the server, and removes what was restored */
	MemoryContextDelete(context);
	record.tested_at = GetCurrentTimestamp();
	record.duration_us = (uint64) Max(0, record.tested_at - began);
	record.lsn = result.lsn;
	record.bytes = result.bytes;
	record.answer = result.answer;
	if (error != NULL)
		record.error = error->detail
			? psprintf("%s (%s)", error->message, error->detail)
			: error->message;
	note(ctx, objects, timeline, &record);
	if (error != NULL)
		ReThrowError(error);
	return result;
}
