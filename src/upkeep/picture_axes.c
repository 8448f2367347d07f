/*-------------------------------------------------------------------------
 *
 * picture_axes.c
 *	  Where keys and LSNs are in a picture.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/picture_internal.h"
#include "utils/memutils.h"

/* Parts of the width. */
#define BAND_WIDTH_MIN 0.055 /* room for a name */
#define BAND_WIDTH_MORE 0.05 /* the more borders, the more of that */

/* ---- bands: kinds of keys ---- */

#define FIRST_KEY(kind) \
	{                   \
		{               \
			kind        \
		}               \
	}
#define BAND(from, to, name, title)                   \
	{                                                 \
		{FIRST_KEY(from), FIRST_KEY(to)}, name, title \
	}

const BbPictureBand *
bb_picture_bands(int *n)
{
	static const BbPictureBand bands[] =
		{BAND(0x00, BB_KEY_TABLESPACE, "control",
			  "control file, checkpoints, times of commits, ends of records"),
		 BAND(BB_KEY_TABLESPACE, BB_KEY_SLRU_SIZE, "files",
			  "tablespaces, databases, files that were captured"),
		 BAND(BB_KEY_SLRU_SIZE, BB_KEY_RELMAP, "SLRU",
			  "commit status, multixacts, commit timestamps"),
		 BAND(BB_KEY_RELMAP, BB_KEY_REL_BLOCK, "sizes",
			  "relation maps, sizes of relations"),
		 BAND(BB_KEY_REL_BLOCK, BB_KEY_REL_ZEROS, "relation blocks",
			  "blocks of tables and indexes"),
		 BAND(BB_KEY_REL_ZEROS, 0xFF, "other",
			  "runs of zeros, two-phase files, replication origins")};

	*n = lengthof(bands);
	return bands;
}

/* ---- the largest relations ---- */

/*
 * Does a layer hold blocks of one relation only?  Its last key is before
 * keys.end, which may be the first key of the next relation.
 */
static bool
relation_of(const BbLayerDesc *layer, BbPictureRelation *relation)
{
	BbKeyFields start = bb_key_fields(&layer->keys.start);
	BbKey		next = bb_key_make(BB_KEY_REL_BLOCK, start.spc, start.db,
								   start.rel, 0, 0);

	if (start.kind != BB_KEY_REL_BLOCK)
		return false;
	relation->keys.start = next;
	/* the last fork and block of it, and one more */
	memset(next.bytes + 13, 0xFF, BB_KEY_LENGTH - 13);
	relation->keys.end = bb_key_next(&next);
	if (bb_key_compare(&layer->keys.end, &relation->keys.end) > 0)
		return false;
	relation->spc = start.spc;
	relation->db = start.db;
	relation->rel = start.rel;
	relation->bytes = layer->size;
	return true;
}

static int
compare_relations(const void *a, const void *b)
{
	return bb_key_compare(&((const BbPictureRelation *) a)->keys.start,
						  &((const BbPictureRelation *) b)->keys.start);
}

static int
compare_sizes(const void *a, const void *b)
{
	uint64		left = ((const BbPictureRelation *) a)->bytes;
	uint64		right = ((const BbPictureRelation *) b)->bytes;

	if (left != right)
		return left > right ? -1 : 1;
	return compare_relations(a, b);
}

/* Add up the bytes of entries of the same relation; returns how many remain. */
static int
add_up(BbPictureRelation *relations, int n)
{
	int			kept = 0;

	qsort(relations, n, sizeof(BbPictureRelation), compare_relations);
	for (int i = 0; i < n; i++)
	{
		if (kept > 0 &&
			compare_relations(&relations[kept - 1], &relations[i]) == 0)
			relations[kept - 1].bytes += relations[i].bytes;
		else
			relations[kept++] = relations[i];
	}
	return kept;
}

int
bb_picture_relations(const BbManifest *manifest, int max,
					 BbPictureRelation *relations)
{
	BbPictureRelation *all;
	int			n = 0;

	all = MemoryContextAllocHuge(CurrentMemoryContext,
								 (manifest->nlayers + 1) *
									 sizeof(BbPictureRelation));
	for (int i = 0; i < manifest->nlayers; i++)
		n += relation_of(&manifest->layers[i], &all[n]);
	n = add_up(all, n);
	qsort(all, n, sizeof(BbPictureRelation), compare_sizes);
	n = Min(n, max);
	qsort(all, n, sizeof(BbPictureRelation), compare_relations);
	memcpy(relations, all, n * sizeof(BbPictureRelation));
	pfree(all);
	return n;
}

/* ---- keys ---- */

static int
compare_keys(const void *a, const void *b)
{
	return bb_key_compare(a, b);
}

/* The part of the width that a band other than relation blocks has. */
static double
band_width(const BbPictureKeys *keys, const BbPictureBand *band)
{
	int			columns = bb_picture_key_index(keys, &band->keys.end) -
		bb_picture_key_index(keys, &band->keys.start);

	return BAND_WIDTH_MIN + BAND_WIDTH_MORE * columns / keys->n;
}

static void
add_range(BbPictureKeys *keys, const BbKeyRange *range)
{
	keys->borders[keys->n++] = range->start;
	keys->borders[keys->n++] = range->end;
}

/*
 * Borders share the width of their band.  Relation blocks get what is left by
 * the other bands, each of which has room for its name.
 */
static void
place_keys(BbPictureKeys *keys)
{
	int			nbands;
	const BbPictureBand *bands = bb_picture_bands(&nbands);
	int			from = 0;
	double		left = 0;
	double		room = 1; /* of relation blocks */

	keys->x = MemoryContextAllocHuge(CurrentMemoryContext,
									 keys->n * sizeof(double));
	for (int i = 0; i < nbands; i++)
		if (bands[i].keys.start.bytes[0] != BB_KEY_REL_BLOCK)
			room -= band_width(keys, &bands[i]);
	for (int i = 0; i < nbands; i++)
	{
		int			until = bb_picture_key_index(keys, &bands[i].keys.end);
		double		width = bands[i].keys.start.bytes[0] == BB_KEY_REL_BLOCK
			? room
			: band_width(keys, &bands[i]);

		for (int j = from; j < until; j++)
			keys->x[j] = left + width * (j - from) / (until - from);
		left += width;
		from = until;
	}
	/* the end; a forged store may have keys beyond it */
	for (int j = from; j < keys->n; j++)
		keys->x[j] = 1;
}

BbPictureKeys
bb_picture_keys(const BbManifest *manifest, const BbPictureRelation *relations,
				int nrelations)
{
	BbPictureKeys keys = {0};
	int			nbands;
	const BbPictureBand *bands = bb_picture_bands(&nbands);
	Size		max = 2 *
		((Size) manifest->nlayers + manifest->keeps.nretired + nbands +
		 nrelations);
	int			n = 0;

	keys.borders = MemoryContextAllocHuge(CurrentMemoryContext,
										  max * sizeof(BbKey));
	for (int i = 0; i < nbands; i++)
		add_range(&keys, &bands[i].keys);
	for (int i = 0; i < nrelations; i++)
		add_range(&keys, &relations[i].keys);
	for (int i = 0; i < manifest->nlayers; i++)
		add_range(&keys, &manifest->layers[i].keys);
	for (int i = 0; i < manifest->keeps.nretired; i++)
		add_range(&keys, &manifest->keeps.retired[i].layer.keys);

	qsort(keys.borders, keys.n, sizeof(BbKey), compare_keys);
	for (int i = 0; i < keys.n; i++)
		if (n == 0 ||
			bb_key_compare(&keys.borders[n - 1], &keys.borders[i]) != 0)
			keys.borders[n++] = keys.borders[i];
	keys.n = n;
	place_keys(&keys);
	return keys;
}

int
bb_picture_key_index(const BbPictureKeys *keys, const BbKey *key)
{
	int			low = 0;
	int			high = keys->n - 1;

	while (low < high)
	{
		int			middle = (low + high + 1) / 2;

		if (bb_key_compare(&keys->borders[middle], key) <= 0)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

double
bb_picture_x(const BbPictureKeys *keys, const BbKey *key)
{
	return keys->x[bb_picture_key_index(keys, key)];
}

/* ---- LSNs ---- */

static int
compare_lsns(const void *a, const void *b)
{
	XLogRecPtr	left = *(const XLogRecPtr *) a;
	XLogRecPtr	right = *(const XLogRecPtr *) b;

	return left == right ? 0 : (left < right ? -1 : 1);
}

static void
add_lsn(BbPictureLsns *lsns, XLogRecPtr lsn)
{
	if (!XLogRecPtrIsInvalid(lsn) && lsn != BB_LSN_UNKNOWN)
		lsns->borders[lsns->n++] = lsn;
}

static void
add_layer(BbPictureLsns *lsns, const BbLayerDesc *layer)
{
	add_lsn(lsns, bb_picture_from(layer));
	add_lsn(lsns, bb_picture_to(layer));
}

/* Half of the height is shared equally, and half by distance. */
static void
place_lsns(BbPictureLsns *lsns)
{
	XLogRecPtr	first = lsns->borders[0];
	double		distance = (double) (lsns->borders[lsns->n - 1] - first);

	lsns->y = MemoryContextAllocHuge(CurrentMemoryContext,
									 lsns->n * sizeof(double));
	lsns->y[0] = 0;
	for (int i = 1; i < lsns->n; i++)
		lsns->y[i] = 0.5 * i / (lsns->n - 1) +
			0.5 * (double) (lsns->borders[i] - first) / distance;
}

BbPictureLsns
bb_picture_lsns(const BbPicture *picture)
{
	const BbManifest *manifest = picture->manifest;
	const BbKeeps *keeps = &manifest->keeps;
	BbPictureLsns lsns = {0};
	Size		max = 2 *
			((Size) manifest->nlayers + keeps->nretired + manifest->ngaps) +
		keeps->npoints + keeps->npins + picture->nbranches + 3;
	int			n = 0;

	lsns.borders = MemoryContextAllocHuge(CurrentMemoryContext,
										  max * sizeof(XLogRecPtr));
	add_lsn(&lsns, manifest->start_lsn);
	add_lsn(&lsns, manifest->end_lsn);
	add_lsn(&lsns, manifest->ancestor_lsn);
	for (int i = 0; i < manifest->nlayers; i++)
		add_layer(&lsns, &manifest->layers[i]);
	for (int i = 0; i < keeps->nretired; i++)
		add_layer(&lsns, &keeps->retired[i].layer);
	for (int i = 0; i < manifest->ngaps; i++)
	{
		add_lsn(&lsns, manifest->gaps[i].from);
		add_lsn(&lsns, manifest->gaps[i].until);
	}
	for (int i = 0; i < keeps->npoints; i++)
		add_lsn(&lsns, keeps->points[i].lsn);

	qsort(lsns.borders, lsns.n, sizeof(XLogRecPtr), compare_lsns);
	for (int i = 0; i < lsns.n; i++)
		if (n == 0 || lsns.borders[n - 1] != lsns.borders[i])
			lsns.borders[n++] = lsns.borders[i];
	lsns.n = n;
	place_lsns(&lsns);
	return lsns;
}

double
bb_picture_y(const BbPictureLsns *lsns, XLogRecPtr lsn)
{
	int			low = 0;
	int			high = lsns->n - 1;
	double		share;

	while (low < high)
	{
		int			middle = (low + high + 1) / 2;

		if (lsns->borders[middle] <= lsn)
			low = middle;
		else
			high = middle - 1;
	}
	if (low == lsns->n - 1 || lsn <= lsns->borders[0])
		return lsns->y[low];
	share = (double) (lsn - lsns->borders[low]) /
		(double) (lsns->borders[low + 1] - lsns->borders[low]);
	return lsns->y[low] + share * (lsns->y[low + 1] - lsns->y[low]);
}
