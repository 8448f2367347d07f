/*-------------------------------------------------------------------------
 *
 * retain.c
 *	  The retention of a store in object storage is extended.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "upkeep/pace.h"
#include "upkeep/retain.h"
#include "utils/timestamp.h"

#define SECONDS_PER_DAY_INT64 INT64CONST(86400)

/* How often in the days of the retention. */
#define ROUNDS 4

#define MAX_STATE_BYTES 1024

typedef struct State
{
	int64		done;	   /* when the last complete round began; 0: none */
	int64		started;   /* 0: no round is under way */
	char		last[512]; /* the layer up to which it has come; "": none */
	BbObjectTag tag;
} State;

static char *
state_object(const char *timeline)
{
	return psprintf("timelines/%s/" BB_RETAINED_OBJECT, timeline);
}

/* A state that isn't one of ours is none. */
static State
read_state(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline)
{
	State		state = {.tag = BB_OBJECT_ABSENT};
	char	   *data;
	size_t		length;
	long long done;
	long long started;

	if (!bb_objstore_get(ctx, objects, state_object(timeline), MAX_STATE_BYTES,
						 &data, &length, &state.tag))
		return state;
	state.last[0] = '\0';
	if (sscanf(data, "%lld %lld %511s", &done, &started, state.last) >= 2)
	{
		state.done = done;
		state.started = started;
	}
	return state;
}

static void
write_state(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
			const State *state)
{
	char	   *text = psprintf(INT64_FORMAT " " INT64_FORMAT " %s\n",
								state->done, state->started, state->last);
	BbObjectTag tag;

	/* another server may do the same at the same time, which does no harm */
	(void) bb_objstore_put_if(ctx, objects, state_object(timeline), text,
							  strlen(text), state->tag, &tag);
}

bool
bb_retain_due(const BbReqCtx *ctx, BbObjectStore *objects,
			  const char *timeline, int64 now)
{
	int			days = bb_objstore_retention_days(objects);
	State		state;

	if (days == 0)
		return false;
	state = read_state(ctx, objects, timeline);
	/* a clock that was set back is no reason to wait */
	return state.started != 0 || state.done > now ||
		now - state.done >= days * SECONDS_PER_DAY_INT64 / ROUNDS;
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

bool
bb_retain_piece(const BbReqCtx *ctx, BbObjectStore *objects,
				const BbManifest *manifest, TimestampTz until, uint64 *n)
{
	const char *timeline = manifest->timeline;
	State		state = read_state(ctx, objects, timeline);
	List	   *names = NIL;
	ListCell   *cell;
	bool		more = false;

	if (state.started == 0)
		state.started = time(NULL);
	for (int i = 0; i < manifest->nlayers; i++)
		names = lappend(names,
						bb_layer_object_name(timeline, &manifest->layers[i]));
	list_sort(names, compare_names);
	foreach(cell, names)
	{
		const char *name = lfirst(cell);

		if (strcmp(name, state.last) <= 0)
			continue;
		more = GetCurrentTimestamp() >= until;
		if (more)
			break;
		bb_upkeeppace(ctx, 0);
		bb_objstore_retain(ctx, objects, name);
		strlcpy(state.last, name, sizeof(state.last));
		(*n)++;
	}
	if (!more)
	{
		bb_objstore_retain(ctx, objects,
						   psprintf("timelines/%s/manifest", timeline));
		bb_objstore_retain_keys(ctx, objects);
		state.done = state.started;
		state.started = 0;
		state.last[0] = '\0';
		(*n)++;
	}
	write_state(ctx, objects, timeline, &state);
	return more;
}
