/*-------------------------------------------------------------------------
 *
 * layercheck.c
 *	  Is every history whole?	See bb_plane_check.
 *
 * A line sweeps down over the LSNs.  It knows which delta layers it crosses, and
 * how many stretches of keys they make.  Between two LSNs at which layers begin or
 * end, nothing changes; such a stretch of LSNs is a band.
 *
 *	   ┌────┐┌───┐   ┌───┐   end of band: 2 stretches, with a hole between them
 *	 ──┴────┴┴───┴───┴───┴── the line
 *	   ┌──────┐┌─────┐		 begin of the next one
 *
 * Below "lsn", a hole is right where newer images have made the layers there
 * needless.  Such holes are looked at only when they appear, since what a hole
 * needs becomes less on the way down.
 *
 * A hole within a gap is right, too: what fills the gap has layers only of the keys
 * that differ.  So a manifest keeps the gaps below its start as long as layers reach
 * below them.  Earlier versions forgot them; then holes below "lsn" say nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "layer/layerplane.h"
#include "layer/rankset.h"
#include "utils/memutils.h"

typedef struct Sweep
{
	const BbPlane *plane;
	const BbManifest *manifest;
	XLogRecPtr	lsn;

	/* the layers that the line crosses */
	BbRankSet	starts;
	BbRankSet	ends;
	int		   *layer_at; /* by start */
	int			nlayers;
	int			ntouching; /* pairs of neighbors without a hole between them */
	bool		looked;	   /* at the holes below "lsn" once */

	/*
	 * For each rank up to the next: the LSN of the image that reads at "lsn"
	 * begin with.  PG_UINT64_MAX: nothing is read.  A tree of minimums follows,
	 * whose leaves these are.  NULL: not needed yet.
	 */
	XLogRecPtr *bases;
	int			nleaves;
} Sweep;

static void *
alloc_array(Size n, Size size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * size);
}

/* ---- bases ---- */

/*
 * Do keys of the rank have histories?  Events are whole values.
 */
static bool
has_history(const BbPlane *plane, int rank)
{
	BbKey		key = bb_plane_key(plane, rank);
	BbKeyRange	events = bb_key_range_events();
	BbKey		next;

	if (rank + 1 == plane->nkeys || !bb_key_in_range(&key, &events))
		return true;
	next = bb_plane_key(plane, rank + 1);
	return bb_key_compare(&next, &events.end) > 0;
}

/* Give each rank that has none yet the newest image layer's LSN. */
static void
set_leaves(Sweep *sweep, XLogRecPtr *leaves)
{
	const BbPlane *plane = sweep->plane;
	XLogRecPtr	none = PG_UINT64_MAX;
	BbRankSet	left;

	/* what no image layer covers is read from the ancestor */
	if (sweep->manifest->ancestor != NULL)
		none = sweep->manifest->ancestor_lsn;
	bb_rankset_init(&left, plane->nkeys);
	for (int i = 0; i < plane->nkeys; i++)
	{
		leaves[i] = none;
		bb_rankset_add(&left, i);
	}
	for (int i = 0; i < plane->nimages; i++)
	{
		int			index = plane->images[i];
		XLogRecPtr	lsn = sweep->manifest->layers[index].lsn_start;
		int			end = plane->ends[index];

		if (lsn > sweep->lsn)
			continue;
		for (int rank = bb_rankset_next(&left, plane->starts[index]);
			 rank >= 0 && rank < end; rank = bb_rankset_next(&left, rank + 1))
		{
			leaves[rank] = lsn;
			bb_rankset_remove(&left, rank);
		}
	}
	bb_rankset_free(&left);
	for (int i = 0; i < plane->nkeys; i++)
		if (!has_history(plane, i))
			leaves[i] = PG_UINT64_MAX;
}

static void
make_bases(Sweep *sweep)
{
	int			n = 1;

	while (n < sweep->plane->nkeys)
		n *= 2;
	sweep->nleaves = n;
	sweep->bases = alloc_array((Size) n * 2, sizeof(XLogRecPtr));
	for (int i = sweep->plane->nkeys; i < n; i++)
		sweep->bases[n + i] = PG_UINT64_MAX;
	set_leaves(sweep, sweep->bases + n);
	for (int i = n - 1; i > 0; i--)
		sweep->bases[i] = Min(sweep->bases[2 * i], sweep->bases[2 * i + 1]);
}

/* The oldest base of the ranks [start, end). */
static XLogRecPtr
oldest_base(Sweep *sweep, int start, int end)
{
	XLogRecPtr	oldest = PG_UINT64_MAX;

	if (sweep->bases == NULL)
		make_bases(sweep);
	for (start += sweep->nleaves, end += sweep->nleaves; start < end;
		 start /= 2, end /= 2)
	{
		/* what is odd here isn't half of a pair */
		if (start % 2 == 1)
		{
			oldest = Min(oldest, sweep->bases[start]);
			start++;
		}
		if (end % 2 == 1)
		{
			end--;
			oldest = Min(oldest, sweep->bases[end]);
		}
	}
	return oldest;
}

/* ---- the line ---- */

static void
enter_layer(Sweep *sweep, int index)
{
	int			start = sweep->plane->starts[index];
	int			end = sweep->plane->ends[index];

	sweep->nlayers++;
	sweep->ntouching += bb_rankset_has(&sweep->ends, start) +
		bb_rankset_has(&sweep->starts, end);
	bb_rankset_add(&sweep->starts, start);
	bb_rankset_add(&sweep->ends, end);
	sweep->layer_at[start] = index;
}

static void
leave_layer(Sweep *sweep, int index)
{
	int			start = sweep->plane->starts[index];
	int			end = sweep->plane->ends[index];

	bb_rankset_remove(&sweep->starts, start);
	bb_rankset_remove(&sweep->ends, end);
	sweep->nlayers--;
	sweep->ntouching -= bb_rankset_has(&sweep->ends, start) +
		bb_rankset_has(&sweep->starts, end);
}

/* ---- holes ---- */

/* The changes of LSNs [from, until) and ranks [start, end) are missing. */
pg_noreturn static void
report_hole(const Sweep *sweep, int start, int end, XLogRecPtr from,
			XLogRecPtr until)
{
	BbKey		first = bb_key_range_all().start;
	BbKey		last = bb_key_range_all().end;

	if (sweep->plane->nkeys > 0)
	{
		first = bb_plane_key(sweep->plane, start);
		last = bb_plane_key(sweep->plane, end);
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("layers of timeline \"%s\" are missing",
					sweep->manifest->timeline),
			 errdetail("No layer has the changes from " BB_LSN_FORMAT " up to " BB_LSN_FORMAT " of the keys from %s to %s.",
					   LSN_FORMAT_ARGS(from - 1), LSN_FORMAT_ARGS(until - 1),
					   bb_key_text(&first), bb_key_text(&last)),
			 errhint("Restore the timeline's files from a copy of the page store.")));
}

/* Is any of the LSNs [from, until) in a gap? */
static bool
touches_gap(const Sweep *sweep, XLogRecPtr from, XLogRecPtr until)
{
	for (int i = 0; i < sweep->manifest->ngaps; i++)
	{
		const BbGap *gap = &sweep->manifest->gaps[i];

		if (from <= gap->until && until > gap->from + 1)
			return true;
	}
	return false;
}

/*
 * May a hole be in the LSNs [from, until)?  Reads of its keys begin with images at
 * "base" or later, and all above that is in gaps.
 */
static bool
hole_is_right(const Sweep *sweep, XLogRecPtr base, XLogRecPtr from,
			  XLogRecPtr until)
{
	if (base >= until - 1)
		return true;
	from = Max(from, base + 1);
	for (int i = 0; from < until && i < sweep->manifest->ngaps; i++)
	{
		const BbGap *gap = &sweep->manifest->gaps[i];

		if (from > gap->from && from <= gap->until)
			from = gap->until < until ? gap->until + 1 : until;
	}
	return from >= until;
}

/* Check a band whose LSNs can all be read: it has no hole. */
static void
check_all(const Sweep *sweep, XLogRecPtr from, XLogRecPtr until)
{
	int			hole;
	int			start;

	if (sweep->nlayers > 0 && sweep->nlayers == sweep->ntouching + 1)
		return;
	if (sweep->nlayers == 0)
		report_hole(sweep, 0, sweep->plane->nkeys - 1, from, until);
	/* the first layer that has no neighbor */
	start = bb_rankset_next(&sweep->starts, 0);
	for (;;)
	{
		hole = sweep->plane->ends[sweep->layer_at[start]];
		start = bb_rankset_next(&sweep->starts, hole);
		if (start < 0)
			elog(ERROR, "layers of one band are not counted correctly");
		if (start > hole)
			report_hole(sweep, hole, start, from, until);
	}
}

/*
 * Check the holes of the ranks [start, end), and those at its ends, in a band
 * below sweep->lsn.
 */
static void
check_holes(Sweep *sweep, int start, int end, XLogRecPtr from,
			XLogRecPtr until)
{
	int			at = -1;

	if (start > 0)
		at = bb_rankset_prev(&sweep->starts, start - 1);
	if (at < 0)
		at = bb_rankset_next(&sweep->starts, start);
	while (at >= 0 && at <= end)
	{
		int			hole = sweep->plane->ends[sweep->layer_at[at]];

		at = bb_rankset_next(&sweep->starts, hole);
		if (at > hole &&
			!hole_is_right(sweep, oldest_base(sweep, hole, at), from, until))
			report_hole(sweep, hole, at, from, until);
	}
}

/* Check a band, the LSNs [from, until). */
static void
check_band(Sweep *sweep, XLogRecPtr from, XLogRecPtr until, const int *changed,
		   int nchanged)
{
	const BbPlane *plane = sweep->plane;

	if (sweep->manifest->gaps_forgotten)
		return;
	/* what is above isn't read at that LSN */
	until = Min(until, sweep->lsn + 1);
	if (from >= until)
		return;
	if (sweep->nlayers == 0 && sweep->manifest->keeps.origin != 0)
	{
		/* the keys that the layers here had, now removed, aren't known any more */
		sweep->looked = false;
		return;
	}
	if (sweep->nlayers == 0)
	{
		XLogRecPtr	base = oldest_base(sweep, 0, plane->nkeys - 1);

		if (sweep->manifest->ancestor != NULL)
			base = Min(base, sweep->manifest->ancestor_lsn);
		if (!hole_is_right(sweep, base, from, until))
			report_hole(sweep, 0, plane->nkeys - 1, from, until);
		return;
	}
	if (!sweep->looked)
		check_holes(sweep, 0, plane->nkeys - 1, from, until);
	else
		for (int i = 0; i < nchanged; i++)
			check_holes(sweep, plane->starts[changed[i]],
						plane->ends[changed[i]], from, until);
	/* a hole that is right because of a gap may not be so below it */
	sweep->looked = !touches_gap(sweep, from, until);
}

static void
init_sweep(Sweep *sweep, const BbPlane *plane, XLogRecPtr lsn)
{
	memset(sweep, 0, sizeof(*sweep));
	sweep->plane = plane;
	sweep->manifest = plane->manifest;
	sweep->lsn = lsn;
	bb_rankset_init(&sweep->starts, plane->nkeys);
	bb_rankset_init(&sweep->ends, plane->nkeys);
	sweep->layer_at = alloc_array(plane->nkeys, sizeof(int));
}

static void
run_sweep(Sweep *sweep, XLogRecPtr end)
{
	const BbPlane *plane = sweep->plane;
	const BbLayerDesc *layers = plane->manifest->layers;
	const int  *entered = plane->deltas;
	int		   *left = bb_plane_by_start(plane);
	int		   *changed = alloc_array((Size) plane->ndeltas * 2, sizeof(int));
	int			nentered = 0;
	int			nleft = 0;
	XLogRecPtr	until = end + 1; /* the line is just below it */
	int			nchanged = 0;

	for (bool last = false; !last;)
	{
		XLogRecPtr	from = InvalidXLogRecPtr;

		/* the band below "until", down to the next begin or end of a layer */
		if (nentered < plane->ndeltas)
			from = layers[entered[nentered]].lsn_end;
		if (nleft < nentered)
			from = Max(from, layers[left[nleft]].lsn_start);
		if (from < until)
		{
			XLogRecPtr	above = Max(from, sweep->lsn + 1);

			if (above < until &&
				!hole_is_right(sweep, InvalidXLogRecPtr, above, until))
				check_all(sweep, above, until);
			check_band(sweep, Max(from, 1), until, changed, nchanged);
			nchanged = 0;
			until = from;
		}
		last = nleft == plane->ndeltas;
		while (nleft < nentered && layers[left[nleft]].lsn_start >= from)
		{
			changed[nchanged++] = left[nleft];
			leave_layer(sweep, left[nleft++]);
		}
		while (nentered < plane->ndeltas &&
			   layers[entered[nentered]].lsn_end >= from)
		{
			changed[nchanged++] = entered[nentered];
			enter_layer(sweep, entered[nentered++]);
		}
	}
	pfree(left);
	pfree(changed);
}

void
bb_plane_check(const BbPlane *plane, XLogRecPtr lsn, XLogRecPtr end)
{
	Sweep		sweep;

	init_sweep(&sweep, plane, lsn);
	if (plane->nkeys > 0)
		run_sweep(&sweep, end);
	else if (end > lsn)
		report_hole(&sweep, 0, 0, lsn + 1, end + 1);

	bb_rankset_free(&sweep.starts);
	bb_rankset_free(&sweep.ends);
	pfree(sweep.layer_at);
	if (sweep.bases != NULL)
		pfree(sweep.bases);
}
