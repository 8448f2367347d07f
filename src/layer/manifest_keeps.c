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
bb_retention_equal(const BbRetention *a, const BbRetention *b)
{
	return a->window_s == b->window_s && a->floor_s == b->floor_s &&
		a->hourly == b->hourly && a->daily == b->daily &&
		a->weekly == b->weekly && a->monthly == b->monthly &&
		a->yearly == b->yearly;
}

bool
bb_keeps_empty(const BbKeeps *keeps)
{
	const BbRetention none = {0};

	return keeps->origin == 0 && keeps->copy.source == NULL &&
		bb_retention_equal(&keeps->retention, &none) && keeps->npins == 0 &&
		keeps->npoints == 0 && keeps->nretired == 0;
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
bb_keeps_has_pin(const BbKeeps *keeps, const BbPin *pin)
{
	int			i = bb_keeps_find_pin(keeps, pin->name);
	const BbPin *same;

	if (i < 0)
		return false;
	same = &keeps->pins[i];
	return same->lsn == pin->lsn && same->created_at == pin->created_at &&
		same->expires_at == pin->expires_at && same->new_tli == pin->new_tli &&
		strcmp(same->reason, pin->reason) == 0 &&
		strcmp(same->owner, pin->owner) == 0;
}

bool
bb_pin_lapsed(const BbPin *pin, int64 now)
{
	return bb_pin_is_lease(pin) && pin->expires_at <= now;
}

bool
bb_keeps_lapsed(const BbKeeps *keeps, int64 now)
{
	for (int i = 0; i < keeps->npins; i++)
		if (bb_pin_lapsed(&keeps->pins[i], now))
			return true;
	return false;
}

bool
bb_keeps_has_point(const BbKeeps *keeps, XLogRecPtr lsn)
{
	int			low = 0;
	int			high = keeps->npoints;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (keeps->points[middle].lsn < lsn)
			low = middle + 1;
		else
			high = middle;
	}
	return low < keeps->npoints && keeps->points[low].lsn == lsn;
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
