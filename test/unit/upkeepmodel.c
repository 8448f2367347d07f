/*-------------------------------------------------------------------------
 *
 * upkeepmodel.c
 *	  A timeline without files: what flushes, merges and images do to its layers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "unit.h"
#include "upkeepmodel.h"

/* What a layer has besides its entries. */
#define LAYER_BYTES 2300

/* Bytes of an open layer before compression, of one byte in the file. */
#define EXPANSION 2

/* Of the bytes of changes, those of the ends of records and of times. */
#define JOURNAL_PART 0.03

typedef struct ModelLayer
{
	double		bytes[MODEL_BUCKETS];
} ModelLayer;

struct UpkeepModel
{
	ModelSettings settings;
	pg_prng_state random;
	BbKey		borders[MODEL_BUCKETS + 1];
	BbManifest	manifest;
	int			room;
	ModelLayer *contents;			  /* of manifest.layers */
	double		image[MODEL_BUCKETS]; /* size of each, as of now */
	int			nflushes;
	XLogRecPtr *ends; /* of flushes */
	uint64		file_id;
	ModelFigures figures;
};

UpkeepModel *
upkeepmodel_new(const ModelSettings *settings, uint64 seed)
{
	UpkeepModel *model = palloc0(sizeof(UpkeepModel));
	BbKeyRange	all = bb_key_range_all();
	BbLayerDesc image = {.keys = all,
						 .lsn_start = 0x1000000,
						 .lsn_end = 0x1000001,
						 .image = true,
						 .entries = 1};

	model->settings = *settings;
	pg_prng_seed(&model->random, seed);
	model->borders[0] = all.start;
	model->borders[1] = bb_key_range_kind(BB_KEY_RECORD_ENDS).start;
	model->borders[2] = bb_key_range_kind(BB_KEY_TABLESPACE).start;
	for (int i = 1; i < MODEL_DATA; i++)
		model->borders[MODEL_JOURNAL + i] = bb_key_rel_block(1663, 5,
															 16384 + i / 8,
															 MAIN_FORKNUM,
															 (i % 8) * 1000);
	model->borders[MODEL_BUCKETS] = all.end;

	model->room = 1024;
	model->manifest.timeline = pstrdup("model");
	model->manifest.start_lsn = image.lsn_start;
	model->manifest.end_lsn = image.lsn_start;
	model->manifest.layers = palloc(model->room * sizeof(BbLayerDesc));
	model->contents = palloc0(model->room * sizeof(ModelLayer));
	model->ends = palloc(100000 * sizeof(XLogRecPtr));

	/* images of the import, cut at the size of layers */
	image.keys.end = all.start;
	for (int i = 0; i < MODEL_BUCKETS; i++)
	{
		bool		last = i == MODEL_BUCKETS - 1;

		if (i >= MODEL_JOURNAL)
			model->image[i] = settings->image_bytes / MODEL_DATA;
		image.size += model->image[i];
		if (!last && image.size * EXPANSION < settings->policy.layer_bytes)
			continue;
		image.keys.start = image.keys.end;
		image.keys.end = model->borders[i + 1];
		image.size += LAYER_BYTES;
		image.file_id = ++model->file_id;
		CHECK(model->manifest.nlayers < model->room);
		model->manifest.layers[model->manifest.nlayers++] = image;
		image.size = 0;
	}
	return model;
}

BbManifest *
upkeepmodel_manifest(UpkeepModel *model)
{
	return &model->manifest;
}

const ModelFigures *
upkeepmodel_figures(UpkeepModel *model)
{
	model->figures.store_bytes = 0;
	for (int i = 0; i < model->manifest.nlayers; i++)
		model->figures.store_bytes += model->manifest.layers[i].size;
	return &model->figures;
}

pg_prng_state *
upkeepmodel_random(UpkeepModel *model)
{
	return &model->random;
}

static BbLayerDesc *
add_layer(UpkeepModel *model, const BbLayerDesc *desc,
		  const ModelLayer *content)
{
	BbManifest *manifest = &model->manifest;
	BbLayerDesc *added;

	if (manifest->nlayers == model->room)
	{
		model->room *= 2;
		manifest->layers = repalloc(manifest->layers,
									model->room * sizeof(BbLayerDesc));
		model->contents = repalloc(model->contents,
								   model->room * sizeof(ModelLayer));
	}
	model->contents[manifest->nlayers] = *content;
	added = &manifest->layers[manifest->nlayers++];
	*added = *desc;
	added->file_id = ++model->file_id;
	added->entries = 1;
	model->figures.layers = Max(model->figures.layers, manifest->nlayers);
	return added;
}

/* Does a layer, or a range, have the first key of a bucket? */
static bool
covers(const UpkeepModel *model, const BbKeyRange *keys, int bucket)
{
	return bb_key_in_range(&model->borders[bucket], keys);
}

void
upkeepmodel_flush(UpkeepModel *model, double wal, const double *weights,
				  double growth)
{
	BbManifest *manifest = &model->manifest;
	XLogRecPtr	end = manifest->end_lsn + Max((XLogRecPtr) wal, 8);
	BbLayerDesc desc = {.lsn_start = manifest->end_lsn + 1,
						.lsn_end = end + 1};
	ModelLayer	content = {0};
	double		total = 0;
	double		bytes = wal * model->settings.density;
	int			first = -1;
	int			last = -1;

	for (int i = 0; i < MODEL_DATA && weights != NULL; i++)
		total += weights[i];
	content.bytes[1] = weights == NULL ? bytes : bytes * JOURNAL_PART;
	/* a checkpoint now and then */
	if (model->nflushes % 5 == 0)
		content.bytes[0] = 100;
	for (int i = 0; i < MODEL_DATA && total > 0; i++)
	{
		double		part = bytes * (1 - JOURNAL_PART) * weights[i] / total;

		content.bytes[MODEL_JOURNAL + i] = part;
		model->image[MODEL_JOURNAL + i] += part * growth;
	}
	for (int i = 0; i < MODEL_BUCKETS; i++)
	{
		if (content.bytes[i] == 0)
			continue;
		if (first < 0)
			first = i;
		last = i;
		desc.size += content.bytes[i] * Max(model->settings.flush, 1);
	}
	desc.keys.start = model->borders[first];
	desc.keys.end = bb_key_next(&model->borders[last]);
	desc.size += LAYER_BYTES;
	manifest->end_lsn = end;
	model->ends[model->nflushes++] = end;
	CHECK(model->nflushes < 100000);
	add_layer(model, &desc, &content);
	model->figures.wal_bytes += end + 1 - desc.lsn_start;
	model->figures.flush_bytes += desc.size;
}

/* ---- jobs ---- */

static int
index_of(const UpkeepModel *model, const BbLayerDesc *layer)
{
	int			index = layer - model->manifest.layers;

	CHECK(index >= 0 && index < model->manifest.nlayers);
	return index;
}

/* A merge: the rectangle, which inputs fill without another delta layer in it. */
static BbLayerDesc
check_merge(UpkeepModel *model, const BbUpkeepJob *job)
{
	const BbManifest *manifest = &model->manifest;
	BbLayerDesc all = {.keys = job->keys, .lsn_start = PG_UINT64_MAX};
	bool	   *input = palloc0(manifest->nlayers);
	XLogRecPtr	reached = 0;
	XLogRecPtr	top = bb_manifest_gap_open(manifest)
		? manifest->gaps[manifest->ngaps - 1].from
		: manifest->end_lsn;
	ListCell   *cell;
	uint64		bytes = 0;

	/* a single one is only cut */
	CHECK(
		list_length(job->inputs) >= 2 ||
		(list_length(job->inputs) == 1 &&
		 covers(model, &job->keys, MODEL_JOURNAL - 1) &&
		 bb_key_compare(&model->borders[MODEL_JOURNAL], &job->keys.end) < 0));
	foreach(cell, job->inputs)
	{
		const BbLayerDesc *layer = lfirst(cell);

		CHECK(!layer->image);
		CHECK(!input[index_of(model, layer)]);
		input[index_of(model, layer)] = true;
		CHECK(bb_key_compare(&layer->keys.start, &job->keys.start) >= 0);
		CHECK(bb_key_compare(&layer->keys.end, &job->keys.end) <= 0);
		CHECK(layer->lsn_end - 1 <= top);
		all.lsn_start = Min(all.lsn_start, layer->lsn_start);
		all.lsn_end = Max(all.lsn_end, layer->lsn_end);
		bytes += layer->size;
	}
	CHECK(job->bytes == bytes);
	/* each LSN of the rectangle is in an input */
	reached = all.lsn_start;
	for (bool more = true; more;)
	{
		more = false;
		foreach(cell, job->inputs)
		{
			const BbLayerDesc *layer = lfirst(cell);

			if (layer->lsn_start <= reached && layer->lsn_end > reached)
			{
				reached = layer->lsn_end;
				more = true;
			}
		}
	}
	CHECK(reached == all.lsn_end);
	for (int i = 0; i < manifest->nlayers; i++)
	{
		if (!manifest->layers[i].image &&
			bb_layer_overlaps(&manifest->layers[i], &all))
			CHECK(input[i]);
	}
	pfree(input);
	return all;
}

static void
remove_layer(UpkeepModel *model, const bool *gone)
{
	BbManifest *manifest = &model->manifest;
	int			n = 0;

	for (int i = 0; i < manifest->nlayers; i++)
	{
		if (gone[i])
			continue;
		manifest->layers[n] = manifest->layers[i];
		model->contents[n] = model->contents[i];
		n++;
	}
	manifest->nlayers = n;
}

/* Does a tile end between two buckets, of which "last" is the last one with data? */
static const BbKey *
tile_end(const UpkeepModel *model, const BbLayerDesc *all, const List *cuts,
		 int last, int next)
{
	const BbKey *from = &model->borders[last];
	const BbKey *to = &model->borders[next];
	const BbKey *journal = &model->borders[MODEL_JOURNAL];
	const BbKey *found = NULL;
	ListCell   *cell;

	foreach(cell, cuts)
	{
		const BbKey *cut = lfirst(cell);

		CHECK(bb_key_compare(&all->keys.start, cut) < 0);
		CHECK(bb_key_compare(cut, &all->keys.end) < 0);
		CHECK(found == NULL || bb_key_compare(found, cut) < 0);
		if (bb_key_compare(from, cut) < 0 && bb_key_compare(cut, to) <= 0)
			found = cut;
	}
	if (bb_key_compare(from, journal) < 0 && bb_key_compare(journal, to) <= 0)
		return journal;
	return found;
}

/* Cut the output of a job into tiles. */
static double
write_tiles(UpkeepModel *model, const BbLayerDesc *all, const List *cuts,
			const ModelLayer *content)
{
	BbLayerDesc tile = *all;
	ModelLayer	part = {0};
	double		size = 0;
	double		written = 0;
	int			last = -1;

	for (int i = 0; i < MODEL_BUCKETS; i++)
	{
		const BbKey *end;

		if (content->bytes[i] == 0)
			continue;
		end = last < 0 ? NULL : tile_end(model, all, cuts, last, i);
		if (end == NULL && last >= 0 &&
			size * EXPANSION >= model->settings.policy.layer_bytes)
			end = &model->borders[i];
		if (end != NULL)
		{
			tile.keys.end = *end;
			tile.size = size + LAYER_BYTES;
			written += add_layer(model, &tile, &part)->size;
			tile.keys.start = tile.keys.end;
			part = (ModelLayer){0};
			size = 0;
		}
		part.bytes[i] = content->bytes[i];
		size += content->bytes[i];
		last = i;
	}
	if (last >= 0)
	{
		tile.keys.end = all->keys.end;
		tile.size = size + LAYER_BYTES;
		written += add_layer(model, &tile, &part)->size;
	}
	return written;
}

static void
do_merge(UpkeepModel *model, const BbUpkeepJob *job)
{
	BbLayerDesc all = check_merge(model, job);
	ModelLayer	content = {0};
	bool	   *gone = palloc0(model->manifest.nlayers);
	ListCell   *cell;

	foreach(cell, job->inputs)
	{
		int			index = index_of(model, lfirst(cell));

		gone[index] = true;
		for (int i = 0; i < MODEL_BUCKETS; i++)
			content.bytes[i] += model->contents[index].bytes[i];
	}
	remove_layer(model, gone);
	pfree(gone);
	model->figures.merges++;
	model->figures.merge_bytes += write_tiles(model, &all, job->cuts,
											  &content);
}

/* An image reads nothing but what is below it, and is of use. */
static void
do_image(UpkeepModel *model, const BbUpkeepJob *job)
{
	const BbManifest *manifest = &model->manifest;
	BbKey		border = bb_key_range_kind(BB_KEY_TABLESPACE).start;
	BbLayerDesc all = {.keys = job->keys,
					   .lsn_start = job->lsn,
					   .lsn_end = job->lsn + 1,
					   .image = true};
	ModelLayer	content = {0};

	CHECK(job->inputs == NIL);
	CHECK(bb_key_compare(&job->keys.start, &job->keys.end) < 0);
	CHECK(bb_key_compare(&job->keys.start, &border) >= 0);
	CHECK(job->lsn >= manifest->start_lsn && job->lsn <= manifest->end_lsn);
	CHECK(!bb_manifest_gap_open(manifest) ||
		  job->lsn <= manifest->gaps[manifest->ngaps - 1].from);
	CHECK(bb_gap_at(manifest->gaps, manifest->ngaps, job->lsn) == NULL);
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		/* an image at the same LSN, or a delta layer that it cuts */
		CHECK(!layer->image || !bb_layer_overlaps(layer, &all));
		if (!layer->image && bb_layer_overlaps(layer, &all))
			CHECK(layer->lsn_end == all.lsn_end);
	}
	for (int i = MODEL_JOURNAL; i < MODEL_BUCKETS; i++)
	{
		if (covers(model, &job->keys, i))
			content.bytes[i] = model->image[i];
	}
	model->figures.images++;
	model->figures.image_bytes += write_tiles(model, &all, job->cuts,
											  &content);
}

/* ---- broken layers ---- */

/* The newest image of a bucket at an LSN. */
static XLogRecPtr
image_at(const UpkeepModel *model, int bucket, XLogRecPtr lsn)
{
	XLogRecPtr	found = InvalidXLogRecPtr;

	for (int i = 0; i < model->manifest.nlayers; i++)
	{
		const BbLayerDesc *layer = &model->manifest.layers[i];

		if (layer->image && layer->lsn_start <= lsn &&
			layer->lsn_start > found && covers(model, &layer->keys, bucket))
			found = layer->lsn_start;
	}
	return found;
}

void
upkeepmodel_break(UpkeepModel *model, int layer)
{
	BbLayerDesc *broken = palloc(sizeof(BbLayerDesc));

	*broken = model->manifest.layers[layer];
	model->settings.policy.broken = lappend(model->settings.policy.broken,
											broken);
}

void
upkeepmodel_mend(UpkeepModel *model)
{
	model->settings.policy.broken = NIL;
}

/* Those that the manifest doesn't name any more are no concern of the policy. */
static void
forget_broken(UpkeepModel *model)
{
	List	   *left = NIL;
	ListCell   *cell;

	foreach(cell, model->settings.policy.broken)
	{
		const BbLayerDesc *broken = lfirst(cell);

		for (int i = 0; i < model->manifest.nlayers; i++)
		{
			if (model->manifest.layers[i].file_id == broken->file_id)
				left = lappend(left, lfirst(cell));
		}
	}
	model->settings.policy.broken = left;
}

/* Does a read of a bucket at an LSN take a layer? */
static bool
is_read(const UpkeepModel *model, const BbLayerDesc *layer, int bucket,
		XLogRecPtr lsn)
{
	XLogRecPtr	image = image_at(model, bucket, lsn);

	return covers(model, &layer->keys, bucket) && layer->lsn_start <= lsn &&
		(layer->image ? layer->lsn_start == image
					  : layer->lsn_end - 1 > image);
}

/* No job reads what is broken. */
static void
check_whole(const UpkeepModel *model, const BbUpkeepJob *job)
{
	ListCell   *cell;
	ListCell   *input;

	foreach(cell, model->settings.policy.broken)
	{
		const BbLayerDesc *broken = lfirst(cell);

		foreach(input, job->inputs)
			CHECK(((const BbLayerDesc *) lfirst(input))->file_id !=
				  broken->file_id);
		for (int i = 0; job->kind == BB_UPKEEP_IMAGE && i < MODEL_BUCKETS; i++)
			CHECK(!covers(model, &job->keys, i) ||
				  !is_read(model, broken, i, job->lsn));
	}
}

void
upkeepmodel_job(UpkeepModel *model, const BbUpkeepJob *job)
{
	check_whole(model, job);
	if (job->kind == BB_UPKEEP_IMAGE)
		do_image(model, job);
	else
	{
		CHECK(job->kind == BB_UPKEEP_MERGE);
		do_merge(model, job);
	}
}

/* ---- the window ---- */

/* Drop what the window doesn't need, as retention does. */
static void
expire(UpkeepModel *model)
{
	BbManifest *manifest = &model->manifest;
	int			first = model->nflushes - model->settings.window;
	bool	   *gone = palloc0(manifest->nlayers);
	XLogRecPtr	images[MODEL_BUCKETS];

	if (first < 0)
		return;
	for (int i = 0; i < MODEL_BUCKETS; i++)
		images[i] = image_at(model, i, model->ends[first]);
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		gone[i] = true;
		for (int bucket = 0; bucket < MODEL_BUCKETS && gone[i]; bucket++)
		{
			if (covers(model, &layer->keys, bucket) &&
				(layer->image ? layer->lsn_start >= images[bucket]
							  : layer->lsn_end - 1 > images[bucket]))
				gone[i] = false;
		}
	}
	remove_layer(model, gone);
	pfree(gone);
}

/* Does the policy say the same once more? */
static void
check_same(const UpkeepModel *model, const BbUpkeepJob *job)
{
	BbUpkeepJob again;

	CHECK(bb_policy_next(&model->manifest, &model->settings.policy, &again));
	CHECK(again.kind == job->kind && again.lsn == job->lsn);
	CHECK(memcmp(&again.keys, &job->keys, sizeof(BbKeyRange)) == 0);
	CHECK(list_length(again.inputs) == list_length(job->inputs));
	for (int i = 0; i < list_length(job->inputs); i++)
		CHECK(list_nth(again.inputs, i) == list_nth(job->inputs, i));
}

bool
upkeepmodel_step(UpkeepModel *model)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "model policy",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	BbUpkeepJob job;
	bool		more;

	MemoryContextSwitchTo(old);
	forget_broken(model);
	MemoryContextSwitchTo(scratch);
	more = bb_policy_next(&model->manifest, &model->settings.policy, &job);
	if (more)
	{
		CHECK(job.why != NULL);
		if (pg_prng_uint64_range(&model->random, 0, 15) == 0)
			check_same(model, &job);
		MemoryContextSwitchTo(old);
		upkeepmodel_job(model, &job);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	return more;
}

void
upkeepmodel_upkeep(UpkeepModel *model)
{
	int			jobs = 0;

	/* each merge leaves fewer layers over a key */
	while (upkeepmodel_step(model))
		CHECK(++jobs <= 2 * model->manifest.nlayers + MODEL_BUCKETS);
	model->figures.jobs_at_once = Max(model->figures.jobs_at_once, jobs);
	if (model->nflushes % 256 == 0)
		expire(model);
}

/* ---- reads ---- */

static int
depth_at(const UpkeepModel *model, int bucket, XLogRecPtr lsn)
{
	XLogRecPtr	image = image_at(model, bucket, lsn);
	int			depth = 1;

	CHECK(image != InvalidXLogRecPtr);
	for (int i = 0; i < model->manifest.nlayers; i++)
	{
		const BbLayerDesc *layer = &model->manifest.layers[i];

		if (!layer->image && layer->lsn_start <= lsn &&
			layer->lsn_end - 1 > image && covers(model, &layer->keys, bucket))
			depth++;
	}
	return depth;
}

void
upkeepmodel_read(UpkeepModel *model, const double *weights)
{
	int			oldest = Max(0, model->nflushes - model->settings.window);
	XLogRecPtr	lsns[2] = {model->manifest.end_lsn};
	int			bucket;

	/* a bucket with changes, as far as there are some */
	for (int tries = 0; tries < 1000; tries++)
	{
		bucket = pg_prng_uint64_range(&model->random, 0, MODEL_DATA - 1);
		if (weights == NULL || weights[bucket] > 0)
			break;
	}
	lsns[1] = model->ends[pg_prng_uint64_range(&model->random, oldest,
											   model->nflushes - 1)];
	for (int i = 0; i < 2; i++)
	{
		int			depth = depth_at(model, MODEL_JOURNAL + bucket, lsns[i]);

		model->figures.reads++;
		model->figures.depth_sum += depth;
		model->figures.depths[Min(depth, 63)]++;
	}
}

int
upkeepmodel_depth(const UpkeepModel *model)
{
	int			depth = 0;

	for (int i = 0; i < MODEL_DATA; i++)
		depth = Max(depth,
					depth_at(model, MODEL_JOURNAL + i,
							 model->manifest.end_lsn));
	return depth;
}

/* The most layers that can be merged and aren't, one above the other. */
int
upkeepmodel_whole_depth(const UpkeepModel *model)
{
	const BbManifest *manifest = &model->manifest;
	int			most = 0;

	for (int bucket = MODEL_JOURNAL; bucket < MODEL_BUCKETS; bucket++)
	{
		XLogRecPtr	lsn = manifest->end_lsn;
		ListCell   *cell;

		/* above, between and below the broken ones */
		for (;;)
		{
			XLogRecPtr	down = InvalidXLogRecPtr;
			XLogRecPtr	next = InvalidXLogRecPtr;
			int			depth = 0;

			foreach(cell, model->settings.policy.broken)
			{
				const BbLayerDesc *broken = lfirst(cell);

				if (!broken->image && broken->lsn_end - 1 <= lsn &&
					broken->lsn_end > down &&
					is_read(model, broken, bucket, manifest->end_lsn))
				{
					down = broken->lsn_end;
					next = broken->lsn_start;
				}
			}
			for (int i = 0; i < manifest->nlayers; i++)
			{
				const BbLayerDesc *layer = &manifest->layers[i];

				depth += !layer->image && layer->lsn_start >= down &&
					layer->lsn_end - 1 <= lsn &&
					is_read(model, layer, bucket, manifest->end_lsn);
			}
			most = Max(most, depth);
			if (down == InvalidXLogRecPtr)
				break;
			lsn = next;
		}
	}
	return most;
}

int
upkeepmodel_percentile(const ModelFigures *figures, double part)
{
	int			reads = 0;

	for (int depth = 0; depth < 63; depth++)
	{
		reads += figures->depths[depth];
		if (reads >= part * figures->reads)
			return depth;
	}
	return 63;
}
