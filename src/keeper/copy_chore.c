/*-------------------------------------------------------------------------
 *
 * copy_chore.c
 *	  Copies of timelines in other page stores are brought up to date.
 *
 * The table bb_replicating says which.  The first copy was made by the call of
 * bb_replicate that added the row, so what is left to do is what has changed
 * since the last visit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "foreign/foreign.h"
#include "keeper/chores.h"
#include "process/retry.h"
#include "process/worker.h"
#include "stores/replicating.h"
#include "upkeep/replicate.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* A store that the timeline is copied to. */
typedef struct Target
{
	Oid			server; /* Invalid: dropped */
	char	   *name;
} Target;

static List *
targets_of(const BbChorePlace *place)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	List	   *targets = NIL;
	ListCell   *cell;

	bb_worker_begin_transaction();
	foreach(cell, bb_replicating_all())
	{
		const BbReplicating *row = lfirst(cell);
		MemoryContext old;
		Target	   *target;

		if (strcmp(row->from_store, place->server_name) != 0 ||
			strcmp(row->timeline, place->manifest->timeline) != 0)
			continue;
		old = MemoryContextSwitchTo(caller);
		target = palloc(sizeof(Target));
		target->name = pstrdup(row->to_store);
		target->server = get_foreign_server_oid(row->to_store, true);
		targets = lappend(targets, target);
		MemoryContextSwitchTo(old);
	}
	bb_worker_end_transaction();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	return targets;
}

/* Another chore may have changed the timeline since the visit began. */
static bool
copy_is_due(const BbReqCtx *ctx, const BbChorePlace *place)
{
	return bb_manifest_consistent(place->manifest) && targets_of(place) != NIL;
}

/* Bring one copy up to date. */
static void
copy_to(const BbReqCtx *ctx, const BbChorePlace *place, const Target *target,
		BbChoreReport *report)
{
	const BbManifest *copy;
	BbObjectStore *to;
	ListCell   *cell;

	if (!OidIsValid(target->server))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("page store \"%s\", to which timeline \"%s\" is copied, does not exist",
						target->name, place->manifest->timeline),
				 errhint("Call bb_stop_replicating().")));
	to = bb_keeper_open_store(ctx, target->server);
	copy = bb_manifest_find(ctx, to, place->manifest->timeline);
	if (copy != NULL &&
		copy->keeps.copy.generation == place->manifest->generation)
		return;
	foreach(cell,
			bb_replication_run(ctx, place->objects, to,
							   place->manifest->timeline))
	{
		const BbReplicated *done = lfirst(cell);

		report->objects_read += done->layers_copied;
		report->bytes_read += done->bytes_copied;
		report->bytes_written += done->bytes_copied;
	}
	report->what = "a copy in another page store";
}

/* The same; returns an error, in the caller's context, or NULL. */
static ErrorData *
try_to_copy(const BbReqCtx *ctx, const BbChorePlace *place,
			const Target *target, BbChoreReport *report)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext scratch = AllocSetContextCreate(caller, "bbackup copy chore",
												  ALLOCSET_DEFAULT_SIZES);
	ErrorData *volatile error = NULL;

	MemoryContextSwitchTo(scratch);
	PG_TRY();
	{
		copy_to(ctx, place, target, report);
	}
	PG_CATCH();
	{
		error = bb_retry_caught(caller);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	MemoryContextDelete(scratch);
	return error;
}

/* A copy that fails doesn't keep the others from their turn. */
static void
copy_run(const BbReqCtx *ctx, const BbChorePlace *place, BbChoreReport *report)
{
	ErrorData  *first = NULL;
	ListCell   *cell;

	foreach(cell, targets_of(place))
	{
		ErrorData  *error = try_to_copy(ctx, place, lfirst(cell), report);

		if (first == NULL)
			first = error;
	}
	if (first != NULL)
		ReThrowError(first);
}

const BbChore bb_copy_chore = {
	.name = "copy",
	.kind = BB_TASK_COPY,
	.is_due = copy_is_due,
	.run = copy_run,
};
