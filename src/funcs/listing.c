/*-------------------------------------------------------------------------
 *
 * listing.c
 *	  Listings of databases, tablespaces, relations, and of the files of a
 *	  backup, at an LSN.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "common/relpath.h"
#include "funcs/arguments.h"
#include "funcs/backup_arguments.h"
#include "stores/store_access.h"
#include "stores/store_timelines.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

BB_SQL_FUNCTION(bb_sql_databases);
BB_SQL_FUNCTION(bb_sql_tablespaces);
BB_SQL_FUNCTION(bb_sql_relations);
BB_SQL_FUNCTION(bb_sql_files);

/* Open the snapshot of the first arguments: lsn, store, timeline. */
static BbSnapshot
open_at(const BbReqCtx *ctx, FunctionCallInfo fcinfo)
{
	BbPageStore *store;

	store = bb_store_timeline(ctx, bb_arg_name(fcinfo, 1, "store"),
							  bb_arg_text(fcinfo, 2, "timeline"));
	return bb_store_snapshot(ctx, store, bb_arg_lsn(fcinfo, 0, "lsn"));
}

/* Return the number of blocks in all forks of a relation. */
static uint64
relation_pages(const BbRelation *relation)
{
	uint64		pages = 0;

	for (int fork = 0; fork <= MAX_FORKNUM; fork++)
		if (relation->blocks[fork] != BB_FORK_ABSENT)
			pages += relation->blocks[fork];
	return pages;
}

/* bb_databases(lsn pg_lsn, store name, timeline text) */
static Datum
bb_sql_databases_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	BbSnapshot	snapshot = open_at(ctx, fcinfo);
	BbCatalogScan *databases;
	BbDatabase	database;

	InitMaterializedSRF(fcinfo, 0);
	databases = bb_catalog_scan_new(ctx, &snapshot, BB_KEY_DATABASE);
	while (bb_catalog_next_database(ctx, databases, &database))
	{
		BbCatalogScan *relations;
		BbRelation	relation;
		uint64		count = 0;
		uint64		pages = 0;
		Datum		values[6];
		bool		nulls[6] = {0};

		relations = bb_catalog_relations_of(ctx, &snapshot, database.spc,
											database.db);
		while (bb_catalog_next_relation(ctx, relations, &relation))
		{
			count++;
			pages += relation_pages(&relation);
		}
		bb_catalog_scan_close(relations);

		values[0] = ObjectIdGetDatum(database.db);
		values[1] = ObjectIdGetDatum(database.spc);
		values[2] = BoolGetDatum(database.default_tablespace);
		values[3] = Int64GetDatum((int64) count);
		values[4] = Int64GetDatum((int64) pages);
		values[5] = Int64GetDatum((int64) pages * BLCKSZ);
		bb_result_row(fcinfo, values, nulls);
	}
	bb_catalog_scan_close(databases);
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

/* bb_tablespaces(lsn pg_lsn, store name, timeline text) */
static Datum
bb_sql_tablespaces_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	BbSnapshot	snapshot = open_at(ctx, fcinfo);
	BbCatalogScan *tablespaces;
	BbTablespace tablespace;

	InitMaterializedSRF(fcinfo, 0);
	tablespaces = bb_catalog_scan_new(ctx, &snapshot, BB_KEY_TABLESPACE);
	while (bb_catalog_next_tablespace(ctx, tablespaces, &tablespace))
	{
		Datum		values[2];
		bool		nulls[2] = {0};

		values[0] = ObjectIdGetDatum(tablespace.spc);
		values[1] = bb_text_datum(tablespace.location);
		bb_result_row(fcinfo, values, nulls);
		pfree(tablespace.location);
	}
	bb_catalog_scan_close(tablespaces);
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

static void
fork_row(FunctionCallInfo fcinfo, const BbRelation *relation, ForkNumber fork)
{
	Datum		values[7];
	bool		nulls[7] = {0};

	values[0] = ObjectIdGetDatum(relation->spc);
	values[1] = ObjectIdGetDatum(relation->db);
	values[2] = ObjectIdGetDatum(relation->rel);
	values[3] = CStringGetTextDatum(forkNames[fork]);
	values[4] = Int64GetDatum((int64) relation->blocks[fork]);
	values[5] = Int64GetDatum((int64) relation->blocks[fork] * BLCKSZ);
	values[6] = BoolGetDatum(bb_relation_unlogged(relation));
	bb_result_row(fcinfo, values, nulls);
}

/* bb_relations(lsn pg_lsn, store name, timeline text) */
static Datum
bb_sql_relations_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	BbSnapshot	snapshot = open_at(ctx, fcinfo);
	MemoryContext row_context = bb_result_context_new();
	BbCatalogScan *relations;
	BbRelation	relation;

	InitMaterializedSRF(fcinfo, 0);
	relations = bb_catalog_scan_new(ctx, &snapshot, BB_KEY_REL_SIZE);
	while (bb_catalog_next_relation(ctx, relations, &relation))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);

		for (int fork = 0; fork <= MAX_FORKNUM; fork++)
			if (relation.blocks[fork] != BB_FORK_ABSENT)
				fork_row(fcinfo, &relation, (ForkNumber) fork);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	bb_catalog_scan_close(relations);
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

/* bb_files(lsn, …): see backup_arguments.h */
static Datum
bb_sql_files_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	BbBackupRequest request = bb_arg_backup(fcinfo);
	BbBackupCall call = bb_backup_call_open(ctx, &request);
	MemoryContext row_context = bb_result_context_new();
	BbFileList *list;
	BbMember	member;

	InitMaterializedSRF(fcinfo, 0);
	list = bb_filelist_new(bb_plan_new(ctx, &call.snapshot, &call.options));
	while (bb_filelist_next(ctx, list, &member))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		Datum		values[3];
		bool		nulls[3] = {0};

		values[0] = bb_text_datum(member.path);
		values[1] = CStringGetTextDatum(bb_member_kind_name(member.kind));
		values[2] = Int64GetDatum((int64) member.size);
		bb_result_row(fcinfo, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	bb_filelist_close(list);
	bb_reqctx_end(ctx);
	return (Datum) 0;
}
