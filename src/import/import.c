/*-------------------------------------------------------------------------
 *
 * import.c
 *	  Import of a data directory as a new timeline of a page store.
 *
 * The order is: checks, values (import_values.c), the manifest, and for a base
 * backup the WAL that makes it consistent.  Until then the timeline exists but
 * can't be read, and the next import under the same name replaces it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlog_internal.h"
#include "base/cancelhold.h"
#include "base/compat.h"
#include "catalog/pg_control.h"
#include "import/backupend.h"
#include "import/backuplabel.h"
#include "import/import_internal.h"
#include "ingest/ingest.h"
#include "layer/manifest_edit.h"
#include "stats/progress.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

/* The longest wait for a source that has no more WAL yet. */
#define WAIT_MS 1000

static uint64
count_files(const BbInventory *inventory)
{
	uint64		files = list_length(inventory->files) +
		list_length(inventory->segments) + list_length(inventory->twophases);
	ListCell   *cell;

	foreach(cell, inventory->databases)
	{
		const BbDatabase *database = lfirst(cell);

		files += database->default_tablespace || database->db == InvalidOid;
	}
	for (size_t i = 0; i < inventory->nforks; i++)
		files += Max(1,
					 (inventory->forks[i].blocks + RELSEG_SIZE - 1) /
						 RELSEG_SIZE);
	return files;
}

/*
 * The checkpoint record that an import begins with: the last record of a cleanly
 * shut-down cluster, or the one that backup_label names.
 */
typedef struct CheckpointRecord
{
	CheckPoint	checkpoint;
	bool		shutdown; /* rather than online */
	XLogRecPtr	end;	  /* known from WAL only */
} CheckpointRecord;

/* Raise which WAL a base backup needs, none of which is there. */
static void
raise_no_wal(const BbReqCtx *ctx, const BbImport *import,
			 const BbWalSource *source, const char *missing)
{
	const BbBackupLabel *label = import->dir->label;
	int			segment_size = import->dir->control.xlog_seg_size;
	XLogRecPtr	end = bb_backupend_read(ctx, import->dir->tree);
	char		first[MAXFNAMELEN];
	char		last[MAXFNAMELEN];
	XLogSegNo	segno;

	XLByteToSeg(label->start_lsn, segno, segment_size);
	XLogFileName(first, label->tli, segno, segment_size);
	if (end > label->start_lsn)
		XLByteToPrevSeg(end, segno, segment_size);
	XLogFileName(last, label->tli, segno, segment_size);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("WAL segment \"%s\" is missing from %s", missing,
					source->name),
			 end > label->start_lsn
				 ? errdetail("The base backup needs the WAL from " BB_LSN_FORMAT " to " BB_LSN_FORMAT ", segments %s to %s.",
							 LSN_FORMAT_ARGS(label->start_lsn),
							 LSN_FORMAT_ARGS(end), first, last)
				 : errdetail("The base backup needs the WAL from " BB_LSN_FORMAT " on, segments from %s on, to where it ended.",
							 LSN_FORMAT_ARGS(label->start_lsn), first),
			 errhint("Name the archive that has it as wal_directory or by restore_command.")));
}

/* Raise why the checkpoint record could not be read. */
static void
raise_unreadable(const BbReqCtx *ctx, const BbImport *import,
				 const BbWalSource *source, XLogRecPtr lsn)
{
	BbWalReason reason = bb_walsource_reason(source);

	if (reason.missing && import->dir->label != NULL)
		raise_no_wal(ctx, import, source, reason.segment);
	if (reason.missing)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("WAL segment \"%s\" is missing from %s",
						reason.segment, source->name),
				 errdetail("The checkpoint record at " BB_LSN_FORMAT " is needed.",
						   LSN_FORMAT_ARGS(lsn))));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("could not read the checkpoint record at " BB_LSN_FORMAT " in %s",
					LSN_FORMAT_ARGS(lsn), source->name),
			 errdetail("\"%s\": %s", reason.segment, reason.text)));
}

/* Read the checkpoint record that begins at lsn on tli, as ingest would. */
static CheckpointRecord
read_checkpoint(const BbReqCtx *ctx, const BbImport *import, TimeLineID tli,
				XLogRecPtr lsn)
{
	const ControlFileData *control = &import->dir->control;
	const BbWalOrigin *origin = import->checkpoint_wal;
	BbWalStart	start = {0};
	MemoryContext context;
	MemoryContext old;
	BbWalSource *source;
	BbWalNext	next;
	XLogReaderState *reader;
	CheckpointRecord result;
	uint8		info;

	if (!XRecOffIsValid(lsn))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there can be no checkpoint record at " BB_LSN_FORMAT,
						LSN_FORMAT_ARGS(lsn))));

	context = AllocSetContextCreate(CurrentMemoryContext,
									"bbackup checkpoint record",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	start.stream.tli = tli;
	start.stream.system_identifier = control->system_identifier;
	start.stream.segment_size = control->xlog_seg_size;
	start.lsn = lsn;
	source = origin->open(ctx, origin, &start);
	while ((next = bb_walsource_next(ctx, source)) == BB_WAL_WAIT)
		bb_walsource_wait(ctx, source, WAIT_MS);
	if (next != BB_WAL_RECORD)
		raise_unreadable(ctx, import, source, lsn);

	reader = source->reader;
	info = XLogRecGetInfo(reader) & ~XLR_INFO_MASK;
	if (XLogRecGetRmid(reader) != RM_XLOG_ID ||
		(info != XLOG_CHECKPOINT_SHUTDOWN && info != XLOG_CHECKPOINT_ONLINE) ||
		XLogRecGetDataLen(reader) != sizeof(CheckPoint))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("record at " BB_LSN_FORMAT " in %s is not a checkpoint record",
						LSN_FORMAT_ARGS(lsn), source->name)));
	memcpy(&result.checkpoint, XLogRecGetData(reader), sizeof(CheckPoint));
	result.shutdown = info == XLOG_CHECKPOINT_SHUTDOWN;
	result.end = reader->EndRecPtr;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return result;
}

/* Find the LSN of the images, and the counters at it. */
static void
find_lsn(const BbReqCtx *ctx, BbImport *import)
{
	const BbDataDir *dir = import->dir;
	const ControlFileData *control = &dir->control;
	CheckpointRecord record;

	if (dir->label != NULL)
	{
		record = read_checkpoint(ctx, import, dir->label->tli,
								 dir->label->checkpoint_lsn);
		if (record.checkpoint.redo != dir->label->start_lsn)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("checkpoint record at " BB_LSN_FORMAT " is not the one that \"%s/" BB_BACKUP_LABEL_FILE "\" names",
							LSN_FORMAT_ARGS(dir->label->checkpoint_lsn),
							dir->path),
					 errdetail("Its redo location is " BB_LSN_FORMAT " instead of " BB_LSN_FORMAT ".",
							   LSN_FORMAT_ARGS(record.checkpoint.redo),
							   LSN_FORMAT_ARGS(dir->label->start_lsn))));
		import->lsn = dir->label->start_lsn;
	}
	else
	{
		record = read_checkpoint(ctx, import,
								 control->checkPointCopy.ThisTimeLineID,
								 control->checkPoint);
		if (!record.shutdown ||
			memcmp(&record.checkpoint, &control->checkPointCopy,
				   sizeof(CheckPoint)) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("record at " BB_LSN_FORMAT " of data directory \"%s\" is not the checkpoint that its control file describes",
							LSN_FORMAT_ARGS(control->checkPoint), dir->path)));
		import->lsn = record.end;
	}
	import->checkpoint = record.checkpoint;
}

/*
 * The first LSN at which the timeline can be read (CheckRecoveryConsistency in
 * PostgreSQL's xlogrecovery.c).
 *
 * No WAL record says where a standby's backup ended.  The control file does if
 * it was copied last, but some tools copy files in the order of their names.
 * So the newest page counts, too: redo can't undo its changes.
 */
static XLogRecPtr
consistent_lsn(const BbImport *import)
{
	const BbBackupLabel *label = import->dir->label;

	if (label == NULL)
		return import->lsn;
	if (label->from_standby &&
		!XLogRecPtrIsInvalid(import->dir->control.minRecoveryPoint))
		return Max(import->dir->control.minRecoveryPoint, import->newest_page);
	return BB_LSN_UNKNOWN; /* WAL has a record of it */
}

/* Make the timeline, with these layers. */
static void
make_timeline(const BbReqCtx *ctx, BbImport *import, List *layers)
{
	const BbDataDir *dir = import->dir;
	const ControlFileData *control = &dir->control;
	BbManifest	manifest = {0};
	BbManifestEdit edit = {.base = &manifest, .added = layers};

	manifest.timeline = pstrdup(import->timeline);
	manifest.tag = BB_OBJECT_ABSENT;
	manifest.pg_version_num = PG_VERSION_NUM;
	manifest.system_identifier = control->system_identifier;
	manifest.wal_segment_size = control->xlog_seg_size;
	manifest.data_checksum_version = control->data_checksum_version;
	manifest.tli = import->checkpoint.ThisTimeLineID;
	manifest.uid = dir->uid;
	manifest.gid = dir->gid;
	manifest.directory_mode = dir->mode;
	manifest.start_lsn = consistent_lsn(import);
	manifest.end_lsn = import->lsn;
	manifest.prev_lsn = dir->label ? InvalidXLogRecPtr : control->checkPoint;
	manifest.end_time = (int64) import->checkpoint.time;
	(void) bb_manifest_edit(ctx, import->objects, &edit);
}

/* Make the last layers durable; return all of them. */
static List *
finish_layers(const BbReqCtx *ctx, BbImport *import)
{
	BbRebase   *rebase = import->rebase;
	List	   *layers;

	if (rebase == NULL)
		return bb_imagewriter_finish(ctx, import->writer);
	layers = bb_basewriter_finish(ctx, rebase->rest);
	rebase->pages_stored += bb_basewriter_pages(rebase->rest);
	return layers;
}

static void
commit(const BbReqCtx *ctx, BbImport *import)
{
	List	   *layers = finish_layers(ctx, import);
	ListCell   *cell;

	foreach(cell, layers)
		import->result.bytes_stored += ((BbLayerDesc *) lfirst(cell))->size;

	/* check the source once more, so that nothing wrong is committed */
	bb_progress_import_phase(BB_IMPORT_COMMITTING);
	bb_datadir_check_unchanged(ctx, import->dir);
	if (import->direct != NULL)
		bb_directlayers_remove_unused(ctx, import->direct);
	if (import->rebase != NULL)
		bb_rebase_commit(ctx, import, layers, consistent_lsn(import));
	else
		make_timeline(ctx, import, layers);
}

/*
 * Warn of databases without a relation map.  The backup has what DROP DATABASE
 * had not removed yet, and ends before that command was in WAL.
 */
static void
warn_of_remains(const BbReqCtx *ctx, const BbImport *import,
				BbTimeline *opened, XLogRecPtr lsn)
{
	ListCell   *cell;

	foreach(cell, import->inventory->databases)
	{
		const BbDatabase *database = lfirst(cell);
		BbKey		key = bb_key_make(BB_KEY_DATABASE, database->spc,
									  database->db, 0, 0, 0);
		BbKey		map = bb_key_make(BB_KEY_RELMAP, database->spc,
									  database->db, 0, 0, 0);
		BbEntry		entry;

		if (database->default_tablespace &&
			bb_timeline_get(ctx, opened, &key, lsn, &entry) &&
			!bb_timeline_get(ctx, opened, &map, lsn, &entry))
			ereport(WARNING,
					(errmsg("database %u has no relation map in base backup \"%s\"",
							database->db, import->path),
					 errdetail("It was being dropped while the backup was "
							   "taken, or the backup is damaged. It can't be "
							   "connected to at " BB_LSN_FORMAT ".",
							   LSN_FORMAT_ARGS(lsn))));
	}
}

/* Ingest the WAL of a base backup, up to the LSN where it is consistent. */
static void
make_consistent(const BbReqCtx *ctx, BbImport *import)
{
	const ControlFileData *control = &import->dir->control;
	BbIngestBackup backup = {control->minRecoveryPoint,
							 control->minRecoveryPointTLI};
	BbIngestResult ingested;
	BbTimeline *opened;

	ingested = bb_ingest_backup(ctx, import->objects, import->timeline,
								import->wal, &backup);
	import->result.lsn = ingested.end_lsn;
	import->result.bytes_stored += ingested.bytes_stored;
	opened = bb_timeline_open(ctx, import->objects, import->timeline);
	bb_import_check_torn_pages(ctx, import, opened, ingested.end_lsn);
	warn_of_remains(ctx, import, opened, ingested.end_lsn);
}

/* Begin to write all values that aren't written yet. */
static void
begin_values(const BbReqCtx *ctx, BbImport *import)
{
	const ControlFileData *control = &import->dir->control;
	BbRebase   *rebase = import->rebase;
	BbRebaseBase base = {
		.system_identifier = control->system_identifier,
		.segment_size = control->xlog_seg_size,
		.checksums = import->checksums,
		.lsn = import->lsn,
		.tli = import->checkpoint.ThisTimeLineID,
		.history = import->history,
	};

	if (rebase == NULL)
	{
		import->writer = bb_imagewriter_new(import->objects, import->timeline,
											import->lsn);
		return;
	}
	bb_rebase_check(rebase, &base);
	rebase->rest = bb_basewriter_new(ctx, &rebase->place, rebase->images);
}

static void
run(const BbReqCtx *ctx, BbImport *import, BbImportSource *source)
{
	import->scratch = AllocSetContextCreate(CurrentMemoryContext,
											"bbackup import file",
											ALLOCSET_DEFAULT_SIZES);
	import->buffer = palloc(BB_IMPORT_READ_BYTES);
	bb_progress_import_phase(BB_IMPORT_CHECKING);
	source->prepare(ctx, source, import);
	find_lsn(ctx, import);
	import->inventory = bb_inventory_new(ctx, import->dir,
										 import->dir->received
											 ? NULL
											 : bb_objstore_local_directory(
												   import->objects));
	begin_values(ctx, import);
	import->result.lsn = import->lsn;
	bb_progress_import_total(import->inventory->bytes,
							 count_files(import->inventory));

	bb_progress_import_phase(BB_IMPORT_READING);
	bb_import_store_all(ctx, import);
	commit(ctx, import);
	if (import->fuzzy)
		make_consistent(ctx, import);
}

/* Return all layers (BbLayerDesc *) that were made durable. */
static List *
created_layers(const BbImport *import)
{
	List	   *layers = NIL;

	if (import->direct != NULL)
		layers = bb_directlayers_all(import->direct);
	if (import->writer != NULL)
		layers = list_concat(layers, bb_imagewriter_layers(import->writer));
	if (import->rebase != NULL && import->rebase->rest != NULL)
		layers = list_concat(layers,
							 bb_basewriter_layers(import->rebase->rest));
	return layers;
}

/* Does the manifest name one of the layers? */
static bool
names_layer_of(const BbManifest *manifest, List *layers)
{
	ListCell   *cell;

	foreach(cell, layers)
	{
		const BbLayerDesc *layer = lfirst(cell);

		for (int i = 0; i < manifest->nlayers; i++)
			if (manifest->layers[i].file_id == layer->file_id)
				return true;
	}
	return false;
}

/*
 * Remove what this import created.  A manifest may be this import's, even if
 * its commit reported an error, or that of another process that took the lock
 * afterwards.
 */
static void
remove_created(const BbReqCtx *ctx, const BbImport *import, List *layers)
{
	BbObjectStore *objects = import->objects;
	BbManifest *manifest = bb_manifest_find(ctx, objects, import->timeline);
	List	   *names = NIL;
	ListCell   *cell;

	if (manifest != NULL && names_layer_of(manifest, layers))
	{
		if (import->rebase != NULL)
			bb_rebase_undo(ctx, objects, manifest);
		else
			bb_manifest_remove(ctx, objects, import->timeline);
		return;
	}
	foreach(cell, layers)
		names = lappend(names,
						bb_layer_object_name(import->timeline, lfirst(cell)));
	(void) bb_objstore_remove_all(ctx, objects, names);
}

/*
 * Remove what a failed import wrote.  The next import under the same name
 * removes what can't be removed now.
 */
static void
clean_up(const BbReqCtx *ctx, const BbImport *import, List *layers)
{
	MemoryContext context = CurrentMemoryContext;
	uint32		hold = bb_cancelhold_begin();

	PG_TRY();
	{
		/* the deadline of the call may have passed */
		const BbReqCtx *cleanup = bb_reqctx_detached_child(ctx, BB_TASK_IMPORT,
														   BB_DOWNLOAD_ALLOW);

		remove_created(cleanup, import, layers);
		bb_reqctx_end(cleanup);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		ereport(WARNING,
				(errmsg("could not remove the layers of a failed import: %s",
						error->message),
				 errhint("The next import or rebase of timeline \"%s\" removes them.",
						 import->timeline)));
	}
	PG_END_TRY();
	bb_cancelhold_end(hold);
}

/* The import that runs, and its context, for a session that is terminated. */
static BbImport *running = NULL;
static const BbReqCtx *running_ctx;

static void
clean_up_at_exit(int code, Datum arg)
{
	BbImport   *import = running;

	running = NULL;
	if (import == NULL)
		return;
	MemoryContextSwitchTo(import->context);
	clean_up(running_ctx, import, created_layers(import));
}

static void
note_running(const BbReqCtx *ctx, BbImport *import)
{
	static bool registered = false;

	if (!registered)
		before_shmem_exit(clean_up_at_exit, (Datum) 0);
	registered = true;
	running_ctx = ctx;
	running = import;
}

/* Take the lock of a name that no timeline has. */
static void
begin_timeline(const BbReqCtx *ctx, BbObjectStore *objects,
			   const char *timeline)
{
	BbManifest *manifest;

	bb_manifest_lock(ctx, objects, timeline);
	manifest = bb_manifest_find(ctx, objects, timeline);
	if (manifest != NULL && bb_manifest_consistent(manifest))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("timeline \"%s\" already exists in page store \"%s\"",
						timeline, bb_objstore_url(objects)),
				 errhint("Import under another name, or remove it by "
						 "bb_drop_timeline().")));
	bb_manifest_remove(ctx, objects, timeline); /* left by a killed import */
}

BbImportResult
bb_import_run(const BbReqCtx *ctx, BbObjectStore *objects,
			  const char *timeline, BbImportSource *source, BbRebase *rebase)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext locked = AllocSetContextCreate(caller, "bbackup import lock",
												 ALLOCSET_SMALL_SIZES);
	MemoryContext context;
	BbImport   *import;
	BbImportResult result;
	ErrorData *volatile error = NULL;

	/* the lock is held until this context is deleted, after all writers */
	MemoryContextSwitchTo(locked);
	if (rebase != NULL)
		bb_rebase_begin(ctx, objects, timeline, rebase);
	else
		begin_timeline(ctx, objects, timeline);

	context = AllocSetContextCreate(locked, "bbackup import",
									ALLOCSET_DEFAULT_SIZES);
	import = MemoryContextAllocZero(context, sizeof(BbImport));
	import->objects = objects;
	import->timeline = timeline;
	import->rebase = rebase;
	import->context = context;
	note_running(ctx, import);
	bb_progress_import_start();
	PG_TRY();
	{
		MemoryContextSwitchTo(context);
		run(ctx, import, source);
		MemoryContextSwitchTo(locked);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(locked);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();

	if (source->release != NULL)
		source->release(source);
	if (error != NULL)
	{
		List	   *layers = created_layers(import);

		if (layers != NIL || import->writer != NULL || rebase != NULL)
			clean_up(ctx, import, layers);
		running = NULL;
		MemoryContextDelete(context);
		ReThrowError(error);
	}
	running = NULL;
	result = import->result;
	MemoryContextDelete(context);
	bb_progress_end();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(locked);
	return result;
}
