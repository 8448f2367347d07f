/*-------------------------------------------------------------------------
 *
 * picture_boxes.c
 *	  Layers that are drawn at the same place share a shape.
 *
 * The borders of shapes are on a grid.  If there are too many shapes, the grid
 * gets coarser, until there are few enough.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "base/reqctx.h"
#include "upkeep/picture_internal.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* The identity of a box comes first. */
#define IDENTITY_SIZE offsetof(BbPictureBox, layers)

typedef struct Boxes
{
	const BbPictureKeys *keys;
	const BbPictureLsns *lsns;
	int			width;
	int			height;
	int			grid; /* pixels */
	int			max;
	HTAB	   *boxes;
} Boxes;

static int
on_grid(const Boxes *boxes, double place, bool up)
{
	double		steps = place / boxes->grid;

	return (int) (up ? ceil(steps - 1e-9) : floor(steps + 1e-9)) * boxes->grid;
}

/* Returns false if there are too many boxes. */
static bool
add_layer(Boxes *boxes, const BbLayerDesc *layer, BbPictureClass class)
{
	XLogRecPtr	from = bb_picture_from(layer);
	XLogRecPtr	to = bb_picture_to(layer);
	double		left = bb_picture_x(boxes->keys, &layer->keys.start);
	double		right = bb_picture_x(boxes->keys, &layer->keys.end);
	double		low = bb_picture_y(boxes->lsns, from);
	double		high = bb_picture_y(boxes->lsns, to);
	BbPictureBox place = {.class = class};
	BbPictureBox *box;
	bool		found;

	place.x0 = on_grid(boxes, left * boxes->width, false);
	place.x1 = Max(on_grid(boxes, right * boxes->width, true),
				   place.x0 + boxes->grid);
	place.y0 = on_grid(boxes, low * boxes->height, false);
	place.y1 = place.y0;
	if (!layer->image)
		place.y1 = Max(on_grid(boxes, high * boxes->height, true),
					   place.y0 + boxes->grid);
	box = hash_search(boxes->boxes, &place, HASH_ENTER, &found);
	if (!found)
	{
		box->layers = 0;
		box->bytes = 0;
		box->from = from;
		box->to = to;
		box->first = layer;
	}
	box->layers++;
	box->bytes += layer->size;
	box->from = Min(box->from, from);
	box->to = Max(box->to, to);
	return hash_get_num_entries(boxes->boxes) <= boxes->max;
}

/* Returns false if the grid is too fine. */
static bool
add_all(const BbReqCtx *ctx, Boxes *boxes, const BbManifest *manifest)
{
	for (int i = 0; i < manifest->keeps.nretired; i++)
	{
		bb_reqctx_check(ctx);
		if (!add_layer(boxes, &manifest->keeps.retired[i].layer,
					   BB_PICTURE_RETIRED))
			return false;
	}
	for (int i = 0; i < manifest->nlayers; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];

		bb_reqctx_check(ctx);
		if (!add_layer(boxes, layer,
					   layer->image ? BB_PICTURE_IMAGE : BB_PICTURE_DELTA))
			return false;
	}
	return true;
}

/* In an order that is always the same: by class, then from the bottom up. */
static int
compare_boxes(const void *a, const void *b)
{
	const BbPictureBox *left = a;
	const BbPictureBox *right = b;

	if (left->class != right->class)
		return left->class - right->class;
	if (left->y0 != right->y0)
		return left->y0 - right->y0;
	if (left->x0 != right->x0)
		return left->x0 - right->x0;
	return left->y1 != right->y1 ? left->y1 - right->y1 : left->x1 - right->x1;
}

static HTAB *
new_table(void)
{
	HASHCTL		control = {.keysize = IDENTITY_SIZE,
						   .entrysize = sizeof(BbPictureBox),
						   .hcxt = CurrentMemoryContext};

	return hash_create("bbackup picture", 1024, &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

BbPictureBox *
bb_picture_boxes(const BbReqCtx *ctx, const BbManifest *manifest,
				 const BbPictureKeys *keys, const BbPictureLsns *lsns,
				 int width, int height, int max, int *n)
{
	Boxes		boxes = {.keys = keys,
						 .lsns = lsns,
						 .width = width,
						 .height = height,
						 .max = max};
	HASH_SEQ_STATUS scan;
	BbPictureBox *box;
	BbPictureBox *all;

	for (boxes.grid = 1;; boxes.grid *= 2)
	{
		boxes.boxes = new_table();
		if (add_all(ctx, &boxes, manifest))
			break;
		hash_destroy(boxes.boxes);
	}

	*n = 0;
	all = palloc((hash_get_num_entries(boxes.boxes) + 1) *
				 sizeof(BbPictureBox));
	hash_seq_init(&scan, boxes.boxes);
	while ((box = hash_seq_search(&scan)) != NULL)
		all[(*n)++] = *box;
	hash_destroy(boxes.boxes);
	qsort(all, *n, sizeof(BbPictureBox), compare_boxes);
	return all;
}
