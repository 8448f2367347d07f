/*-------------------------------------------------------------------------
 *
 * points.c
 *	  Which LSNs before the start of a timeline stay readable, and why.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/periods.h"
#include "upkeep/points.h"

/*
 * The timeline may be restored from a copy or dropped; until then nothing is
 * known of it, and it may need any LSN.
 */
static void
report_unreadable(const char *timeline, const char *other,
				  const ErrorData *error)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("nothing of timeline \"%s\" can expire, since timeline \"%s\" might be a branch of it",
					timeline, other),
			 errdetail("The manifest of timeline \"%s\" cannot be read: %s.",
					   other, error->message),
			 errhint("Restore that manifest from a copy of the page store, or drop timeline \"%s\".",
					 other)));
}

/* The branches; "known": those whose manifests can be read. */
static List *
find_branches(const BbReqCtx *ctx, BbObjectStore *objects,
			  const char *timeline, bool known)
{
	List	   *branches = NIL;
	ListCell   *cell;

	foreach(cell, bb_manifest_list(ctx, objects))
	{
		const char *other = lfirst(cell);
		ErrorData  *error;
		BbManifest *manifest;
		BbBranch   *branch;

		if (strcmp(other, timeline) == 0)
			continue;
		manifest = bb_manifest_try(ctx, objects, other, &error);
		if (!known)
			bb_manifest_refuse_newer(error);
		if (error != NULL && !known)
			report_unreadable(timeline, other, error);
		if (manifest == NULL || manifest->ancestor == NULL ||
			strcmp(manifest->ancestor, timeline) != 0)
			continue;
		branch = palloc(sizeof(BbBranch));
		branch->name = pstrdup(other);
		branch->lsn = manifest->ancestor_lsn;
		branch->time = manifest->end_lsn == manifest->ancestor_lsn
			? manifest->end_time
			: 0;
		branches = lappend(branches, branch);
	}
	return branches;
}

List *
bb_points_branches(const BbReqCtx *ctx, BbObjectStore *objects,
				   const char *timeline)
{
	return find_branches(ctx, objects, timeline, false);
}

List *
bb_points_known_branches(const BbReqCtx *ctx, BbObjectStore *objects,
						 const char *timeline)
{
	return find_branches(ctx, objects, timeline, true);
}

bool
bb_pin_holds(const BbPin *pin, int64 now)
{
	return pin->expires_at == 0 || pin->expires_at > now;
}

/* ---- choosing ---- */

/* So many periods that a clock may have been set back are found again. */
#define CLOCK_PERIODS 100

/* The moments, and why each is kept; NULL for one that isn't. */
typedef struct Choice
{
	const BbPoint *moments;
	int			n;
	char	  **why;
} Choice;

static void
keep(Choice *choice, int i, char *why)
{
	choice->why[i] = choice->why[i] ? psprintf("%s, %s", choice->why[i], why)
									: why;
}

/* Keep the moment of an LSN, if there is one. */
static void
keep_lsn(Choice *choice, XLogRecPtr lsn, char *why)
{
	int			low = 0;
	int			high = choice->n;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (choice->moments[middle].lsn < lsn)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < choice->n && choice->moments[low].lsn == lsn)
		keep(choice, low, why);
}

/*
 * Keep the last moment of each of the newest periods of a unit.
 *
 * Periods fall from the newest to the oldest, except where a clock was set
 * back.
 */
static void
keep_periods(Choice *choice, BbPeriodUnit unit, uint32 count, int64 next)
{
	int64		following = bb_period_of(unit, next);
	int64	   *kept = palloc(count * sizeof(int64));
	uint32		nkept = 0;

	for (int i = choice->n - 1; i >= 0; i--)
	{
		int64		period = bb_period_of(unit, choice->moments[i].time);
		bool		last = period != following;
		bool		known = false;

		following = period;
		if (!last)
			continue;
		for (uint32 k = 0; k < Min(nkept, CLOCK_PERIODS) && !known; k++)
			known = kept[nkept - 1 - k] == period;
		if (!known && nkept == count)
			continue;
		if (!known)
			kept[nkept++] = period;
		keep(choice, i, bb_period_label(unit, choice->moments[i].time));
	}
	pfree(kept);
}

static BbPoints *
chosen(const Choice *choice)
{
	BbPoints   *points = palloc0(sizeof(BbPoints));

	points->points = palloc((choice->n + 1) * sizeof(BbPoint));
	points->why = palloc((choice->n + 1) * sizeof(char *));
	for (int i = 0; i < choice->n; i++)
		if (choice->why[i] != NULL)
		{
			points->points[points->n] = choice->moments[i];
			points->why[points->n++] = choice->why[i];
		}
	return points;
}

BbPoints *
bb_points_choose(const BbManifest *manifest, List *branches,
				 const BbPoint *moments, int nmoments, int64 next, int64 now)
{
	const BbKeeps *keeps = &manifest->keeps;
	Choice		choice = {.moments = moments, .n = nmoments};
	ListCell   *cell;

	choice.why = palloc0((nmoments + 1) * sizeof(char *));
	for (int i = 0; i < keeps->npins; i++)
		if (bb_pin_holds(&keeps->pins[i], now))
			keep_lsn(&choice, keeps->pins[i].lsn,
					 psprintf("%s \"%s\"",
							  bb_pin_is_lease(&keeps->pins[i]) ? "lease"
															   : "pin",
							  keeps->pins[i].name));
	foreach(cell, branches)
	{
		const BbBranch *branch = lfirst(cell);

		keep_lsn(&choice, branch->lsn,
				 psprintf("branch \"%s\"", branch->name));
	}
	for (int unit = 0; unit < BB_PERIOD_UNITS; unit++)
	{
		uint32		count = bb_period_count(&keeps->retention,
											(BbPeriodUnit) unit);

		if (count > 0)
			keep_periods(&choice, (BbPeriodUnit) unit, count, next);
	}
	return chosen(&choice);
}
