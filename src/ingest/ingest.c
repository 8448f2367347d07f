/*-------------------------------------------------------------------------
 *
 * ingest.c
 *	  WAL into a timeline of a page store: record by record, flush by flush.
 *
 * When a record turns out to be bad, the records before it are flushed before
 * the error is rethrown, except if the call was cancelled or if the flush failed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "base/codec.h"
#include "base/compat.h"
#include "base/errorcontext.h"
#include "base/events.h"
#include "ingest/flush.h"
#include "ingest/invalidpages.h"
#include "ingest/pace.h"
#include "ingest/recordcheck.h"
#include "ingest/tliswitch.h"
#include "stats/calls.h"
#include "stats/progress.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Progress is reported after this many records. */
#define REPORT_RECORDS 256

/* After this long without more WAL, the records so far are committed. */
#define COMMIT_MS 500

/* ---- records ---- */

static void
add_context(void *arg)
{
	const BbIngest *ingest = arg;
	XLogReaderState *record = ingest->record;

	if (record != NULL)
		errcontext("ingest of the WAL record at " BB_LSN_FORMAT ", %s",
				   LSN_FORMAT_ARGS(record->ReadRecPtr),
				   bb_ingest_record_name(record));
}

/*
 * With wal_level minimal, a table that was filled by the transaction that created
 * it isn't in WAL.  (CheckRequiredParameterValues in xlogrecovery.c refuses
 * to recover from such WAL, too.)  A record reports the level before any other
 * record is written at it.
 */
static void
check_wal_level(BbIngest *ingest)
{
	XLogReaderState *record = ingest->record;

	if (ingest->state->control.wal_level == WAL_LEVEL_MINIMAL &&
		XLogRecGetRmid(record) != RM_XLOG_ID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("WAL at " BB_LSN_FORMAT " was written with wal_level = minimal",
						LSN_FORMAT_ARGS(record->ReadRecPtr)),
				 errdetail("Such WAL does not have the changes of tables that were created in the same transaction."),
				 errhint("Set wal_level to replica in the source, and import it again.")));
}

/* Note that xids and restore points are known from the first record on. */
static void
note_targets(BbIngest *ingest)
{
	BbKey		key = bb_event_key(BB_KEY_TARGETS_FROM);
	uint8		value[BB_TARGETS_FROM_SIZE];

	bb_put_le64(value, ingest->done_lsn);
	bb_openlayer_put(ingest->layer, &key, ingest->lsn, BB_ENTRY_IMAGE, value,
					 sizeof(value));
	ingest->targets_known = true;
}

static void
handle_record(BbIngest *ingest, XLogReaderState *record)
{
	BbRmgrHandler handler = bb_rmgr_handler(XLogRecGetRmid(record));

	ingest->record = record;
	ingest->lsn = record->EndRecPtr;
	ingest->bytes = NULL;
	if (handler == NULL)
		bb_ingest_unknown(ingest);

	bb_recordcheck_blocks(ingest);
	check_wal_level(ingest);
	bb_clusterstate_past_xid(ingest->state, XLogRecGetXid(record));
	handler(ingest);
	if (!ingest->targets_known)
		note_targets(ingest);
	bb_clusterstate_write(ingest->state, ingest->layer, ingest->lsn);
	ingest->record = NULL;
}

/* The record is complete. */
static void
record_done(BbIngest *ingest, XLogReaderState *record)
{
	bool		consistent_now = ingest->done_lsn < ingest->start_lsn &&
		record->EndRecPtr >= ingest->start_lsn;

	/* if this fails, the timeline must not be committed as consistent */
	if (consistent_now)
		bb_invalidpages_check(ingest);
	if (ingest->record_layers != NIL)
	{
		MemoryContext old = MemoryContextSwitchTo(ingest->context);

		ingest->layers = list_concat(ingest->layers, ingest->record_layers);
		list_free(ingest->record_layers);
		ingest->record_layers = NIL;
		MemoryContextSwitchTo(old);
	}
	bb_tliswitch_apply(ingest);
	ingest->done_lsn = record->EndRecPtr;
	ingest->done_start = record->ReadRecPtr;
	bb_recordends_add(ingest->ends, ingest->done_lsn);
	ingest->result.records++;
	if (consistent_now)
		ingest->start_lsn = ingest->done_lsn;
}

/* Has a base backup all WAL that it needs? */
static inline bool
backup_consistent(const BbIngest *ingest)
{
	return !XLogRecPtrIsInvalid(ingest->backup_start) &&
		ingest->done_lsn >= ingest->start_lsn;
}

/*
 * Wait for the source, from "start" on, which is zero at first.
 *
 * A source may keep only so much WAL that isn't committed, and then waits for
 * us.
 */
static void
wait_for_source(BbIngest *ingest, TimestampTz *start)
{
	TimestampTz now = GetCurrentTimestamp();

	if (*start == 0)
		*start = now;
	else if (TimestampDifferenceExceeds(*start, now, COMMIT_MS) &&
			 ingest->done_lsn > ingest->manifest->end_lsn)
		bb_ingest_flush(ingest);
	bb_walsource_wait(ingest->ctx, ingest->source, COMMIT_MS);
}

/* Read the next record.  Never returns BB_WAL_WAIT. */
static BbWalNext
next_record(BbIngest *ingest)
{
	BbWalNext	next;
	TimestampTz start = 0;

	while ((next = bb_walsource_next(ingest->ctx, ingest->source)) ==
		   BB_WAL_WAIT)
	{
		if (ingest->control != NULL)
			bb_pace_wait(ingest);
		else
			wait_for_source(ingest, &start);
	}
	return next;
}

/* Ingest all records up to "until".  False: not all of them could be read. */
static bool
ingest_records(BbIngest *ingest, const BbWalStream *stream, XLogRecPtr until)
{
	XLogReaderState *record = ingest->source->reader;
	MemoryContext scratch = AllocSetContextCreate(ingest->context,
												  "bbackup WAL record",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	BbWalNext	next = BB_WAL_END;

	/* no record ends in a page header or in padding */
	while (!backup_consistent(ingest) &&
		   (XLogRecPtrIsInvalid(until) ||
			bb_wal_record_start(stream, ingest->done_lsn) < until))
	{
		next = next_record(ingest);
		if (next != BB_WAL_RECORD ||
			(!XLogRecPtrIsInvalid(until) && record->EndRecPtr > until))
			break;

		handle_record(ingest, record);
		record_done(ingest, record);
		if (ingest->control != NULL)
			bb_pace_record(ingest);
		else if (bb_ingest_flush_due(ingest))
			bb_ingest_flush(ingest);
		if (ingest->result.records % REPORT_RECORDS == 0)
			bb_progress_ingest_done(ingest->done_lsn, ingest->result.records);
		MemoryContextReset(scratch);
	}

	MemoryContextSwitchTo(old);
	ingest->wal_ended = next == BB_WAL_END;
	if (next == BB_WAL_BROKEN)
		return false;
	return next != BB_WAL_END || XLogRecPtrIsInvalid(until) ||
		bb_wal_record_start(stream, ingest->done_lsn) >= until;
}

/*
 * After this error, are the complete records to be flushed?
 *
 * An ingest that follows doesn't after an error of its source or its control:
 * the records may be of a tli that the server has left before them.
 */
static bool
flush_after(const BbIngest *ingest, const ErrorData *error)
{
	if (ingest->flushing || error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
			ERRCODE_OPERATOR_INTERVENTION)
		return false;
	return ingest->control == NULL || ingest->record != NULL;
}

/* Ingest, and flush the complete records whatever happens. */
static bool
ingest_and_flush(BbIngest *ingest, const BbWalStream *stream, XLogRecPtr until)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData *volatile error = NULL;
	ErrorContextCallback callback;
	volatile bool complete = false;

	bb_error_context_push(&callback, add_context, ingest);
	PG_TRY();
	{
		complete = ingest_records(ingest, stream, until);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	bb_error_context_pop(&callback);

	if (error != NULL && !flush_after(ingest, error))
		ReThrowError(error);
	if (error == NULL && ingest->control != NULL)
		return complete;

	bb_openlayer_cut(ingest->layer, ingest->done_lsn);
	bb_ingest_flush(ingest);
	if (error != NULL)
		ReThrowError(error);
	return complete;
}

/* ---- the call ---- */

static BbManifest *
read_manifest(const BbReqCtx *ctx, BbObjectStore *objects,
			  const char *timeline, XLogRecPtr until)
{
	BbManifest *manifest = bb_manifest_read(ctx, objects, timeline);

	bb_manifest_check_version(manifest);
	bb_manifest_check_no_copy(manifest);
	if (!XLogRecPtrIsInvalid(until) && until < manifest->end_lsn)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("LSN " BB_LSN_FORMAT " is before the end of timeline \"%s\"",
						LSN_FORMAT_ARGS(until), timeline),
				 errdetail("It has been ingested up to " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(manifest->end_lsn))));
	return manifest;
}

static void
begin(BbIngest *ingest, const BbReqCtx *ctx, BbObjectStore *objects,
	  const BbManifest *manifest)
{
	BbKey		targets = bb_event_key(BB_KEY_TARGETS_FROM);
	BbTimeline *timeline;
	BbEntry		entry;

	ingest->ctx = ctx;
	ingest->objects = objects;
	ingest->manifest = manifest;
	ingest->context = CurrentMemoryContext;
	ingest->layer = bb_openlayer_new();
	ingest->known = bb_knownkeys_new(objects, ingest->layer);
	bb_ingest_flush_begin(ingest);
	timeline = bb_knownkeys_timeline(ctx, ingest->known);
	ingest->state = bb_clusterstate_load(ctx, timeline, manifest->end_lsn);
	ingest->ends = bb_recordends_new(ctx, ingest->layer, timeline,
									 manifest->end_lsn);
	ingest->targets_known = bb_timeline_get(ctx, timeline, &targets,
											manifest->end_lsn, &entry);
	initStringInfo(&ingest->native);

	ingest->done_lsn = manifest->end_lsn;
	ingest->done_start = manifest->prev_lsn;
	ingest->tli = manifest->tli;
	ingest->next_tli = manifest->tli;
	ingest->nswitches = manifest->nswitches;
	ingest->switches = manifest->switches;
	ingest->fills_gap = bb_manifest_gap_open(manifest);
	ingest->start_lsn = ingest->fills_gap
		? manifest->gaps[manifest->ngaps - 1].until
		: manifest->start_lsn;
	ingest->end_time = manifest->end_time;
	ingest->result.start_lsn = manifest->end_lsn;
	ingest->result.end_lsn = manifest->end_lsn;
	ingest->result.tli = manifest->tli;
	bb_calls_describe(ctx,
					  &(BbCallAbout){.start_lsn = manifest->end_lsn,
									 .end_lsn = manifest->end_lsn});
}

/* The WAL of a base backup isn't enough. */
static void
raise_inconsistent(const BbIngest *ingest)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("WAL in %s ends before the base backup is consistent",
					ingest->source->name),
			 errdetail("It was read from " BB_LSN_FORMAT " to " BB_LSN_FORMAT ".",
					   LSN_FORMAT_ARGS(ingest->backup_start),
					   LSN_FORMAT_ARGS(ingest->done_lsn)),
			 errhint("Set wal_directory to a directory that has all of it.")));
}

/* Does the path include the position that the control file demands? */
static void
check_min_lsn(const BbIngest *ingest, const BbIngestBackup *backup)
{
	const BbTliPath *path = ingest->source->path;
	TimeLineID	target = path->target;
	TimeLineID	tli;

	if (target == 0)
		target = ((const BbTliRange *) linitial(path->tlis))->tli;
	if (backup->min_lsn <= ingest->done_lsn)
		return;
	tli = Min(target, bb_tlipath_at(path, backup->min_lsn - 1)->tli);
	if (tli != backup->min_tli)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL of timeline ID %u does not lead to the point where the base backup is consistent",
						target),
				 errdetail("That point is at " BB_LSN_FORMAT " on timeline ID %u.",
						   LSN_FORMAT_ARGS(backup->min_lsn),
						   backup->min_tli)));
}

/* Report where WAL ended, which is not an error. */
static void
report_end(const BbIngest *ingest)
{
	bb_walsource_report_end(ingest->ctx, ingest->source);
	if (ingest->nswitches > 0)
	{
		const BbTliSwitch *left = &ingest->switches[ingest->nswitches - 1];

		bb_walsource_report_left(ingest->ctx, ingest->source, left->tli,
								 left->until);
	}
}

/* What makes a call of bb_ingest different from the others; all may be unset. */
typedef struct Aim
{
	XLogRecPtr	until;
	const BbIngestBackup *backup;
	const BbIngestControl *control;
} Aim;

static BbIngestResult
run(const BbReqCtx *ctx, BbObjectStore *objects, const BbManifest *manifest,
	const BbWalOrigin *origin, const Aim *aim)
{
	BbIngest   *ingest = palloc0(sizeof(BbIngest));
	BbWalStart	start;
	XLogRecPtr	limit;

	start.stream.tli = manifest->tli;
	start.stream.system_identifier = manifest->system_identifier;
	start.stream.segment_size = manifest->wal_segment_size;
	start.lsn = manifest->end_lsn;
	start.prev_lsn = manifest->prev_lsn;

	begin(ingest, ctx, objects, manifest);
	ingest->control = aim->control;
	ingest->source = origin->open(ctx, origin, &start);
	bb_walsource_need_any(ctx, ingest->source);
	if (aim->backup != NULL)
	{
		ingest->backup_start = manifest->end_lsn;
		check_min_lsn(ingest, aim->backup);
	}
	limit = bb_walsource_limit(ingest->source);
	if (!XLogRecPtrIsInvalid(aim->until))
		limit = Min(limit, aim->until);
	bb_progress_ingest_total(start.lsn, limit);
	bb_progress_ingest_phase(BB_INGEST_READING);

	if (!ingest_and_flush(ingest, &start.stream, aim->until) ||
		aim->control != NULL)
		bb_walsource_raise(ctx, ingest->source, aim->until);
	if (ingest->wal_ended)
		report_end(ingest);
	if (aim->backup != NULL && !backup_consistent(ingest))
		raise_inconsistent(ingest);
	return ingest->result;
}

/* A rebase that was killed remembered pages that do not exist; see import.h. */
static void
check_gaps(const BbManifest *manifest)
{
	if (bb_manifest_gap_open(manifest))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rebase of timeline \"%s\" was not completed",
						manifest->timeline),
				 errdetail("It ends at " BB_LSN_FORMAT ", where WAL was lost.",
						   LSN_FORMAT_ARGS(manifest->gaps[manifest->ngaps - 1]
											   .from)),
				 errhint("Call bb_rebase_server() again.")));
}

/* The caller holds the timeline's lock. */
static BbIngestResult
ingest_locked(const BbReqCtx *ctx, BbObjectStore *objects,
			  const char *timeline, const BbWalOrigin *origin, const Aim *aim)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	BbManifest *manifest;
	BbIngestResult result;

	context = AllocSetContextCreate(caller, "bbackup ingest",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	bb_progress_ingest_start();
	manifest = read_manifest(ctx, objects, timeline, aim->until);
	if (aim->backup == NULL && !bb_manifest_consistent(manifest))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("import of timeline \"%s\" was not completed",
						timeline),
				 errhint("Import it again.")));
	if (aim->backup == NULL)
		check_gaps(manifest);
	(void) bb_manifest_sweep(ctx, objects, timeline);
	result = run(ctx, objects, manifest, origin, aim);
	bb_progress_end();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return result;
}

/* Take the timeline's lock, and ingest. */
static BbIngestResult
lock_and_ingest(const BbReqCtx *ctx, BbObjectStore *objects,
				const char *timeline, const BbWalOrigin *origin,
				const Aim *aim)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller,
												  "bbackup ingest lock",
												  ALLOCSET_SMALL_SIZES);
	BbIngestResult result;

	/* the lock lasts as long as this context, which outlives all writers */
	MemoryContextSwitchTo(context);
	/* check the timeline first, since the lock creates a directory */
	(void) read_manifest(ctx, objects, timeline, aim->until);
	bb_manifest_lock(ctx, objects, timeline);
	result = ingest_locked(ctx, objects, timeline, origin, aim);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return result;
}

BbIngestResult
bb_ingest(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
		  const BbWalOrigin *origin, XLogRecPtr until)
{
	return lock_and_ingest(ctx, objects, timeline, origin,
						   &(Aim){.until = until});
}

BbIngestResult
bb_ingest_backup(const BbReqCtx *ctx, BbObjectStore *objects,
				 const char *timeline, const BbWalOrigin *origin,
				 const BbIngestBackup *backup)
{
	return ingest_locked(ctx, objects, timeline, origin,
						 &(Aim){.backup = backup});
}

void
bb_ingest_follow(const BbReqCtx *ctx, BbObjectStore *objects,
				 const char *timeline, const BbWalOrigin *origin,
				 const BbIngestControl *control)
{
	(void) lock_and_ingest(ctx, objects, timeline, origin,
						   &(Aim){.control = control});
	pg_unreachable();
}
