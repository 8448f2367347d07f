/*-------------------------------------------------------------------------
 *
 * manifest_keeps.c
 *	  What a timeline keeps, and what it has given up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "layer/manifest_values.h"

bool
bb_keeps_empty(const BbKeeps *keeps)
{
	const BbRetention none = {0};

	return keeps->origin == 0 &&
		memcmp(&keeps->retention, &none, sizeof(none)) == 0 &&
		keeps->npins == 0 && keeps->npoints == 0 && keeps->nretired == 0 &&
		keeps->copy.source == NULL;
}

int
bb_keeps_find_pin(const BbKeeps *keeps, const char *name)
{
	for (int i = 0; i < keeps->npins; i++)
		if (strcmp(keeps->pins[i].name, name) == 0)
			return i;
	return -1;
}

bool
bb_keeps_has_point(const BbKeeps *keeps, XLogRecPtr lsn)
{
	for (int i = 0; i < keeps->npoints; i++)
		if (keeps->points[i].lsn == lsn)
			return true;
	return false;
}

uint64
bb_manifest_origin(const BbManifest *manifest)
{
	XLogRecPtr	oldest = BB_LSN_UNKNOWN;
	uint64		origin = 0;

	if (manifest->keeps.origin != 0)
		return manifest->keeps.origin;
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		if (layer->lsn_start > oldest)
			continue;
		if (layer->lsn_start < oldest)
			origin = 0;
		oldest = layer->lsn_start;
		/* a sum, since the order of layers doesn't matter */
		origin += hash_bytes_extended((const uint8 *) &layer->file_id,
									  sizeof(uint64), layer->crc);
	}
	return origin;
}
