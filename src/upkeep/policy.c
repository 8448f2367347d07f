/*-------------------------------------------------------------------------
 *
 * policy.c
 *	  Which layers upkeep merges, and where it makes images.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "upkeep/policy_internal.h"
#include "upkeep/policy_stack.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* A merge has so many inputs at most, since it keeps all of them open. */
#define INPUTS_MAX 512

/* With so many times the runs that a read may open, merges go before images. */
#define BACKLOG 4

/* The stack of the journal's part of the body. */
#define JOURNAL_DEPTH 3

/* A flush isn't taken for smaller than that, which is mostly fixed costs. */
#define UNIT_BYTES (16 * 1024)

/* A merge is cut into parts of at least that part of the size of a layer. */
#define PARTS 8

/* How many parts of the body are tried, if merges of others would be too large. */
#define TRIES_MAX 64

BbPolicySettings
bb_policy_settings(void)
{
	return (
		BbPolicySettings){.merge_layers = bb_setting_merge_layers,
						  .image_percent = bb_setting_image_percent,
						  .layer_bytes = (uint64) bb_setting_layer_size_mb *
							  1024 * 1024};
}

/* ---- merges ---- */

/* Is the border before a cell one of an image, or of layers of the body? */
static bool
is_border(const BbPolicyCell *cell)
{
	return cell->image != cell[-1].image || cell->begins;
}

/* Mark the borders of cells that layers other than those of a list cross. */
static bool *
find_crossed(const BbPolicyView *view, const List *inputs)
{
	bool	   *crossed = palloc0(view->ncells + 1);
	HASHCTL		control = {.keysize = sizeof(void *),
						   .entrysize = sizeof(void *)};
	HTAB	   *known = hash_create("bbackup policy inputs", 256, &control,
									HASH_ELEM | HASH_BLOBS);
	ListCell   *cell;

	foreach(cell, inputs)
	{
		const void *input = lfirst(cell);

		hash_search(known, &input, HASH_ENTER, NULL);
	}
	for (int i = view->body; i < view->ndeltas; i++)
	{
		const BbLayerDesc *layer = view->deltas[i];
		int			first;
		int			n;

		if (hash_search(known, &layer, HASH_FIND, NULL) != NULL)
			continue;
		n = bb_policyview_span(view, layer, &first);
		for (int at = first + 1; at < first + n; at++)
		{
			if (layer->lsn_end - 1 > bb_policycell_lsn(&view->cells[at - 1]) ||
				layer->lsn_end - 1 > bb_policycell_lsn(&view->cells[at]))
				crossed[at] = true;
		}
	}
	hash_destroy(known);
	return crossed;
}

/*
 * Where to cut the result of a merge: so that it can later be merged part by
 * part, at borders that the layers below it don't cross.
 */
static List *
choose_cuts(const BbPolicy *policy, const BbKeyRange *keys, const List *inputs,
			uint64 bytes)
{
	const BbPolicyView *view = policy->view;
	double		part = (double) policy->settings->layer_bytes / PARTS;
	double		all = 0;
	double		sum = 0;
	int			first = bb_policyview_find(view, &view->journal_end);
	int			from = Max(first, bb_policyview_find(view, &keys->start));
	int			to = bb_policyview_find(view, &keys->end);
	bool	   *crossed;
	List	   *cuts = NIL;

	if (bytes < 2 * part)
		return NIL;
	for (int i = from; i < to; i++)
		all += view->cells[i].image_bytes + view->cells[i].bytes;
	crossed = find_crossed(view, inputs);
	for (int i = from; i < to; i++)
	{
		const BbPolicyCell *cell = &view->cells[i];

		if (i > from && sum * bytes >= part * all && !crossed[i] &&
			is_border(cell))
		{
			cuts = lappend(cuts, (void *) &cell->keys.start);
			sum = 0;
		}
		sum += cell->image_bytes + cell->bytes;
	}
	pfree(crossed);
	return cuts;
}

static void
plan_merge(BbPolicy *policy, BbKeyRange keys, List *inputs, uint64 bytes)
{
	BbUpkeepJob *job = policy->job;

	job->kind = BB_UPKEEP_MERGE;
	job->keys = keys;
	job->inputs = inputs;
	job->cuts = choose_cuts(policy, &keys, inputs, bytes);
	job->bytes = bytes;
}

/*
 * A merge of the head is over all keys; if only the journal has changed, over
 * those of the journal, so that later merges of the journal needn't read
 * layers of other keys.
 */
static BbKeyRange
head_keys(const BbPolicy *policy, const List *inputs)
{
	BbKeyRange	keys = bb_key_range_all();
	const BbKey *border = &policy->view->journal_end;
	ListCell   *cell;

	foreach(cell, inputs)
	{
		const BbLayerDesc *layer = lfirst(cell);

		if (bb_key_compare(&layer->keys.end, border) > 0)
			return keys;
	}
	keys.end = *border;
	return keys;
}

static bool
next_head_merge(BbPolicy *policy)
{
	const BbPolicyView *view = policy->view;
	int			n = view->nhead;
	double	   *sizes;
	int			at;
	uint64		bytes = 0;
	List	   *inputs = NIL;
	int			runs = 0;

	if (n <= policy->head_depth)
		return false;
	sizes = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(double));
	for (int i = 0; i < n; i++)
		sizes[i] = (double) view->head[n - 1 - i].bytes;
	at = bb_stack_merge(sizes, n, policy->head_depth,
						Max(sizes[n - 1], UNIT_BYTES));
	/* from there on, so many as fit into a job */
	for (; at < n; at++)
	{
		const BbPolicyRun *run = &view->head[n - 1 - at];

		if (runs >= 2 &&
			(bytes + run->bytes > policy->limit ||
			 list_length(inputs) + run->end - run->first > INPUTS_MAX))
			break;
		for (int i = run->first; i < run->end; i++)
			inputs = lappend(inputs, (void *) view->deltas[i]);
		bytes += run->bytes;
		runs++;
	}
	plan_merge(policy, head_keys(policy, inputs), inputs, bytes);
	policy->job
		->why = psprintf("a read opens %d layers above those cut by key", n);
	return true;
}

static int
allowed_depth(const BbPolicy *policy, const BbPolicyCell *cell)
{
	return bb_policy_is_journal(policy, cell) ? JOURNAL_DEPTH
											  : policy->body_depth;
}

/*
 * Flushes aren't cut where the journal ends.  When a merge of the journal meets
 * some, first only these are rewritten: the layers below them on the other side of
 * the border may long have an image, and would be read for nothing.
 */
static bool
find_uncut(const BbPolicy *policy, const List *stack, int *at, int *end)
{
	*end = list_length(stack);
	while (*end > 0 &&
		   !bb_policy_crosses_journal(policy, list_nth(stack, *end - 1)))
		(*end)--;
	*at = *end;
	while (*at > 0 &&
		   bb_policy_crosses_journal(policy, list_nth(stack, *at - 1)))
		(*at)--;
	return *end > *at;
}

/* Plan the merge of stack[at, end) in a cell, with all that it takes. */
static bool
plan_rectangle(BbPolicy *policy, const BbPolicyCell *cell, const List *stack,
			   int at, int end)
{
	const BbLayerDesc *oldest = list_nth(stack, at);
	const BbLayerDesc *newest = list_nth(stack, end - 1);
	BbKeyRange	keys = cell->keys;
	uint64		bytes;
	List	   *inputs;

	inputs = bb_policyview_close(policy->view, &keys, oldest->lsn_start,
								 newest->lsn_end, policy->limit, &bytes);
	if (inputs == NIL || list_length(inputs) > INPUTS_MAX)
		return false;
	plan_merge(policy, keys, inputs, bytes);
	policy->job->why = psprintf("a read opens %d layers cut by key",
								list_length(stack));
	return true;
}

/* A stack of layers, or the part of one below, above or between broken ones. */
static bool
plan_stack_merge(BbPolicy *policy, const BbPolicyCell *cell, const List *stack)
{
	const BbPolicyView *view = policy->view;
	int			n = list_length(stack);
	double	   *sizes;
	int			at;
	int			end;

	if (n <= allowed_depth(policy, cell))
		return false;
	if (find_uncut(policy, stack, &at, &end) &&
		plan_rectangle(policy, cell, stack, at, end))
		return true;
	sizes = palloc(n * sizeof(double));
	for (int i = 0; i < n; i++)
		sizes[i] = bb_policyview_share(view, list_nth(stack, i));
	at = bb_stack_merge(sizes, n, allowed_depth(policy, cell),
						Max(sizes[n - 1], 1));
	/* if that is too large, fewer of them */
	for (; at < n - 1; at++)
	{
		if (plan_rectangle(policy, cell, stack, at, n))
			return true;
	}
	return false;
}

static bool
plan_body_merge(BbPolicy *policy, const BbPolicyCell *cell)
{
	List	   *stack = bb_policyview_cell(policy->view, cell);
	List	   *part = NIL;
	ListCell   *item;

	foreach(item, stack)
	{
		if (!bb_policyview_is_broken(policy->view, lfirst(item)))
			part = lappend(part, lfirst(item));
		else if (plan_stack_merge(policy, cell, part))
			return true;
		else
			part = NIL;
	}
	return plan_stack_merge(policy, cell, part);
}

/* Merge where most layers are to be opened. */
static bool
next_body_merge(BbPolicy *policy)
{
	const BbPolicyView *view = policy->view;
	int			parts = 0;
	int			most = 0;

	for (int i = 0; i < view->ncells; i++)
		most = Max(most,
				   view->cells[i].depth -
					   allowed_depth(policy, &view->cells[i]));
	for (; most > 0; most--)
	{
		for (int i = 0; i < view->ncells; i++)
		{
			const BbPolicyCell *cell = &view->cells[i];

			if (cell->depth - allowed_depth(policy, cell) != most)
				continue;
			if (plan_body_merge(policy, cell))
				return true;
			if (++parts == TRIES_MAX)
				return false;
		}
	}
	return false;
}

/* The depth of a read is that of the head and that of the body, together. */
static void
set_depths(BbPolicy *policy)
{
	const BbPolicyView *view = policy->view;
	int			all = policy->settings->merge_layers;
	int			body = 0;

	policy->body_depth = Max(1, all / 2);
	for (int i = 0; i < view->ncells; i++)
	{
		if (!bb_policy_is_journal(policy, &view->cells[i]))
			body = Max(body, view->cells[i].depth);
	}
	policy->head_depth = Max(all - Min(body, policy->body_depth), 1);
}

bool
bb_policy_needs(const BbManifest *manifest, const BbLayerDesc *layer)
{
	const BbPolicySettings settings = {
		.broken = list_make1(unconstify(BbLayerDesc *, layer))};
	const BbPolicyView *view = bb_policyview_new(manifest, &settings);

	for (int i = 0; i < view->ncells; i++)
	{
		if (view->cells[i].blocked)
			return true;
	}
	return false;
}

bool
bb_policy_next(const BbManifest *manifest, const BbPolicySettings *settings,
			   BbUpkeepJob *job)
{
	BbPolicy	policy = {.settings = settings, .job = job};

	memset(job, 0, sizeof(BbUpkeepJob));
	if (!bb_manifest_consistent(manifest))
		return false;
	policy.view = bb_policyview_new(manifest, settings);
	policy.limit = settings->layer_bytes * BB_POLICY_JOB_LAYERS;
	set_depths(&policy);
	if (policy.view->nhead > BACKLOG * settings->merge_layers &&
		next_head_merge(&policy))
		return true;
	return bb_policy_next_image(&policy) || next_head_merge(&policy) ||
		next_body_merge(&policy);
}
