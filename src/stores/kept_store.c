/*-------------------------------------------------------------------------
 *
 * kept_store.c
 *	  A page store that stays open between calls, with all that it has read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "stores/kept_store.h"
#include "stores/store_access.h"
#include "utils/memutils.h"

struct BbKeptStore
{
	MemoryContext context; /* holds this struct and the store */
	bool		in_use;	   /* by a call that hasn't released it */
	const char *identity;
	BbPageStore *store;
};

static bool
may_use(const BbReqCtx *ctx, const BbKeptStore *kept, const char *identity,
		const char *timeline)
{
	return !kept->in_use && strcmp(kept->identity, identity) == 0 &&
		strcmp(bb_pagestore_info(kept->store)->timeline, timeline) == 0 &&
		bb_pagestore_is_current(ctx, kept->store);
}

static BbKeptStore *
keep(const BbReqCtx *ctx, const char *server, const char *timeline)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup kept page store",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbKeptStore *kept = palloc(sizeof(BbKeptStore));
	BbStoreAccess access = bb_store_access(ctx, server);

	kept->context = context;
	kept->identity = access.identity;
	kept->store = bb_store_timeline_of(ctx, &access, timeline);
	MemoryContextSwitchTo(old);
	return kept;
}

BbPageStore *
bb_keptstore_open(const BbReqCtx *ctx, BbKeptStore **kept,
				  MemoryContext context, const char *server,
				  const char *timeline)
{
	const char *identity = bb_store_access(ctx, server).identity;

	if (*kept != NULL && !may_use(ctx, *kept, identity, timeline))
	{
		MemoryContextDelete((*kept)->context);
		*kept = NULL;
	}
	if (*kept == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		*kept = keep(ctx, server, timeline);
		MemoryContextSwitchTo(old);
	}
	(*kept)->in_use = true;
	return (*kept)->store;
}

void
bb_keptstore_release(BbKeptStore *kept)
{
	kept->in_use = false;
}
