/*-------------------------------------------------------------------------
 *
 * model.c
 *	  Timelines with random changes, and the values that reads should return.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlogrecord.h"
#include "base/codec.h"
#include "base/compat.h"
#include "common/controldata_utils.h"
#include "layer/manifest_edit.h"
#include "layer/native.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "model.h"
#include "storage/bufpage.h"
#include "storage/checksum.h"

BbKey
model_key(int k)
{
	if (k < NTIMES)
		return bb_key_make(BB_KEY_COMMIT_TIME, 0, 0, 0, 0, 0);
	k -= NTIMES;
	if (k < NSLRU)
		return bb_key_slru_block(BB_SLRU_XACT, 0, k);
	k -= NSLRU;
	if (k < NSIZES)
		return bb_key_rel_size(SPC, DB, REL + k, MAIN_FORKNUM);
	k -= NSIZES;
	return bb_key_rel_block(SPC, DB, REL, MAIN_FORKNUM, k * 3);
}

pg_prng_state model_prng;

int
model_roll(int n)
{
	return (int) pg_prng_uint64_range(&model_prng, 0, n - 1);
}

/* ---- records ---- */

static void
finish_record(StringInfo record, RmgrId rmid, ModelEvent *event)
{
	XLogRecord *header = (XLogRecord *) record->data;

	header->xl_tot_len = record->len;
	header->xl_rmid = rmid;
	event->data = (uint8 *) record->data;
	event->length = record->len;
}

static void
begin_record(StringInfo record, const BbKey *key, uint8 flags,
			 uint16 data_length)
{
	XLogRecord	header = {0};
	XLogRecordBlockHeader block_header = {0};
	BbKeyFields fields = bb_key_fields(key);
	BbRelLocator locator = BB_REL_LOCATOR(fields.spc, fields.db, fields.rel);
	BlockNumber block = fields.block;

	initStringInfo(record);
	block_header.fork_flags = MAIN_FORKNUM | flags;
	block_header.data_length = data_length;
	appendBinaryStringInfo(record, (char *) &header, SizeOfXLogRecord);
	appendBinaryStringInfo(record, (char *) &block_header,
						   SizeOfXLogRecordBlockHeader);
	appendBinaryStringInfo(record, (char *) &locator, sizeof(locator));
	appendBinaryStringInfo(record, (char *) &block, sizeof(block));
}

/* Generic WAL: "length" bytes at an offset.  (generic_xlog.c) */
void
model_make_generic(ModelEvent *event)
{
	BbKey		key = model_key(event->k);

	model_make_generic_of(&key, event);
}

void
model_make_generic_of(const BbKey *key, ModelEvent *event)
{
	StringInfoData record;
	uint16		offset = 100 + model_roll(800);
	uint16		length = 1 + model_roll(60);

	begin_record(&record, key, BKPBLOCK_HAS_DATA, 2 * sizeof(uint16) + length);
	appendBinaryStringInfo(&record, (char *) &offset, sizeof(offset));
	appendBinaryStringInfo(&record, (char *) &length, sizeof(length));
	for (int i = 0; i < length; i++)
		appendStringInfoChar(&record, (char) model_roll(256));
	finish_record(&record, RM_GENERIC_ID, event);
}

static void
apply_generic(const ModelEvent *event, Page page)
{
	PageHeader	header = (PageHeader) page;
	size_t		at = SizeOfXLogRecord + SizeOfXLogRecordBlockHeader +
		sizeof(BbRelLocator) + sizeof(BlockNumber);
	uint16		offset;
	uint16		length;

	memcpy(&offset, event->data + at, sizeof(offset));
	memcpy(&length, event->data + at + 2, sizeof(length));
	memcpy(page + offset, event->data + at + 4, length);
	memset(page + header->pd_lower, 0, header->pd_upper - header->pd_lower);
	PageSetLSN(page, event->lsn);
}

/* A sequence's page: one tuple of random bytes.  (sequence.c) */
void
model_make_sequence(ModelEvent *event)
{
	BbKey		key = model_key(event->k);

	model_make_sequence_of(&key, event);
}

void
model_make_sequence_of(const BbKey *key, ModelEvent *event)
{
	StringInfoData record;
	BbKeyFields fields = bb_key_fields(key);
	BbRelLocator locator = BB_REL_LOCATOR(fields.spc, fields.db, fields.rel);
	uint8		length = 8 * (1 + model_roll(20));

	begin_record(&record, key, BKPBLOCK_WILL_INIT, 0);
	appendStringInfoChar(&record, (char) XLR_BLOCK_ID_DATA_SHORT);
	appendStringInfoChar(&record, (char) (sizeof(locator) + length));
	appendBinaryStringInfo(&record, (char *) &locator, sizeof(locator));
	for (int i = 0; i < length; i++)
		appendStringInfoChar(&record, (char) model_roll(256));
	finish_record(&record, RM_SEQ_ID, event);
}

static void
apply_sequence(const ModelEvent *event, Page page)
{
	size_t		at = SizeOfXLogRecord + SizeOfXLogRecordBlockHeader +
		sizeof(BbRelLocator) + sizeof(BlockNumber) + 2 + sizeof(BbRelLocator);
	char	   *tuple = palloc(event->length - at);

	memcpy(tuple, event->data + at, event->length - at);
	PageInit(page, BLCKSZ, sizeof(uint32));
	*(uint32 *) PageGetSpecialPointer(page) = 0x1717;
	CHECK(PageAddItem(page, (char *) tuple, event->length - at,
					  FirstOffsetNumber, false, false) != InvalidOffsetNumber);
	PageSetLSN(page, event->lsn);
	pfree(tuple);
}

/* ---- the model ---- */

void
model_apply(const BbKey *key, const ModelEvent *event, ModelValue *value)
{
	BbChange	change = {event->lsn, event->type, event->data, event->length};

	value->touched = true;
	switch (event->type)
	{
		case BB_ENTRY_IMAGE:
			value->exists = true;
			value->length = event->length;
			memcpy(value->page.data, event->data, event->length);
			break;
		case BB_ENTRY_DELETED:
			value->exists = false;
			break;
		case BB_ENTRY_RECORD:
			apply_generic(event, value->page.data);
			break;
		case BB_ENTRY_RECORD_INIT:
			value->exists = true;
			value->length = BLCKSZ;
			apply_sequence(event, value->page.data);
			break;
		case BB_ENTRY_NATIVE:
			bb_native_apply(key, &change, (uint8 *) value->page.data);
			break;
		case BB_ENTRY_INDEX:
			break;
	}
}

static void
apply_model(const Model *model, int k, XLogRecPtr lsn, ModelValue *value)
{
	BbKey		key = model_key(k);

	if (model->ancestor)
		apply_model(model->ancestor, k, Min(lsn, model->manifest.ancestor_lsn),
					value);
	else if (model->imported[k])
	{
		value->exists = true;
		value->length = model->imported_length[k];
		memcpy(value->page.data, model->imported[k], value->length);
	}
	for (int i = 0; i < model->nevents && model->events[i].lsn <= lsn; i++)
	{
		if (model->events[i].k == k)
			model_apply(&key, &model->events[i], value);
	}
}

void
model_value(const Model *model, int k, XLogRecPtr lsn, ModelValue *value)
{
	BbKey		key = model_key(k);
	Page		page = value->page.data;

	value->exists = false;
	value->touched = false;
	apply_model(model, k, lsn, value);
	if (value->exists && value->touched && value->length == BLCKSZ &&
		key.bytes[0] == BB_KEY_REL_BLOCK && !PageIsNew(page))
		((PageHeader) page)
			->pd_checksum = pg_checksum_page(page, bb_key_fields(&key).block);
}

/* ---- changes ---- */

/* A valid page of a relation, with a wrong checksum. */
uint8 *
model_random_page(XLogRecPtr lsn)
{
	Page		page = palloc(BLCKSZ);

	PageInit(page, BLCKSZ, 16);
	((PageHeader) page)->pd_lower = 1000;
	((PageHeader) page)->pd_upper = 7000;
	((PageHeader) page)->pd_checksum = (uint16) model_roll(65536);
	for (int i = 100; i < 1000; i++)
		page[i] = (char) model_roll(256);
	for (int i = 7000; i < 8000; i++)
		page[i] = (char) (i + lsn);
	PageSetLSN(page, lsn);
	return (uint8 *) page;
}

static uint8 *
random_value(int k, XLogRecPtr lsn, uint32 *length)
{
	BbKey		key = model_key(k);
	uint8	   *value;

	*length = BLCKSZ;
	switch (key.bytes[0])
	{
		case BB_KEY_REL_BLOCK:
			if (model_roll(20) == 0)
				return palloc0(BLCKSZ);
			return model_random_page(lsn);
		case BB_KEY_SLRU_BLOCK:
			return palloc0(BLCKSZ);
		default:
			*length = sizeof(uint64);
			value = palloc(sizeof(uint64));
			bb_put_le64(value, lsn * 1000);
			return value;
	}
}

void
model_make_native(ModelEvent *event)
{
	StringInfoData record;

	initStringInfo(&record);
	bb_native_xact_begin(&record, 1 + model_roll(3));
	for (int i = model_roll(5); i >= 0; i--)
		bb_native_xact_add(&record, model_roll(BB_XACT_PER_PAGE));
	event->data = (uint8 *) record.data;
	event->length = record.len;
}

/*
 * Can a generic record be applied to the key's page?  A page of zeros can't
 * have one.
 */
static bool
takes_records(const Model *model, int k, XLogRecPtr lsn)
{
	ModelValue	value;

	model_value(model, k, lsn, &value);
	return value.exists && !PageIsNew((Page) value.page.data);
}

static void
make_event(Model *model, ModelEvent *event)
{
	BbKey		key = model_key(event->k);
	bool		exists = model->exists[event->k];
	int			die = model_roll(20);

	event->type = BB_ENTRY_IMAGE;
	if (exists && die == 0)
		event->type = BB_ENTRY_DELETED;
	else if (key.bytes[0] == BB_KEY_REL_BLOCK)
	{
		if (die <= 3)
			event->type = BB_ENTRY_RECORD_INIT;
		else if (die > 5 && takes_records(model, event->k, event->lsn))
			event->type = BB_ENTRY_RECORD;
	}
	else if (key.bytes[0] == BB_KEY_SLRU_BLOCK && exists && die > 2)
		event->type = BB_ENTRY_NATIVE;

	switch (event->type)
	{
		case BB_ENTRY_IMAGE:
			event->data = random_value(event->k, event->lsn, &event->length);
			break;
		case BB_ENTRY_RECORD:
			model_make_generic(event);
			break;
		case BB_ENTRY_RECORD_INIT:
			model_make_sequence(event);
			break;
		case BB_ENTRY_NATIVE:
			model_make_native(event);
			break;
		default:
			event->data = (uint8 *) "";
			event->length = 0;
			break;
	}
	model->exists[event->k] = event->type != BB_ENTRY_DELETED;
}

static int
compare_events(const void *a, const void *b)
{
	const ModelEvent *left = *(ModelEvent *const *) a;
	const ModelEvent *right = *(ModelEvent *const *) b;

	if (left->k != right->k)
		return left->k - right->k;
	return left < right ? -1 : left > right; /* in order of time */
}

/*
 * Make n changes, and flush them into one to three delta layers.
 */
static void
happen(const BbReqCtx *ctx, Model *model, int n)
{
	BbManifest *manifest = &model->manifest;
	XLogRecPtr	start = manifest->end_lsn + 1;
	XLogRecPtr	lsn = manifest->end_lsn;
	ModelEvent **sorted = palloc(n * sizeof(ModelEvent *));
	BbLayerWriter *writer = NULL;
	BbKeyRange	all = bb_key_range_all();

	for (int i = 0; i < n; i++)
	{
		ModelEvent *event = &model->events[model->nevents];

		/* one record may make several changes, also two of an SLRU page */
		event->k = model_roll(model_roll(2) ? NKEYS : NKEYS / 4);
		if (i == 0 || model_roll(3) > 0 || event->k >= NTIMES + NSLRU)
			lsn += 8 * (1 + model_roll(4));
		event->lsn = lsn;
		make_event(model, event);
		sorted[i] = event;
		model->nevents++;
	}
	manifest->end_lsn = lsn;

	qsort(sorted, n, sizeof(ModelEvent *), compare_events);
	for (int i = 0; i < n; i++)
	{
		BbKey		key = model_key(sorted[i]->k);
		BbEntry		entry = {key, sorted[i]->lsn, sorted[i]->type,
							 sorted[i]->data, sorted[i]->length};

		if (writer && i > 0 && sorted[i]->k != sorted[i - 1]->k &&
			model_roll(NKEYS / 2) == 0)
		{
			/* the layers of a flush lie side by side */
			manifest
				->layers[manifest->nlayers++] = *bb_layer_writer_finish(ctx,
																		writer,
																		&key);
			writer = NULL;
		}
		if (writer == NULL)
			writer = bb_layer_writer_new_delta(ctx, model->objects,
											   manifest->timeline, &key, start,
											   lsn + 1,
											   BB_COMPRESSION_DEFAULT);
		bb_layer_writer_add_entry(ctx, writer, &entry);
	}
	manifest->layers[manifest->nlayers++] = *bb_layer_writer_finish(ctx,
																	writer,
																	&all.end);
}

void
model_write_image(const BbReqCtx *ctx, Model *model, int from, int to,
				  XLogRecPtr lsn)
{
	BbManifest *manifest = &model->manifest;
	BbKey		start = from == 0 ? bb_key_range_all().start : model_key(from);
	BbKey		end = to == NKEYS ? bb_key_range_all().end : model_key(to);
	BbLayerWriter *writer;
	int			n = 0;

	writer = bb_layer_writer_new(ctx, model->objects, manifest->timeline,
								 &start, lsn, BB_COMPRESSION_DEFAULT);
	if (from == 0)
	{
		bool		crc_ok;
		ControlFileData *control = get_controlfile(DataDir, &crc_ok);
		BbKey		key = bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0);

		bb_layer_writer_add(ctx, writer, &key, control, sizeof(*control));
		n++;
	}
	for (int k = from; k < to; k++)
	{
		BbKey		key = model_key(k);
		ModelValue	value;

		model_value(model, k, lsn, &value);
		if (!value.exists)
			continue;
		bb_layer_writer_add(ctx, writer, &key, value.page.data, value.length);
		n++;
	}
	if (n == 0)
	{
		/* an empty layer can't be written, so add a key that no test reads */
		BbKey		last = bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, 1, 0,
									   0);

		if (to < NKEYS)
			return;
		bb_layer_writer_add(ctx, writer, &last, "", 0);
	}
	manifest->layers[manifest->nlayers++] = *bb_layer_writer_finish(ctx,
																	writer,
																	&end);
}

BbManifest
model_manifest(const char *timeline)
{
	BbManifest	manifest;

	memset(&manifest, 0, sizeof(manifest));
	manifest.timeline = pstrdup(timeline);
	manifest.pg_version_num = PG_VERSION_NUM;
	manifest.system_identifier = 42;
	manifest.wal_segment_size = 16 * 1024 * 1024;
	manifest.tli = 1;
	manifest.directory_mode = 0700;
	manifest.start_lsn = 100;
	manifest.end_lsn = 1000;
	manifest.layers = palloc0(10 * sizeof(BbLayerDesc));
	return manifest;
}

BbKey
model_block_key(uint32 block)
{
	return bb_key_rel_block(SPC, DB, REL, MAIN_FORKNUM, block);
}

BbLayerDesc *
model_write_blocks(const BbReqCtx *ctx, BbObjectStore *objects,
				   const char *timeline, uint32 from, uint32 to,
				   XLogRecPtr lsn)
{
	BbKey		start = model_block_key(from);
	BbKey		end = model_block_key(to);
	BbLayerWriter *writer = bb_layer_writer_new(ctx, objects, timeline, &start,
												lsn, BB_COMPRESSION_DEFAULT);

	for (uint32 block = from; block < to; block++)
	{
		BbKey		key = model_block_key(block);
		char	   *value = psprintf("%u:%u", (unsigned) lsn, block);

		bb_layer_writer_add(ctx, writer, &key, value, strlen(value));
	}
	return bb_layer_writer_finish(ctx, writer, &end);
}

BbLayerDesc *
model_write_delta(const BbReqCtx *ctx, BbObjectStore *objects,
				  const char *timeline, XLogRecPtr from, XLogRecPtr to)
{
	BbKey		key = bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, 1, 0, 0);
	BbKey		end = bb_key_next(&key);
	BbEntry		entry = {key, to, BB_ENTRY_IMAGE, (const uint8 *) "x", 1};
	BbLayerWriter *writer = bb_layer_writer_new_delta(ctx, objects, timeline,
													  &key, from + 1, to + 1,
													  BB_COMPRESSION_DEFAULT);

	bb_layer_writer_add_entry(ctx, writer, &entry);
	return bb_layer_writer_finish(ctx, writer, &end);
}

Model *
model_new(BbObjectStore *objects, const char *name, Model *ancestor,
		  XLogRecPtr ancestor_lsn)
{
	Model	   *model = palloc0(sizeof(Model));
	BbManifest *manifest = &model->manifest;

	model->objects = objects;
	model->ancestor = ancestor;
	model->events = palloc(10000 * sizeof(ModelEvent));
	*manifest = model_manifest(name);
	manifest->data_checksum_version = 1;
	manifest->start_lsn = START;
	manifest->end_lsn = START;
	manifest->layers = palloc(1000 * sizeof(BbLayerDesc));
	if (ancestor)
	{
		manifest->ancestor = ancestor->manifest.timeline;
		manifest->ancestor_lsn = ancestor_lsn;
		manifest->start_lsn = ancestor_lsn;
		manifest->end_lsn = ancestor_lsn;
		for (int k = 0; k < NKEYS; k++)
		{
			ModelValue	value;

			model_value(ancestor, k, ancestor_lsn, &value);
			model->exists[k] = value.exists;
		}
	}
	return model;
}

void
model_import(const BbReqCtx *ctx, Model *model)
{
	int			cut = 1 + model_roll(NKEYS - 1);

	for (int k = 0; k < NKEYS; k++)
	{
		if (k < NTIMES || model_roll(3) == 0)
			continue;
		model->imported[k] = random_value(k, START,
										  &model->imported_length[k]);
		model->exists[k] = true;
	}
	model_write_image(ctx, model, 0, cut, START);
	model_write_image(ctx, model, cut, NKEYS, START);
}

void
model_live(const BbReqCtx *ctx, Model *model, int flushes)
{
	for (int i = 0; i < flushes; i++)
	{
		XLogRecPtr	before = model->manifest.end_lsn;

		happen(ctx, model, 5 + model_roll(100));
		if (model_roll(3) == 0)
		{
			int			from = model_roll(NKEYS);
			int			to = from + 1 + model_roll(NKEYS - from);
			XLogRecPtr	lsn = model->manifest.end_lsn;

			if (model_roll(2))
				lsn = pg_prng_uint64_range(&model_prng, before + 1, lsn);
			model_write_image(ctx, model, from, to, lsn);
		}
	}
}

void
model_replace_layer(const BbReqCtx *ctx, BbObjectStore *objects,
					const char *timeline, const BbLayerDesc *layer)
{
	BbManifestEdit edit = {.base = bb_manifest_read(ctx, objects, timeline),
						   .removed = list_make1(
							   unconstify(BbLayerDesc *, layer)),
						   .retired_at = 1};
	BbLayer	   *old = bb_layer_open(ctx, objects, timeline, layer);
	BbLayerCursor *cursor = bb_layer_cursor_new(ctx, old, &layer->keys.start,
												InvalidXLogRecPtr, 8192);
	BbLayerWriter *writer;
	BbEntry		entry;

	if (layer->image)
		writer = bb_layer_writer_new(ctx, objects, timeline,
									 &layer->keys.start, layer->lsn_start,
									 BB_COMPRESSION_DEFAULT);
	else
		writer = bb_layer_writer_new_delta(ctx, objects, timeline,
										   &layer->keys.start,
										   layer->lsn_start, layer->lsn_end,
										   BB_COMPRESSION_DEFAULT);
	while (bb_layer_cursor_next(ctx, cursor, &entry))
		if (layer->image)
			bb_layer_writer_add(ctx, writer, &entry.key, entry.value,
								entry.length);
		else
			bb_layer_writer_add_entry(ctx, writer, &entry);
	bb_layer_cursor_close(cursor);
	bb_layer_close(old);
	edit.added = list_make1(
		bb_layer_writer_finish(ctx, writer, &layer->keys.end));
	(void) bb_manifest_edit(ctx, objects, &edit);
}
