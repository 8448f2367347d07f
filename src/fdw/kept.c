/*-------------------------------------------------------------------------
 *
 * kept.c
 *	  What a session keeps of the past: open stores, databases and their pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/resource.h"
#include "fdw/asof.h"
#include "fdw/kept.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "stats/calls.h"
#include "stores/store_access.h"
#include "utils/memutils.h"

/* So many that nobody uses stay open; a database has up to 8 MB of pages. */
#define STORES_KEPT 2
#define DATABASES_KEPT 4

typedef struct Store
{
	dlist_node	node;
	MemoryContext context; /* holds this struct, the store and its databases */
	const char *identity;
	const char *timeline;
	BbPageStore *store;
	dlist_head	databases;
	int			users;
	MemoryContext query; /* of the users */
	bool		broken;	 /* an error came in between */
} Store;

typedef struct Database
{
	dlist_node	node;
	MemoryContext context; /* a child of the store's */
	Store	   *store;
	BbPast	   *past;
	int			users;
} Database;

struct BbBorrowed
{
	Database   *database;
	bool		returned;
};

/* Those that were used last come first. */
static dlist_head stores = DLIST_STATIC_INIT(stores);

static void
close_store(Store *store)
{
	dlist_delete(&store->node);
	MemoryContextDelete(store->context);
}

/* Close what is broken, or too much. */
static void
close_unused(void)
{
	dlist_mutable_iter i;
	int			nstores = 0;
	int			ndatabases = 0;

	dlist_foreach_modify(i, &stores)
	{
		Store	   *store = dlist_container(Store, node, i.cur);
		dlist_mutable_iter j;

		if (store->users == 0 && (store->broken || nstores >= STORES_KEPT))
		{
			close_store(store);
			continue;
		}
		nstores += store->users == 0;
		dlist_foreach_modify(j, &store->databases)
		{
			Database   *database = dlist_container(Database, node, j.cur);

			if (database->users == 0 && ndatabases >= DATABASES_KEPT)
			{
				dlist_delete(&database->node);
				MemoryContextDelete(database->context);
			}
			else
				ndatabases += database->users == 0;
		}
	}
}

/* ---- stores ---- */

static Store *
open_store(const BbReqCtx *ctx, const BbStoreAccess *access,
		   const char *timeline)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup store of the past",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Store	   *store = palloc0(sizeof(Store));

	store->context = context;
	store->identity = pstrdup(access->identity);
	store->timeline = pstrdup(timeline);
	store->store = bb_store_timeline_of(ctx, access, timeline);
	dlist_init(&store->databases);
	/* only now, so an error leaves nothing */
	MemoryContextSetParent(context, TopMemoryContext);
	dlist_push_head(&stores, &store->node);
	MemoryContextSwitchTo(old);
	return store;
}

/*
 * Queries do not share a store that is in use: one that fails may be nested in
 * another, which goes on.
 */
static Store *
find_store(const BbReqCtx *ctx, const BbStoreAccess *access,
		   const char *timeline, MemoryContext query)
{
	dlist_mutable_iter i;

	dlist_foreach_modify(i, &stores)
	{
		Store	   *store = dlist_container(Store, node, i.cur);

		if (store->broken || strcmp(store->identity, access->identity) != 0 ||
			strcmp(store->timeline, timeline) != 0 ||
			(store->users > 0 && store->query != query))
			continue;
		if (bb_pagestore_is_current(ctx, store->store))
		{
			dlist_move_head(&stores, &store->node);
			return store;
		}
		/* those that use it go on with what it was */
		if (store->users == 0)
			close_store(store);
	}
	return open_store(ctx, access, timeline);
}

/* ---- databases ---- */

static Database *
open_database(const BbReqCtx *ctx, Store *store, const BbSnapshot *snapshot,
			  const char *name)
{
	MemoryContext
		context = AllocSetContextCreate(CurrentMemoryContext,
										"bbackup database of the past",
										ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Database   *database = palloc0(sizeof(Database));

	database->context = context;
	database->store = store;
	database->past = bb_past_open(ctx, snapshot, name);
	MemoryContextSetParent(context, store->context);
	dlist_push_head(&store->databases, &database->node);
	MemoryContextSwitchTo(old);
	return database;
}

static Database *
find_database(const BbReqCtx *ctx, Store *store, XLogRecPtr lsn,
			  const char *name)
{
	BbSnapshot	snapshot = bb_snapshot_take(ctx, store->store, lsn);
	dlist_iter	i;

	dlist_foreach(i, &store->databases)
	{
		Database   *database = dlist_container(Database, node, i.cur);

		if (database->past->snapshot.lsn == snapshot.lsn &&
			strcmp(database->past->database, name) == 0)
		{
			dlist_move_head(&store->databases, &database->node);
			return database;
		}
	}
	return open_database(ctx, store, &snapshot, name);
}

/* ---- borrowing ---- */

static void
give_back(BbBorrowed *borrowed)
{
	borrowed->returned = true;
	borrowed->database->users--;
	borrowed->database->store->users--;
}

/* The context was reset: without a return, after an error. */
static void
on_reset(void *arg)
{
	BbBorrowed *borrowed = arg;

	if (borrowed->returned)
		return;
	borrowed->database->store->broken = true;
	give_back(borrowed);
}

static Database *
open_past(const BbReqCtx *ctx, const BbTableOptions *options,
		  MemoryContext query)
{
	BbStoreAccess access = bb_store_access(ctx, options->store,
										   options->timeline);
	Store	   *store = find_store(ctx, &access, options->timeline, query);
	Database   *database;

	/* an error from now on may leave the store in the middle of a read */
	store->broken = true;
	database = find_database(ctx, store,
							 bb_asof_lsn(ctx, store->store, options,
										 access.identity),
							 options->database);
	store->broken = false;
	store->query = query;
	return database;
}

BbBorrowed *
bb_past_borrow(const BbReqCtx *ctx, const BbTableOptions *options, Oid owner,
			   MemoryContext query)
{
	BbBorrowed *borrowed = MemoryContextAllocZero(query, sizeof(BbBorrowed));
	Oid			user;
	int			security;

	close_unused();
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(owner, security | SECURITY_LOCAL_USERID_CHANGE);
	/* an error resets both, with the transaction */
	borrowed->database = open_past(ctx, options, query);
	SetUserIdAndSecContext(user, security);

	borrowed->database->users++;
	borrowed->database->store->users++;
	bb_on_reset(query, on_reset, borrowed);
	bb_calls_describe(ctx,
					  &(BbCallAbout){
						  .lsn = borrowed->database->past->snapshot.lsn});
	return borrowed;
}

BbPast *
bb_past_of(const BbBorrowed *borrowed)
{
	return borrowed->database->past;
}

void
bb_past_return(BbBorrowed *borrowed)
{
	give_back(borrowed);
	close_unused();
}
