/*-------------------------------------------------------------------------
 *
 * recover.c
 *	  A store in object storage as it was at an earlier time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/manifest.h"
#include "upkeep/recover.h"
#include "utils/memutils.h"

#define TIMELINES "timelines/"

/* In which order objects are put back. */
static int
rank_of(const BbObjectVersion *version)
{
	const char *slash = strrchr(version->name, '/');

	return slash != NULL && strcmp(slash, "/manifest") == 0 ? 1 : 0;
}

static int
compare_recovered(const ListCell *a, const ListCell *b)
{
	const BbObjectVersion *one = ((BbRecovered *) lfirst(a))->version;
	const BbObjectVersion *other = ((BbRecovered *) lfirst(b))->version;

	if (rank_of(one) != rank_of(other))
		return rank_of(one) - rank_of(other);
	return strcmp(one->name, other->name);
}

/* The newest version may be an earlier one that was put back. */
static bool
same_content(const BbObjectVersion *one, const BbObjectVersion *other)
{
	return !one->deleted && !other->deleted && one->etag != NULL &&
		other->etag != NULL && strcmp(one->etag, other->etag) == 0 &&
		one->size == other->size;
}

/*
 * Look at the versions of an object, from "first" on, newest first.  Adds the one
 * to put back, if any.  Returns the index of the next object's first version.
 */
static int
look_at_object(const List *versions, int first, int64 at, bool *anything,
			   List **recovered)
{
	const BbObjectVersion *newest = list_nth(versions, first);
	const BbObjectVersion *then = NULL;
	int			i = first;

	for (; i < list_length(versions); i++)
	{
		const BbObjectVersion *version = list_nth(versions, i);

		if (strcmp(version->name, newest->name) != 0)
			break;
		if (then == NULL && version->modified <= at)
			then = version;
	}
	if (then != NULL && !then->deleted)
	{
		*anything = true;
		if (then != newest && !same_content(then, newest))
		{
			BbRecovered *row = palloc(sizeof(BbRecovered));

			row->version = then;
			row->was_deleted = newest->deleted;
			*recovered = lappend(*recovered, row);
		}
	}
	return i;
}

/* Take the locks of all that write a timeline of which objects are put back. */
static void
lock_timelines(const BbReqCtx *ctx, BbObjectStore *objects,
			   const List *recovered)
{
	List	   *locked = NIL;
	ListCell   *cell;

	bb_manifest_lock_tree(ctx, objects);
	foreach(cell, recovered)
	{
		const char *name = ((BbRecovered *) lfirst(cell))->version->name;
		const char *start = name + strlen(TIMELINES);
		String	   *timeline;

		if (strncmp(name, TIMELINES, strlen(TIMELINES)) != 0)
			continue;
		timeline = makeString(pnstrdup(start, strcspn(start, "/")));
		if (list_member(locked, timeline))
			continue;
		locked = lappend(locked, timeline);
		bb_manifest_lock(ctx, objects, strVal(timeline));
		if (!bb_manifest_try_lock_upkeep(ctx, objects, strVal(timeline)))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("upkeep of timeline \"%s\" is under way",
							strVal(timeline)),
					 errhint("Set the server's option \"upkeep\" to false, and "
							 "try again.")));
	}
}

/* The locks end with a memory context of their own. */
static void
put_back(const BbReqCtx *ctx, BbObjectStore *objects, const List *recovered)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup recovery",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ListCell   *cell;

	lock_timelines(ctx, objects, recovered);
	foreach(cell, recovered)
	{
		bb_reqctx_check(ctx);
		bb_objstore_put_back(ctx, objects,
							 ((BbRecovered *) lfirst(cell))->version);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

List *
bb_recover_rows(const BbReqCtx *ctx, BbObjectStore *objects, int64 at,
				bool dry_run)
{
	List	   *versions = bb_objstore_versions(ctx, objects);
	List	   *recovered = NIL;
	bool		anything = false;
	int			i = 0;

	while (i < list_length(versions))
		i = look_at_object(versions, i, at, &anything, &recovered);
	if (!anything)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("page store \"%s\" had no objects at that time",
						bb_objstore_url(objects)),
				 errdetail("The bucket has %d versions of its objects.",
						   list_length(versions)),
				 errhint("Does the bucket keep versions, and are the URL and "
						 "the time right?")));
	list_sort(recovered, compare_recovered);
	if (!dry_run && recovered != NIL)
		put_back(ctx, objects, recovered);
	return recovered;
}
