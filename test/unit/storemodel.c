/*-------------------------------------------------------------------------
 *
 * storemodel.c
 *	  A timeline as import and ingest make it, and its values at each LSN.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/codec.h"
#include "base/compat.h"
#include "base/zerorun.h"
#include "common/controldata_utils.h"
#include "layer/imagewriter.h"
#include "layer/manifest_edit.h"
#include "miscadmin.h"
#include "storage/bufpage.h"
#include "storage/checksum.h"
#include "storemodel.h"

#define NRELS 6
#define NXIDS 3
#define EVENTS_MAX 100000

/* The index is made anew after so many events. */
#define TAIL_EVENTS 256

/* A gap of more blocks becomes a run. */
#define GAP_BLOCKS 3

typedef struct StoreEvent
{
	BbKey		key;
	int			number;
	bool		in_image; /* an image layer says it, which is in no flush */
	ModelEvent	event;
} StoreEvent;

typedef struct StoreRel
{
	bool		exists;
	BlockNumber blocks;
	BbZeroRunList runs;
} StoreRel;

struct StoreModel
{
	MemoryContext context; /* owns all of it */
	BbObjectStore *objects;
	const char *name;
	StoreModel *ancestor;
	XLogRecPtr	ancestor_lsn;
	XLogRecPtr	lsn;

	StoreEvent *events;
	int			nevents;
	int			flushed; /* so many of them are in layers */
	List	   *images;	 /* BbLayerDesc *: for the next flush */
	XLogRecPtr *record_ends;
	int			nrecords;

	StoreRel	rels[NRELS];
	uint32		slru_pages[2];
	bool		xids[NXIDS];

	uint64		page; /* of the ends */
	int			nends;
	int			nwritten;
	XLogRecPtr	first_new;
	uint8		ends[2 * XLOG_BLCKSZ / 8];

	/* all keys in order, and for each its events; made anew after changes */
	int			indexed; /* events */
	int			nkeys;
	BbKey	   *keys;
	StoreEvent **sorted; /* all events by key, in their order */
	int		   *first;	 /* of keys, in "sorted"; one more at the end */
};

/* ---- events ---- */

static StoreEvent *
put(StoreModel *model, BbKey key, XLogRecPtr lsn, BbEntryType type,
	const void *data, uint32 length)
{
	StoreEvent *event = &model->events[model->nevents];
	uint8	   *copy = MemoryContextAlloc(model->context, length + 1);

	CHECK(model->nevents < EVENTS_MAX);
	if (length > 0)
		memcpy(copy, data, length);
	*event = (StoreEvent){.key = key,
						  .number = model->nevents++,
						  .event = {0, lsn, type, copy, length}};
	return event;
}

static void
put_u32(StoreModel *model, BbKey key, uint32 value)
{
	uint8		bytes[4];

	bb_put_le32(bytes, value);
	put(model, key, model->lsn, BB_ENTRY_IMAGE, bytes, sizeof(bytes));
}

static void
put_deleted(StoreModel *model, BbKey key)
{
	put(model, key, model->lsn, BB_ENTRY_DELETED, "", 0);
}

static void
put_zeros(StoreModel *model, BbKey key)
{
	PGAlignedBlock page = {{0}};

	put(model, key, model->lsn, BB_ENTRY_IMAGE, page.data, BLCKSZ);
}

static void
put_page(StoreModel *model, BbKey key)
{
	uint8	   *page = model_random_page(model->lsn);

	((PageHeader) page)
		->pd_checksum = pg_checksum_page((char *) page,
										 bb_key_fields(&key).block);
	put(model, key, model->lsn, BB_ENTRY_IMAGE, page, BLCKSZ);
	pfree(page);
}

static void
flush_ends(StoreModel *model)
{
	BbKey		key = bb_key_make(BB_KEY_RECORD_ENDS, 0,
								  (uint32) (model->page >> 32),
								  (uint32) model->page, 0, 0);

	if (model->nends == model->nwritten)
		return;
	put(model, key, model->first_new, BB_ENTRY_IMAGE, model->ends,
		2 * model->nends);
	model->nwritten = model->nends;
}

static void
add_end(StoreModel *model)
{
	XLogRecPtr	lsn = model->lsn;

	if (lsn / XLOG_BLCKSZ != model->page)
	{
		flush_ends(model);
		model->page = lsn / XLOG_BLCKSZ;
		model->nends = model->nwritten = 0;
	}
	if (model->nends == model->nwritten)
		model->first_new = lsn;
	model->ends[2 * model->nends] = lsn % XLOG_BLCKSZ;
	model->ends[2 * model->nends + 1] = lsn % XLOG_BLCKSZ >> 8;
	model->nends++;
	model->record_ends[model->nrecords++] = lsn;
}

/* ---- values ---- */

static int
compare_events(const void *a, const void *b)
{
	const StoreEvent *left = *(StoreEvent *const *) a;
	const StoreEvent *right = *(StoreEvent *const *) b;
	int			order = bb_key_compare(&left->key, &right->key);

	if (order != 0)
		return order;
	if (left->event.lsn != right->event.lsn)
		return left->event.lsn < right->event.lsn ? -1 : 1;
	return left->number - right->number;
}

static void
index_events(StoreModel *model)
{
	if (model->indexed == model->nevents)
		return;
	if (model->sorted == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(model->context);

		model->sorted = palloc(EVENTS_MAX * sizeof(StoreEvent *));
		model->keys = palloc(EVENTS_MAX * sizeof(BbKey));
		model->first = palloc((EVENTS_MAX + 1) * sizeof(int));
		MemoryContextSwitchTo(old);
	}
	for (int i = 0; i < model->nevents; i++)
		model->sorted[i] = &model->events[i];
	qsort(model->sorted, model->nevents, sizeof(StoreEvent *), compare_events);
	model->nkeys = 0;
	for (int i = 0; i < model->nevents; i++)
		if (i == 0 ||
			bb_key_compare(&model->sorted[i]->key,
						   &model->sorted[i - 1]->key) != 0)
		{
			model->keys[model->nkeys] = model->sorted[i]->key;
			model->first[model->nkeys++] = i;
		}
	model->first[model->nkeys] = model->nevents;
	model->indexed = model->nevents;
}

const BbKey *
storemodel_keys(StoreModel *model, int *n)
{
	index_events(model);
	*n = model->nkeys;
	return model->keys;
}

static void
apply_events(StoreModel *model, const BbKey *key, XLogRecPtr lsn,
			 ModelValue *value)
{
	int			low = 0;
	int			high;

	if (model->ancestor)
		apply_events(model->ancestor, key, Min(lsn, model->ancestor_lsn),
					 value);
	if (model->nevents - model->indexed > TAIL_EVENTS)
		index_events(model);
	high = model->nkeys;
	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (bb_key_compare(&model->keys[middle], key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < model->nkeys && bb_key_compare(&model->keys[low], key) == 0)
		for (int i = model->first[low]; i < model->first[low + 1]; i++)
			if (model->sorted[i]->event.lsn <= lsn)
				model_apply(key, &model->sorted[i]->event, value);
	for (int i = model->indexed; i < model->nevents; i++)
		if (model->events[i].event.lsn <= lsn &&
			bb_key_compare(&model->events[i].key, key) == 0)
			model_apply(key, &model->events[i].event, value);
}

static void
value_at(StoreModel *model, const BbKey *key, XLogRecPtr lsn,
		 ModelValue *value)
{
	value->exists = false;
	apply_events(model, key, lsn, value);
	if (value->exists && key->bytes[0] == BB_KEY_REL_BLOCK &&
		!PageIsNew((Page) value->page.data))
		((PageHeader) value->page.data)
			->pd_checksum = pg_checksum_page(value->page.data,
											 bb_key_fields(key).block);
}

/* Is it a block beyond the size? */
static bool
is_beyond(StoreModel *model, const BbKey *key, XLogRecPtr lsn)
{
	BbKeyFields fields = bb_key_fields(key);
	ModelValue	value;
	BbKey		size;

	switch (fields.kind)
	{
		case BB_KEY_REL_BLOCK:
			size = bb_key_make(BB_KEY_REL_SIZE, fields.spc, fields.db,
							   fields.rel, fields.fork, 0);
			break;
		case BB_KEY_SLRU_BLOCK:
			size = bb_key_make(BB_KEY_SLRU_SIZE, fields.spc, fields.db,
							   fields.rel, 0, 0);
			break;
		case BB_KEY_TWOPHASE_BLOCK:
			size = bb_key_make(BB_KEY_TWOPHASE_SIZE, fields.spc, fields.db, 0,
							   0, 0);
			value_at(model, &size, lsn, &value);
			return !value.exists ||
				fields.block * BLCKSZ >=
				bb_get_le32((uint8 *) value.page.data);
		default:
			return false;
	}
	value_at(model, &size, lsn, &value);
	return !value.exists ||
		fields.block >= bb_get_le32((uint8 *) value.page.data);
}

/* ---- records ---- */

static BbKey
rel_block(int rel, BlockNumber block)
{
	return bb_key_rel_block(SPC, DB, REL + rel, MAIN_FORKNUM, block);
}

static void
save_runs(StoreModel *model, int rel)
{
	BbKey		key = bb_key_rel_zeros(SPC, DB, REL + rel, MAIN_FORKNUM);
	BbZeroRunList *runs = &model->rels[rel].runs;
	uint8		value[BB_ZERO_RUNS_MAX * BB_ZERO_RUN_BYTES];
	ModelValue	now;

	if (runs->n > 0)
	{
		put(model, key, model->lsn, BB_ENTRY_IMAGE, value,
			bb_zerorun_encode(runs, value));
		return;
	}
	value_at(model, &key, model->lsn, &now);
	if (now.exists)
		put_deleted(model, key);
}

static void
set_size(StoreModel *model, int rel, BlockNumber blocks)
{
	put_u32(model, bb_key_rel_size(SPC, DB, REL + rel, MAIN_FORKNUM), blocks);
	model->rels[rel].blocks = blocks;
}

/* As relgaps.c: a run, and an image layer that hides what was there. */
static void
add_run(const BbReqCtx *ctx, StoreModel *model, int rel, BlockNumber end)
{
	BlockNumber first = model->rels[rel].blocks;
	PGAlignedBlock zeros = {{0}};
	BbKey		from = rel_block(rel, first);
	BbKey		to = rel_block(rel, end);
	BbLayerWriter *writer;

	bb_zerorun_append(&model->rels[rel].runs, first, end);
	save_runs(model, rel);
	writer = bb_layer_writer_new(ctx, model->objects, model->name, &from,
								 model->lsn - 1, BB_COMPRESSION_NONE);
	bb_layer_writer_add(ctx, writer, &from, zeros.data, BLCKSZ);
	model->images = lappend(model->images,
							bb_layer_writer_finish(ctx, writer, &to));
	for (BlockNumber block = first; block < end; block++)
	{
		BbKey		key = rel_block(rel, block);
		StoreEvent *event;

		event = put(model, key, model->lsn - 1,
					block == first ? BB_ENTRY_IMAGE : BB_ENTRY_DELETED,
					zeros.data, block == first ? BLCKSZ : 0);
		event->in_image = true;
	}
}

static void
write_block(StoreModel *model, BbKey key)
{
	ModelEvent	event = {.lsn = model->lsn};

	if (model_roll(2))
	{
		put_page(model, key);
		return;
	}
	model_make_sequence_of(&key, &event);
	put(model, key, model->lsn, BB_ENTRY_RECORD_INIT, event.data,
		event.length);
}

static void
extend(const BbReqCtx *ctx, StoreModel *model, int rel)
{
	StoreRel   *of = &model->rels[rel];
	BlockNumber block = of->blocks;

	if (model_roll(4) == 0)
		block += 1 + model_roll(8);
	if (block - of->blocks > GAP_BLOCKS)
		add_run(ctx, model, rel, block);
	else
		for (BlockNumber b = of->blocks; b < block; b++)
			put_zeros(model, rel_block(rel, b));
	set_size(model, rel, block + 1);
	write_block(model, rel_block(rel, block));
}

static void
change_block(StoreModel *model, int rel)
{
	BbKey		key = rel_block(rel, model_roll(model->rels[rel].blocks));
	ModelValue	value;
	ModelEvent	event = {0};

	value_at(model, &key, model->lsn, &value);
	if (!value.exists || PageIsNew((Page) value.page.data) ||
		model_roll(6) == 0)
	{
		write_block(model, key);
		return;
	}
	model_make_generic_of(&key, &event);
	put(model, key, model->lsn, BB_ENTRY_RECORD, event.data, event.length);
}

static void
truncate_rel(StoreModel *model, int rel, BlockNumber blocks)
{
	set_size(model, rel, blocks);
	bb_zerorun_cut(&model->rels[rel].runs, blocks, InvalidBlockNumber);
	save_runs(model, rel);
}

static void
drop_rel(StoreModel *model, int rel)
{
	put_deleted(model, bb_key_rel_size(SPC, DB, REL + rel, MAIN_FORKNUM));
	model->rels[rel] = (StoreRel){0};
	save_runs(model, rel);
}

static void
change_rel(const BbReqCtx *ctx, StoreModel *model)
{
	int			rel = model_roll(NRELS);
	StoreRel   *of = &model->rels[rel];
	int			die = model_roll(40);

	if (!of->exists)
	{
		of->exists = true;
		set_size(model, rel, 0);
	}
	else if (die == 0)
		drop_rel(model, rel);
	else if (die <= 2 && of->blocks > 0)
		truncate_rel(model, rel, model_roll(of->blocks));
	else if ((die <= 10 || of->blocks == 0) && of->blocks < 30)
		extend(ctx, model, rel);
	else
		change_block(model, rel);
}

static void
change_slru(StoreModel *model)
{
	int			segment = model_roll(2);
	uint32	   *pages = &model->slru_pages[segment];
	BbKey		size = bb_key_slru_size(BB_SLRU_XACT, segment);
	ModelEvent	event = {0};
	BbKey		key;

	if (*pages == 0 || (model_roll(8) == 0 && *pages < 8))
	{
		put_zeros(model, bb_key_slru_block(BB_SLRU_XACT, segment, *pages));
		put_u32(model, size, ++*pages);
	}
	else if (model_roll(30) == 0)
	{
		put_deleted(model, size);
		*pages = 0;
	}
	else
	{
		key = bb_key_slru_block(BB_SLRU_XACT, segment, model_roll(*pages));
		model_make_native(&event);
		put(model, key, model->lsn, BB_ENTRY_NATIVE, event.data, event.length);
		/* one record may make two changes of a page */
		if (model_roll(4) == 0)
			put(model, key, model->lsn, BB_ENTRY_NATIVE, event.data,
				event.length);
	}
}

static void
change_twophase(StoreModel *model)
{
	int			xid = model_roll(NXIDS);
	BbKey		size = bb_key_twophase_size(700 + xid);
	PGAlignedBlock state;

	memset(state.data, model_roll(256), BLCKSZ);
	model->xids[xid] = !model->xids[xid];
	if (!model->xids[xid])
	{
		put_deleted(model, size);
		return;
	}
	put_u32(model, size, BLCKSZ + 100);
	put(model, bb_key_twophase_block(700 + xid, 0), model->lsn, BB_ENTRY_IMAGE,
		state.data, BLCKSZ);
	put(model, bb_key_twophase_block(700 + xid, 1), model->lsn, BB_ENTRY_IMAGE,
		state.data, 100);
}

static void
put_counters(StoreModel *model)
{
	uint8		value[8];

	bb_put_le64(value, model->lsn);
	if (model_roll(2))
		put(model, bb_key_make(BB_KEY_COMMIT_TIME, 0, 0, 0, 0, 0), model->lsn,
			BB_ENTRY_IMAGE, value, sizeof(value));
	else
		put(model, bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0), model->lsn,
			BB_ENTRY_IMAGE, value, sizeof(value));
}

static void
make_record(const BbReqCtx *ctx, StoreModel *model)
{
	int			die = model_roll(20);

	/* some records are longer than a page of WAL */
	model->lsn += 8 * (2 + model_roll(model_roll(10) ? 100 : 5000));
	if (die == 0)
		change_twophase(model);
	else if (die <= 3)
		change_slru(model);
	else if (die <= 6)
		put_counters(model);
	else
		change_rel(ctx, model);
	add_end(model);
}

/* ---- flushes ---- */

static List *
write_flush(const BbReqCtx *ctx, StoreModel *model, XLogRecPtr start)
{
	int			n = 0;
	StoreEvent **sorted = palloc((model->nevents + 1) * sizeof(StoreEvent *));
	List	   *layers = NIL;
	BbLayerWriter *writer = NULL;
	BbKey		end;

	for (int i = model->flushed; i < model->nevents; i++)
		if (!model->events[i].in_image)
			sorted[n++] = &model->events[i];
	qsort(sorted, n, sizeof(StoreEvent *), compare_events);
	for (int i = 0; i < n; i++)
	{
		const ModelEvent *event = &sorted[i]->event;
		BbEntry		entry = {sorted[i]->key, event->lsn, event->type,
							 event->data, event->length};

		if (writer != NULL && model_roll(60) == 0 &&
			bb_key_compare(&sorted[i]->key, &sorted[i - 1]->key) != 0)
		{
			layers = lappend(layers,
							 bb_layer_writer_finish(ctx, writer,
													&sorted[i]->key));
			writer = NULL;
		}
		if (writer == NULL)
			writer = bb_layer_writer_new_delta(ctx, model->objects,
											   model->name, &sorted[i]->key,
											   start, model->lsn + 1,
											   BB_COMPRESSION_DEFAULT);
		bb_layer_writer_add_entry(ctx, writer, &entry);
	}
	end = bb_key_next(&sorted[n - 1]->key);
	layers = lappend(layers, bb_layer_writer_finish(ctx, writer, &end));
	pfree(sorted);
	return layers;
}

void
storemodel_live(const BbReqCtx *ctx, StoreModel *model, int records)
{
	BbManifest *manifest;
	BbManifestEnd end;
	XLogRecPtr	start = model->lsn + 1;
	List	   *layers;
	MemoryContext old = MemoryContextSwitchTo(model->context);

	for (int i = 0; i < records; i++)
		make_record(ctx, model);
	flush_ends(model);
	layers = list_concat(write_flush(ctx, model, start), model->images);
	model->images = NIL;
	model->flushed = model->nevents;

	manifest = bb_manifest_read(ctx, model->objects, model->name);
	end = (BbManifestEnd){.end_lsn = model->lsn,
						  .prev_lsn = model->lsn - 8,
						  .end_time = manifest->end_time,
						  .tli = manifest->tli};
	(void) bb_manifest_edit(ctx, model->objects,
							&(BbManifestEdit){.base = manifest,
											  .added = layers,
											  .end = &end});
	MemoryContextSwitchTo(old);
}

/* ---- beginnings ---- */

static StoreModel *
new_model(BbObjectStore *objects, const char *name)
{
	StoreModel *model = palloc0(sizeof(StoreModel));

	model->context = CurrentMemoryContext;
	model->objects = objects;
	model->name = pstrdup(name);
	model->events = palloc_extended(EVENTS_MAX * sizeof(StoreEvent),
									MCXT_ALLOC_HUGE);
	model->record_ends = palloc(EVENTS_MAX * sizeof(XLogRecPtr));
	return model;
}

/* The values at the start, as events there. */
static void
put_imported(StoreModel *model)
{
	bool		crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);
	PGAlignedBlock block;
	StringInfoData entry;

	put(model, bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0), START,
		BB_ENTRY_IMAGE, control, sizeof(*control));
	put(model, bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0), START,
		BB_ENTRY_IMAGE, "checkpnt", 8);

	/* an empty file, and one of two blocks */
	memset(block.data, 7, BLCKSZ);
	for (int i = 0; i < 2; i++)
	{
		initStringInfo(&entry);
		bb_append_le32(&entry, 0600);
		bb_append_le64(&entry, i * (BLCKSZ + 5));
		appendStringInfo(&entry, "file%d", i);
		put(model, bb_key_make(BB_KEY_FILE_ENTRY, 0, 0, i, 0, 0), START,
			BB_ENTRY_IMAGE, entry.data, entry.len);
	}
	put(model, bb_key_make(BB_KEY_FILE_BLOCK, 0, 0, 1, 0, 0), START,
		BB_ENTRY_IMAGE, block.data, BLCKSZ);
	put(model, bb_key_make(BB_KEY_FILE_BLOCK, 0, 0, 1, 0, 1), START,
		BB_ENTRY_IMAGE, block.data, 5);

	for (int rel = 0; rel < NRELS / 2; rel++)
	{
		BlockNumber blocks = model_roll(20);

		model->rels[rel].exists = true;
		set_size(model, rel, blocks);
		for (BlockNumber b = 0; b < blocks; b++)
			put_page(model, rel_block(rel, b));
	}
}

StoreModel *
storemodel_new(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	StoreModel *model = new_model(objects, name);
	BbManifest	manifest = model_manifest(name);
	BbImageWriter *writer;
	List	   *layers;
	ListCell   *cell;

	model->lsn = START;
	model->page = START / XLOG_BLCKSZ;
	put_imported(model);
	index_events(model);
	writer = bb_imagewriter_new(objects, name, START);
	for (int i = 0; i < model->nevents; i++)
		bb_imagewriter_add(ctx, writer, &model->sorted[i]->key,
						   model->sorted[i]->event.data,
						   model->sorted[i]->event.length);
	model->flushed = model->nevents;
	manifest.data_checksum_version = 1;
	manifest.start_lsn = manifest.end_lsn = START;
	layers = bb_imagewriter_finish(ctx, writer);
	manifest.layers = palloc(list_length(layers) * sizeof(BbLayerDesc));
	foreach(cell, layers)
		manifest.layers[manifest.nlayers++] = *(BbLayerDesc *) lfirst(cell);
	CHECK(bb_manifest_commit(ctx, objects, &manifest));
	return model;
}

StoreModel *
storemodel_branch(const BbReqCtx *ctx, StoreModel *ancestor, const char *name,
				  XLogRecPtr lsn)
{
	StoreModel *model = new_model(ancestor->objects, name);
	MemoryContext context = unit_enter();

	bb_timeline_branch(ctx, ancestor->objects, name, ancestor->name, lsn);
	unit_leave(context); /* REQUIRES: the lock */
	model->ancestor = ancestor;
	model->ancestor_lsn = lsn;
	model->lsn = lsn;
	model->page = lsn / XLOG_BLCKSZ;
	for (int rel = 0; rel < NRELS; rel++)
	{
		BbKey		key = bb_key_rel_size(SPC, DB, REL + rel, MAIN_FORKNUM);
		ModelValue	value;

		value_at(model, &key, lsn, &value);
		if (!value.exists)
			continue;
		model->rels[rel].exists = true;
		model->rels[rel].blocks = bb_get_le32((uint8 *) value.page.data);
		key.bytes[0] = BB_KEY_REL_ZEROS;
		value_at(model, &key, lsn, &value);
		if (value.exists)
			CHECK(bb_zerorun_decode((uint8 *) value.page.data, value.length,
									&model->rels[rel].runs));
	}
	for (int i = 0; i < 2; i++)
	{
		BbKey		key = bb_key_slru_size(BB_SLRU_XACT, i);
		ModelValue	value;

		value_at(model, &key, lsn, &value);
		if (value.exists)
			model->slru_pages[i] = bb_get_le32((uint8 *) value.page.data);
	}
	for (int i = 0; i < NXIDS; i++)
	{
		BbKey		key = bb_key_twophase_size(700 + i);
		ModelValue	value;

		value_at(model, &key, lsn, &value);
		model->xids[i] = value.exists;
	}
	return model;
}

/* ---- random choices ---- */

BbObjectStore *
storemodel_objects(const StoreModel *model)
{
	return model->objects;
}

const char *
storemodel_name(const StoreModel *model)
{
	return model->name;
}

XLogRecPtr
storemodel_end(const StoreModel *model)
{
	return model->lsn;
}

XLogRecPtr
storemodel_draw_lsn(const StoreModel *model, XLogRecPtr from)
{
	int			i = model_roll(model->nrecords);

	while (i < model->nrecords - 1 && model->record_ends[i] < from)
		i++;
	return model->record_ends[i];
}

BbKey
storemodel_draw_key(const StoreModel *model)
{
	return model->events[model_roll(model->nevents)].key;
}

/* ---- comparing ---- */

/* Is a WAL page one of the last two with ends of records up to lsn? */
static bool
ends_have_to_be_there(const StoreModel *model, const BbKey *key,
					  XLogRecPtr lsn, XLogRecPtr start)
{
	BbKeyFields fields = bb_key_fields(key);
	uint64		page = (uint64) fields.db << 32 | fields.rel;
	int			newer = 0;
	uint64		last = 0;

	if (page * XLOG_BLCKSZ >= start)
		return true;
	for (int i = model->nrecords - 1; i >= 0; i--)
	{
		uint64		other = model->record_ends[i] / XLOG_BLCKSZ;

		if (model->record_ends[i] > lsn || other == last)
			continue;
		last = other;
		if (other == page)
			return true;
		if (++newer == 2)
			return false;
	}
	return false;
}

static char *
differs(const BbKey *key, XLogRecPtr lsn, const char *how)
{
	return psprintf("%s at " BB_LSN_FORMAT " %s", bb_key_text(key),
					LSN_FORMAT_ARGS(lsn), how);
}

static bool
equals(const BbEntry *entry, const ModelValue *value)
{
	return entry->length == value->length &&
		memcmp(entry->value, value->page.data, value->length) == 0;
}

/* All keys of a model and its ancestors, in order; palloc'd. */
static int
compare_keys(const void *a, const void *b)
{
	return bb_key_compare(a, b);
}

static BbKey *
all_keys(StoreModel *model, int *n)
{
	int			total = 0;
	BbKey	   *keys;

	for (StoreModel *m = model; m != NULL; m = m->ancestor)
	{
		index_events(m);
		total += m->nkeys;
	}
	keys = palloc(total * sizeof(BbKey));
	*n = 0;
	for (StoreModel *m = model; m != NULL; m = m->ancestor)
	{
		memcpy(keys + *n, m->keys, m->nkeys * sizeof(BbKey));
		*n += m->nkeys;
	}
	qsort(keys, *n, sizeof(BbKey), compare_keys);
	total = *n;
	*n = 0;
	for (int i = 0; i < total; i++)
		if (i == 0 || bb_key_compare(&keys[i], &keys[*n - 1]) != 0)
			keys[(*n)++] = keys[i];
	return keys;
}

char *
storemodel_compare(const BbReqCtx *ctx, StoreModel *model, XLogRecPtr lsn,
				   XLogRecPtr start)
{
	BbTimeline *timeline = bb_timeline_open(ctx, model->objects, model->name);
	BbKeyRange	all = bb_key_range_all();
	BbTimelineScan *scan = bb_timeline_scan_new(ctx, timeline, &all, lsn);
	int			n;
	BbKey	   *keys = all_keys(model, &n);
	BbEntry		entry;
	bool		more = bb_timeline_scan_next(ctx, scan, &entry);

	for (int i = 0; i < n; i++)
	{
		const BbKey *key = &keys[i];
		ModelValue	value;
		bool		found;
		bool		optional;

		value_at(model, key, lsn, &value);
		optional = is_beyond(model, key, lsn) ||
			(key->bytes[0] == BB_KEY_RECORD_ENDS &&
			 !ends_have_to_be_there(model, key, lsn, start));
		if (more && bb_key_compare(&entry.key, key) < 0)
			return differs(&entry.key, lsn, "was never there");
		found = more && bb_key_compare(&entry.key, key) == 0;
		if (found && !value.exists && !optional)
			return differs(key, lsn, "should not exist");
		if (!found && value.exists && !optional)
			return differs(key, lsn, "is missing");
		if (found && !optional && !equals(&entry, &value))
			return differs(key, lsn, "has another value in the scan");
		if (found)
			more = bb_timeline_scan_next(ctx, scan, &entry);
		if (!optional && model_roll(4) == 0)
		{
			BbEntry		got;

			if (bb_timeline_get(ctx, timeline, key, lsn, &got) != value.exists)
				return differs(key, lsn, "exists or not, for a point read");
			if (value.exists && !equals(&got, &value))
				return differs(key, lsn, "has another value in a point read");
		}
	}
	if (more)
		return differs(&entry.key, lsn, "was never there");
	bb_timeline_scan_close(scan);
	return NULL;
}
