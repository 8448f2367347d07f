/*-------------------------------------------------------------------------
 *
 * test_manifest_keeps.c
 *	  What a timeline keeps: values, bytes, and edits beside other writers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/compat.h"
#include "layer/layerset.h"
#include "layer/manifest_edit.h"
#include "model.h"
#include "objstore/objstore_driver.h"
#include "port/pg_crc32c.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* ---- values and bytes ---- */

static BbLayerDesc
some_layer(XLogRecPtr from, XLogRecPtr to, uint64 file_id)
{
	return (BbLayerDesc){.keys = bb_key_range_all(),
						 .lsn_start = from,
						 .lsn_end = to,
						 .file_id = file_id,
						 .size = 10000,
						 .entries = 10};
}

/* A manifest of LSNs 400 to 1000 with everything that can be kept. */
static BbManifest *
keeping_manifest(void)
{
	BbManifest *manifest = palloc(sizeof(BbManifest));
	BbKeeps	   *keeps = &manifest->keeps;

	*manifest = model_manifest("main");
	manifest->generation = 3;
	manifest->start_lsn = 400;
	manifest->nlayers = 1;
	manifest->layers[0] = some_layer(400, 1001, 1);
	keeps->retention = (BbRetention){.window_s = 86400,
									 .floor_s = 3600,
									 .hourly = 1,
									 .daily = 2,
									 .weekly = 3,
									 .monthly = 4,
									 .yearly = 5};
	keeps->npins = 2;
	keeps->pins = palloc(3 * sizeof(BbPin));
	keeps->pins[0] = (BbPin){"before", 350, "", "", 1700000000, 0, 0};
	keeps->pins[1] = (BbPin){"release-7",
							 900,
							 "before the upgrade",
							 "postgres",
							 1700000001,
							 1800000000,
							 0};
	keeps->npoints = 2;
	keeps->points = palloc(3 * sizeof(BbPoint));
	keeps->points[0] = (BbPoint){350, 1600000000};
	keeps->points[1] = (BbPoint){399, 1600000100};
	keeps->origin = 4711;
	keeps->copy = (BbCopyMark){"s3://bucket/prod", 77, 1700000004};
	keeps->nretired = 2;
	keeps->retired = palloc(3 * sizeof(BbRetired));
	keeps->retired[0] = (BbRetired){some_layer(100, 200, 2), 1700000002};
	keeps->retired[1] = (BbRetired){some_layer(200, 400, 3), 1700000003};
	manifest->gaps_forgotten = true; /* as every manifest of version 3 */
	return manifest;
}

static BbManifest *
decode(const BbManifest *manifest, StringInfo bytes)
{
	const char *error = NULL;
	BbManifest *again;

	initStringInfo(bytes);
	bb_manifest_encode(manifest, bytes);
	again = bb_manifest_decode(bytes->data, bytes->len, &error);
	CHECK((again != NULL) == (error == NULL));
	return again;
}

/* "version": of the manifest, 3 or 4 */
static void
check_roundtrip(BbManifest *manifest, uint32 version)
{
	const BbKeeps *keeps = &manifest->keeps;
	StringInfoData buf;
	StringInfoData buf2;
	BbManifest *again = decode(manifest, &buf);

	CHECK(again != NULL && bb_get_le32((uint8 *) buf.data + 8) == version);
	CHECK(again->gaps_forgotten == manifest->gaps_forgotten);
	CHECK(bb_retention_equal(&again->keeps.retention, &keeps->retention));
	CHECK(again->keeps.npins == 2 && again->keeps.npoints == 2);
	CHECK(bb_keeps_has_pin(&again->keeps, &keeps->pins[0]));
	CHECK(bb_keeps_has_pin(&again->keeps, &keeps->pins[1]));
	CHECK(memcmp(again->keeps.points, keeps->points, 2 * sizeof(BbPoint)) ==
		  0);
	CHECK(again->keeps.nretired == 2 && again->keeps.origin == 4711);
	CHECK(strcmp(again->keeps.copy.source, "s3://bucket/prod") == 0);
	CHECK(again->keeps.copy.generation == 77);
	CHECK(again->keeps.copy.copied_at == 1700000004);
	for (int i = 0; i < 2; i++)
	{
		CHECK(again->keeps.retired[i].since == 1700000002 + i);
		CHECK(again->keeps.retired[i].layer.file_id == 2 + i);
		CHECK(again->keeps.retired[i].layer.lsn_end == 200 * (i + 1));
		CHECK(again->keeps.retired[i].layer.newest_commit ==
			  keeps->retired[i].layer.newest_commit);
	}
	CHECK(again->nlayers == 1 && again->layers[0].file_id == 1);
	CHECK(again->layers[0].newest_commit == manifest->layers[0].newest_commit);
	CHECK(decode(again, &buf2) != NULL);
	CHECK(buf.len == buf2.len && memcmp(buf.data, buf2.data, buf.len) == 0);

	for (int at = 0; at < buf.len; at++)
	{
		const char *error;

		buf.data[at] ^= 1 << at % 8;
		CHECK(bb_manifest_decode(buf.data, buf.len, &error) == NULL);
		buf.data[at] ^= 1 << at % 8;
		CHECK(bb_manifest_decode(buf.data, at, &error) == NULL);
	}
}

UNIT_TEST(keeps_roundtrip)
{
	check_roundtrip(keeping_manifest(), 3);
}

UNIT_TEST(commits_roundtrip)
{
	for (int i = 0; i < 4; i++)
	{
		BbManifest *manifest = keeping_manifest();

		if (i == 1)
			manifest->layers[0].newest_commit = INT64CONST(754321098765432);
		if (i == 2)
			manifest->keeps.retired[1].layer.newest_commit = BB_COMMIT_NONE;
		manifest->gaps_forgotten = i != 3;
		check_roundtrip(manifest, i == 0 ? 3 : 4);
	}
}

/* Each thing that version 4 adds makes a manifest one of it. */
UNIT_TEST(commits_make_version_4)
{
	for (int i = 0; i < 3; i++)
	{
		BbManifest *manifest = keeping_manifest();
		BbManifest *again;
		StringInfoData buf;

		manifest->keeps = (BbKeeps){0};
		manifest->gaps_forgotten = i == 1;
		if (i == 2)
			manifest->layers[0].newest_commit = BB_COMMIT_NONE;
		again = decode(manifest, &buf);
		CHECK(again != NULL);
		CHECK(bb_get_le32((uint8 *) buf.data + 8) == (i == 0 ? 1 : 4));
		CHECK(again->gaps_forgotten == manifest->gaps_forgotten);
		CHECK(again->layers[0].newest_commit ==
			  manifest->layers[0].newest_commit);
	}
}

/* Bytes of version 4, changed, with a correct checksum. */
static bool
changed_decodes(int back, uint8 value)
{
	BbManifest *manifest = keeping_manifest();
	StringInfoData buf;
	const char *error;
	pg_crc32c	crc;

	manifest->layers[0].newest_commit = 1;
	CHECK(decode(manifest, &buf) != NULL);
	buf.data[buf.len - back] = (char) value;
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, buf.data, buf.len - 4);
	FIN_CRC32C(crc);
	bb_put_le32((uint8 *) buf.data + buf.len - 4, crc);
	return bb_manifest_decode(buf.data, buf.len, &error) != NULL;
}

UNIT_TEST(commits_have_one_form)
{
	/* at the end: the mark, 4 bytes, a layer, its newest commit, the CRC */
	int			commit = 4 + 8;
	int			mark = 4 + 89 + 4 + 1;

	CHECK(changed_decodes(mark, 1) && changed_decodes(mark, 0));
	CHECK(!changed_decodes(mark, 2) && !changed_decodes(mark, 255));
	CHECK(changed_decodes(commit, 2));
	/* this is one of version 3 */
	CHECK(!changed_decodes(commit, 0));
	/* before 4714 BC */
	CHECK(!changed_decodes(commit - 7, 0x80));
}

/* Each thing that is kept makes a manifest one of version 3, and no other. */
UNIT_TEST(keeps_make_version_3)
{
	for (int i = 0; i < 7; i++)
	{
		BbManifest *manifest = keeping_manifest();
		BbKeeps		all = manifest->keeps;
		BbKeeps	   *keeps = &manifest->keeps;
		StringInfoData buf;

		/* padding doesn't count */
		memset(&keeps->retention, 0x7f, sizeof(BbRetention));
		keeps->retention.window_s = keeps->retention.floor_s = 0;
		keeps->retention.hourly = keeps->retention.daily = 0;
		keeps->retention.weekly = keeps->retention.monthly = 0;
		keeps->retention.yearly = i == 1 ? 1 : 0;
		keeps->npins = i == 2 ? all.npins : 0;
		keeps->npoints = i == 3 ? all.npoints : 0;
		keeps->nretired = i == 4 ? all.nretired : 0;
		keeps->origin = i == 5 ? all.origin : 0;
		keeps->copy = i == 6 ? all.copy : (BbCopyMark){0};
		manifest->gaps_forgotten = i > 0;
		CHECK(decode(manifest, &buf) != NULL);
		CHECK(bb_get_le32((uint8 *) buf.data + 8) == (i == 0 ? 1 : 3));
	}
}

/* Change one fact, with a correct checksum. */
#define CHECK_FACT(good, change)                                             \
	do                                                                       \
	{                                                                        \
		BbManifest *m = keeping_manifest();                                  \
		BbKeeps	   *k = &m->keeps;                                           \
		StringInfoData bytes_;                                               \
                                                                             \
		change;                                                              \
		(void) k;                                                            \
		if ((decode(m, &bytes_) != NULL) != (good))                          \
			elog(ERROR, "%s: %s", #change,         \
				 (good) ? "refused" : "believed"); \
	} while (0)

static char *
text_of_length(int length)
{
	char	   *text = palloc0(length + 1);

	memset(text, 'x', length);
	return text;
}

UNIT_TEST(keeps_are_checked)
{
	CHECK_FACT(true, (void) m);
	CHECK_FACT(true, k->retention.window_s = 0);
	CHECK_FACT(false, k->retention.window_s = -1);
	CHECK_FACT(false, k->retention.floor_s = PG_INT64_MAX);
	CHECK_FACT(true, k->retention.hourly = BB_RETENTION_POINTS_MAX);
	CHECK_FACT(false, k->retention.hourly = BB_RETENTION_POINTS_MAX + 1);
	CHECK_FACT(false, k->retention.daily = PG_UINT32_MAX);
	CHECK_FACT(false, k->retention.weekly = PG_UINT32_MAX);
	CHECK_FACT(false, k->retention.monthly = PG_UINT32_MAX);
	CHECK_FACT(false, k->retention.yearly = PG_UINT32_MAX);

	CHECK_FACT(true, k->pins[0].name = text_of_length(63); k->npins = 1);
	CHECK_FACT(false, k->pins[0].name = text_of_length(64); k->npins = 1);
	CHECK_FACT(false, k->pins[0].name = pstrdup(""));
	CHECK_FACT(false, k->pins[0].name = pstrdup("../x"));
	CHECK_FACT(false, k->pins[0].name = pstrdup("release-7"));
	CHECK_FACT(false, k->pins[0].name = pstrdup("s"));
	CHECK_FACT(false, k->pins[0].lsn = 0);
	CHECK_FACT(true, k->pins[0].lsn = 5000);
	CHECK_FACT(true, k->pins[0].reason = text_of_length(BB_PIN_REASON_MAX));
	CHECK_FACT(false,
			   k->pins[0].reason = text_of_length(BB_PIN_REASON_MAX + 1));
	CHECK_FACT(true, k->pins[0].owner = text_of_length(BB_PIN_OWNER_MAX));
	CHECK_FACT(false, k->pins[0].owner = text_of_length(BB_PIN_OWNER_MAX + 1));
	CHECK_FACT(false, k->pins[0].created_at = -1);
	CHECK_FACT(false, k->pins[0].expires_at = PG_INT64_MAX);

	CHECK_FACT(false, k->points[0].lsn = 0);
	CHECK_FACT(false, k->points[0].lsn = 399);
	CHECK_FACT(false, k->points[1].lsn = 400);
	CHECK_FACT(false, k->points[1].lsn = 349);
	CHECK_FACT(false, k->points[0].time = -1);
	CHECK_FACT(false, m->start_lsn = 399);

	CHECK_FACT(true, k->copy = (BbCopyMark){0});
	CHECK_FACT(true, k->copy.source = text_of_length(BB_COPY_SOURCE_MAX));
	CHECK_FACT(false, k->copy.source = text_of_length(BB_COPY_SOURCE_MAX + 1));
	CHECK_FACT(false, k->copy.source = NULL);
	CHECK_FACT(false, k->copy.generation = 0);
	CHECK_FACT(false, k->copy.copied_at = -1);

	CHECK_FACT(false, k->retired[0].since = -1);
	CHECK_FACT(false, k->retired[0].layer.size = 0);
	CHECK_FACT(false, k->retired[0].layer.lsn_end = 100);
	/* the end was moved back */
	CHECK_FACT(true, k->retired[0].layer.lsn_end = 2000);
	CHECK_FACT(false, k->retired[1].layer = k->retired[0].layer);
	CHECK_FACT(false, k->retired[1].layer = m->layers[0]);
	CHECK_FACT(true, k->retired[1].layer.file_id = 1 + BB_LAYERSET_BITS);

	CHECK_FACT(true, m->layers[0].newest_commit = BB_COMMIT_NONE);
	CHECK_FACT(true, m->layers[0].newest_commit = MIN_TIMESTAMP);
	CHECK_FACT(false, m->layers[0].newest_commit = MIN_TIMESTAMP - 1);
	CHECK_FACT(true, m->layers[0].newest_commit = END_TIMESTAMP - 1);
	CHECK_FACT(false, m->layers[0].newest_commit = END_TIMESTAMP);
	CHECK_FACT(false, m->layers[0].newest_commit = DT_NOEND);
	CHECK_FACT(false, k->retired[1].layer.newest_commit = END_TIMESTAMP);
}

UNIT_TEST(keeps_are_looked_up)
{
	BbManifest *manifest = keeping_manifest();
	BbGap		gaps[] = {{.from = 500, .until = 600},
						  {.from = 900, .until = BB_LSN_UNKNOWN}};
	const BbKeeps *keeps = &manifest->keeps;
	BbPin		pin = keeps->pins[1];

	CHECK(bb_keeps_find_pin(keeps, "before") == 0);
	CHECK(bb_keeps_find_pin(keeps, "release-7") == 1);
	CHECK(bb_keeps_find_pin(keeps, "release") < 0);
	CHECK(bb_keeps_has_pin(keeps, &pin));
	pin.expires_at = 0;
	CHECK(!bb_keeps_has_pin(keeps, &pin));
	CHECK(bb_keeps_has_point(keeps, 350) && bb_keeps_has_point(keeps, 399));
	CHECK(!bb_keeps_has_point(keeps, 349) && !bb_keeps_has_point(keeps, 351));
	CHECK(!bb_keeps_has_point(keeps, 400));

	CHECK(bb_manifest_has_lsn(manifest, 350));
	CHECK(!bb_manifest_has_lsn(manifest, 351));
	CHECK(bb_manifest_has_lsn(manifest, 400));
	CHECK(bb_manifest_has_lsn(manifest, 1000));
	CHECK(!bb_manifest_has_lsn(manifest, 1001));
	manifest->ngaps = 2;
	manifest->gaps = gaps;
	CHECK(bb_manifest_has_lsn(manifest, 500));
	CHECK(!bb_manifest_has_lsn(manifest, 501));
	CHECK(bb_manifest_has_lsn(manifest, 900));
	CHECK(!bb_manifest_has_lsn(manifest, 901));
	/* what readers see has the points, too */
	CHECK(bb_manifest_readable(manifest).keeps.npoints == 2);
}

/* ---- edits ---- */

/* The kinds of edits; each has its base's layers, pins and gaps. */
typedef enum Kind
{
	INTAKE, /* the end moves from 1000 to 2000 */
	REBASE, /* the same, with a second gap that is open */
	MERGE,	/* a layer of 100-1000 in place of both; they are retired */
	RETIRE, /* the layer of 100-500 is retired */
	FORGET, /* the retired layer is forgotten */
	EXPIRE, /* the start moves to 450, the point 250 stays; a gap ends there */
	RETENTION,
	PIN,	 /* "new" at 600 */
	PIN_OLD, /* "ancient" at 200, which EXPIRE gives up */
	REPLACE, /* "old" expires */
	UNPIN,	 /* "old" */
	NKINDS
} Kind;

static const BbGap first_gap = {300, 290, 7, 400, 8};

/* LSNs 100 to 1000, a gap, a pin, and layers in use and retired. */
static BbManifest *
make_timeline(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbManifest	manifest = model_manifest("main");
	BbPin		pin = {"old", 250, "why", "me", 1700000000, 0, 0};
	BbGap		gap = first_gap;
	BbRetired	retired;
	BbManifestEdit edit = {.base = &manifest};

	manifest.keeps.retention.window_s = 86400;
	manifest.keeps.npins = 1;
	manifest.keeps.pins = &pin;
	manifest.ngaps = 1;
	manifest.gaps = &gap;
	retired.layer = *model_write_delta(ctx, objects, "main", 100, 900);
	retired.since = 1700000000;
	manifest.keeps.nretired = 1;
	manifest.keeps.retired = &retired;
	edit.added = list_make2(model_write_delta(ctx, objects, "main", 100, 500),
							model_write_delta(ctx, objects, "main", 500,
											  1000));
	return bb_manifest_edit(ctx, objects, &edit);
}

static BbManifestEdit *
edit_of(const BbReqCtx *ctx, BbObjectStore *objects, const BbManifest *base,
		Kind kind)
{
	BbManifestEdit *edit = palloc0(sizeof(BbManifestEdit));
	BbManifestEnd *end = palloc0(sizeof(BbManifestEnd));
	BbManifestGaps *gaps = palloc0(sizeof(BbManifestGaps));
	BbManifestPoints *points = palloc0(sizeof(BbManifestPoints));
	BbRetention *retention = palloc0(sizeof(BbRetention));
	BbPin	   *pin = palloc0(sizeof(BbPin));

	edit->base = base;
	*pin = (BbPin){"old", 250, "", "me", 1700000009, 1800000000, 0};
	switch (kind)
	{
		case REBASE:
			gaps->n = 2;
			gaps->gaps = palloc(2 * sizeof(BbGap));
			gaps->gaps[0] = first_gap;
			gaps->gaps[1] = (BbGap){.from = 1000, .until = BB_LSN_UNKNOWN};
			edit->gaps = gaps;
			pg_fallthrough;
		case INTAKE:
			*end = (BbManifestEnd){.end_lsn = 2000,
								   .prev_lsn = 1992,
								   .tli = 1};
			edit->end = end;
			edit->added = list_make1(
				model_write_delta(ctx, objects, "main", 1000, 2000));
			break;
		case MERGE:
			edit->added = list_make1(
				model_write_delta(ctx, objects, "main", 100, 1000));
			edit->removed = list_make2(&base->layers[0], &base->layers[1]);
			edit->retired_at = 1700000100;
			break;
		case RETIRE:
			edit->removed = list_make1(&base->layers[0]);
			edit->retired_at = 1700000200;
			break;
		case FORGET:
			edit->forgotten = list_make1(&base->keeps.retired[0].layer);
			break;
		case EXPIRE:
			edit->start_lsn = 450;
			points->n = 1;
			points->points = palloc(sizeof(BbPoint));
			points->points[0] = (BbPoint){250, 6};
			edit->points = points;
			break;
		case RETENTION:
			retention->window_s = 2 * 86400;
			retention->daily = 30;
			edit->retention = retention;
			break;
		case PIN:
			pin->name = "new";
			pin->lsn = 600;
			edit->pinned = pin;
			break;
		case PIN_OLD:
			pin->name = "ancient";
			pin->lsn = 200;
			edit->pinned = pin;
			break;
		case REPLACE:
			edit->pinned = pin;
			break;
		case UNPIN:
			edit->unpinned = "old";
			break;
		case NKINDS:
			break;
	}
	return edit;
}

static bool
retired_at(const BbManifest *manifest, const BbLayerDesc *layer, int64 since)
{
	for (int i = 0; i < manifest->keeps.nretired; i++)
		if (manifest->keeps.retired[i].layer.file_id == layer->file_id)
			return manifest->keeps.retired[i].since == since;
	return false;
}

static bool
names(const BbManifest *manifest, const BbLayerDesc *layer)
{
	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].file_id == layer->file_id)
			return true;
	return false;
}

/* Does a layer begin at or before an LSN? */
static bool
reaches(const BbManifest *manifest, XLogRecPtr lsn)
{
	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].lsn_start <= lsn)
			return true;
	return false;
}

/* Does a manifest have what an edit asks for, and nothing of it if not done? */
static void
check_edit(const BbManifest *m, const BbManifest *base,
		   const BbManifestEdit *edit, Kind kind, bool done)
{
	const BbKeeps *keeps = &m->keeps;
	int			old = bb_keeps_find_pin(keeps, "old");
	ListCell   *cell;

	foreach(cell, edit->added)
		CHECK(names(m, lfirst(cell)) == done);
	if (done)
		foreach(cell, edit->removed)
		{
			CHECK(!names(m, lfirst(cell)));
			CHECK(retired_at(m, lfirst(cell), edit->retired_at));
		}
	switch (kind)
	{
		case REBASE:
			CHECK(bb_manifest_gap_open(m) == done);
			CHECK(!done || m->end_lsn == 2000);
			break;
		case INTAKE:
			CHECK(!done || m->end_lsn == 2000);
			break;
		case FORGET:
			CHECK(done !=
				  retired_at(m, &base->keeps.retired[0].layer, 1700000000));
			break;
		case EXPIRE:
			CHECK(m->start_lsn == (done ? 450 : 100));
			CHECK(bb_keeps_has_point(keeps, 250) == done);
			CHECK((m->ngaps > 0 && m->gaps[0].from == 300) ==
				  (!done || reaches(m, first_gap.until)));
			break;
		case RETENTION:
			CHECK(keeps->retention.daily == (done ? 30 : 0));
			CHECK(keeps->retention.window_s == (done ? 2 : 1) * 86400);
			break;
		case PIN:
		case PIN_OLD:
			CHECK((bb_keeps_find_pin(keeps, edit->pinned->name) >= 0) == done);
			break;
		case REPLACE:
			CHECK(old < 0 ||
				  keeps->pins[old].expires_at == (done ? 1800000000 : 0));
			break;
		case UNPIN:
			break;
		case MERGE:
		case RETIRE:
		case NKINDS:
			break;
	}
}

/* May the second edit be committed after the first one, with the same base? */
static bool
conflict(Kind first, Kind second)
{
	bool		ends = first == INTAKE || first == REBASE;
	bool		removes = first == MERGE || first == RETIRE;

	if (ends && (second == INTAKE || second == REBASE))
		return true;
	if (removes && (second == MERGE || second == RETIRE))
		return true;
	if (first == EXPIRE && second == PIN_OLD)
		return true;
	return second == EXPIRE &&
		(first == RETENTION || first == PIN || first == PIN_OLD ||
		 first == REPLACE);
}

/* Two writers that read the same manifest, each pair of edits. */
static void
commit_both(const BbReqCtx *ctx, Kind first, Kind second)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbManifestEdit *a = edit_of(ctx, objects, base, first);
	BbManifestEdit *b = edit_of(ctx, objects, base, second);
	BbManifest *now = bb_manifest_edit(ctx, objects, a);
	bool		refused = conflict(first, second);
	int			old;

	check_edit(base, base, a, first, false);
	check_edit(now, base, a, first, true);
	if (refused)
		CHECK_ERROR(bb_manifest_edit(ctx, objects, b),
					second == PIN_OLD
						? ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE
						: ERRCODE_OBJECT_IN_USE);
	else
		now = bb_manifest_edit(ctx, objects, b);
	CHECK(now->generation == (refused ? 2 : 3));
	now = bb_manifest_read(ctx, objects, "main");
	if (!(first == REPLACE && second == UNPIN) &&
		!(first == UNPIN && second == REPLACE))
		check_edit(now, base, a, first, true);
	if (first != second &&
		!(refused && (first == MERGE || first == INTAKE || first == REBASE)))
		check_edit(now, base, b, second, !refused);
	old = bb_keeps_find_pin(&now->keeps, "old");
	CHECK((old < 0) ==
		  (second == UNPIN || (first == UNPIN && second != REPLACE)));
	for (int i = 1; i < now->keeps.npins; i++)
		CHECK(strcmp(now->keeps.pins[i - 1].name, now->keeps.pins[i].name) <
			  0);
}

UNIT_TEST(keeps_edits_of_two_writers)
{
	for (int first = 0; first < NKINDS; first++)
		for (int second = 0; second < NKINDS; second++)
			if (first != second)
			{
				MemoryContext context = unit_enter();

				commit_both(ctx, first, second);
				unit_leave(context);
			}
}

static const BbObjectStoreOps *real_ops;
static int	nputs;

static bool
put_without_answer(const BbReqCtx *ctx, BbObjectStore *objects,
				   const char *name, const void *data, size_t length,
				   BbObjectTag expected, BbObjectTag *tag)
{
	nputs++;
	(void) real_ops->put_if(ctx, objects, name, data, length, expected, tag);
	return false;
}

/*
 * An answer that is lost, as on S3: the edit is done once.  Done by another writer
 * in the same way, it is done as well, unless it adds layers.
 */
UNIT_TEST(keeps_edit_without_answer)
{
	for (Kind kind = 0; kind < NKINDS; kind++)
	{
		MemoryContext context = unit_enter();
		BbObjectStore *objects = unit_store(ctx);
		BbManifest *base = make_timeline(ctx, objects);
		BbManifestEdit *edit = edit_of(ctx, objects, base, kind);
		BbObjectStoreOps ops = *objects->ops;
		BbManifest *now;

		real_ops = objects->ops;
		ops.put_if = put_without_answer;
		objects->ops = &ops;
		nputs = 0;
		now = bb_manifest_edit(ctx, objects, edit);
		objects->ops = real_ops;
		CHECK(nputs == 1 && now->generation == 2);
		CHECK(now->tag == bb_manifest_read(ctx, objects, "main")->tag);
		check_edit(now, base, edit, kind, true);
		CHECK(bb_manifest_edit(ctx, objects, edit)->generation == 2);
		unit_leave(context);
	}
}

/* Without an answer, a merge is known by its layers, even if merged again. */
UNIT_TEST(keeps_merge_of_a_merge)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbManifestEdit *edit = edit_of(ctx, objects, base, MERGE);
	BbManifestEdit again = {.retired_at = 1700000300};
	BbManifest *now = bb_manifest_edit(ctx, objects, edit);

	again.base = now;
	again.added = list_make1(
		model_write_delta(ctx, objects, "main", 100, 1000));
	again.removed = list_make1(&now->layers[0]);
	now = bb_manifest_edit(ctx, objects, &again);
	CHECK(now->generation == 3 && now->keeps.nretired == 4);
	now = bb_manifest_edit(ctx, objects, edit);
	CHECK(now->generation == 3 && now->nlayers == 1);
}

UNIT_TEST(keeps_unpin_of_nothing)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifestEdit edit = {.unpinned = "missing"};
	BbManifest *now = make_timeline(ctx, objects);

	edit.base = now;
	CHECK_ERROR(bb_manifest_edit(ctx, objects, &edit),
				ERRCODE_UNDEFINED_OBJECT);

	/* another name for a pin, in one edit */
	edit.pinned = &(BbPin){"a", 250, "", "me", 1700000009, 0, 0};
	edit.unpinned = "old";
	now = bb_manifest_edit(ctx, objects, &edit);
	CHECK(now->keeps.npins == 1 && strcmp(now->keeps.pins[0].name, "a") == 0);
	CHECK(now->keeps.pins[0].name != edit.pinned->name);
}

/* Expired pins are known to a writer that gives up their LSNs, renewed ones aren't. */
UNIT_TEST(keeps_expire_beside_a_renewed_pin)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbManifestPoints none = {0, NULL};
	BbManifestEdit expire = {.start_lsn = 450, .points = &none};
	BbManifestEdit *renew = edit_of(ctx, objects, base, REPLACE);
	BbManifestEdit *intake = edit_of(ctx, objects, base, INTAKE);

	expire.base = base;
	(void) bb_manifest_edit(ctx, objects, renew);
	CHECK_ERROR(bb_manifest_edit(ctx, objects, &expire),
				ERRCODE_OBJECT_IN_USE);
	CHECK(strstr(unit_last_detail, "Its pin \"old\" was set") != NULL);
	expire.base = bb_manifest_read(ctx, objects, "main");
	(void) bb_manifest_edit(ctx, objects, intake);
	CHECK(bb_manifest_edit(ctx, objects, &expire)->start_lsn == 450);
}

/* Nothing is retired yet, and the retention is taken back. */
UNIT_TEST(keeps_say_that_the_start_has_moved)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = model_manifest("main");
	BbManifestPoints none = {0, NULL};
	BbManifestEdit edit = {.base = &manifest};
	BbManifest *now;

	edit.added = list_make1(
		model_write_delta(ctx, objects, "main", 100, 1000));
	now = bb_manifest_edit(ctx, objects, &edit);
	CHECK(bb_keeps_empty(&now->keeps));
	CHECK(!now->gaps_forgotten);
	edit = (BbManifestEdit){.base = now, .start_lsn = 500, .points = &none};
	(void) bb_manifest_edit(ctx, objects, &edit);
	CHECK(!bb_keeps_empty(&bb_manifest_read(ctx, objects, "main")->keeps));
}

/* A writer that has compared the manifest puts its own before it is removed. */
UNIT_TEST(manifest_is_not_removed_within_a_put)
{
	BbObjectStore *objects = unit_store(ctx);
	BbReqCtx	late = *ctx;
	MemoryContext put;
	MemoryContext old;

	(void) make_timeline(ctx, objects);
	put = AllocSetContextCreate(CurrentMemoryContext, "put",
								ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(put);
	CHECK(bb_objstore_lock(ctx, objects, "timelines/main/manifest"));
	MemoryContextSwitchTo(old);
	late.deadline = GetCurrentTimestamp() + 50 * 1000;
	CHECK_ERROR(bb_manifest_remove(&late, objects, "main"),
				ERRCODE_QUERY_CANCELED);
	CHECK(bb_manifest_find(ctx, objects, "main") != NULL);
	MemoryContextDelete(put);
	bb_manifest_remove(ctx, objects, "main");
	CHECK(bb_manifest_find(ctx, objects, "main") == NULL);
}

/* The LSN was looked up before the start moved. */
UNIT_TEST(branch_of_what_has_expired)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbManifestEdit *edit = edit_of(ctx, objects, base, EXPIRE);
	XLogRecPtr	start = bb_manifest_edit(ctx, objects, edit)->start_lsn;

	CHECK_ERROR(bb_timeline_branch(ctx, objects, "branch", "main", start - 1),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK(bb_manifest_find(ctx, objects, "branch") == NULL);
}

UNIT_TEST(keeps_of_a_branch)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbManifestEdit *edit = edit_of(ctx, objects, base, EXPIRE);
	BbManifest *branch;

	edit->retention = &(BbRetention){.window_s = 5, .daily = 7};
	(void) bb_manifest_edit(ctx, objects, edit);
	bb_timeline_branch(ctx, objects, "branch", "main", 1000);
	branch = bb_manifest_read(ctx, objects, "branch");
	CHECK(bb_retention_equal(&branch->keeps.retention, edit->retention));
	CHECK(branch->keeps.npins == 0 && branch->keeps.npoints == 0);
	CHECK(branch->keeps.nretired == 0);
}
