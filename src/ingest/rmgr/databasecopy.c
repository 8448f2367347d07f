/*-------------------------------------------------------------------------
 *
 * databasecopy.c
 *	  The copy of a database's files, which one WAL record stands for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "ingest/flush.h"
#include "ingest/relsizes.h"
#include "ingest/rmgr/databasecopy.h"
#include "utils/memutils.h"

/* The state of a copy. */
typedef struct Copy
{
	BbIngest   *ingest;
	BbKeyRange	range;	   /* starts with the layer being written */
	BbLayerWriter *writer; /* NULL: no layer is being written */
} Copy;

/* Turn a key of the source into one of the copy. */
static BbKey
rename_key(const BbKey *key, BbDatabaseDir to)
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
copy_blocks(BbIngest *ingest, BbTimeline *timeline, BbDatabaseDir from,
			BbDatabaseDir to)
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
copy_sizes(BbIngest *ingest, BbDatabaseDir from, BbDatabaseDir to)
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
copy_zeros(BbIngest *ingest, BbDatabaseDir from, BbDatabaseDir to)
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
copy_files(BbIngest *ingest, BbTimeline *timeline, BbDatabaseDir from,
		   BbDatabaseDir to)
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

void
bb_databasecopy_run(BbIngest *ingest, BbDatabaseDir from, BbDatabaseDir to)
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
