/*-------------------------------------------------------------------------
 *
 * rewrite_squash.c
 *	  Squashing: of history that is read at few LSNs, the values there remain.
 *
 *	  LSNs of the inputs
 *	  lo ──────── point ──── point ──────── start ─────── hi
 *	  |	  run 0		|	run 1  |	run 2	  |	 all		|
 *
 * A run ends where a reader reads.	 Its values are read there, by the timeline,
 * as that reader does; so whatever layers there are, the value is the same.  The
 * merge of the inputs says of which keys: those that changed in the run.
 *
 *	  inputs, entries of the run ── keys ──┐
 *	  timeline, scan at the run's end ─────┴── values ──► tiles of the run
 *
 * If the last run ends before the start, not at a point, no reader reads at its
 * end.	 Those after it read what came before, though: down to their image layer
 * of the key, or farther.	So each run has a reader: the readable LSN at its end,
 * or the next one.  An entry that this reader's image layer hides is hidden from
 * later readers, too, since their image layers aren't older.  If no entry is
 * left, the value isn't read, and what it was made of may be gone.
 *
 * Before that it is found out which runs have entries at all, and which ends of
 * records are kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "layer/layermap.h"
#include "timeline/timeline.h"
#include "upkeep/rewrite_internal.h"
#include "utils/memutils.h"

/* The number of WAL pages of which the ends of records are kept for a run. */
#define KEPT_PAGES 2

typedef struct Run
{
	XLogRecPtr	from;	/* entries at or after it */
	XLogRecPtr	until;	/* and at or before it */
	XLogRecPtr	reader; /* the readable LSN that needs it */
	bool		whole;	/* it is after the start, so all entries are kept */
	bool		used;	/* it has entries that are needed */
	/* the last pages with ends of records up to "until": keys, newest last */
	int			npages;
	BbKey		pages[KEPT_PAGES];
	/* the reader's image layer, for keys up to "same_until" */
	bool		image_known;
	XLogRecPtr	floor; /* its LSN; Invalid: none */
	BbKey		same_until;
} Run;

typedef struct Squash
{
	BbRewrite  *rewrite;
	BbLayerMap *map;
	BbTimeline *timeline;
	int			nruns;
	Run		   *runs;
} Squash;

/* ---- runs ---- */

static void
add_run(Squash *squash, XLogRecPtr until, XLogRecPtr reader, bool whole)
{
	Run		   *run = &squash->runs[squash->nruns];

	run->from = squash->nruns > 0 ? squash->runs[squash->nruns - 1].until + 1
								  : squash->rewrite->lsn_start;
	run->until = until;
	run->reader = reader;
	run->whole = whole;
	squash->nruns++;
}

/* Cut the LSNs of the inputs after each readable one up to the start. */
static void
make_runs(Squash *squash)
{
	const BbRewrite *rewrite = squash->rewrite;
	const BbManifest *manifest = rewrite->manifest;
	const BbKeeps *keeps = &manifest->keeps;
	XLogRecPtr	start = manifest->start_lsn;
	XLogRecPtr	last = rewrite->lsn_end - 1;

	squash->runs = palloc0((keeps->npoints + 2) * sizeof(Run));
	for (int i = 0; i < keeps->npoints; i++)
	{
		XLogRecPtr	point = keeps->points[i].lsn;

		if (point < rewrite->lsn_start)
			continue;
		add_run(squash, Min(point, last), point, false);
		if (point >= last)
			return;
	}
	add_run(squash, Min(start, last), start, false);
	if (start < last)
		add_run(squash, last, last, true);
}

static Run *
run_at(const Squash *squash, XLogRecPtr lsn)
{
	int			low = 0;
	int			high = squash->nruns - 1;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (squash->runs[middle].until < lsn)
			low = middle + 1;
		else
			high = middle;
	}
	return &squash->runs[low];
}

/* ---- which entries are needed ---- */

/*
 * The LSN of the image layer of a key that the run's reader reads; Invalid:
 * none.  Keys don't fall from call to call.
 */
static XLogRecPtr
floor_of(const Squash *squash, Run *run, const BbKey *key)
{
	if (!run->image_known || bb_key_compare(key, &run->same_until) >= 0)
	{
		int			image;

		run->same_until = squash->rewrite->job->keys.end;
		image = bb_layermap_image(squash->map, key, run->reader,
								  &run->same_until);
		run->floor = image < 0
			? InvalidXLogRecPtr
			: squash->rewrite->manifest->layers[image].lsn_start;
		run->image_known = true;
	}
	return run->floor;
}

static bool
is_ends(const BbKey *key)
{
	return key->bytes[0] == BB_KEY_RECORD_ENDS;
}

/* Is this WAL page one of those whose ends of records are kept? */
static bool
page_is_kept(const Squash *squash, const BbKey *key)
{
	for (int i = 0; i < squash->nruns; i++)
		for (int p = 0; p < squash->runs[i].npages; p++)
			if (bb_key_compare(&squash->runs[i].pages[p], key) == 0)
				return true;
	return false;
}

/* Remember a WAL page that has an end of a record at lsn. */
static void
note_page(Squash *squash, const BbKey *key, XLogRecPtr lsn)
{
	for (int i = 0; i < squash->nruns; i++)
	{
		Run		   *run = &squash->runs[i];

		if (lsn > run->until ||
			(run->npages > 0 &&
			 bb_key_compare(&run->pages[run->npages - 1], key) == 0))
			continue;
		if (run->npages == KEPT_PAGES)
			memmove(&run->pages[0], &run->pages[1],
					--run->npages * sizeof(BbKey));
		run->pages[run->npages++] = *key;
	}
}

/* Does the reader of its run need an entry? */
static bool
is_needed(const Squash *squash, Run *run, const BbEntry *entry)
{
	return run->whole || entry->lsn > floor_of(squash, run, &entry->key);
}

/* Find out which WAL pages are kept, and then which runs have one. */
static void
look_at_ends(const BbReqCtx *ctx, Squash *squash)
{
	BbRewrite  *rewrite = squash->rewrite;
	BbKeyRange	ends = bb_key_range_kind(BB_KEY_RECORD_ENDS);

	for (int pass = 0; pass < 2; pass++)
	{
		BbInputs   *inputs = bb_inputs_new(rewrite, rewrite->lsn_start,
										   rewrite->lsn_end);
		const BbEntry *entry;

		bb_inputs_seek(inputs, &ends.start);
		while ((entry = bb_inputs_next(ctx, inputs)) != NULL &&
			   is_ends(&entry->key))
		{
			Run		   *run = run_at(squash, entry->lsn);

			if (run->whole)
				continue;
			if (pass == 0)
				note_page(squash, &entry->key, entry->lsn);
			else if (!run->used && page_is_kept(squash, &entry->key))
				run->used = is_needed(squash, run, entry);
		}
		bb_inputs_close(inputs);
	}
}

/* Have all runs entries? */
static bool
all_used(const Squash *squash)
{
	for (int i = 0; i < squash->nruns; i++)
		if (!squash->runs[i].used)
			return false;
	return true;
}

/* Find out which runs have entries that are needed. */
static void
look_ahead(const BbReqCtx *ctx, Squash *squash)
{
	BbRewrite  *rewrite = squash->rewrite;
	BbInputs   *inputs;
	const BbEntry *entry;

	look_at_ends(ctx, squash);
	for (int i = 0; i < squash->nruns; i++)
		squash->runs[i].image_known = false;

	inputs = bb_inputs_new(rewrite, rewrite->lsn_start, rewrite->lsn_end);
	while (!all_used(squash) && (entry = bb_inputs_next(ctx, inputs)) != NULL)
	{
		Run		   *run = run_at(squash, entry->lsn);

		if (!run->used && (run->whole || !is_ends(&entry->key)))
			run->used = is_needed(squash, run, entry);
	}
	bb_inputs_close(inputs);
	for (int i = 0; i < squash->nruns; i++)
		squash->runs[i].image_known = false;
}

/* ---- writing a run ---- */

/*
 * Write the value of a key as of the end of a run, in which it changed.
 *
 * "next" is the scan's next value, which isn't of an earlier key; NULL: it has
 * no more.
 */
static void
write_value(const BbReqCtx *ctx, const Squash *squash, const Run *run,
			BbOutput *output, const BbKey *key, const BbEntry *next)
{
	BbEntry		value = {.key = *key,
						 .lsn = run->until,
						 .type = BB_ENTRY_DELETED,
						 .value = (const uint8 *) ""};

	if (next != NULL && bb_key_compare(&next->key, key) == 0)
		value = *next;
	if (value.lsn < run->from || value.lsn > run->until)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("history of %s in timeline \"%s\" is not in the order of its layers",
						bb_key_text(key), squash->rewrite->manifest->timeline),
				 errdetail("Its value at " BB_LSN_FORMAT " is of " BB_LSN_FORMAT ", but it has a later change.",
						   LSN_FORMAT_ARGS(run->until),
						   LSN_FORMAT_ARGS(value.lsn))));
	bb_output_add(ctx, output, &value);
}

static void
write_values(const BbReqCtx *ctx, Squash *squash, Run *run, BbOutput *output)
{
	BbRewrite  *rewrite = squash->rewrite;
	BbInputs   *inputs = bb_inputs_new(rewrite, run->from, run->until + 1);
	BbTimelineScan *scan = bb_timeline_scan_new(ctx, squash->timeline,
												&rewrite->job->keys,
												run->until);
	BbKey		horizon = rewrite->job->keys.start;
	BbEntry		value;
	bool		loaded = false; /* is "value" the next, or "ended" true? */
	bool		ended = false;
	const BbEntry *entry;

	bb_timeline_scan_until(scan, &horizon);
	while ((entry = bb_inputs_next(ctx, inputs)) != NULL)
	{
		BbKey		key = entry->key;
		XLogRecPtr	floor = floor_of(squash, run, &key);
		BbKey		next = bb_key_next(&key);

		if (floor >= run->until)
		{
			/* nothing is needed of all that the image layer covers */
			bb_inputs_seek(inputs, &run->same_until);
			continue;
		}
		if (entry->lsn <= floor)
			continue;
		bb_inputs_seek(inputs, &next); /* its other entries don't matter */
		if (is_ends(&key) && !page_is_kept(squash, &key))
			continue;

		/* what is behind the image layer may not be readable */
		if (bb_key_compare(&horizon, &run->same_until) != 0)
		{
			horizon = run->same_until;
			bb_timeline_scan_until(scan, &horizon);
			loaded = loaded && !ended;
		}
		if (!loaded || (!ended && bb_key_compare(&value.key, &key) < 0))
		{
			bb_timeline_scan_seek(ctx, scan, &key);
			ended = !bb_timeline_scan_next(ctx, scan, &value);
			loaded = true;
		}
		write_value(ctx, squash, run, output, &key, ended ? NULL : &value);
	}
	bb_timeline_scan_close(scan);
	bb_inputs_close(inputs);
}

static void
write_all(const BbReqCtx *ctx, Squash *squash, const Run *run,
		  BbOutput *output)
{
	BbInputs   *inputs = bb_inputs_new(squash->rewrite, run->from,
									   run->until + 1);
	const BbEntry *entry;

	while ((entry = bb_inputs_next(ctx, inputs)) != NULL)
		bb_output_add(ctx, output, entry);
	bb_inputs_close(inputs);
}

/*
 * Write the runs.	One without entries becomes part of the next one, or of the
 * one before.
 */
static void
write_runs(const BbReqCtx *ctx, Squash *squash, int last)
{
	BbRewrite  *rewrite = squash->rewrite;
	XLogRecPtr	lsn_start = rewrite->lsn_start;

	for (int i = 0; i <= last; i++)
	{
		Run		   *run = &squash->runs[i];
		XLogRecPtr	lsn_end = i == last ? rewrite->lsn_end : run->until + 1;
		BbOutput   *output;

		if (!run->used)
			continue;
		output = bb_output_new(rewrite, lsn_start, lsn_end);
		if (run->whole)
			write_all(ctx, squash, run, output);
		else
			write_values(ctx, squash, run, output);
		if (bb_output_empty(output))
			elog(ERROR, "run up to " BB_LSN_FORMAT " of a squash has no entries",
				 LSN_FORMAT_ARGS(run->until));
		bb_output_finish(ctx, output);
		lsn_start = lsn_end;
	}
}

/*
 * Nothing of the inputs is needed.  But keys that no image layer covers may have
 * had no changes, and a place without a layer would look like a loss (layercheck.c).
 * So a layer with a single entry stays; any will do.  Where events alone are,
 * nobody expects a layer.
 */
static void
write_one(const BbReqCtx *ctx, BbRewrite *rewrite)
{
	BbInputs   *inputs = bb_inputs_new(rewrite, rewrite->lsn_start,
									   rewrite->lsn_end);
	BbKeyRange	events = bb_key_range_events();
	const BbEntry *entry;

	while ((entry = bb_inputs_next(ctx, inputs)) != NULL &&
		   bb_key_in_range(&entry->key, &events))
		bb_inputs_seek(inputs, &events.end);
	if (entry != NULL)
	{
		BbOutput   *output = bb_output_new(rewrite, rewrite->lsn_start,
										   rewrite->lsn_end);

		bb_output_add(ctx, output, entry);
		bb_output_finish(ctx, output);
	}
	bb_inputs_close(inputs);
}

void
bb_rewrite_squash(const BbReqCtx *ctx, BbRewrite *rewrite)
{
	Squash		squash = {.rewrite = rewrite};
	int			last = -1;

	squash.map = bb_layermap_new(rewrite->manifest);
	squash.timeline = bb_timeline_open_manifest(ctx, rewrite->objects,
												rewrite->manifest);
	make_runs(&squash);
	look_ahead(ctx, &squash);
	for (int i = 0; i < squash.nruns; i++)
		if (squash.runs[i].used)
			last = i;

	/* LSNs after the start have layers, even if they have no entries */
	if (last < 0 && squash.runs[squash.nruns - 1].whole)
		bb_rewrite_merge(ctx, rewrite);
	else if (last < 0)
		write_one(ctx, rewrite);
	else
		write_runs(ctx, &squash, last);
}
