/*-------------------------------------------------------------------------
 *
 * manifest_apply.c
 *	  What an edit makes of a manifest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "layer/layerset.h"
#include "layer/manifest_apply.h"

void
bb_manifest_edit_refuse(const BbManifestEdit *edit, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("timeline \"%s\" was changed by another session",
					edit->base->timeline),
			 errdetail_internal("%s", detail), errhint("Try again.")));
}

/* ---- the next manifest ---- */

/* Set the next manifest's layers, which are allocated in "context". */
static void
set_layers(const BbManifestEdit *edit, const BbManifest *current,
		   BbManifest *next, MemoryContext context)
{
	BbLayerSet *removed = bb_layerset_of_list(edit->removed);
	Size		n = current->nlayers + list_length(edit->added) + 1;
	ListCell   *cell;

	next->nlayers = 0;
	next->layers = MemoryContextAllocHuge(context, n * sizeof(BbLayerDesc));
	if (removed->n == 0 && current->nlayers > 0)
	{
		next->nlayers = current->nlayers;
		memcpy(next->layers, current->layers,
			   current->nlayers * sizeof(BbLayerDesc));
	}
	else
		for (int i = 0; i < current->nlayers; i++)
			if (!bb_layerset_has(removed, &current->layers[i]))
				next->layers[next->nlayers++] = current->layers[i];
	if (current->nlayers - next->nlayers != removed->n)
		bb_manifest_edit_refuse(
			edit,
			"A layer that was to be replaced is not part of it any more.");
	foreach(cell, edit->added)
		next->layers[next->nlayers++] = *(const BbLayerDesc *) lfirst(cell);
}

/* Set what is retired after the edit. */
static void
set_retired(const BbManifestEdit *edit, const BbManifest *current,
			BbManifest *next)
{
	BbLayerSet *forgotten = bb_layerset_of_list(edit->forgotten);
	Size		n = current->keeps.nretired + list_length(edit->removed) + 1;
	BbKeeps	   *keeps = &next->keeps;
	ListCell   *cell;

	keeps->nretired = 0;
	keeps->retired = MemoryContextAllocHuge(CurrentMemoryContext,
											n * sizeof(BbRetired));
	for (int i = 0; i < current->keeps.nretired; i++)
		if (!bb_layerset_has(forgotten, &current->keeps.retired[i].layer))
			keeps->retired[keeps->nretired++] = current->keeps.retired[i];
	if (edit->retired_at == 0)
		return;
	foreach(cell, edit->removed)
		keeps->retired[keeps->nretired++] =
			(BbRetired){.layer = *(const BbLayerDesc *) lfirst(cell),
						.since = edit->retired_at};
}

/*
 * A pin is of an LSN that can be read, and stays where it is.  Pins are added
 * without the lock of those who move the start, so both are checked here, where
 * one of two commits is the first.
 */
static void
check_pin(const BbManifestEdit *edit, const BbManifest *current)
{
	const BbPin *added = edit->pinned;
	int			i = bb_keeps_find_pin(&current->keeps, added->name);
	const BbPin *same = i < 0 ? NULL : &current->keeps.pins[i];

	if (same == NULL && edit->renewal)
		bb_manifest_report_no_lease(current, added->name);
	if (same != NULL &&
		(same->lsn != added->lsn || same->new_tli != added->new_tli))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("timeline \"%s\" has a %s \"%s\" already",
						current->timeline,
						bb_pin_is_lease(same) ? "lease" : "pin", added->name),
				 errdetail("It is at " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(same->lsn)),
				 errhint("Remove it by %s first, or use another name.",
						 bb_pin_is_lease(same) ? "bb_release_lease()"
											   : "bb_unpin()")));
	for (i = 0; i < current->keeps.npins && bb_pin_is_lease(added); i++)
		if (&current->keeps.pins[i] != same &&
			current->keeps.pins[i].new_tli == added->new_tli &&
			!bb_pin_lapsed(&current->keeps.pins[i], edit->lapsed_at))
			bb_manifest_edit_refuse(
				edit,
				psprintf("Its lease \"%s\" has timeline ID %u.",
						 current->keeps.pins[i].name, added->new_tli));
	if (added->lsn < current->start_lsn &&
		!bb_keeps_has_point(&current->keeps, added->lsn))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("LSN " BB_LSN_FORMAT " of timeline \"%s\" cannot be read any more",
						LSN_FORMAT_ARGS(added->lsn), current->timeline),
				 errdetail("It can be read from " BB_LSN_FORMAT " to " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(current->start_lsn),
						   LSN_FORMAT_ARGS(current->end_lsn)),
				 errhint("What has expired does not come back.")));
}

void
bb_manifest_report_no_lease(const BbManifest *manifest, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("timeline \"%s\" has no lease \"%s\"",
					manifest->timeline, name),
			 errdetail("It was released, or it expired and was removed."),
			 errhint("bb_leases() lists the leases. bb_lease() takes one of an LSN that can still be read.")));
}

/* Set the pins after the edit. */
static void
set_pins(const BbManifestEdit *edit, const BbManifest *current,
		 BbManifest *next)
{
	BbKeeps	   *keeps = &next->keeps;
	const BbPin *added = edit->pinned;

	if (added == NULL && edit->unpinned == NULL && edit->lapsed_at == 0)
		return;
	/* another session may have removed it in the meantime */
	if (edit->unpinned != NULL &&
		bb_keeps_find_pin(&edit->base->keeps, edit->unpinned) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("timeline \"%s\" has no pin \"%s\"",
						current->timeline, edit->unpinned),
				 errhint("bb_keeps() lists the pins.")));
	if (added != NULL)
		check_pin(edit, current);
	keeps->npins = 0;
	keeps->pins = palloc((current->keeps.npins + 1) * sizeof(BbPin));
	for (int i = 0; i < current->keeps.npins; i++)
	{
		const BbPin *pin = &current->keeps.pins[i];

		if (added != NULL && strcmp(pin->name, added->name) > 0)
		{
			keeps->pins[keeps->npins++] = *added;
			added = NULL;
		}
		if (!bb_pin_lapsed(pin, edit->lapsed_at) &&
			(edit->unpinned == NULL ||
			 strcmp(pin->name, edit->unpinned) != 0) &&
			(added == NULL || strcmp(pin->name, added->name) != 0))
			keeps->pins[keeps->npins++] = *pin;
	}
	if (added != NULL)
		keeps->pins[keeps->npins++] = *added;
}

/*
 * The points were chosen for the retention and the pins of the base.  A pin
 * that was removed since does no harm.
 */
static void
check_points(const BbManifestEdit *edit, const BbManifest *current)
{
	const BbKeeps *before = &edit->base->keeps;
	const BbKeeps *keeps = &current->keeps;

	if (!bb_retention_equal(&before->retention, &keeps->retention))
		bb_manifest_edit_refuse(edit, "Its retention was changed.");
	for (int i = 0; i < keeps->npins; i++)
	{
		int			same = bb_keeps_find_pin(before, keeps->pins[i].name);

		if (same < 0 || before->pins[same].lsn != keeps->pins[i].lsn ||
			before->pins[same].expires_at != keeps->pins[i].expires_at)
			bb_manifest_edit_refuse(edit,
									psprintf("Its pin \"%s\" was set.",
											 keeps->pins[i].name));
	}
}

/* Does a read that a gap concerns use layers, or the ancestor, from before its end? */
static bool
reaches_below(const BbManifest *next, const BbGap *gap)
{
	if (next->ancestor != NULL)
		return true;
	for (int i = 0; i < next->nlayers; i++)
		if (next->layers[i].lsn_start <= gap->until)
			return true;
	return false;
}

/*
 * Drop the gaps before the start that no layer reaches any more.  The others say
 * where layers may have holes.  The writer of an edit that has all gaps doesn't know
 * which of them another one has dropped.
 */
static void
drop_gaps(BbManifest *next)
{
	while (next->ngaps > 0 && next->gaps[0].until <= next->start_lsn &&
		   !reaches_below(next, &next->gaps[0]))
	{
		next->gaps++;
		next->ngaps--;
	}
}

/* Does the edit do nothing but forget retired layers? */
static bool
only_forgets(const BbManifestEdit *edit)
{
	return edit->added == NIL && edit->removed == NIL && edit->end == NULL &&
		XLogRecPtrIsInvalid(edit->start_lsn) && edit->gaps == NULL &&
		edit->retention == NULL && edit->pinned == NULL &&
		edit->unpinned == NULL && edit->lapsed_at == 0 &&
		edit->upgraded_from == NULL;
}

void
bb_manifest_edit_apply(const BbManifestEdit *edit, const BbManifest *current,
					   BbManifest *next, MemoryContext context)
{
	const BbManifestEnd *end = edit->end;

	if (current->tag != BB_OBJECT_ABSENT && !only_forgets(edit))
		bb_manifest_check_no_copy(current);
	*next = *current;
	set_layers(edit, current, next, context);
	if (end != NULL)
	{
		next->end_lsn = end->end_lsn;
		next->prev_lsn = end->prev_lsn;
		next->end_time = end->end_time;
		next->tli = end->tli;
		next->nswitches = end->nswitches;
		next->switches = end->switches;
	}
	if (!XLogRecPtrIsInvalid(edit->start_lsn))
		next->start_lsn = edit->start_lsn;
	if (edit->gaps != NULL)
	{
		next->ngaps = edit->gaps->n;
		next->gaps = edit->gaps->gaps;
	}
	set_retired(edit, current, next);
	set_pins(edit, current, next);
	/*
	 * The layers that say it may go, and an image may be older than they are.
	 */
	if (edit->removed != NIL || edit->points != NULL ||
		(edit->added != NIL && edit->end == NULL))
		next->keeps.origin = bb_manifest_origin(current);
	if (edit->upgraded_from != NULL)
		next->upgraded_from = edit->upgraded_from[0]
			? pstrdup(edit->upgraded_from)
			: NULL;
	if (edit->retention != NULL)
		next->keeps.retention = *edit->retention;
	if (edit->points != NULL)
	{
		check_points(edit, current);
		next->keeps.npoints = edit->points->n;
		next->keeps.points = edit->points->points;
	}
	if (bb_manifest_consistent(next))
		drop_gaps(next);
}

/* ---- is it done already? ---- */

/* How many layers of a manifest are in a set? */
static int
count_named(const BbLayerSet *set, const BbManifest *manifest)
{
	int			n = 0;

	for (int i = 0; i < manifest->nlayers; i++)
		n += bb_layerset_has(set, &manifest->layers[i]);
	return n;
}

/* How many retired layers are in a set?  at: retired then; 0: at any time. */
static int
count_retired(const BbLayerSet *set, const BbManifest *manifest, int64 at)
{
	int			n = 0;

	for (int i = 0; i < manifest->keeps.nretired; i++)
	{
		const BbRetired *retired = &manifest->keeps.retired[i];

		n += (at == 0 || retired->since == at) &&
			bb_layerset_has(set, &retired->layer);
	}
	return n;
}

bool
bb_manifest_edit_added(const BbManifestEdit *edit, const BbManifest *current)
{
	BbLayerSet *added = bb_layerset_of_list(edit->added);

	if (edit->end != NULL && edit->end->end_lsn != current->end_lsn)
		return false;
	return added->n > 0 &&
		(count_named(added, current) > 0 ||
		 count_retired(added, current, 0) > 0);
}

static bool
holds_layers(const BbManifestEdit *edit, const BbManifest *current)
{
	BbLayerSet *removed = bb_layerset_of_list(edit->removed);
	BbLayerSet *forgotten = bb_layerset_of_list(edit->forgotten);

	return count_named(removed, current) == 0 &&
		(edit->retired_at == 0 ||
		 count_retired(removed, current, edit->retired_at) == removed->n) &&
		count_retired(forgotten, current, 0) == 0;
}

static bool
holds_ends(const BbManifestEdit *edit, const BbManifest *current)
{
	const BbManifestEnd *end = edit->end;

	return (end == NULL ||
			(current->end_lsn == end->end_lsn &&
			 current->prev_lsn == end->prev_lsn &&
			 current->end_time == end->end_time && current->tli == end->tli &&
			 current->nswitches == end->nswitches)) &&
		(XLogRecPtrIsInvalid(edit->start_lsn) ||
		 current->start_lsn == edit->start_lsn) &&
		(edit->gaps == NULL || current->ngaps == edit->gaps->n);
}

static bool
holds_points(const BbManifestEdit *edit, const BbManifest *current)
{
	if (edit->points == NULL)
		return true;
	if (current->keeps.npoints != edit->points->n)
		return false;
	for (int i = 0; i < edit->points->n; i++)
		if (current->keeps.points[i].lsn != edit->points->points[i].lsn)
			return false;
	return true;
}

static bool
holds_upgrade(const BbManifestEdit *edit, const BbManifest *current)
{
	const char *now = current->upgraded_from ? current->upgraded_from : "";

	return edit->upgraded_from == NULL ||
		strcmp(edit->upgraded_from, now) == 0;
}

static bool
holds_keeps(const BbManifestEdit *edit, const BbManifest *current)
{
	const BbKeeps *keeps = &current->keeps;

	return (edit->retention == NULL ||
			bb_retention_equal(&keeps->retention, edit->retention)) &&
		(edit->pinned == NULL || bb_keeps_has_pin(keeps, edit->pinned)) &&
		!bb_keeps_lapsed(keeps, edit->lapsed_at) &&
		(edit->unpinned == NULL ||
		 bb_keeps_find_pin(keeps, edit->unpinned) < 0 ||
		 (edit->pinned != NULL &&
		  strcmp(edit->pinned->name, edit->unpinned) == 0));
}

bool
bb_manifest_edit_holds(const BbManifestEdit *edit, const BbManifest *current)
{
	return edit->added == NIL && holds_layers(edit, current) &&
		holds_ends(edit, current) && holds_points(edit, current) &&
		holds_keeps(edit, current) && holds_upgrade(edit, current);
}
