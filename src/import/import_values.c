/*-------------------------------------------------------------------------
 *
 * import_values.c
 *	  The values of an import, one kind of key after another.
 *
 * Values are written in the order of their keys: an object's entry comes
 * before its content, and every file is read once, front to back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "base/clusterfile.h"
#include "base/codec.h"
#include "base/compat.h"
#include "base/crc.h"
#include "common/relpath.h"
#include "import/import_internal.h"
#include "pagestore/originfile.h"
#include "stats/progress.h"
#include "utils/memutils.h"

/* ---- values ---- */

static void
put(const BbReqCtx *ctx, BbImport *import, BbKey key, const void *value,
	size_t length)
{
	if (import->rebase != NULL)
		bb_basewriter_add(ctx, import->rebase->rest, &key, value, length);
	else
		bb_imagewriter_add(ctx, import->writer, &key, value, length);
}

static void
put_u32(const BbReqCtx *ctx, BbImport *import, BbKey key, uint32 value)
{
	uint8		bytes[sizeof(value)];

	bb_put_le32(bytes, value);
	put(ctx, import, key, bytes, sizeof(bytes));
}

static void
bytes_done(BbImport *import, uint64 bytes)
{
	import->result.bytes_read += bytes;
	bb_progress_import_done(import->result.bytes_read, import->files_done);
}

/* The last bytes of a file were read: free the memory that it took. */
static void
file_done(BbImport *import, uint64 bytes)
{
	import->files_done++;
	bytes_done(import, bytes);
	MemoryContextReset(import->scratch);
}

/*
 * A file of a base backup may have more bytes: those appended while it was
 * copied, which WAL contains, too.
 */
static void
check_size(const BbImport *import, const char *path, uint64 size,
		   uint64 expected)
{
	if (import->fuzzy ? size < expected : size != expected)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("size of file \"%s/%s\" changed during the import",
						import->path, path),
				 errdetail("It was " UINT64_FORMAT " bytes and is " UINT64_FORMAT ".",
						   expected, size),
				 errhint("Do not change the data directory during an "
						 "import.")));
}

static BbSourceFile *
open_file(const BbReqCtx *ctx, const BbImport *import, const char *path,
		  uint64 expected_size)
{
	BbSourceFile *file = bb_sourcefile_open(ctx, import->dir->tree, path);

	if (file == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("file \"%s/%s\" vanished during the import",
						import->path, path),
				 errhint("Do not change the data directory during an "
						 "import.")));
	check_size(import, path, file->size, expected_size);
	return file;
}

/* ---- one kind of key after the other ---- */

static void
store_control(const BbReqCtx *ctx, BbImport *import)
{
	const ControlFileData *control = &import->dir->control;

	put(ctx, import, bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0), control,
		sizeof(*control));
	put(ctx, import, bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0),
		&import->checkpoint, sizeof(import->checkpoint));
}

static void
store_tablespaces(const BbReqCtx *ctx, BbImport *import)
{
	ListCell   *cell;

	foreach(cell, import->inventory->tablespaces)
	{
		const BbTablespace *tablespace = lfirst(cell);

		put(ctx, import,
			bb_key_make(BB_KEY_TABLESPACE, tablespace->spc, 0, 0, 0, 0),
			tablespace->location, strlen(tablespace->location));
	}
}

static void
store_databases(const BbReqCtx *ctx, BbImport *import)
{
	ListCell   *cell;

	foreach(cell, import->inventory->databases)
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
store_captured_files(const BbReqCtx *ctx, BbImport *import)
{
	ListCell   *cell;

	foreach(cell, import->inventory->files)
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

	foreach(cell, import->inventory->files)
	{
		const BbCapturedFile *captured = lfirst(cell);
		BbSourceFile *file;

		MemoryContextSwitchTo(import->scratch);
		file = open_file(ctx, import, captured->path, captured->size);
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
store_captured_directories(const BbReqCtx *ctx, BbImport *import)
{
	ListCell   *cell;

	foreach(cell, import->inventory->directories)
	{
		const BbCapturedDirectory *directory = lfirst(cell);

		put(ctx, import,
			bb_key_make(BB_KEY_FILE_DIRECTORY, 0, 0, directory->ordinal, 0, 0),
			directory->path, strlen(directory->path));
	}
}

static void
store_slrus(const BbReqCtx *ctx, BbImport *import)
{
	ListCell   *cell;

	foreach(cell, import->inventory->segments)
	{
		const BbSlruSegment *segment = lfirst(cell);

		put_u32(ctx, import, bb_key_slru_size(segment->slru, segment->segment),
				segment->pages);
	}

	foreach(cell, import->inventory->segments)
	{
		const BbSlruSegment *segment = lfirst(cell);
		uint64		size = (uint64) segment->pages * BLCKSZ;
		char	   *path;
		BbSourceFile *file;

		MemoryContextSwitchTo(import->scratch);
		path = bb_inventory_slru_path(segment);
		file = open_file(ctx, import, path, size);
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

/* The server would find this only when it starts on the backup. */
static void
check_relmap(const BbImport *import, const char *path, const char *data,
			 size_t length)
{
	const char *complaint;

	if (data == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("relation map \"%s/%s\" is missing",
						import->path, path)));
	complaint = bb_relmap_error(bb_major_own(), data, length);
	if (complaint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("relation map \"%s/%s\" is corrupted",
						import->path, path),
				 errdetail("%s", complaint)));
}

static void
store_relmaps(const BbReqCtx *ctx, BbImport *import)
{
	ListCell   *cell;

	foreach(cell, import->inventory->databases)
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
		data = bb_sourcefile_load(ctx, import->dir->tree, path,
								  bb_major_own()->relmap_size, &length);
		/*
		 * A database of a base backup may have been created or dropped while
		 * it was copied.  WAL then brings the map, or drops the database.
		 */
		if (data == NULL && import->fuzzy && database->db != InvalidOid)
			continue;
		check_relmap(import, path, data, length);
		put(ctx, import,
			bb_key_make(BB_KEY_RELMAP, database->spc, database->db, 0, 0, 0),
			data, length);
		file_done(import, length);
	}
}

static void
store_relation_sizes(const BbReqCtx *ctx, BbImport *import)
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

/* Store "count" blocks of a segment; "first" is the fork's number of its first. */
static void
store_segment(const BbReqCtx *ctx, BbImport *import, const BbSourceFork *fork,
			  const char *path, BlockNumber first, BlockNumber count)
{
	BbSourceFile *file;

	if (import->direct != NULL &&
		bb_directlayers_use(ctx, import->direct, fork, first, count))
	{
		bytes_done(import, (uint64) count * BLCKSZ);
		import->result.pages += count;
		file_done(import, 0);
		return;
	}
	file = open_file(ctx, import, path, (uint64) count * BLCKSZ);
	for (BlockNumber done = 0; done < count;)
	{
		BlockNumber here = Min(count - done, BB_IMPORT_READ_BYTES / BLCKSZ);

		bb_sourcefile_read(ctx, file, import->buffer, (size_t) here * BLCKSZ);
		for (BlockNumber i = 0; i < here; i++)
		{
			char	   *page = import->buffer + (size_t) i * BLCKSZ;
			BbKey		key = bb_key_rel_block(fork->spc, fork->db, fork->rel,
											   fork->fork, first + done + i);
			const void *value = bb_import_check_page(import, &key, path,
													 done + i, (Page) page);

			if (value != NULL)
				put(ctx, import, key, value, BLCKSZ);
			else if (import->rebase != NULL)
				bb_basewriter_omit(ctx, import->rebase->rest, &key);
		}
		done += here;
		bytes_done(import, (uint64) here * BLCKSZ);
	}
	import->result.pages += count;
	file_done(import, 0);
}

static void
store_relations(const BbReqCtx *ctx, BbImport *import)
{
	const BbInventory *inventory = import->inventory;

	for (size_t i = 0; i < inventory->nforks; i++)
	{
		const BbSourceFork *fork = &inventory->forks[i];
		char		first_path[MAXPGPATH];
		BlockNumber first = 0;

		bb_major_relation_path(bb_major_own(), first_path, sizeof(first_path),
							   fork->spc, fork->db, fork->rel, fork->fork);
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

/*
 * Was the transaction prepared after the start of a base backup's WAL?  Then
 * that WAL has it (ProcessTwoPhaseBuffer in PostgreSQL's twophase.c omits it,
 * too).
 */
static bool
is_future(const BbImport *import, const BbTwophase *twophase)
{
	FullTransactionId next = import->checkpoint.nextXid;

#if PG_VERSION_NUM >= 170000
	return twophase->xid >= U64FromFullTransactionId(next);
#else
	return TransactionIdFollowsOrEquals((TransactionId) twophase->xid,
										XidFromFullTransactionId(next));
#endif
}

/* The CRC at the end of the file isn't stored; a backup computes it again. */
static void
store_twophases(const BbReqCtx *ctx, BbImport *import)
{
	ListCell   *cell;

	foreach(cell, import->inventory->twophases)
	{
		const BbTwophase *twophase = lfirst(cell);

		if (is_future(import, twophase))
			continue;
		put_u32(ctx, import, bb_key_twophase_size(twophase->xid),
				twophase->size);
	}

	foreach(cell, import->inventory->twophases)
	{
		const BbTwophase *twophase = lfirst(cell);
		char	   *path;
		char	   *data;
		size_t		length;
		pg_crc32c	crc;
		pg_crc32c	stored;

		if (is_future(import, twophase))
			continue;
		MemoryContextSwitchTo(import->scratch);
		path = bb_inventory_twophase_path(twophase);
		data = bb_sourcefile_load(ctx, import->dir->tree, path,
								  MaxAllocSize - 1, &length);
		check_size(import, path, data ? length : 0,
				   (uint64) twophase->size + sizeof(crc));

		crc = bb_crc32c_of(data, twophase->size);
		memcpy(&stored, data + twophase->size, sizeof(stored));
		if (!EQ_CRC32C(crc, stored))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("file \"%s/%s\" has a wrong checksum",
							import->path, path),
					 errdetail("The stored checksum is %08X, the calculated one %08X.", stored,
							   crc)));
		for (uint32 at = 0; at < twophase->size; at += BLCKSZ)
			put(ctx, import, bb_key_twophase_block(twophase->xid, at / BLCKSZ),
				data + at, Min(BLCKSZ, twophase->size - at));
		file_done(import, length);
	}
}

static void
store_origins(const BbReqCtx *ctx, BbImport *import)
{
	List	   *origins = NIL;
	ListCell   *cell;
	char	   *data;
	size_t		length;

	MemoryContextSwitchTo(import->scratch);
	data = bb_sourcefile_load(ctx, import->dir->tree, BB_ORIGIN_FILE,
							  MaxAllocSize - 1, &length);
	if (data != NULL && !bb_originfile_decode(data, length, &origins))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s/" BB_ORIGIN_FILE "\" is corrupted",
						import->path)));
	foreach(cell, origins)
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

void
bb_import_store_all(const BbReqCtx *ctx, BbImport *import)
{
	MemoryContext old = CurrentMemoryContext;

	/* in the order of the kinds in key.h */
	store_control(ctx, import);
	store_tablespaces(ctx, import);
	store_databases(ctx, import);
	store_captured_files(ctx, import);
	store_captured_directories(ctx, import);
	store_slrus(ctx, import);
	store_relmaps(ctx, import);
	store_relation_sizes(ctx, import);
	store_relations(ctx, import);
	store_twophases(ctx, import);
	store_origins(ctx, import);
	MemoryContextSwitchTo(old);
}
