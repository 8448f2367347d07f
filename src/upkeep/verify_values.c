/*-------------------------------------------------------------------------
 *
 * verify_values.c
 *	  Verification of what isn't a block: what exists at an LSN.
 *
 * The catalog (pagestore/catalog.h) checks the values that it returns, and the plan
 * of a backup (members/plan.h) whether they go together.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clusterfile.h"
#include "base/codec.h"
#include "base/zerorun.h"
#include "catalog/pg_tablespace_d.h"
#include "members/filelist.h"
#include "pagestore/catalog.h"
#include "upkeep/verify_note.h"
#include "upkeep/verify_values.h"
#include "utils/memutils.h"

/* One kind of values, as a call of bb_verify_try. */
typedef struct Values
{
	const BbReqCtx *ctx;
	const BbSnapshot *snapshot;
	BbVerifyPass *pass;
	BbKeyKind	kind;
} Values;

static void
note_value(const Values *values, const BbKey *key, BbFindingKind kind,
		   const char *message)
{
	bb_verify_note_at(values->pass, values->snapshot->lsn, kind,
					  &(BbKeyRange){*key, bb_key_next(key)}, message);
}

/* Check a value that has to be there with a function that returns an errdetail. */
static void
check_value(const Values *values, const BbKey *key,
			char *(*error_of)(const BbMajor *major, const void *data,
							  size_t length))
{
	BbValue		value;
	char	   *error;
	void	   *copy;

	if (!bb_pagestore_get(values->ctx, values->snapshot, key, &value))
	{
		note_value(values, key, BB_FINDING_ABSENT, "There is no such value.");
		return;
	}
	copy = palloc(Max(value.length, 1)); /* aligned */
	memcpy(copy, value.data, value.length);
	error = error_of(bb_pagestore_major(values->snapshot->store), copy,
					 value.length);
	if (error != NULL)
		note_value(values, key, BB_FINDING_VALUE, error);
	pfree(copy);
}

static void
check_control(Values *values)
{
	BbKey		key = bb_key_make(values->kind, 0, 0, 0, 0, 0);

	check_value(values, &key,
				values->kind == BB_KEY_CONTROL_FILE ? bb_control_error
													: bb_checkpoint_error);
}

/* Each database of a default tablespace has a relation map, and so has the cluster. */
static void
check_databases(Values *values)
{
	BbCatalogScan *scan = bb_catalog_scan_new(values->ctx, values->snapshot,
											  BB_KEY_DATABASE);
	BbKey		key = bb_key_make(BB_KEY_RELMAP, GLOBALTABLESPACE_OID, 0, 0, 0,
								  0);
	BbDatabase	database;

	check_value(values, &key, bb_relmap_error);
	while (bb_catalog_next_database(values->ctx, scan, &database))
	{
		bb_reqctx_check(values->ctx);
		if (!database.default_tablespace)
			continue;
		key = bb_key_make(BB_KEY_RELMAP, database.spc, database.db, 0, 0, 0);
		check_value(values, &key, bb_relmap_error);
	}
}

static void
check_zeros(Values *values)
{
	BbKeyRange	range = bb_key_range_kind(BB_KEY_REL_ZEROS);
	BbPageScan *scan = bb_pagestore_scan_new(values->ctx, values->snapshot,
											 &range);
	BbKey		key;
	BbValue		value;
	BbZeroRunList runs;

	while (bb_pagestore_scan_next(values->ctx, scan, &key, &value))
	{
		bb_reqctx_check(values->ctx);
		if (!bb_zerorun_decode(value.data, value.length, &runs))
			note_value(values, &key, BB_FINDING_VALUE,
					   "The runs of zeros can't be decoded.");
	}
}

/* Read the next value of a kind; the catalog checks it. */
static bool
next_value(Values *values, BbCatalogScan *scan)
{
	const BbReqCtx *ctx = values->ctx;

	switch (values->kind)
	{
		case BB_KEY_TABLESPACE:
			return bb_catalog_next_tablespace(ctx, scan, &(BbTablespace){0});
		case BB_KEY_FILE_ENTRY:
			return bb_catalog_next_file(ctx, scan, &(BbCapturedFile){0});
		case BB_KEY_FILE_DIRECTORY:
			return bb_catalog_next_directory(ctx, scan,
											 &(BbCapturedDirectory){0});
		case BB_KEY_SLRU_SIZE:
			return bb_catalog_next_slru_segment(ctx, scan,
												&(BbSlruSegment){0});
		case BB_KEY_REL_SIZE:
			return bb_catalog_next_relation(ctx, scan, &(BbRelation){0});
		case BB_KEY_TWOPHASE_SIZE:
			return bb_catalog_next_twophase(ctx, scan, &(BbTwophase){0});
		case BB_KEY_REPLICATION_ORIGIN:
			return bb_catalog_next_origin(ctx, scan, &(BbOrigin){0});
		default:
			elog(ERROR, "kind %d is not one of directory keys",
				 (int) values->kind);
	}
}

static void
check_kind(void *arg)
{
	Values	   *values = arg;
	BbCatalogScan *scan;

	switch (values->kind)
	{
		case BB_KEY_CONTROL_FILE:
		case BB_KEY_CHECKPOINT:
			check_control(values);
			return;
		case BB_KEY_DATABASE:
			check_databases(values);
			return;
		case BB_KEY_REL_ZEROS:
			check_zeros(values);
			return;
		default:
			break;
	}
	scan = bb_catalog_scan_new(values->ctx, values->snapshot, values->kind);
	while (next_value(values, scan))
		bb_reqctx_check(values->ctx);
}

/* Plan a backup, and list its members; a call of bb_verify_try. */
static void
plan_backup(void *arg)
{
	Values	   *values = arg;
	const BbReqCtx *ctx = values->ctx;
	BbBackupOptions options = bb_options_defaults();
	BbSnapshot	snapshot = bb_snapshot_take(ctx, values->snapshot->store,
											values->snapshot->lsn);
	BbFileList *list = bb_filelist_new(bb_plan_new(ctx, &snapshot, &options));
	BbMember	member;

	while (bb_filelist_next(ctx, list, &member))
		bb_reqctx_check(ctx);
}

/* Call a function, and note its error, which concerns these keys. */
static void
try_values(Values *values, void (*function) (void *arg), BbKeyRange keys)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup values",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	ErrorData  *error = bb_verify_try(function, values);

	if (error != NULL)
		bb_verify_note_at(values->pass, values->snapshot->lsn, BB_FINDING_READ,
						  &keys, error->message);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

void
bb_verify_values(const BbReqCtx *ctx, const BbSnapshot *snapshot,
				 BbVerifyPass *pass)
{
	static const BbKeyKind kinds[] =
		{BB_KEY_CONTROL_FILE,  BB_KEY_CHECKPOINT,		 BB_KEY_TABLESPACE,
		 BB_KEY_DATABASE,	   BB_KEY_FILE_ENTRY,		 BB_KEY_FILE_DIRECTORY,
		 BB_KEY_SLRU_SIZE,	   BB_KEY_REL_SIZE,			 BB_KEY_REL_ZEROS,
		 BB_KEY_TWOPHASE_SIZE, BB_KEY_REPLICATION_ORIGIN};

	Values		values = {.ctx = ctx, .snapshot = snapshot, .pass = pass};
	uint64		nfindings = pass->nfindings;

	for (int i = 0; i < lengthof(kinds); i++)
	{
		values.kind = kinds[i];
		try_values(&values, check_kind, bb_key_range_kind(kinds[i]));
	}
	/* together, they may contradict each other, or the manifest */
	if (pass->nfindings == nfindings)
		try_values(&values, plan_backup, bb_key_range_all());
}
