/*-------------------------------------------------------------------------
 *
 * manifest_check.c
 *	  Checks of the values in a manifest.
 *
 * A manifest's checksum shows a flipped bit, but not a forged value.  All
 * readers of a timeline calculate with these values, so they are checked once,
 * where a manifest is decoded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/clusterfile.h"
#include "common/file_perm.h"
#include "layer/filter.h"
#include "layer/manifest_codec.h"
#include "storage/bufpage.h"

/* No object is larger: 1 PB.  Sums of sizes then don't overflow. */
#define LAYER_MAX_SIZE (UINT64CONST(1) << 50)

static const char *
cluster_complaint(const BbManifest *manifest)
{
	uint32		major = manifest->pg_version_num / 10000;

	if (major < 10 || major > 99)
		return "The PostgreSQL version is impossible.";
	if (!IsValidWalSegSize(manifest->wal_segment_size))
		return "The WAL segment size is impossible.";
	if (manifest->data_checksum_version != 0 &&
		manifest->data_checksum_version != PG_DATA_CHECKSUM_VERSION)
		return "The version of data checksums is unknown.";
	if (manifest->directory_mode != PG_DIR_MODE_OWNER &&
		manifest->directory_mode != PG_DIR_MODE_GROUP)
		return "The permissions of the data directory are neither 0700 nor "
			   "0750.";
	if (!bb_time_is_valid(manifest->end_time))
		return "The time of the end is impossible.";
	return NULL;
}

/* As readTimeLineHistory in PostgreSQL's timeline.c. */
static const char *
switches_complaint(const BbManifest *manifest)
{
	TimeLineID	tli = 0;
	XLogRecPtr	until = 0;

	for (int i = 0; i < manifest->nswitches; i++)
	{
		const BbTliSwitch *tli_switch = &manifest->switches[i];

		if (tli_switch->tli <= tli)
			return "The timeline IDs do not rise.";
		if (tli_switch->until < until)
			return "The switches of timeline IDs are not in the order of "
				   "their LSNs.";
		tli = tli_switch->tli;
		until = tli_switch->until;
	}
	if (manifest->tli == 0)
		return "The timeline ID is 0.";
	if (manifest->tli <= tli)
		return "The timeline IDs do not rise.";
	if (until > manifest->end_lsn)
		return "A switch of timeline IDs is past the end.";
	return NULL;
}

static const char *
history_complaint(const BbManifest *manifest)
{
	XLogRecPtr	start = manifest->start_lsn;

	if (manifest->generation == 0)
		return "The generation is 0.";
	/* the start is past the end until an import is complete */
	if (XLogRecPtrIsInvalid(start))
		return "The start is 0.";
	if (XLogRecPtrIsInvalid(manifest->end_lsn) ||
		manifest->end_lsn == BB_LSN_UNKNOWN)
		return "The end is impossible.";
	if (!XLogRecPtrIsInvalid(manifest->prev_lsn) &&
		manifest->prev_lsn >= manifest->end_lsn)
		return "The last record does not begin before the end.";
	if (manifest->ancestor == NULL)
	{
		if (!XLogRecPtrIsInvalid(manifest->ancestor_lsn))
			return "There is an LSN of an ancestor, but no ancestor.";
	}
	else if (!bb_timeline_name_is_valid(manifest->ancestor))
		return "The name of the ancestor is invalid.";
	else if (strcmp(manifest->ancestor, manifest->timeline) == 0)
		return "The timeline is its own ancestor.";
	else if (XLogRecPtrIsInvalid(manifest->ancestor_lsn) ||
			 manifest->ancestor_lsn > start)
		return "The timeline does not begin where it parts from its "
			   "ancestor.";
	return NULL;
}

static const char *
layer_complaint(const BbManifest *manifest, const BbLayerDesc *layer)
{
	if (bb_key_compare(&layer->keys.start, &layer->keys.end) >= 0)
		return "The key range of a layer is empty.";
	if (layer->lsn_start >= layer->lsn_end ||
		layer->lsn_end - 1 > manifest->end_lsn)
		return "The LSN range of a layer is impossible.";
	if (layer->image && layer->lsn_end != layer->lsn_start + 1)
		return "An image layer has more than one LSN.";
	if (layer->size <
			BB_LAYER_HEADER_SIZE + BB_BLOCK_HEADER_SIZE + BB_FOOTER_SIZE ||
		layer->size > LAYER_MAX_SIZE)
		return "The size of a layer is impossible.";
	if (layer->entries == 0 || layer->entries > LAYER_MAX_SIZE)
		return "The number of entries of a layer is impossible.";
	return NULL;
}

const char *
bb_manifest_complaint(const BbManifest *manifest)
{
	const char *complaint = NULL;

	if (!bb_timeline_name_is_valid(manifest->timeline))
		return "The name of the timeline is invalid.";
	complaint = cluster_complaint(manifest);
	if (complaint == NULL)
		complaint = history_complaint(manifest);
	if (complaint == NULL)
		complaint = switches_complaint(manifest);
	for (int i = 0; complaint == NULL && i < manifest->nlayers; i++)
		complaint = layer_complaint(manifest, &manifest->layers[i]);
	return complaint;
}
