/*-------------------------------------------------------------------------
 *
 * audit_model.c
 *	  Every version of every key of a timeline.
 *
 * Pages are whole in each version, since redo isn't what is audited; pages of an
 * SLRU have native changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit.h"
#include "base/codec.h"
#include "base/compat.h"
#include "common/controldata_utils.h"
#include "layer/imagewriter.h"
#include "layer/manifest_edit.h"
#include "layer/native.h"
#include "miscadmin.h"
#include "storage/bufpage.h"
#include "storage/checksum.h"
#include "utils/timestamp.h"

#define EVENTS_MAX 6000
#define RECORDS_MAX 6000
#define BLOCKS_MAX 6

/* ---- events ---- */

static void
put(AuditLine *line, BbKey key, XLogRecPtr lsn, BbEntryType type,
	const void *data, uint32 length)
{
	uint8	   *copy = palloc(length + 1);

	CHECK(line->nevents < EVENTS_MAX);
	if (length > 0)
		memcpy(copy, data, length);
	line->events[line->nevents++] = (AuditEvent){key, lsn, type, length, copy};
}

static void
put_image(AuditLine *line, BbKey key, const void *data, uint32 length)
{
	put(line, key, line->lsn, BB_ENTRY_IMAGE, data, length);
}

static void
put_u32(AuditLine *line, BbKey key, uint32 value)
{
	uint8		bytes[4];

	bb_put_le32(bytes, value);
	put_image(line, key, bytes, sizeof(bytes));
}

static void
put_deleted(AuditLine *line, BbKey key)
{
	put(line, key, line->lsn, BB_ENTRY_DELETED, "", 0);
}

static BbKey
rel_size(int rel)
{
	return bb_key_rel_size(SPC, DB, REL + rel, MAIN_FORKNUM);
}

static BbKey
rel_block(int rel, BlockNumber block)
{
	return bb_key_rel_block(SPC, DB, REL + rel, MAIN_FORKNUM, block);
}

static void
put_page(AuditLine *line, int rel, BlockNumber block)
{
	PGAlignedBlock page;

	PageInit(page.data, BLCKSZ, 0);
	((PageHeader) page.data)->pd_upper = BLCKSZ - 200;
	for (int i = BLCKSZ - 200; i < BLCKSZ; i++)
		page.data[i] = (char) model_roll(256);
	PageSetLSN(page.data, line->lsn);
	((PageHeader) page.data)->pd_checksum = pg_checksum_page(page.data, block);
	put_image(line, rel_block(rel, block), page.data, BLCKSZ);
}

static void
put_checkpoint(AuditLine *line)
{
	bool		crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);

	control->checkPointCopy.time = line->time;
	put_image(line, bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0),
			  &control->checkPointCopy, sizeof(CheckPoint));
	pfree(control);
}

/* ---- ends of records ---- */

static void
flush_ends(AuditLine *line)
{
	BbKey		key = bb_key_make(BB_KEY_RECORD_ENDS, 0,
								  (uint32) (line->page >> 32),
								  (uint32) line->page, 0, 0);

	if (line->nends == line->nwritten)
		return;
	put(line, key, line->first_new, BB_ENTRY_IMAGE, line->ends,
		2 * line->nends);
	line->nwritten = line->nends;
}

static void
add_end(AuditLine *line, bool commit)
{
	XLogRecPtr	lsn = line->lsn;

	CHECK(line->nrecords < RECORDS_MAX);
	if (lsn / XLOG_BLCKSZ != line->page)
	{
		flush_ends(line);
		line->page = lsn / XLOG_BLCKSZ;
		line->nends = line->nwritten = 0;
	}
	if (line->nends == line->nwritten)
		line->first_new = lsn;
	line->ends[2 * line->nends] = lsn % XLOG_BLCKSZ;
	line->ends[2 * line->nends + 1] = lsn % XLOG_BLCKSZ >> 8;
	line->nends++;
	line->records[line->nrecords++] = (AuditRecord){lsn, commit, line->time,
													false};
}

/* ---- records ---- */

static void
commit(AuditLine *line)
{
	uint8		value[8];
	int			die = model_roll(40);

	/* the cluster's clock */
	if (die == 0)
		line->time -= SECS_PER_DAY;
	else if (die == 1)
		line->time += SECS_PER_DAY * (model_roll(4) ? 1 : model_roll(12));
	else
		line->time += model_roll(1800);
	bb_put_le64(value, time_t_to_timestamptz((pg_time_t) line->time));
	put_image(line, bb_key_make(BB_KEY_COMMIT_TIME, 0, 0, 0, 0, 0), value,
			  sizeof(value));
}

static void
change_rel(AuditLine *line)
{
	int			rel = model_roll(AUDIT_RELS);
	int		   *blocks = &line->blocks[rel];
	int			die = model_roll(16);

	if (*blocks < 0)
	{
		put_u32(line, rel_size(rel), *blocks = 0);
		return;
	}
	if (die == 0)
	{
		put_deleted(line, rel_size(rel));
		*blocks = -1;
	}
	else if (die == 1 && *blocks > 0)
		put_u32(line, rel_size(rel), *blocks = model_roll(*blocks));
	else if ((die <= 5 && *blocks < BLOCKS_MAX) || *blocks == 0)
	{
		put_page(line, rel, *blocks);
		put_u32(line, rel_size(rel), ++*blocks);
	}
	else
		put_page(line, rel, model_roll(*blocks));
}

static void
change_slru(AuditLine *line)
{
	BbKey		size = bb_key_slru_size(BB_SLRU_XACT, 0);
	PGAlignedBlock zeros = {{0}};
	StringInfoData record;

	if (line->slru_pages == 0 || (line->slru_pages < 3 && model_roll(8) == 0))
	{
		put_image(line, bb_key_slru_block(BB_SLRU_XACT, 0, line->slru_pages),
				  zeros.data, BLCKSZ);
		put_u32(line, size, ++line->slru_pages);
		return;
	}
	if (model_roll(24) == 0)
	{
		put_deleted(line, size);
		line->slru_pages = 0;
		return;
	}
	initStringInfo(&record);
	bb_native_xact_begin(&record, 1 + model_roll(3));
	for (int i = model_roll(5); i >= 0; i--)
		bb_native_xact_add(&record, model_roll(200));
	put(line, bb_key_slru_block(BB_SLRU_XACT, 0, model_roll(line->slru_pages)),
		line->lsn, BB_ENTRY_NATIVE, record.data, record.len);
}

static void
change_twophase(AuditLine *line)
{
	BbKey		size = bb_key_twophase_size(700);
	uint8		state[100];

	line->prepared = !line->prepared;
	if (!line->prepared)
	{
		put_deleted(line, size);
		return;
	}
	memset(state, model_roll(256), sizeof(state));
	put_u32(line, size, sizeof(state));
	put_image(line, bb_key_twophase_block(700, 0), state, sizeof(state));
}

static void
make_record(AuditLine *line)
{
	int			die = model_roll(20);

	/* some records are longer than a page of WAL */
	line->lsn += 8 * (2 + model_roll(model_roll(12) ? 100 : 5000));
	if (die <= 5)
		commit(line);
	else if (die == 6)
		put_checkpoint(line);
	else if (die == 7)
		change_twophase(line);
	else if (die <= 11)
		change_slru(line);
	else
		change_rel(line);
	add_end(line, die <= 5);
}

void
audit_line_live(AuditLine *line, int records)
{
	for (int i = 0; i < records; i++)
		make_record(line);
	flush_ends(line);
}

/* ---- layers ---- */

static int
compare_events(const void *a, const void *b)
{
	const AuditEvent *left = *(AuditEvent *const *) a;
	const AuditEvent *right = *(AuditEvent *const *) b;
	int			order = bb_key_compare(&left->key, &right->key);

	if (order != 0)
		return order;
	if (left->lsn != right->lsn)
		return left->lsn < right->lsn ? -1 : 1;
	return left < right ? -1 : left > right;
}

static AuditEvent **
sort_events(const AuditLine *line, int from)
{
	int			n = line->nevents - from;
	AuditEvent **sorted = palloc((n + 1) * sizeof(AuditEvent *));

	for (int i = 0; i < n; i++)
		sorted[i] = &line->events[from + i];
	qsort(sorted, n, sizeof(AuditEvent *), compare_events);
	return sorted;
}

List *
audit_line_layers(const BbReqCtx *ctx, BbObjectStore *objects, AuditLine *line,
				  XLogRecPtr start)
{
	AuditEvent **sorted = sort_events(line, line->flushed);
	int			n = line->nevents - line->flushed;
	int			cut = model_roll(3) ? 0 : 3 + model_roll(20);
	BbLayerWriter *writer = NULL;
	List	   *layers = NIL;
	BbKey		end;

	for (int i = 0; i < n; i++)
	{
		const AuditEvent *event = sorted[i];
		BbEntry		entry = {event->key, event->lsn, event->type, event->data,
							 event->length};

		if (writer != NULL && cut > 0 && model_roll(cut) == 0 &&
			bb_key_compare(&event->key, &sorted[i - 1]->key) != 0)
		{
			layers = lappend(layers,
							 bb_layer_writer_finish(ctx, writer, &event->key));
			writer = NULL;
		}
		if (writer == NULL)
			writer = bb_layer_writer_new_delta(ctx, objects, line->name,
											   &event->key, start,
											   line->lsn + 1,
											   BB_COMPRESSION_DEFAULT);
		bb_layer_writer_add_entry(ctx, writer, &entry);
	}
	end = bb_key_next(&sorted[n - 1]->key);
	layers = lappend(layers, bb_layer_writer_finish(ctx, writer, &end));
	line->flushed = line->nevents;
	return layers;
}

/* ---- values ---- */

static int
compare_keys(const void *a, const void *b)
{
	return bb_key_compare(a, b);
}

BbKey *
audit_line_keys(const AuditLine *line, int *n)
{
	int			total = 0;
	BbKey	   *keys;
	int			nkeys = 0;

	for (const AuditLine *l = line; l != NULL; l = l->ancestor)
		total += l->nevents;
	keys = palloc(total * sizeof(BbKey));
	for (const AuditLine *l = line; l != NULL; l = l->ancestor)
		for (int i = 0; i < l->nevents; i++)
			if (l->events[i].key.bytes[0] != BB_KEY_RECORD_ENDS)
				keys[nkeys++] = l->events[i].key;
	qsort(keys, nkeys, sizeof(BbKey), compare_keys);
	*n = 0;
	for (int i = 0; i < nkeys; i++)
		if (*n == 0 || bb_key_compare(&keys[*n - 1], &keys[i]) != 0)
			keys[(*n)++] = keys[i];
	return keys;
}

/* The value without a look at the size. */
static void
stored_value(const AuditLine *line, const BbKey *key, XLogRecPtr lsn,
			 AuditValue *value)
{
	const AuditEvent *base = NULL;
	List	   *natives = NIL;
	ListCell   *cell;

	*value = (AuditValue){0};
	for (const AuditLine *l = line; l != NULL && base == NULL;
		 lsn = Min(lsn, l->ancestor_lsn), l = l->ancestor)
		for (int i = l->nevents - 1; i >= 0; i--)
		{
			const AuditEvent *event = &l->events[i];

			if (event->lsn > lsn || bb_key_compare(&event->key, key) != 0)
				continue;
			if (event->type != BB_ENTRY_NATIVE)
			{
				base = event;
				break;
			}
			natives = lcons(unconstify(AuditEvent *, event), natives);
		}
	if (base == NULL || base->type == BB_ENTRY_DELETED)
		return;
	value->exists = true;
	value->length = base->length;
	memcpy(value->page.data, base->data, base->length);
	foreach(cell, natives)
	{
		const AuditEvent *event = lfirst(cell);
		BbChange	change = {event->lsn, event->type, event->data,
							  event->length};

		bb_native_apply(key, &change, (uint8 *) value->page.data);
	}
	list_free(natives);
}

/* ---- gaps ---- */

/* The value of a key changes to what it is at the end, by one event. */
static void
put_difference(AuditLine *line, const BbKey *key, const AuditValue *value)
{
	if (value->exists)
		put_image(line, *key, value->page.data, value->length);
	else
		put_deleted(line, *key);
}

void
audit_line_lose(AuditLine *line, int nrecords)
{
	AuditEvent **lost = sort_events(line, line->flushed);
	int			nlost = line->nevents - line->flushed;
	BbKeyRange	events = bb_key_range_events();
	int			n = 0;
	AuditValue *values;
	BbKey	   *keys;

	/* a new base has this at least, as all bases */
	put_checkpoint(line);
	keys = palloc((nlost + 1) * sizeof(BbKey));
	keys[n++] = line->events[line->nevents - 1].key;
	for (int i = 0; i < nlost; i++)
	{
		const BbKey *key = &lost[i]->key;

		if (key->bytes[0] != BB_KEY_RECORD_ENDS &&
			!bb_key_in_range(key, &events) &&
			bb_key_compare(key, &keys[0]) != 0 &&
			bb_key_compare(key, &keys[n - 1]) != 0)
			keys[n++] = *key;
	}
	values = palloc(n * sizeof(AuditValue));
	for (int i = 0; i < n; i++)
		stored_value(line, &keys[i], line->lsn, &values[i]);
	line->nevents = line->flushed;
	for (int i = 0; i < n; i++)
		put_difference(line, &keys[i], &values[i]);

	line->nrecords = nrecords;
	line->page = line->lsn / XLOG_BLCKSZ;
	line->nends = line->nwritten = 0;
	add_end(line, false);
	line->records[nrecords].after_gap = true;
	flush_ends(line);
}

/* ---- values ---- */

/* Is it a block beyond the size? */
static bool
is_beyond(const AuditLine *line, const BbKey *key, XLogRecPtr lsn)
{
	BbKeyFields fields = bb_key_fields(key);
	AuditValue	size;
	BbKey		of;

	switch (fields.kind)
	{
		case BB_KEY_REL_BLOCK:
			of = bb_key_make(BB_KEY_REL_SIZE, fields.spc, fields.db,
							 fields.rel, fields.fork, 0);
			break;
		case BB_KEY_SLRU_BLOCK:
			of = bb_key_make(BB_KEY_SLRU_SIZE, fields.spc, fields.db,
							 fields.rel, 0, 0);
			break;
		case BB_KEY_TWOPHASE_BLOCK:
			of = bb_key_twophase_size(700);
			break;
		default:
			return false;
	}
	stored_value(line, &of, lsn, &size);
	if (fields.kind == BB_KEY_TWOPHASE_BLOCK)
		return !size.exists;
	return !size.exists ||
		fields.block >= bb_get_le32((uint8 *) size.page.data);
}

void
audit_line_value(const AuditLine *line, const BbKey *key, XLogRecPtr lsn,
				 AuditValue *value)
{
	bool		optional = is_beyond(line, key, lsn);

	stored_value(line, key, lsn, value);
	value->optional = optional;
}

AuditRecord
audit_line_record(const AuditLine *line, XLogRecPtr lsn)
{
	for (const AuditLine *l = line; l != NULL;
		 lsn = Min(lsn, l->ancestor_lsn), l = l->ancestor)
		for (int i = l->nrecords - 1; i >= 0; i--)
			if (l->records[i].lsn <= lsn)
				return l->records[i];
	elog(ERROR, "no record up to " BB_LSN_FORMAT, LSN_FORMAT_ARGS(lsn));
}

/* ---- beginnings ---- */

static AuditLine *
new_line(const char *name)
{
	AuditLine  *line = palloc0(sizeof(AuditLine));

	strlcpy(line->name, name, sizeof(line->name));
	line->events = palloc(EVENTS_MAX * sizeof(AuditEvent));
	line->records = palloc(RECORDS_MAX * sizeof(AuditRecord));
	return line;
}

static void
put_imported(AuditLine *line)
{
	bool		crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);
	StringInfoData entry;

	put_image(line, bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0), control,
			  sizeof(*control));
	put_checkpoint(line);
	initStringInfo(&entry);
	bb_append_le32(&entry, 0600);
	bb_append_le64(&entry, 5);
	appendStringInfoString(&entry, "file");
	put_image(line, bb_key_make(BB_KEY_FILE_ENTRY, 0, 0, 0, 0, 0), entry.data,
			  entry.len);
	put_image(line, bb_key_make(BB_KEY_FILE_BLOCK, 0, 0, 0, 0, 0), "12345", 5);
	for (int rel = 0; rel < AUDIT_RELS; rel++)
	{
		line->blocks[rel] = rel == 0 ? -1 : model_roll(BLOCKS_MAX);
		if (line->blocks[rel] >= 0)
			put_u32(line, rel_size(rel), line->blocks[rel]);
		for (int block = 0; block < line->blocks[rel]; block++)
			put_page(line, rel, block);
	}
}

AuditLine *
audit_line_new(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
			   int64 time)
{
	AuditLine  *line = new_line(name);
	BbManifest	manifest = model_manifest(name);
	BbImageWriter *writer;
	AuditEvent **sorted;
	ListCell   *cell;
	List	   *layers;

	line->lsn = START;
	line->time = time;
	line->page = START / XLOG_BLCKSZ;
	put_imported(line);
	line->records[line->nrecords++] = (AuditRecord){START, false, time, false};
	sorted = sort_events(line, 0);
	writer = bb_imagewriter_new(objects, name, START);
	for (int i = 0; i < line->nevents; i++)
		bb_imagewriter_add(ctx, writer, &sorted[i]->key, sorted[i]->data,
						   sorted[i]->length);
	layers = bb_imagewriter_finish(ctx, writer);
	line->flushed = line->nevents;
	manifest.data_checksum_version = 1;
	manifest.start_lsn = manifest.end_lsn = START;
	manifest.end_time = time;
	manifest.layers = palloc(list_length(layers) * sizeof(BbLayerDesc));
	foreach(cell, layers)
		manifest.layers[manifest.nlayers++] = *(BbLayerDesc *) lfirst(cell);
	CHECK(bb_manifest_commit(ctx, objects, &manifest));
	return line;
}

static uint32
size_at(const AuditLine *line, BbKey key, XLogRecPtr lsn, bool *exists)
{
	AuditValue	value;

	stored_value(line, &key, lsn, &value);
	*exists = value.exists;
	return value.exists ? bb_get_le32((uint8 *) value.page.data) : 0;
}

AuditLine *
audit_line_branch(AuditLine *ancestor, const char *name, XLogRecPtr lsn)
{
	AuditLine  *line = new_line(name);
	bool		exists;

	line->ancestor = ancestor;
	line->ancestor_lsn = line->lsn = lsn;
	line->page = lsn / XLOG_BLCKSZ;
	line->time = audit_line_record(ancestor, lsn).time;
	for (int rel = 0; rel < AUDIT_RELS; rel++)
	{
		line->blocks[rel] = size_at(ancestor, rel_size(rel), lsn, &exists);
		if (!exists)
			line->blocks[rel] = -1;
	}
	line->slru_pages = size_at(ancestor, bb_key_slru_size(BB_SLRU_XACT, 0),
							   lsn, &exists);
	(void) size_at(ancestor, bb_key_twophase_size(700), lsn, &line->prepared);
	return line;
}
