/*-------------------------------------------------------------------------
 *
 * test_pagestore.c
 *	  What page stores say about themselves, whatever their driver.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/ahead.h"
#include "cluster.h"
#include "model.h"

UNIT_TEST(pagestore_opened_by_url)
{
	Model	   *model = model_new(unit_store(ctx), "main", NULL, 0);
	const char *url = bb_objstore_url(model->objects);
	BbKeyRange	all = bb_key_range_all();
	BbPageStore *store;
	BbSnapshot	snapshot;
	uint64		identity;

	CHECK_ERROR(bb_pagestore_open(ctx, url, NULL, "main"),
				ERRCODE_UNDEFINED_OBJECT);
	model_write_image(ctx, model, 0, NKEYS, START);
	CHECK(bb_manifest_commit(ctx, model->objects, &model->manifest));
	store = bb_pagestore_open(ctx, url, NULL, "main");
	snapshot = bb_snapshot_take(ctx, store, InvalidXLogRecPtr);
	identity = bb_pagestore_identity(&snapshot);
	CHECK(snapshot.lsn == START);
	CHECK(strcmp(bb_objstore_url(bb_pagestore_object_store(store)), url) == 0);
	CHECK(list_length(bb_pagestore_objects(ctx, &snapshot, &all, 1)) == 1);
	CHECK(bb_pagestore_is_current(ctx, store));

	/* another manifest of the same layers: the same is read */
	model->manifest.end_time = 1;
	CHECK(bb_manifest_commit(ctx, model->objects, &model->manifest));
	CHECK(!bb_pagestore_is_current(ctx, store));
	store = bb_pagestore_open(ctx, url, NULL, "main");
	snapshot = bb_snapshot_at(store, START);
	CHECK(bb_pagestore_identity(&snapshot) == identity);
}

/* A driver that reads no object store: a backup downloads nothing. */
UNIT_TEST(pagestore_without_objects)
{
	BbPageStore *store = small_cluster();
	const BbSnapshot *snapshot = unit_snapshot(store, LSN);
	BbKeyRange	all = bb_key_range_all();
	List	   *missing;

	CHECK(bb_pagestore_object_store(store) == NULL);
	CHECK(bb_pagestore_objects(ctx, snapshot, &all, 1) == NIL);
	CHECK(bb_pagestore_is_current(ctx, store));
	CHECK(bb_pagestore_identity(snapshot) !=
		  bb_pagestore_identity(unit_snapshot(small_cluster(), LSN)));
	CHECK(!bb_ahead_ask(ctx, snapshot, true, &missing));
}

/* A plan knows what it found out, whatever is in the page store later. */
UNIT_TEST(plan_is_made_once)
{
	BbPageStore *store = small_cluster();
	BbBackupOptions options = options_of(true);
	BbBackupPlan *plan = plan_of(ctx, store, LSN, &options);
	BbBackupPlan *later;

	fixture_put_file(store, 9, "pg_wal/00000007.history", "");
	put_database(store, 16400, 6, 0);
	fixture_put(store, bb_key_make(BB_KEY_TABLESPACE, 16402, 0, 0, 0, 0),
				"/srv/new", 8);
	later = plan_of(ctx, store, LSN, &options);
	CHECK(plan->seed->wal.tli == 3 && later->seed->wal.tli == 8);
	CHECK(list_length(plan->tablespaces) == 2 &&
		  list_length(later->tablespaces) == 3);
	CHECK(plan->size == 0 && plan->snapshot.lsn == LSN);
}
