/*-------------------------------------------------------------------------
 *
 * manifest_keeps.c
 *	  What a timeline keeps, and what it has given up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/manifest_keeps.h"

bool
bb_keeps_empty(const BbKeeps *keeps)
{
	const BbRetention none = {0};

	return memcmp(&keeps->retention, &none, sizeof(none)) == 0 &&
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
