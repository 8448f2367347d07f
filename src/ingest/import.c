/*-------------------------------------------------------------------------
 *
 * import.c
 *	  A data directory into a new timeline of a page store.
 *
 * One pass, in the order of the keys: what exists comes before what it
 * holds, and every file is read once, front to back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/compat.h"
#include "common/relpath.h"
#include "ingest/datadir.h"
#include "ingest/imagewriter.h"
#include "ingest/import.h"
#include "ingest/inventory.h"
#include "ingest/pagecheck.h"
#include "ingest/sourcefile.h"
#include "ingest/walend.h"
#include "layer/manifest.h"
#include "pagestore/originfile.h"
#include "port/pg_crc32c.h"
#include "stats/progress.h"
#include "utils/memutils.h"

/* Relation files are read in pieces of this size. */
#define READ_BYTES (32 * BLCKSZ)

/* pg_filenode.map has a fixed size, well below this. */
#define RELMAP_MAX_SIZE BLCKSZ

typedef struct Import
{
	const BbDataDir *dir;
	const BbInventory *inventory;
	XLogRecPtr	lsn;
	BbImageWriter *writer;
	MemoryContext scratch; /* reset for each file */
	char	   *buffer;	   /* of READ_BYTES, aligned */
	uint64		files_done;
	uint64		files_total;
	BbImportResult result;
} Import;

/* ---- values ---- */

static void
put(const BbReqCtx *ctx, Import *import, BbKey key, const void *value,
	size_t length)
{
	bb_imagewriter_add(ctx, import->writer, &key, value, length);
}

static void
put_u32(const BbReqCtx *ctx, Import *import, BbKey key, uint32 value)
{
	uint8		bytes[sizeof(value)];

	bb_put_le32(bytes, value);
	put(ctx, import, key, bytes, sizeof(bytes));
}

static void
bytes_done(Import *import, uint64 bytes)
{
	import->result.bytes_read += bytes;
	bb_progress_import_done(import->result.bytes_read, import->files_done);
}

/* A small file was read, or the rest of one: forget what it took. */
static void
file_done(Import *import, uint64 bytes)
{
	import->files_done++;
	bytes_done(import, bytes);
	MemoryContextReset(import->scratch);
}

static BbSourceFile *
open_file(const BbReqCtx *ctx, const Import *import, const char *path)
{
	BbSourceFile *file = bb_sourcefile_open(ctx, import->dir->path, path);

	if (file == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("file \"%s/%s\" vanished during the import",
						import->dir->path, path),
				 errhint("Nobody may change the data directory during the "
						 "import.")));
	return file;
}

static void
check_size(const Import *import, const char *path, uint64 size,
		   uint64 expected)
{
	if (size != expected)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("size of file \"%s/%s\" changed during the import",
						import->dir->path, path),
				 errdetail("It was " UINT64_FORMAT " bytes and is " UINT64_FORMAT ".",
						   expected, size),
				 errhint("Nobody may change the data directory during the "
						 "import.")));
}

/* ---- one kind of key after the other ---- */

static void
store_control(const BbReqCtx *ctx, Import *import)
{
	const ControlFileData *control = &import->dir->control;

	put(ctx, import, bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0), control,
		sizeof(*control));
	put(ctx, import, bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0),
		&control->checkPointCopy, sizeof(control->checkPointCopy));
}

static void
store_tablespaces(const BbReqCtx *ctx, Import *import)
{
	ListCell   *cell;

	foreach (cell, import->inventory->tablespaces)
	{
		const BbTablespace *tablespace = lfirst(cell);

		put(ctx, import,
			bb_key_make(BB_KEY_TABLESPACE, tablespace->spc, 0, 0, 0, 0),
			tablespace->location, strlen(tablespace->location));
	}
}

static void
store_databases(const BbReqCtx *ctx, Import *import)
{
	ListCell   *cell;

	foreach (cell, import->inventory->databases)
	{
		const BbDatabase *database = lfirst(cell);
		uint8		flags = 0;

		if (database->default_tablespace)
		{
			flags |= BB_DATABASE_DEFAULT_TABLESPACE;
			import->result.databases++;
		}
		put(ctx, import,
			bb_key_make(BB_KEY_DATABASE, database->spc, database->db, 0, 0, 0),
			&flags, sizeof(flags));
	}
}

static void
store_captured_files(const BbReqCtx *ctx, Import *import)
{
	ListCell   *cell;

	foreach (cell, import->inventory->files)
	{
		const BbCapturedFile *file = lfirst(cell);
		StringInfoData value;

		initStringInfo(&value);
		bb_catalog_encode_file(file, &value);
		put(ctx, import,
			bb_key_make(BB_KEY_FILE_ENTRY, 0, 0, file->ordinal, 0, 0),
			value.data, value.len);
		pfree(value.data);
	}

	foreach (cell, import->inventory->files)
	{
		const BbCapturedFile *captured = lfirst(cell);
		BbSourceFile *file;

		MemoryContextSwitchTo(import->scratch);
		file = open_file(ctx, import, captured->path);
		check_size(import, captured->path, bb_sourcefile_size(file),
				   captured->size);
		for (uint64 at = 0; at < captured->size; at += BLCKSZ)
		{
			size_t		length = Min(BLCKSZ, captured->size - at);

			bb_sourcefile_read(ctx, file, import->buffer, length);
			put(ctx, import,
				bb_key_make(BB_KEY_FILE_BLOCK, 0, 0, captured->ordinal, 0,
							(uint32) (at / BLCKSZ)),
				import->buffer, length);
		}
		file_done(import, captured->size);
	}
}

static void
store_slrus(const BbReqCtx *ctx, Import *import)
{
	ListCell   *cell;

	foreach (cell, import->inventory->segments)
	{
		const BbSlruSegment *segment = lfirst(cell);

		put_u32(ctx, import, bb_key_slru_size(segment->slru, segment->segment),
				segment->pages);
	}

	foreach (cell, import->inventory->segments)
	{
		const BbSlruSegment *segment = lfirst(cell);
		uint64		size = (uint64) segment->pages * BLCKSZ;
		char	   *path;
		BbSourceFile *file;

		MemoryContextSwitchTo(import->scratch);
		path = bb_inventory_slru_path(segment);
		file = open_file(ctx, import, path);
		check_size(import, path, bb_sourcefile_size(file), size);
		for (uint32 page = 0; page < segment->pages; page++)
		{
			bb_sourcefile_read(ctx, file, import->buffer, BLCKSZ);
			put(ctx, import,
				bb_key_slru_block(segment->slru, segment->segment, page),
				import->buffer, BLCKSZ);
		}
		file_done(import, size);
	}
}

static void
store_relmaps(const BbReqCtx *ctx, Import *import)
{
	ListCell   *cell;

	foreach (cell, import->inventory->databases)
	{
		const BbDatabase *database = lfirst(cell);
		char	   *path;
		char	   *data;
		size_t		length;

		if (!database->default_tablespace && database->db != InvalidOid)
			continue;
		MemoryContextSwitchTo(import->scratch);
		path = psprintf("%s/pg_filenode.map",
						GetDatabasePath(database->db, database->spc));
		data = bb_sourcefile_load(ctx, import->dir->path, path,
								  RELMAP_MAX_SIZE, &length);
		if (data == NULL || length == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("relation map \"%s/%s\" is missing or empty",
							import->dir->path, path)));
		put(ctx, import,
			bb_key_make(BB_KEY_RELMAP, database->spc, database->db, 0, 0, 0),
			data, length);
		file_done(import, length);
	}
}

static void
store_relation_sizes(const BbReqCtx *ctx, Import *import)
{
	const BbInventory *inventory = import->inventory;

	for (size_t i = 0; i < inventory->nforks; i++)
	{
		const BbSourceFork *fork = &inventory->forks[i];
		const BbSourceFork *before = i > 0 ? fork - 1 : NULL;

		if (before == NULL || before->rel != fork->rel ||
			before->db != fork->db || before->spc != fork->spc)
			import->result.relations++;
		put_u32(ctx, import,
				bb_key_rel_size(fork->spc, fork->db, fork->rel, fork->fork),
				fork->blocks);
	}
}

/* The blocks of one segment of a fork, the first of which is "first". */
static void
store_segment(const BbReqCtx *ctx, Import *import, const BbSourceFork *fork,
			  const char *path, BlockNumber first, BlockNumber count)
{
	BbSourceFile *file = open_file(ctx, import, path);
	bool		checksums = import->dir->control.data_checksum_version != 0;

	check_size(import, path, bb_sourcefile_size(file),
			   (uint64) count * BLCKSZ);
	for (BlockNumber done = 0; done < count;)
	{
		BlockNumber here = Min(count - done, READ_BYTES / BLCKSZ);

		bb_sourcefile_read(ctx, file, import->buffer, (size_t) here * BLCKSZ);
		for (BlockNumber i = 0; i < here; i++)
		{
			char	   *page = import->buffer + (size_t) i * BLCKSZ;
			BlockNumber block = first + done + i;
			char	   *complaint = bb_pagecheck((Page) page, block, checksums,
												 import->lsn);

			if (complaint != NULL)
				ereport(ERROR,
						(errcode(ERRCODE_DATA_CORRUPTED),
						 errmsg("block %u of file \"%s/%s\" is corrupted",
								done + i, import->dir->path, path),
						 errdetail("%s", complaint),
						 errhint("The cluster itself is damaged: restore the "
								 "page, or the relation, there.")));
			put(ctx, import,
				bb_key_rel_block(fork->spc, fork->db, fork->rel, fork->fork,
								 block),
				page, BLCKSZ);
		}
		done += here;
		bytes_done(import, (uint64) here * BLCKSZ);
	}
	import->result.pages += count;
	file_done(import, 0);
}

static void
store_relations(const BbReqCtx *ctx, Import *import)
{
	const BbInventory *inventory = import->inventory;

	for (size_t i = 0; i < inventory->nforks; i++)
	{
		const BbSourceFork *fork = &inventory->forks[i];
		char		first_path[MAXPGPATH];
		BlockNumber first = 0;

		bb_compat_relation_path(first_path, sizeof(first_path), fork->spc,
								fork->db, fork->rel, fork->fork);
		do
		{
			BlockNumber count = Min(fork->blocks - first, RELSEG_SIZE);
			char		path[MAXPGPATH];

			MemoryContextSwitchTo(import->scratch);
			strlcpy(path, first_path, sizeof(path));
			if (first > 0)
				snprintf(path, sizeof(path), "%s.%u", first_path,
						 first / (BlockNumber) RELSEG_SIZE);
			store_segment(ctx, import, fork, path, first, count);
			first += count;
		} while (first < fork->blocks);
	}
}

/* The state is stored; its CRC, the last bytes of the file, is made anew. */
static void
store_twophases(const BbReqCtx *ctx, Import *import)
{
	ListCell   *cell;

	foreach (cell, import->inventory->twophases)
	{
		const BbTwophase *twophase = lfirst(cell);

		put_u32(ctx, import, bb_key_twophase_size(twophase->xid),
				twophase->size);
	}

	foreach (cell, import->inventory->twophases)
	{
		const BbTwophase *twophase = lfirst(cell);
		char	   *path;
		char	   *data;
		size_t		length;
		pg_crc32c	crc;
		pg_crc32c	stored;

		MemoryContextSwitchTo(import->scratch);
		path = bb_inventory_twophase_path(twophase);
		data = bb_sourcefile_load(ctx, import->dir->path, path, MaxAllocSize - 1,
								  &length);
		check_size(import, path, data ? length : 0,
				   (uint64) twophase->size + sizeof(crc));

		INIT_CRC32C(crc);
		COMP_CRC32C(crc, data, twophase->size);
		FIN_CRC32C(crc);
		memcpy(&stored, data + twophase->size, sizeof(stored));
		if (!EQ_CRC32C(crc, stored))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("file \"%s/%s\" has a wrong checksum",
							import->dir->path, path),
					 errdetail("It says %08X, its bytes make %08X.", stored,
							   crc)));
		for (uint32 at = 0; at < twophase->size; at += BLCKSZ)
			put(ctx, import, bb_key_twophase_block(twophase->xid, at / BLCKSZ),
				data + at, Min(BLCKSZ, twophase->size - at));
		file_done(import, length);
	}
}

static void
store_origins(const BbReqCtx *ctx, Import *import)
{
	List	   *origins = NIL;
	ListCell   *cell;
	char	   *data;
	size_t		length;

	MemoryContextSwitchTo(import->scratch);
	data = bb_sourcefile_load(ctx, import->dir->path, BB_ORIGIN_FILE,
							  MaxAllocSize - 1, &length);
	if (data != NULL && !bb_originfile_decode(data, length, &origins))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s/" BB_ORIGIN_FILE "\" is corrupted",
						import->dir->path)));
	foreach (cell, origins)
	{
		const BbOrigin *origin = lfirst(cell);
		uint8		value[sizeof(uint64)];

		bb_put_le64(value, origin->remote_lsn);
		put(ctx, import,
			bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, origin->id, 0, 0),
			value, sizeof(value));
	}
	MemoryContextReset(import->scratch);
}

/* ---- the whole ---- */

static uint64
count_files(const BbInventory *inventory)
{
	uint64		files = list_length(inventory->files) +
		list_length(inventory->segments) + list_length(inventory->twophases);
	ListCell   *cell;

	foreach (cell, inventory->databases)
	{
		const BbDatabase *database = lfirst(cell);

		files += database->default_tablespace || database->db == InvalidOid;
	}
	for (size_t i = 0; i < inventory->nforks; i++)
		files += Max(1, (inventory->forks[i].blocks + RELSEG_SIZE - 1) /
					 RELSEG_SIZE);
	return files;
}

static void
store_all(const BbReqCtx *ctx, Import *import)
{
	MemoryContext old = CurrentMemoryContext;

	/* in the order of the kinds in key.h */
	store_control(ctx, import);
	store_tablespaces(ctx, import);
	store_databases(ctx, import);
	store_captured_files(ctx, import);
	store_slrus(ctx, import);
	store_relmaps(ctx, import);
	store_relation_sizes(ctx, import);
	store_relations(ctx, import);
	store_twophases(ctx, import);
	store_origins(ctx, import);
	MemoryContextSwitchTo(old);
}

static void
commit(const BbReqCtx *ctx, Import *import, BbObjectStore *store,
	   const char *timeline)
{
	const BbDataDir *dir = import->dir;
	const ControlFileData *control = &dir->control;
	BbManifest	manifest = {0};

	manifest.timeline = pstrdup(timeline);
	manifest.tag = BB_OBJECT_ABSENT;
	manifest.pg_version_num = PG_VERSION_NUM;
	manifest.system_identifier = control->system_identifier;
	manifest.wal_segment_size = control->xlog_seg_size;
	manifest.data_checksum_version = control->data_checksum_version;
	manifest.tli = control->checkPointCopy.ThisTimeLineID;
	manifest.uid = dir->uid;
	manifest.gid = dir->gid;
	manifest.directory_mode = dir->mode;
	manifest.start_lsn = import->lsn;
	manifest.end_lsn = import->lsn;
	manifest.prev_lsn = control->checkPoint;
	manifest.end_time = (int64) control->checkPointCopy.time;
	manifest.layers = bb_imagewriter_finish(ctx, import->writer,
											&manifest.nlayers);
	for (int i = 0; i < manifest.nlayers; i++)
		import->result.bytes_stored += manifest.layers[i].size;

	/* the last look at the source, so that nothing wrong is committed */
	bb_progress_import_phase(BB_IMPORT_COMMITTING);
	bb_datadir_check_unchanged(ctx, dir);
	if (!bb_manifest_commit(ctx, store, &manifest))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("timeline \"%s\" was made by another server during the import",
						timeline)));
}

static BbImportResult
run(const BbReqCtx *ctx, BbObjectStore *store, const char *timeline,
	const BbDataDir *dir)
{
	Import		import = {0};

	bb_progress_import_phase(BB_IMPORT_CHECKING);
	import.dir = dir;
	import.lsn = bb_walend_find(ctx, import.dir);
	import.inventory = bb_inventory_new(ctx, import.dir);
	import.writer = bb_imagewriter_new(store, timeline, import.lsn);
	import.scratch = AllocSetContextCreate(CurrentMemoryContext,
										   "bbackup import file",
										   ALLOCSET_DEFAULT_SIZES);
	import.buffer = palloc(READ_BYTES);
	import.result.lsn = import.lsn;
	bb_progress_import_total(import.inventory->bytes,
							 count_files(import.inventory));

	bb_progress_import_phase(BB_IMPORT_READING);
	store_all(ctx, &import);
	commit(ctx, &import, store, timeline);
	return import.result;
}

/*
 * After a failure: remove the layers that were written.  What can't be
 * removed now is left to the next import of that name.
 */
static void
remove_layers(const BbReqCtx *ctx, BbObjectStore *store, const char *timeline)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		/* the call's own deadline may be what ended it */
		const BbReqCtx *cleanup = bb_reqctx_detached_child(ctx, BB_TASK_IMPORT,
														   BB_DOWNLOAD_ALLOW);

		bb_manifest_sweep(cleanup, store, timeline, NULL);
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
				 errhint("The next import of timeline \"%s\" removes them.",
						 timeline)));
	}
	PG_END_TRY();
}

BbImportResult
bb_import_directory(const BbReqCtx *ctx, BbObjectStore *store,
					const char *timeline, const char *path)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	BbDataDir  *dir;
	BbImportResult result;
	ErrorData  *volatile error = NULL;

	/* what can be refused without touching the store is refused first */
	bb_timeline_name_check(timeline);
	dir = bb_datadir_open(ctx, path);

	/* held until the caller's context goes: longer than any layer's writer */
	bb_manifest_lock(ctx, store, timeline);
	if (bb_manifest_read(ctx, store, timeline) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("timeline \"%s\" already exists in page store \"%s\"",
						timeline, bb_objstore_url(store)),
				 errhint("Import under another name, or remove it by "
						 "bb_drop_timeline().")));
	bb_manifest_sweep(ctx, store, timeline, NULL);

	context = AllocSetContextCreate(caller, "bbackup import",
									ALLOCSET_DEFAULT_SIZES);
	bb_progress_import_start();
	PG_TRY();
	{
		MemoryContextSwitchTo(context);
		result = run(ctx, store, timeline, dir);
		MemoryContextSwitchTo(caller);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();

	MemoryContextDelete(context);
	if (error != NULL)
	{
		remove_layers(ctx, store, timeline);
		ReThrowError(error);
	}
	bb_progress_import_end();
	return result;
}
