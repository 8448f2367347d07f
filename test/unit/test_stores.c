/*-------------------------------------------------------------------------
 *
 * test_stores.c
 *	  Access to page stores by the names of their foreign servers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "layer/manifest.h"
#include "stores/store_access.h"
#include "stores/store_cache.h"
#include "unit.h"

static void
execute(const char *statement)
{
	SPI_connect();
	CHECK(SPI_execute(statement, false, 0) == SPI_OK_UTILITY);
	SPI_finish();
}

/* A foreign server "unit_store" of an object store with a timeline "main". */
static BbObjectStore *
new_server(const BbReqCtx *ctx)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest	manifest = {
		.timeline = "main",
		.pg_version_num = PG_VERSION_NUM,
		.system_identifier = 42,
		.wal_segment_size = 16 * 1024 * 1024,
		.tli = 1,
		.directory_mode = 0700,
		.start_lsn = 100,
		.end_lsn = 1000,
	};

	CHECK(bb_manifest_commit(ctx, objects, &manifest));
	execute("DROP FOREIGN DATA WRAPPER IF EXISTS bbackup CASCADE");
	execute("CREATE FOREIGN DATA WRAPPER bbackup");
	execute(psprintf("CREATE SERVER unit_store FOREIGN DATA WRAPPER bbackup "
					 "OPTIONS (url '%s')",
					 bb_objstore_url(objects)));
	return objects;
}

UNIT_TEST(store_of_other_wrapper)
{
	new_server(ctx);
	execute("DROP FOREIGN DATA WRAPPER IF EXISTS unit_other CASCADE");
	execute("CREATE FOREIGN DATA WRAPPER unit_other");
	execute("CREATE SERVER unit_other FOREIGN DATA WRAPPER unit_other");
	CHECK_ERROR(bb_store_open(ctx, "unit_other", "main"),
				ERRCODE_WRONG_OBJECT_TYPE);
	CHECK_ERROR(bb_store_open(ctx, "unit_missing", "main"),
				ERRCODE_UNDEFINED_OBJECT);
	execute("DROP FOREIGN DATA WRAPPER unit_other CASCADE");
}

/* A worker refuses a store whose options, or keys, its starter didn't see. */
UNIT_TEST(store_options_are_the_starters)
{
	uint64		hash;

	new_server(ctx);
	hash = bb_store_access(ctx, "unit_store", "main").options_hash;
	CHECK(bb_store_timeline_same(ctx, "unit_store", "main", hash) != NULL);
	execute("CREATE USER MAPPING FOR CURRENT_USER SERVER unit_store "
			"OPTIONS (access_key_id 'other')");
	CHECK_ERROR(bb_store_timeline_same(ctx, "unit_store", "main", hash),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
}

static void
set_true(void *flag)
{
	*(bool *) flag = true;
}

/* Set *closed to true when the page store is closed. */
static void
watch(BbPageStore *store, bool *closed)
{
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));

	*closed = false;
	callback->func = set_true;
	callback->arg = closed;
	MemoryContextRegisterResetCallback(GetMemoryChunkContext(store), callback);
}

UNIT_TEST(store_is_kept)
{
	BbKeptStore *kept = NULL;
	MemoryContext parent;
	BbPageStore *store;
	bool		closed;

#define OPEN() \
	bb_keptstore_open(ctx, &kept, CurrentMemoryContext, "unit_store", "main")
	new_server(ctx);
	store = OPEN();
	watch(store, &closed);
	bb_keptstore_release(kept);
	CHECK(OPEN() == store && !closed);

	/* not after a call that failed, and so didn't release it */
	store = OPEN();
	CHECK(closed);
	watch(store, &closed);
	bb_keptstore_release(kept);

	/* not with other options */
	execute("ALTER SERVER unit_store OPTIONS (ADD region 'elsewhere')");
	OPEN();
	CHECK(closed);

	/* a failed open leaves nothing in the long-lived context */
	parent = AllocSetContextCreate(CurrentMemoryContext, "unit parent",
								   ALLOCSET_SMALL_SIZES);
	CHECK_ERROR(bb_keptstore_open(ctx, &kept, parent, "unit_store", "missing"),
				ERRCODE_UNDEFINED_OBJECT);
	CHECK(kept == NULL && parent->firstchild == NULL);
#undef OPEN
}

UNIT_TEST(store_without_cache_and_layer)
{
	BbObjectStore *objects = new_server(ctx);

	CHECK_ERROR(bb_store_need_cache(objects, "unit_store"),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK_ERROR(bb_store_evict(ctx, objects, "main", "no layer"),
				ERRCODE_UNDEFINED_OBJECT);
}
