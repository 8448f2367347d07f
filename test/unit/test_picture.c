/*-------------------------------------------------------------------------
 *
 * test_picture.c
 *	  Pictures of timelines: depth, boxes, text, bounds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "model.h"
#include "upkeep/picture_internal.h"
#include "utils/memutils.h"

static BbKey
random_key(pg_prng_state *random)
{
	int			n = (int) pg_prng_uint64_range(random, 0, 9);

	if (n == 0)
		return (BbKey){{0}};
	if (n == 1)
		return (BbKey){{0xFF}};
	if (n == 2)
		return bb_key_make(BB_KEY_SLRU_BLOCK, 0, 0,
						   (uint32) pg_prng_uint64_range(random, 0, 3), 0, 0);
	return bb_key_rel_block(1663, 5,
							(Oid) pg_prng_uint64_range(random, 1000, 1003), 0,
							(uint32) pg_prng_uint64_range(random, 0, 40));
}

static BbLayerDesc
random_layer(pg_prng_state *random, XLogRecPtr end)
{
	BbLayerDesc layer = {.size = pg_prng_uint64_range(random, 1000, 1 << 30),
						 .entries = 10,
						 .file_id = pg_prng_uint64(random),
						 .image = pg_prng_uint64_range(random, 0, 3) == 0};
	BbKey		a = random_key(random);
	BbKey		b = random_key(random);

	while (bb_key_compare(&a, &b) == 0)
		b = random_key(random);
	layer.keys.start = bb_key_compare(&a, &b) < 0 ? a : b;
	layer.keys.end = bb_key_compare(&a, &b) < 0 ? b : a;
	layer.lsn_start = pg_prng_uint64_range(random, 1, end);
	layer.lsn_end = layer.image
		? layer.lsn_start + 1
		: pg_prng_uint64_range(random, layer.lsn_start + 1, end + 1);
	return layer;
}

static BbManifest
random_manifest(pg_prng_state *random, int nlayers, XLogRecPtr end)
{
	BbManifest	manifest = model_manifest("main");

	manifest.start_lsn = pg_prng_uint64_range(random, 1, end);
	manifest.end_lsn = end;
	manifest.nlayers = nlayers;
	manifest.layers = palloc((nlayers + 1) * sizeof(BbLayerDesc));
	for (int i = 0; i < nlayers; i++)
		manifest.layers[i] = random_layer(random, end);
	return manifest;
}

/* How many layers a read visits, found layer by layer. */
static int
depth_of(const BbManifest *manifest, const BbKey *key)
{
	const BbLayerDesc *image = NULL;
	int			depth = 0;

	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (layer->image && bb_key_in_range(key, &layer->keys) &&
			(image == NULL || layer->lsn_start > image->lsn_start))
			image = layer;
	}
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (!layer->image && bb_key_in_range(key, &layer->keys) &&
			(image == NULL || layer->lsn_end - 1 > image->lsn_start))
			depth++;
	}
	return depth + (image != NULL);
}

UNIT_TEST(picture_depth_is_that_of_a_read)
{
	pg_prng_state random;

	pg_prng_seed(&random, unit_seed());
	for (int round = 0; round < 100; round++)
	{
		BbManifest	manifest = random_manifest(&random, round % 40, 60);
		BbPictureKeys keys = bb_picture_keys(&manifest, NULL, 0);
		int		   *depth = bb_picture_depth(&manifest, &keys);

		for (int i = 0; i < keys.n - 1; i++)
		{
			CHECK(bb_key_compare(&keys.borders[i], &keys.borders[i + 1]) < 0);
			CHECK(keys.x[i] < keys.x[i + 1]);
			CHECK(depth[i] == depth_of(&manifest, &keys.borders[i]));
		}
		CHECK(keys.x[0] == 0 && keys.x[keys.n - 1] == 1);
	}
}

UNIT_TEST(picture_boxes_have_all_layers)
{
	pg_prng_state random;

	pg_prng_seed(&random, unit_seed());
	for (int round = 0; round < 4; round++)
	{
		BbManifest	manifest = random_manifest(&random, 5000, 1000000);
		BbPicture	picture = {.manifest = &manifest};
		BbPictureKeys keys = bb_picture_keys(&manifest, NULL, 0);
		BbPictureLsns lsns = bb_picture_lsns(&picture);
		int			n;
		BbPictureBox *boxes = bb_picture_boxes(ctx, &manifest, &keys, &lsns,
											   800, 500, 1000, &n);
		int			layers = 0;

		CHECK(n > 10 && n <= 1000);
		for (int i = 0; i < n; i++)
		{
			layers += boxes[i].layers;
			CHECK(boxes[i].x0 >= 0 && boxes[i].x0 < boxes[i].x1);
			CHECK(boxes[i].y0 >= 0 && boxes[i].y0 <= boxes[i].y1);
		}
		CHECK(layers == manifest.nlayers);
	}
}

UNIT_TEST(picture_is_bounded)
{
	pg_prng_state random;
	BbManifest	manifest;
	BbPicture	picture = {.manifest = &manifest};
	char	   *svg;

	pg_prng_seed(&random, unit_seed());
	manifest = random_manifest(&random, 100000, UINT64CONST(1) << 40);
	svg = bb_picture_svg(ctx, &picture);
	CHECK(strlen(svg) > 10000 && strlen(svg) < 2 * 1024 * 1024);
	CHECK(strncmp(svg, "<svg ", 5) == 0);
	CHECK(strcmp(svg + strlen(svg) - 7, "</svg>\n") == 0);
	CHECK(strcmp(svg, bb_picture_svg(ctx, &picture)) == 0);

	manifest = random_manifest(&random, 0, 7);
	svg = bb_picture_svg(ctx, &picture);
	CHECK(strstr(svg, "0 delta and 0 image layers") != NULL);
}

UNIT_TEST(picture_escapes_names)
{
	static const char *const cases[][2] = {
		{"<b a='1'>\"&", "&lt;b a=&#39;1&#39;&gt;&quot;&amp;"},
		{"a\nb\tc\x01\x7F", "a b c??"},
		{"\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x90\x98", "&#228; &#8364; &#128024;"},
		{"\xFF\xC3", "??"},				  /* no UTF-8; cut */
		{"\xED\xA0\x80", "???"},		  /* a surrogate */
		{"\xEF\xBF\xBF \xC2\x85", "? ?"}, /* no characters of XML */
		{"\xE2\x82", "??"},				  /* cut in the middle */
	};
	BbManifest	manifest = model_manifest("main");
	BbPin		pin = {"p", 500, "<script>alert(1)</script>\xFF", "a&b", 1,
					   0,	0};
	BbPicture	picture = {.manifest = &manifest};
	char	   *svg;

	for (int i = 0; i < lengthof(cases); i++)
	{
		StringInfoData buf;

		initStringInfo(&buf);
		bb_picture_escape(&buf, cases[i][0]);
		if (strcmp(buf.data, cases[i][1]) != 0)
			elog(ERROR, "case %d: \"%s\"", i, buf.data);
	}
	manifest.keeps.npins = 1;
	manifest.keeps.pins = &pin;
	svg = bb_picture_svg(ctx, &picture);
	CHECK(strstr(svg, "&lt;script&gt;alert(1)&lt;/script&gt;?") != NULL);
	CHECK(strstr(svg, "set by a&amp;b") != NULL);
	CHECK(strstr(svg, "<script") == NULL);
}

UNIT_TEST(picture_texts)
{
	CHECK(strcmp(bb_picture_bytes(1023), "1023 bytes") == 0);
	CHECK(strcmp(bb_picture_bytes(1536), "1.5 kB") == 0);
	CHECK(strcmp(bb_picture_bytes(UINT64CONST(20) << 30), "20 GB") == 0);
	CHECK(strcmp(bb_picture_bytes(PG_UINT64_MAX), "16 EB") == 0);
	CHECK(strcmp(bb_picture_time(1700000000), "2023-11-14 22:13:20") == 0);
}
