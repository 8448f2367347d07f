/*-------------------------------------------------------------------------
 *
 * inherited.c
 *	  Findings that concern branches of the timeline that they are of.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/inherited.h"
#include "upkeep/verify_state.h"
#include "utils/memutils.h"

/* Longer chains of ancestors, which only a forged manifest has, are cut. */
#define DEPTH_MAX 100

/* Of a timeline, as it was found there or inherited from further up. */
typedef struct Known
{
	const BbFinding *finding;
	const char *message; /* for a branch */
	TimestampTz started_at;
} Known;

static Known *
known_new(const char *timeline, const BbFinding *finding,
		  TimestampTz started_at)
{
	Known	   *known = palloc(sizeof(Known));

	known->finding = finding;
	known->message = psprintf("In its ancestor \"%s\": %s", timeline,
							  finding->message);
	known->started_at = started_at;
	return known;
}

/* What is known of a branch, because of what is known of its ancestor. */
static List *
pass_on(const BbManifest *branch, const List *of_ancestor)
{
	XLogRecPtr	at = branch->ancestor_lsn;
	List	   *inherited = NIL;
	const ListCell *cell;
	ListCell   *inner;

	foreach(cell, of_ancestor)
	{
		const Known *known = lfirst(cell);
		const BbFinding *finding = known->finding;
		/* the branch's own images of it have the ancestor's changes */
		BbLayerDesc part = {.keys = finding->keys,
							.lsn_start = at,
							.lsn_end = at + 1};
		BbLayerFault fault = {.kind = BB_FAULT_MISSING,
							  .offset = finding->offset,
							  .detail = unconstify(char *, known->message),
							  .keys = finding->keys};

		if (finding->layer == NULL || finding->lsn_from > at ||
			(finding->lsn_until <= at &&
			 !XLogRecPtrIsInvalid(finding->lsn_until)))
			continue;
		foreach(inner, bb_findings_of_fault(branch, &part, &fault))
		{
			BbFinding  *own = lfirst(inner);
			Known	   *next = palloc(sizeof(Known));

			own->kind = finding->kind;
			own->layer = finding->layer;
			*next = (Known){own, known->message, known->started_at};
			inherited = lappend(inherited, next);
		}
	}
	return inherited;
}

/* Add what is known of a timeline to the result. */
static List *
add_known(List *result, const char *timeline, const List *all)
{
	const ListCell *cell;

	foreach(cell, all)
	{
		const Known *known = lfirst(cell);
		BbInherited *one = palloc(sizeof(BbInherited));

		one->timeline = timeline;
		one->finding = *known->finding;
		one->started_at = known->started_at;
		result = lappend(result, one);
	}
	return result;
}

/* ---- downwards ---- */

static List *
of_branches(List *result, const List *manifests, const char *timeline,
			const List *known, int depth)
{
	const ListCell *cell;

	if (known == NIL || depth > DEPTH_MAX)
		return result;
	foreach(cell, manifests)
	{
		const BbManifest *branch = lfirst(cell);
		List	   *passed;

		if (branch->ancestor == NULL ||
			strcmp(branch->ancestor, timeline) != 0)
			continue;
		passed = pass_on(branch, known);
		result = add_known(result, branch->timeline, passed);
		result = of_branches(result, manifests, branch->timeline, passed,
							 depth + 1);
	}
	return result;
}

static bool
any_of_layer(const List *findings)
{
	const ListCell *cell;

	foreach(cell, findings)
		if (((const BbFinding *) lfirst(cell))->layer != NULL)
			return true;
	return false;
}

List *
bb_inherited_by_branches(const BbReqCtx *ctx, BbObjectStore *objects,
						 const char *timeline, const List *findings)
{
	List	   *manifests = NIL;
	List	   *known = NIL;
	const ListCell *cell;
	ListCell   *name;

	if (!any_of_layer(findings))
		return NIL;
	foreach(name, bb_manifest_list(ctx, objects))
	{
		ErrorData  *error;
		BbManifest *manifest = bb_manifest_try(ctx, objects, lfirst(name),
											   &error);

		if (manifest != NULL && manifest->ancestor != NULL)
			manifests = lappend(manifests, manifest);
	}
	foreach(cell, findings)
		known = lappend(known, known_new(timeline, lfirst(cell), 0));
	return of_branches(NIL, manifests, timeline, known, 0);
}

/* ---- order ---- */

/* The ancestor of a timeline; NULL: none, or none that can be read. */
static char *
ancestor_of(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup ancestor",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	ErrorData  *error;
	BbManifest *manifest = bb_manifest_try(ctx, objects, timeline, &error);
	char	   *ancestor = NULL;

	MemoryContextSwitchTo(old);
	if (manifest != NULL && manifest->ancestor != NULL)
		ancestor = pstrdup(manifest->ancestor);
	MemoryContextDelete(scratch);
	return ancestor;
}

static bool
is_in(const List *names, const char *name)
{
	const ListCell *cell;

	foreach(cell, names)
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}

List *
bb_inherited_order(const BbReqCtx *ctx, BbObjectStore *objects,
				   List *timelines)
{
	List	   *names = list_copy(timelines);
	List	   *ancestors = NIL;
	List	   *ordered = NIL;
	bool		moved = true;
	ListCell   *cell;

	foreach(cell, names)
		ancestors = lappend(ancestors,
							ancestor_of(ctx, objects, lfirst(cell)));
	while (moved)
	{
		moved = false;
		for (int i = list_length(names) - 1; i >= 0; i--)
		{
			const char *ancestor = list_nth(ancestors, i);

			if (ancestor != NULL && is_in(names, ancestor))
				continue;
			ordered = lappend(ordered, list_nth(names, i));
			names = list_delete_nth_cell(names, i);
			ancestors = list_delete_nth_cell(ancestors, i);
			moved = true;
		}
	}
	/* a circle, which only forged manifests have */
	return list_concat(ordered, names);
}

/* ---- upwards ---- */

static List *
noted_in(List *known, const char *timeline, const BbVerifyPass *pass)
{
	ListCell   *cell;

	if (pass == NULL)
		return known;
	foreach(cell, pass->findings)
		known = lappend(known,
						known_new(timeline, lfirst(cell), pass->started_at));
	return known;
}

/* What a timeline has inherited. */
static List *
of_ancestors(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
			 int depth)
{
	ErrorData  *error;
	BbManifest *manifest = bb_manifest_try(ctx, objects, timeline, &error);
	BbVerifyState state;
	List	   *known = NIL;

	if (manifest == NULL || manifest->ancestor == NULL || depth > DEPTH_MAX)
		return NIL;
	state = bb_verify_state_read(ctx, objects, manifest->ancestor);
	known = noted_in(known, manifest->ancestor, state.last);
	known = noted_in(known, manifest->ancestor, state.running);
	known = list_concat(known,
						of_ancestors(ctx, objects, manifest->ancestor,
									 depth + 1));
	return pass_on(manifest, known);
}

List *
bb_inherited_from_ancestors(const BbReqCtx *ctx, BbObjectStore *objects,
							const char *timeline)
{
	return add_known(NIL, timeline, of_ancestors(ctx, objects, timeline, 0));
}
