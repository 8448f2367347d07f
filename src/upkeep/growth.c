/*-------------------------------------------------------------------------
 *
 * growth.c
 *	  How large a page store was.
 *
 *	  n u32 | n times: i64 at, u64 bytes, u64 bytes_total, u64 bytes_free
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/manifest.h"
#include "layer/note.h"
#include "upkeep/growth.h"
#include "utils/timestamp.h"

static const BbNoteKind note_kind = {
	.magic = "bbgrow\r\n",
	.version = 1,
	.max_size = 64 * 1024,
};

const BbGrowth *
bb_growth_read(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbGrowth   *growth = palloc0(sizeof(BbGrowth));
	BbReader	reader;
	uint32		n;

	if (!bb_note_read(ctx, objects, &note_kind, BB_GROWTH_OBJECT, &reader))
		return growth;
	n = bb_reader_le32(&reader);
	if (n > BB_GROWTH_SAMPLES)
		return growth;
	for (uint32 i = 0; i < n; i++)
	{
		BbGrowthSample *sample = &growth->samples[i];

		sample->at = (TimestampTz) bb_reader_le64(&reader);
		sample->bytes = bb_reader_le64(&reader);
		sample->bytes_total = bb_reader_le64(&reader);
		sample->bytes_free = bb_reader_le64(&reader);
		if (!IS_VALID_TIMESTAMP(sample->at) || sample->bytes > PG_INT64_MAX ||
			sample->bytes_total > PG_INT64_MAX ||
			sample->bytes_free > sample->bytes_total)
			return growth;
	}
	if (bb_reader_done(&reader))
		growth->n = (int) n;
	return growth;
}

bool
bb_growth_is_due(const BbGrowth *growth, TimestampTz now)
{
	int64		elapsed_us;

	if (growth->n == 0)
		return true;
	/* a clock that was set back is no reason to wait */
	elapsed_us = now - growth->samples[growth->n - 1].at;
	return elapsed_us < 0 ||
		elapsed_us >= BB_GROWTH_INTERVAL_S * (int64) USECS_PER_SEC;
}

/* The size of the layers; those of a manifest that can't be read don't count. */
static uint64
bytes_of_layers(const BbReqCtx *ctx, BbObjectStore *objects)
{
	uint64		bytes = 0;
	ListCell   *cell;

	foreach(cell, bb_manifest_list(ctx, objects))
	{
		ErrorData  *error;
		const BbManifest *manifest = bb_manifest_try(ctx, objects,
													 lfirst(cell), &error);

		for (int i = 0; manifest != NULL && i < manifest->nlayers; i++)
			bytes += manifest->layers[i].size;
	}
	return bytes;
}

static void
append_sample(StringInfo note, const BbGrowthSample *sample)
{
	bb_append_le64(note, (uint64) sample->at);
	bb_append_le64(note, sample->bytes);
	bb_append_le64(note, sample->bytes_total);
	bb_append_le64(note, sample->bytes_free);
}

void
bb_growth_note(const BbReqCtx *ctx, BbObjectStore *objects, uint64 bytes_total,
			   uint64 bytes_free)
{
	const BbGrowth *growth = bb_growth_read(ctx, objects);
	BbGrowthSample sample = {.at = GetCurrentTimestamp(),
							 .bytes_total = bytes_total,
							 .bytes_free = Min(bytes_free, bytes_total)};
	StringInfoData note;
	ErrorData  *error;
	int			first = growth->n == BB_GROWTH_SAMPLES ? 1 : 0;
	int			n = growth->n;

	if (!bb_growth_is_due(growth, sample.at))
		return;
	/* after the clock was set back, the order would be lost */
	while (n > first && growth->samples[n - 1].at >= sample.at)
		n--;
	sample.bytes = bytes_of_layers(ctx, objects);
	bb_note_begin(&note, &note_kind);
	bb_append_le32(&note, (uint32) (n - first + 1));
	for (int i = first; i < n; i++)
		append_sample(&note, &growth->samples[i]);
	append_sample(&note, &sample);
	error = bb_note_write(ctx, objects, BB_GROWTH_OBJECT, &note);
	if (error != NULL)
		ereport(DEBUG1,
				(errmsg_internal("the size of the page store is not recorded: %s",
								 error->message)));
}
