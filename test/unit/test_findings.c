/*-------------------------------------------------------------------------
 *
 * test_findings.c
 *	  What a finding says is lost: which keys, at which LSNs.
 *
 *	  LSN 250			  === image of relation 2 ===
 *	  201..300	----------------- newer -----------------
 *	  101..200	----------------- older -----------------
 *	  100		================= image =================
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "model.h"
#include "upkeep/findings.h"

enum
{
	IMAGE,
	OLDER,
	NEWER,
	PART,
	NLAYERS
};

static BbKey
first_of(Oid rel)
{
	return bb_key_rel_block(1663, 5, rel, MAIN_FORKNUM, 0);
}

static BbManifest
make_manifest(BbLayerDesc *layers, XLogRecPtr start_lsn)
{
	BbKeyRange	all = bb_key_range_all();
	BbKeyRange	part = {first_of(2), first_of(3)};

	memset(layers, 0, NLAYERS * sizeof(BbLayerDesc));
	layers[IMAGE] = (BbLayerDesc){.keys = all,
								  .lsn_start = 100,
								  .lsn_end = 101,
								  .image = true};
	layers[OLDER] = (BbLayerDesc){.keys = all,
								  .lsn_start = 101,
								  .lsn_end = 201};
	layers[NEWER] = (BbLayerDesc){.keys = all,
								  .lsn_start = 201,
								  .lsn_end = 301};
	layers[PART] = (BbLayerDesc){.keys = part,
								 .lsn_start = 250,
								 .lsn_end = 251,
								 .image = true};
	return (BbManifest){.timeline = "main",
						.start_lsn = start_lsn,
						.end_lsn = 300,
						.nlayers = NLAYERS,
						.layers = layers};
}

/* Check a finding: from the start of relation "from" (0: of all keys) on. */
static bool
is_finding(const List *findings, int i, Oid from, Oid until, XLogRecPtr lsn,
		   XLogRecPtr lsn_until)
{
	const BbFinding *finding = list_nth(findings, i);
	BbKeyRange	all = bb_key_range_all();
	BbKey		start = from == 0 ? all.start : first_of(from);
	BbKey		end = until == 0 ? all.end : first_of(until);

	return bb_key_compare(&finding->keys.start, &start) == 0 &&
		bb_key_compare(&finding->keys.end, &end) == 0 &&
		finding->lsn_from == lsn && finding->lsn_until == lsn_until;
}

static List *
find(const BbManifest *manifest, int layer)
{
	BbLayerFault fault = {.kind = BB_FAULT_MISSING,
						  .detail = "It is gone.",
						  .keys = manifest->layers[layer].keys};

	return bb_findings_of_fault(manifest, &manifest->layers[layer], &fault);
}

UNIT_TEST(findings_end_at_images)
{
	BbLayerDesc layers[NLAYERS];
	BbManifest	manifest = make_manifest(layers, 100);
	List	   *findings;

	for (int layer = IMAGE; layer <= OLDER; layer++)
	{
		XLogRecPtr	lsn = layers[layer].lsn_start;

		findings = find(&manifest, layer);
		CHECK(list_length(findings) == 3);
		CHECK(is_finding(findings, 0, 0, 2, lsn, InvalidXLogRecPtr));
		CHECK(is_finding(findings, 1, 2, 3, lsn, 250));
		CHECK(is_finding(findings, 2, 3, 0, lsn, InvalidXLogRecPtr));
	}

	/* the image in the midst of a delta layer doesn't have all its changes */
	findings = find(&manifest, NEWER);
	CHECK(list_length(findings) == 1);
	CHECK(is_finding(findings, 0, 0, 0, 201, InvalidXLogRecPtr));

	findings = find(&manifest, PART);
	CHECK(list_length(findings) == 1);
	CHECK(is_finding(findings, 0, 2, 3, 250, InvalidXLogRecPtr));
}

UNIT_TEST(findings_begin_where_reads_do)
{
	BbLayerDesc layers[NLAYERS];
	BbManifest	manifest = make_manifest(layers, 260);
	BbPoint		point = {.lsn = 150};
	List	   *findings = find(&manifest, OLDER);

	/* nobody reads relation 2 below the image any more */
	CHECK(list_length(findings) == 2);
	CHECK(is_finding(findings, 0, 0, 2, 260, InvalidXLogRecPtr));
	CHECK(is_finding(findings, 1, 3, 0, 260, InvalidXLogRecPtr));

	/* but at a point */
	manifest.keeps.npoints = 1;
	manifest.keeps.points = &point;
	findings = find(&manifest, OLDER);
	CHECK(list_length(findings) == 3);
	CHECK(is_finding(findings, 1, 2, 3, 150, 250));
}

/* ---- the check of a layer ---- */

static void
no_pace(const BbReqCtx *ctx)
{
}

/* The kind of the only fault of a layer; -1: there is none. */
static int
fault_of(const BbReqCtx *ctx, BbObjectStore *objects, BbLayerDesc desc)
{
	List	   *faults = bb_layer_check(ctx, objects, "main", &desc, no_pace);

	CHECK(list_length(faults) <= 1);
	return faults == NIL ? -1
						 : (int) ((BbLayerFault *) linitial(faults))->kind;
}

/* A layer whose checksums are right, but that isn't the manifest's. */
UNIT_TEST(layer_check_against_the_manifest)
{
	BbObjectStore *objects = unit_store(ctx);
	BbLayerDesc layer = *model_write_delta(ctx, objects, "main", 100, 500);
	BbLayerDesc wrong;

	CHECK(fault_of(ctx, objects, layer) == -1);
	wrong = layer;
	wrong.crc ^= 1;
	CHECK(fault_of(ctx, objects, wrong) == BB_FAULT_CHECKSUM);
	wrong = layer;
	wrong.entries++;
	CHECK(fault_of(ctx, objects, wrong) == BB_FAULT_FOOTER);
	wrong = layer;
	wrong.size--;
	CHECK(fault_of(ctx, objects, wrong) == BB_FAULT_SIZE);
	bb_objstore_remove(ctx, objects, bb_layer_object_name("main", &layer));
	CHECK(fault_of(ctx, objects, layer) == BB_FAULT_MISSING);
}
