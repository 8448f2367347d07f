/*-------------------------------------------------------------------------
 *
 * picture.c
 *	  The document of a picture.
 *
 *	  title
 *	  LSNs |  bands, relations		 | notes: pins, branches, points, gaps
 *		   |  plot					 |
 *		   |  depth					 |
 *	  legend
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "base/compat.h"
#include "base/reqctx.h"
#include "upkeep/picture_internal.h"

#define WIDTH 1280
#define LEFT 180
#define PLOT_WIDTH 860
#define TOP 104
#define PLOT_HEIGHT 520
#define DEPTH_TOP (TOP + PLOT_HEIGHT + 34)
#define DEPTH_HEIGHT 90
#define LEGEND_TOP (DEPTH_TOP + DEPTH_HEIGHT + 44)
#define LINE 15 /* of text */

#define BOXES_MAX 3000
#define TICKS_MAX 10
#define NOTES_MAX 30
#define RELATIONS_MAX 10

/* Up to so many layers, a read is as fast as it should be; or not too slow. */
#define DEPTH_GOOD 8
#define DEPTH_FAIR 25

typedef struct Drawing
{
	const BbReqCtx *ctx;
	const BbPicture *picture;
	const BbManifest *manifest;
	BbManifest	readable; /* without what is after an open gap */
	BbPictureKeys keys;
	BbPictureLsns lsns;
	int			nrelations;
	BbPictureRelation relations[RELATIONS_MAX];
	StringInfoData out;
} Drawing;

/* Something on the right, at an LSN. */
typedef struct Note
{
	XLogRecPtr	lsn;
	const char *class; /* of the style sheet */
	const char *text;
	const char *title;
} Note;

static const char style[] =
	"text{font:12px sans-serif;fill:#333}"
	".h{font-size:17px;font-weight:bold}.s{fill:#777;font-size:11px}"
	".e{text-anchor:end}.m{text-anchor:middle}"
	".plot{fill:#fff;stroke:#999}.old{fill:#efefef}"
	".band{stroke:#bbb;stroke-dasharray:1 3}"
	".rel{fill:#f4e9c8;opacity:.55}.letter{font-weight:bold;fill:#8a6d1d}"
	".delta{fill:#5b8fd0;fill-opacity:.42;stroke:#27507f;stroke-width:.6}"
	".many{fill-opacity:.7;stroke:none}"
	".image{fill:#e07b1f;stroke:#fff;stroke-width:.7}"
	".retired{fill:#bbb;fill-opacity:.35;stroke:#999;stroke-width:.6;stroke-dasharray:2 2}"
	".tick{stroke:#ccc;stroke-width:.6}"
	".start{stroke:#c22;stroke-width:1.5;stroke-dasharray:6 3}.starttext{fill:#c22;font-weight:bold;paint-order:stroke;stroke:#fff;stroke-width:3px}"
	".gap{fill:url(#gap)}.gapnote{fill:#c22;stroke:#c22}"
	".pin{fill:#7a3db8;stroke:#7a3db8}.branch{fill:#23803a;stroke:#23803a}"
	".point{fill:#0a8a8a;stroke:#0a8a8a}.lead{fill:none;opacity:.6}"
	"text.pin,text.branch,text.point,text.gapnote{stroke:none}"
	"rect{shape-rendering:crispEdges}.bar{fill:#fff;font-weight:bold}"
	".good{fill:#58a55c}.fair{fill:#e3b341}.deep{fill:#d1495b}";

static void put(Drawing *drawing, const char *format, ...)
	pg_attribute_printf(2, 3);

static void
put(Drawing *drawing, const char *format, ...)
{
	StringInfo	out = &drawing->out;
	int			needed = 1;

	while (needed > 0)
	{
		va_list		args;

		va_start(args, format);
		needed = appendStringInfoVA(out, format, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(out, needed);
	}
}

static const char *
escaped(const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	bb_picture_escape(&buf, text);
	return buf.data;
}

static double
x_of(const Drawing *drawing, const BbKey *key)
{
	return LEFT + PLOT_WIDTH * bb_picture_x(&drawing->keys, key);
}

static double
y_of(const Drawing *drawing, XLogRecPtr lsn)
{
	return TOP + PLOT_HEIGHT * (1 - bb_picture_y(&drawing->lsns, lsn));
}

/* The time of the last commit at or before an LSN; false: not known. */
static bool
time_at(const Drawing *drawing, XLogRecPtr lsn, int64 *time)
{
	const BbPicture *picture = drawing->picture;
	const BbManifest *manifest = &drawing->readable;

	for (int i = 0; i < manifest->keeps.npoints; i++)
	{
		*time = manifest->keeps.points[i].time;
		if (manifest->keeps.points[i].lsn == lsn)
			return true;
	}
	*time = manifest->end_time;
	if (lsn == manifest->end_lsn)
		return true;
	return picture->time_at != NULL && lsn >= manifest->start_lsn &&
		lsn < manifest->end_lsn &&
		bb_gap_at(manifest->gaps, manifest->ngaps, lsn) == NULL &&
		picture->time_at(picture->arg, lsn, time);
}

/* " (2026-11-30 01:23:45)", or nothing. */
static const char *
time_note(const Drawing *drawing, XLogRecPtr lsn)
{
	int64		time;

	if (!time_at(drawing, lsn, &time))
		return "";
	return psprintf(" (%s)", bb_picture_time(time));
}

/* ---- the head ---- */

static void
put_head(Drawing *drawing)
{
	const BbManifest *manifest = drawing->manifest;
	uint64		bytes = 0;
	uint64		retired = 0;
	int			images = 0;

	for (int i = 0; i < manifest->nlayers; i++)
	{
		bytes += manifest->layers[i].size;
		images += manifest->layers[i].image;
	}
	for (int i = 0; i < manifest->keeps.nretired; i++)
		retired += manifest->keeps.retired[i].layer.size;

	put(drawing, "<text x=\"16\" y=\"26\" class=\"h\">Timeline %s",
		escaped(manifest->timeline));
	if (drawing->picture->store != NULL)
		put(drawing, " of page store %s", escaped(drawing->picture->store));
	put(drawing, "</text>\n");
	put(drawing, "<text x=\"16\" y=\"46\">%d delta and %d image layers, %s",
		manifest->nlayers - images, images, bb_picture_bytes(bytes));
	if (manifest->keeps.nretired > 0)
		put(drawing, "; %d retired, %s", manifest->keeps.nretired,
			bb_picture_bytes(retired));
	if (bb_manifest_consistent(manifest))
		put(drawing,
			". Readable from " BB_LSN_FORMAT "%s to " BB_LSN_FORMAT "%s.",
			LSN_FORMAT_ARGS(manifest->start_lsn),
			time_note(drawing, manifest->start_lsn),
			LSN_FORMAT_ARGS(drawing->readable.end_lsn),
			time_note(drawing, drawing->readable.end_lsn));
	else
		put(drawing, ". Not readable: its import is not complete.");
	put(drawing, "</text>\n");
	if (manifest->keeps.copy.source != NULL)
		put(drawing,
			"<text x=\"16\" y=\"62\" class=\"s\">A copy of the one in %s</text>\n",
			escaped(manifest->keeps.copy.source));
	else if (manifest->ancestor != NULL)
		put(drawing,
			"<text x=\"16\" y=\"62\" class=\"s\">A branch of %s from " BB_LSN_FORMAT
			" on; what is older is read there</text>\n",
			escaped(manifest->ancestor),
			LSN_FORMAT_ARGS(manifest->ancestor_lsn));
}

/* ---- keys ---- */

static void
put_bands(Drawing *drawing)
{
	int			n;
	const BbPictureBand *bands = bb_picture_bands(&n);

	for (int i = 0; i < n; i++)
	{
		double		left = x_of(drawing, &bands[i].keys.start);
		double		right = x_of(drawing, &bands[i].keys.end);
		int			room = (int) ((right - left) / 6.2);

		if (i > 0)
			put(drawing,
				"<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" class=\"band\"/>\n",
				left, left, TOP - 30, DEPTH_TOP + DEPTH_HEIGHT);
		if (room < 3)
			continue;
		put(drawing, "<text x=\"%.1f\" y=\"%d\" class=\"s m\">%.*s",
			(left + right) / 2, TOP - 20, Min(room, 40), bands[i].name);
		put(drawing, "<title>%s</title></text>\n", bands[i].title);
	}
}

/* The letters of the largest relations; the legend says which they are. */
static void
put_relations(Drawing *drawing)
{
	for (int i = 0; i < drawing->nrelations; i++)
	{
		const BbPictureRelation *relation = &drawing->relations[i];
		double		left = x_of(drawing, &relation->keys.start);
		double		right = x_of(drawing, &relation->keys.end);
		const char
			*title = psprintf("relation %u/%u/%u: %s in layers of its own",
							  relation->spc, relation->db, relation->rel,
							  bb_picture_bytes(relation->bytes));

		put(drawing,
			"<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" class=\"rel\"><title>%s</title></rect>\n",
			left, TOP, Max(right - left, 1), PLOT_HEIGHT, title);
		put(drawing,
			"<text x=\"%.1f\" y=\"%d\" class=\"m letter\">%c<title>%s</title></text>\n",
			(left + right) / 2, TOP - 5, 'A' + i, title);
	}
}

/* ---- LSNs ---- */

static void
put_tick(Drawing *drawing, XLogRecPtr lsn)
{
	double		y = y_of(drawing, lsn);
	int64		time;

	put(drawing,
		"<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" class=\"tick\"/>\n",
		LEFT - 5, LEFT + PLOT_WIDTH, y, y);
	put(drawing,
		"<text x=\"%d\" y=\"%.1f\" class=\"e\">" BB_LSN_FORMAT "</text>\n",
		LEFT - 9, y + 2, LSN_FORMAT_ARGS(lsn));
	if (time_at(drawing, lsn, &time))
		put(drawing, "<text x=\"%d\" y=\"%.1f\" class=\"e s\">%s</text>\n",
			LEFT - 9, y + 14, bb_picture_time(time));
}

/* Some borders of layers, apart from each other. */
static void
put_ticks(Drawing *drawing)
{
	const BbPictureLsns *lsns = &drawing->lsns;
	double		apart = 1.0 / TICKS_MAX;
	double		last = 0;

	put_tick(drawing, lsns->borders[0]);
	for (int i = 1; i < lsns->n - 1; i++)
	{
		bb_reqctx_check(drawing->ctx);
		if (lsns->y[i] - last < apart || lsns->y[i] > 1 - apart / 2)
			continue;
		last = lsns->y[i];
		put_tick(drawing, lsns->borders[i]);
	}
	if (lsns->n > 1)
		put_tick(drawing, lsns->borders[lsns->n - 1]);
}

/* What is below the start; the gaps. */
static void
put_areas(Drawing *drawing)
{
	const BbManifest *manifest = drawing->manifest;

	put(drawing,
		"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" class=\"plot\"/>\n",
		LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT);
	if (bb_manifest_consistent(manifest))
	{
		double		y = y_of(drawing, manifest->start_lsn);

		put(drawing,
			"<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" class=\"old\"><title>before the start: only points can be read</title></rect>\n",
			LEFT, y, PLOT_WIDTH, TOP + PLOT_HEIGHT - y);
	}
}

static void
put_lines(Drawing *drawing)
{
	const BbManifest *manifest = drawing->manifest;
	int			ngaps;
	const BbGap *gaps = bb_manifest_gaps(manifest, &ngaps);

	for (int i = 0; i < ngaps; i++)
	{
		const BbGap *gap = &gaps[i];
		double		bottom = y_of(drawing, gap->from);
		double		top = y_of(drawing, Min(gap->until, manifest->end_lsn));

		put(drawing,
			"<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" class=\"gap\"><title>a gap: WAL was lost</title></rect>\n",
			LEFT, top, PLOT_WIDTH, Max(bottom - top, 2));
	}
	if (bb_manifest_consistent(manifest))
	{
		double		y = y_of(drawing, manifest->start_lsn);

		put(drawing,
			"<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" class=\"start\"><title>start: from " BB_LSN_FORMAT
			" on, every LSN can be read</title></line>\n",
			LEFT, LEFT + PLOT_WIDTH, y, y,
			LSN_FORMAT_ARGS(manifest->start_lsn));
		put(drawing,
			"<text x=\"%d\" y=\"%.1f\" class=\"starttext\">start</text>\n",
			LEFT + 4, y - 4);
	}
}

/* ---- layers ---- */

static void
put_box_title(Drawing *drawing, const BbPictureBox *box)
{
	static const char *const what[] = {"retired", "delta", "image"};
	const BbLayerDesc *layer = box->first;

	put(drawing, "<title>");
	if (box->layers > 1)
		put(drawing,
			"%d %s layers, %s, " BB_LSN_FORMAT " - " BB_LSN_FORMAT
			"; one of them: ",
			box->layers, what[box->class], bb_picture_bytes(box->bytes),
			LSN_FORMAT_ARGS(box->from), LSN_FORMAT_ARGS(box->to));
	else if (box->class == BB_PICTURE_RETIRED)
		put(drawing, "retired: ");
	put(drawing, "%s, %s, " UINT64_FORMAT " entries", bb_layer_name(layer),
		bb_picture_bytes(layer->size), layer->entries);
	if (layer->image)
		put(drawing, ", at " BB_LSN_FORMAT, LSN_FORMAT_ARGS(layer->lsn_start));
	else
		put(drawing, ", " BB_LSN_FORMAT " - " BB_LSN_FORMAT,
			LSN_FORMAT_ARGS(bb_picture_from(layer)),
			LSN_FORMAT_ARGS(bb_picture_to(layer)));
	put(drawing, ", from %s", escaped(bb_key_text(&layer->keys.start)));
	put(drawing, " to %s</title>", escaped(bb_key_text(&layer->keys.end)));
}

static void
put_boxes(Drawing *drawing)
{
	static const char *const class[] = {"retired", "delta", "image"};
	int			n;
	BbPictureBox *boxes = bb_picture_boxes(drawing->ctx, drawing->manifest,
										   &drawing->keys, &drawing->lsns,
										   PLOT_WIDTH, PLOT_HEIGHT, BOXES_MAX,
										   &n);

	for (int i = 0; i < n; i++)
	{
		const BbPictureBox *box = &boxes[i];
		int			height = box->y1 - box->y0;
		int			bottom = TOP + PLOT_HEIGHT - box->y0;
		bool		line = height == 0; /* an image, also a retired one */

		put(drawing,
			"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" class=\"%s%s\">",
			LEFT + box->x0, line ? bottom - 2 : bottom - height,
			Min(box->x1, PLOT_WIDTH) - box->x0, line ? 4 : height,
			class[box->class], box -> layers > 1 ? " many" : "");
		put_box_title(drawing, box);
		put(drawing, "</rect>\n");
	}
}

/* ---- notes on the right ---- */

static int
compare_notes(const void *a, const void *b)
{
	XLogRecPtr	left = ((const Note *) a)->lsn;
	XLogRecPtr	right = ((const Note *) b)->lsn;

	return left == right ? 0 : (left > right ? -1 : 1);
}

static int
gather_notes(Drawing *drawing, Note *notes)
{
	const BbManifest *manifest = drawing->manifest;
	const BbKeeps *keeps = &manifest->keeps;
	int			ngaps;
	const BbGap *gaps = bb_manifest_gaps(manifest, &ngaps);
	int			n = 0;

	for (int i = 0; i < keeps->npins; i++)
	{
		const BbPin *pin = &keeps->pins[i];

		notes[n++] = (Note){pin->lsn, "pin",
							psprintf("pin %s", escaped(pin->name)),
							psprintf(BB_LSN_FORMAT "%s, set by %s, %s%s%s",
									 LSN_FORMAT_ARGS(pin->lsn),
									 time_note(drawing, pin->lsn),
									 escaped(pin->owner),
									 pin->expires_at == 0 ? "without end"
														  : "until ",
									 pin->expires_at == 0
										 ? ""
										 : bb_picture_time(pin->expires_at),
									 pin->reason[0] == '\0'
										 ? ""
										 : psprintf(": %s",
													escaped(pin->reason)))};
	}
	for (int i = 0; i < drawing->picture->nbranches; i++)
	{
		const BbPictureBranch *branch = &drawing->picture->branches[i];

		notes[n++] = (Note){branch->lsn, "branch",
							psprintf("branch %s", escaped(branch->name)),
							psprintf(BB_LSN_FORMAT "%s",
									 LSN_FORMAT_ARGS(branch->lsn),
									 time_note(drawing, branch->lsn))};
	}
	for (int i = 0; i < keeps->npoints; i++)
	{
		const BbPoint *point = &keeps->points[i];

		notes[n++] = (Note){point->lsn, "point",
							psprintf("point %s", bb_picture_time(point->time)),
							psprintf(BB_LSN_FORMAT " can be read",
									 LSN_FORMAT_ARGS(point->lsn))};
	}
	for (int i = 0; i < ngaps; i++)
	{
		const BbGap *gap = &gaps[i];
		bool		open = gap->until > manifest->end_lsn;

		notes[n++] = (Note){open ? gap->from : gap->until, "gapnote",
							open ? "open gap"
								 : psprintf("gap of %s",
											bb_picture_bytes(gap->until -
															 gap->from)),
							psprintf("WAL was lost from " BB_LSN_FORMAT
									 " (%s)",
									 LSN_FORMAT_ARGS(gap->from),
									 bb_picture_time(gap->from_time))};
	}
	qsort(notes, n, sizeof(Note), compare_notes);
	return n;
}

/* Notes are from the top down; none covers the one above it. */
static void
put_notes(Drawing *drawing)
{
	const BbKeeps *keeps = &drawing->manifest->keeps;
	Note	   *notes = palloc((keeps->npins + keeps->npoints +
								drawing->picture->nbranches +
								drawing->manifest->ngaps + 1) *
							   sizeof(Note));
	int			n = gather_notes(drawing, notes);
	int			shown = Min(n, NOTES_MAX);
	double		right = LEFT + PLOT_WIDTH;
	double		at = TOP - LINE;

	for (int i = 0; i < shown; i++)
	{
		const Note *note = &notes[i];
		double		y = y_of(drawing, note->lsn);
		double		lowest = TOP + PLOT_HEIGHT - LINE * (shown - 1 - i);

		at = Max(at + LINE, Min(y, lowest));
		put(drawing,
			"<path d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1f\" class=\"%s lead\"/>\n",
			right, y, right + 10, y, right + 22, at, note->class);
		put(drawing,
			"<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" class=\"%s\"/>\n", right,
			y, note->class);
		put(drawing, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s", right + 26,
			at + 4, note->class, note->text);
		put(drawing, "<title>%s</title></text>\n", note->title);
	}
	if (n > shown)
		put(drawing,
			"<text x=\"%.1f\" y=\"%.1f\" class=\"s\">and %d more</text>\n",
			right + 26, at + LINE + 4, n - shown);
}

/* ---- depth ---- */

static const char *
depth_class(int depth)
{
	if (depth <= DEPTH_GOOD)
		return "good";
	return depth <= DEPTH_FAIR ? "fair" : "deep";
}

/* One bar for as many pixels, of the deepest column there. */
static void
put_bar(Drawing *drawing, double left, double right, int depth, int deepest)
{
	double		height = DEPTH_HEIGHT * (double) depth / Max(deepest, 1);

	put(drawing,
		"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"><title>%d layers</title></rect>\n",
		LEFT + left, DEPTH_TOP + DEPTH_HEIGHT - height, Max(right - left, 0.5),
		height, depth_class(depth), depth);
	if (right - left > 40 && height > LINE)
		put(drawing, "<text x=\"%.1f\" y=\"%d\" class=\"m bar\">%d</text>\n",
			LEFT + (left + right) / 2, DEPTH_TOP + DEPTH_HEIGHT - 5, depth);
}

static void
put_depth(Drawing *drawing)
{
	const BbPictureKeys *keys = &drawing->keys;
	int		   *depth = bb_picture_depth(drawing->manifest, keys);
	int			deepest = 0;
	int			bar = 0;
	double		left = 0;

	put(drawing,
		"<text x=\"%d\" y=\"%d\" class=\"s\">layers that a read at the end may visit: the newest image and the deltas above it</text>\n",
		LEFT, DEPTH_TOP - 6);
	put(drawing,
		"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" class=\"plot\"/>\n",
		LEFT, DEPTH_TOP, PLOT_WIDTH, DEPTH_HEIGHT);
	for (int i = 0; i < keys->n - 1; i++)
		deepest = Max(deepest, depth[i]);
	for (int i = 0; i < keys->n - 1; i++)
	{
		double		right = PLOT_WIDTH * keys->x[i + 1];

		bar = Max(bar, depth[i]);
		/* equal neighbours share a bar, and so do narrow ones */
		if (i < keys->n - 2 && (right - left < 2 || depth[i + 1] == bar))
			continue;
		put_bar(drawing, left, right, bar, deepest);
		left = right;
		bar = 0;
	}
	put(drawing, "<text x=\"%d\" y=\"%d\" class=\"e\">%d</text>\n", LEFT - 9,
		DEPTH_TOP + 10, deepest);
	put(drawing, "<text x=\"%d\" y=\"%d\" class=\"e\">0</text>\n", LEFT - 9,
		DEPTH_TOP + DEPTH_HEIGHT);
	pfree(depth);
}

/* ---- the legend ---- */

static void
put_legend(Drawing *drawing)
{
	static const struct
	{
		const char *class;
		const char *text;
		int			width;
		int			height;
	}			entries[] = {{"delta", "delta layer", 110, 12},
				   {"image", "image layer", 115, 4},
				   {"retired", "retired, to be removed", 180, 12},
				   {"gap", "gap", 65, 12},
				   {"old", "before the start", 135, 12},
				   {"good", "depth up to 8", 120, 12},
				   {"fair", "up to 25", 90, 12},
				   {"deep", "more", 60, 12}};
	int			x = LEFT;
	int			y = LEGEND_TOP;

	for (int i = 0; i < lengthof(entries); i++)
	{
		put(drawing,
			"<rect x=\"%d\" y=\"%d\" width=\"16\" height=\"%d\" class=\"%s\"/>",
			x, y - 4 - entries[i].height / 2, entries[i].height,
			entries[i].class);
		put(drawing, "<text x=\"%d\" y=\"%d\">%s</text>\n", x + 21, y,
			entries[i].text);
		x += entries[i].width;
	}
	for (int i = 0; i < drawing->nrelations; i++)
	{
		const BbPictureRelation *relation = &drawing->relations[i];

		put(drawing,
			"<text x=\"%d\" y=\"%d\"><tspan class=\"letter\">%c</tspan> relation %u/%u/%u, %s</text>\n",
			LEFT + (i % 3) * 290, y + 24 + i / 3 * LINE, 'A' + i,
			relation->spc, relation->db, relation->rel,
			bb_picture_bytes(relation->bytes));
	}
}

char *
bb_picture_svg(const BbReqCtx *ctx, const BbPicture *picture)
{
	Drawing		drawing = {.ctx = ctx,
						   .picture = picture,
						   .manifest = picture->manifest};
	int			height;

	drawing.readable = bb_manifest_readable(picture->manifest);
	drawing.nrelations = bb_picture_relations(picture->manifest, RELATIONS_MAX,
											  drawing.relations);
	drawing.keys = bb_picture_keys(picture->manifest, drawing.relations,
								   drawing.nrelations);
	drawing.lsns = bb_picture_lsns(picture);
	initStringInfo(&drawing.out);

	height = LEGEND_TOP + 34 + (drawing.nrelations + 2) / 3 * LINE;
	put(&drawing,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n",
		WIDTH, height, WIDTH, height);
	put(&drawing, "<style>%s</style>\n", style);
	put(&drawing,
		"<defs><pattern id=\"gap\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect width=\"8\" height=\"8\" fill=\"#fbdada\"/><rect width=\"3\" height=\"8\" fill=\"#d77\"/></pattern></defs>\n");
	put(&drawing,
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fafafa\"/>\n");
	put_head(&drawing);
	put_areas(&drawing);
	put_relations(&drawing);
	put_bands(&drawing);
	put_ticks(&drawing);
	put_boxes(&drawing);
	put_lines(&drawing);
	put_notes(&drawing);
	put_depth(&drawing);
	put_legend(&drawing);
	put(&drawing, "</svg>\n");
	return drawing.out.data;
}
