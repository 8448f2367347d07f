/*-------------------------------------------------------------------------
 *
 * rm_dbase.c
 *	  Databases: creation by both strategies, move, and drop.
 *
 * CREATE DATABASE … STRATEGY file_copy and ALTER DATABASE … SET TABLESPACE
 * copy a directory, and WAL has no more than that fact.  So a scan with redo
 * reads the source's blocks at that LSN from the store, and they are written as
 * image layers at the end of the record:
 *
 *	  flush ── scan of the source's blocks ── image layers of the copy's
 *
 * Neither the copy nor its source is kept in memory.
 *
 * (dbase_redo in PostgreSQL's dbcommands.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "commands/dbcommands_xlog.h"
#include "ingest/flush.h"
#include "ingest/invalidpages.h"
#include "ingest/recordcheck.h"
#include "ingest/relsizes.h"
#include "utils/memutils.h"

/* The directory of a database in a tablespace. */
typedef struct DatabaseDir
{
	Oid			spc;
	Oid			db;
} DatabaseDir;

/* The state of a copy. */
typedef struct Copy
{
	BbIngest   *ingest;
	BbKeyRange	range;	   /* starts with the layer being written */
	BbLayerWriter *writer; /* NULL: no layer is being written */
} Copy;

/* Turn a key of the source into one of the copy. */
static BbKey
rename_key(const BbKey *key, DatabaseDir to)
{
	BbKeyFields f = bb_key_fields(key);

	return bb_key_make(f.kind, to.spc, to.db, f.rel, f.fork, f.block);
}

static void
finish_layer(Copy *copy, const BbKey *end)
{
	BbIngest   *ingest = copy->ingest;
	MemoryContext old = MemoryContextSwitchTo(ingest->context);

	ingest->record_layers = lappend(ingest->record_layers,
									bb_layer_writer_finish(ingest->ctx,
														   copy->writer, end));
	MemoryContextSwitchTo(old);
	copy->writer = NULL;
	copy->range.start = *end;
}

static void
add_page(Copy *copy, const BbKey *key, const BbEntry *entry)
{
	BbIngest   *ingest = copy->ingest;

	if (copy->writer != NULL &&
		bb_layer_writer_size(copy->writer) >=
			(uint64) bb_setting_layer_size_mb * 1024 * 1024)
		finish_layer(copy, key);
	if (copy->writer == NULL)
		copy->writer = bb_layer_writer_new(ingest->ctx, ingest->objects,
										   ingest->manifest->timeline,
										   &copy->range.start, ingest->lsn,
										   (BbCompression)
											   bb_setting_compression);
	bb_layer_writer_add(ingest->ctx, copy->writer, key, entry->value,
						entry->length);
	ingest->result.pages++;
}

/* Copy the blocks of the source's forks; the store may have others. */
static void
copy_blocks(BbIngest *ingest, BbTimeline *timeline, DatabaseDir from,
			DatabaseDir to)
{
	BbKeyRange	range = bb_relsizes_range(BB_KEY_REL_BLOCK, from.spc, from.db);
	Copy		copy = {ingest,
						bb_relsizes_range(BB_KEY_REL_BLOCK, to.spc, to.db),
						NULL};
	BbTimelineScan *scan;
	BbEntry		entry;

	scan = bb_timeline_scan_new(ingest->ctx, timeline, &range,
								ingest->done_lsn);
	while (bb_timeline_scan_next(ingest->ctx, scan, &entry))
	{
		BbKeyFields f = bb_key_fields(&entry.key);
		BbFork		fork = {f.spc, f.db, f.rel, f.fork};
		BlockNumber blocks;
		BbKey		key;

		bb_reqctx_check(ingest->ctx);
		if (!bb_relsizes_get(ingest, &fork, &blocks) || f.block >= blocks)
			continue;
		key = rename_key(&entry.key, to);
		add_page(&copy, &key, &entry);
	}
	bb_timeline_scan_close(scan);
	if (copy.writer != NULL)
		finish_layer(&copy, &copy.range.end);
}

static void
copy_sizes(BbIngest *ingest, DatabaseDir from, DatabaseDir to)
{
	BbKeyRange	range = bb_relsizes_range(BB_KEY_REL_SIZE, from.spc, from.db);
	ListCell   *cell;

	foreach(cell, bb_knownkeys_list(ingest->ctx, ingest->known, &range))
	{
		const BbKey *key = lfirst(cell);
		BbKey		renamed = rename_key(key, to);
		uint32		blocks;

		if (bb_knownkeys_get_u32(ingest->ctx, ingest->known, key, &blocks))
			bb_knownkeys_put_u32(ingest->known, &renamed, ingest->lsn, blocks);
	}
}

/* Copy the runs of zeros in the source's forks. */
static void
copy_zeros(BbIngest *ingest, DatabaseDir from, DatabaseDir to)
{
	BbKeyRange	range = bb_relsizes_range(BB_KEY_REL_ZEROS, from.spc, from.db);
	ListCell   *cell;

	foreach(cell, bb_knownkeys_list(ingest->ctx, ingest->known, &range))
	{
		BbKey		renamed = rename_key(lfirst(cell), to);
		uint32		length;
		const uint8 *value = bb_knownkeys_get(ingest->ctx, ingest->known,
											  lfirst(cell), &length);
		uint8	   *copy;

		if (value == NULL)
			continue;
		/* the next call may move the value */
		copy = palloc(length);
		memcpy(copy, value, length);
		bb_knownkeys_put(ingest->known, &renamed, ingest->lsn, copy, length);
		pfree(copy);
	}
}

/* Copy PG_VERSION, if it exists, and the relation map. */
static void
copy_files(BbIngest *ingest, BbTimeline *timeline, DatabaseDir from,
		   DatabaseDir to)
{
	BbKey		database = bb_key_make(BB_KEY_DATABASE, from.spc, from.db, 0,
									   0, 0);
	BbKey		map = bb_key_make(BB_KEY_RELMAP, from.spc, from.db, 0, 0, 0);
	BbKey		key = rename_key(&database, to);
	uint8		flags = 0;
	BbEntry		entry;

	(void) bb_knownkeys_get_u8(ingest->ctx, ingest->known, &database, &flags);
	bb_knownkeys_put(ingest->known, &key, ingest->lsn, &flags, sizeof(flags));

	if ((flags & BB_DATABASE_DEFAULT_TABLESPACE) &&
		bb_timeline_get(ingest->ctx, timeline, &map, ingest->done_lsn, &entry))
	{
		key = rename_key(&map, to);
		bb_openlayer_put(ingest->layer, &key, ingest->lsn, BB_ENTRY_IMAGE,
						 entry.value, entry.length);
	}
}

/*
 * Replace the database "to" by a copy of "from".
 *
 * REQUIRES: the record being handled has no entry yet.
 */
static void
copy_database(BbIngest *ingest, DatabaseDir from, DatabaseDir to)
{
	BbTimeline *timeline;

	bb_ingest_flush(ingest);
	timeline = bb_timeline_open(ingest->ctx, ingest->objects,
								ingest->manifest->timeline);

	/* first remove what exists under that OID */
	bb_relsizes_drop_all(ingest, to.spc, to.db);
	copy_files(ingest, timeline, from, to);
	copy_sizes(ingest, from, to);
	copy_zeros(ingest, from, to);
	copy_blocks(ingest, timeline, from, to);
}

static void
create_by_copy(BbIngest *ingest)
{
	const xl_dbase_create_file_copy_rec
		*create = (const xl_dbase_create_file_copy_rec *)
			bb_ingest_data(ingest, sizeof(*create));
	DatabaseDir from = {create->src_tablespace_id, create->src_db_id};
	DatabaseDir to = {create->tablespace_id, create->db_id};

	bb_recordcheck_database(ingest, from.spc, from.db);
	bb_recordcheck_database(ingest, to.spc, to.db);
	if (from.spc == to.spc && from.db == to.db)
		bb_ingest_refuse(ingest,
						 "It copies database %u in tablespace %u to itself.",
						 to.db, to.spc);
	copy_database(ingest, from, to);
}

/* Other records have the contents. */
static void
create_by_wal(BbIngest *ingest)
{
	const xl_dbase_create_wal_log_rec
		*create = (const xl_dbase_create_wal_log_rec *)
			bb_ingest_data(ingest, sizeof(*create));
	BbKey		key = bb_key_make(BB_KEY_DATABASE, create->tablespace_id,
								  create->db_id, 0, 0, 0);
	uint8		flags = BB_DATABASE_DEFAULT_TABLESPACE;

	bb_recordcheck_database(ingest, create->tablespace_id, create->db_id);
	bb_knownkeys_put(ingest->known, &key, ingest->lsn, &flags, sizeof(flags));
}

static void
drop(BbIngest *ingest)
{
	const size_t fixed = offsetof(xl_dbase_drop_rec, tablespace_ids);
	const xl_dbase_drop_rec *drop = (const xl_dbase_drop_rec *)
		bb_ingest_data(ingest, fixed);

	bb_recordcheck_items(ingest, fixed, drop->ntablespaces, sizeof(Oid));
	for (int i = 0; i < drop->ntablespaces; i++)
		bb_recordcheck_database(ingest, drop->tablespace_ids[i], drop->db_id);

	bb_invalidpages_forget_database(ingest, drop->db_id);
	for (int i = 0; i < drop->ntablespaces; i++)
	{
		Oid			spc = drop->tablespace_ids[i];
		BbKey		database = bb_key_make(BB_KEY_DATABASE, spc, drop->db_id,
										   0, 0, 0);
		BbKey		map = bb_key_make(BB_KEY_RELMAP, spc, drop->db_id, 0, 0,
									  0);

		bb_reqctx_check(ingest->ctx);
		bb_relsizes_drop_all(ingest, spc, drop->db_id);
		bb_knownkeys_remove(ingest->ctx, ingest->known, &database,
							ingest->lsn);
		bb_openlayer_put(ingest->layer, &map, ingest->lsn, BB_ENTRY_DELETED,
						 NULL, 0);
	}
}

void
bb_rm_dbase(BbIngest *ingest)
{
	switch (XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK)
	{
		case XLOG_DBASE_CREATE_FILE_COPY:
			create_by_copy(ingest);
			break;
		case XLOG_DBASE_CREATE_WAL_LOG:
			create_by_wal(ingest);
			break;
		case XLOG_DBASE_DROP:
			drop(ingest);
			break;
		default:
			bb_ingest_unknown(ingest);
	}
}
