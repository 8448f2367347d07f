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
	char	   *server = bb_arg_name(fcinfo, 1, "store");
	char	   *timeline = bb_arg_text(fcinfo, 2, "timeline");
	BbPageStore *store = bb_store_timeline(ctx, server, timeline);

	return bb_store_snapshot(ctx, store, bb_arg_lsn(fcinfo, 0, "lsn"));
}

/* Return the number of blocks in all forks of a relation. */
static int64
relation_pages(const BbRelation *relation)
{
	int64		pages = 0;

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

	(void) bb_result_begin(fcinfo);
	databases = bb_catalog_scan_new(ctx, &snapshot, BB_KEY_DATABASE);
	while (bb_catalog_next_database(ctx, databases, &database))
	{
		BbCatalogScan *relations;
		BbRelation	relation;
		int64		count = 0;
		int64		pages = 0;

		relations = bb_catalog_relations_of(ctx, &snapshot, database.spc,
											database.db);
		while (bb_catalog_next_relation(ctx, relations, &relation))
		{
			count++;
			pages += relation_pages(&relation);
		}
		bb_catalog_scan_close(relations);
		bb_result_row(fcinfo,
					  (Datum[]){ObjectIdGetDatum(database.db),
								ObjectIdGetDatum(database.spc),
								BoolGetDatum(database.default_tablespace),
								Int64GetDatum(count), Int64GetDatum(pages),
								Int64GetDatum(pages * BLCKSZ)},
					  NULL);
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
	BbCatalogScan *scan;
	BbTablespace tablespace;

	(void) bb_result_begin(fcinfo);
	scan = bb_catalog_scan_new(ctx, &snapshot, BB_KEY_TABLESPACE);
	while (bb_catalog_next_tablespace(ctx, scan, &tablespace))
	{
		bb_result_row(fcinfo,
					  (Datum[]){ObjectIdGetDatum(tablespace.spc),
								bb_text_datum(tablespace.location)},
					  NULL);
		pfree(tablespace.location);
	}
	bb_catalog_scan_close(scan);
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

static void
fork_row(FunctionCallInfo fcinfo, const BbRelation *relation, ForkNumber fork)
{
	int64		blocks = relation->blocks[fork];
	bool		unlogged = bb_relation_unlogged(relation);

	bb_result_row(fcinfo,
				  (Datum[]){ObjectIdGetDatum(relation->spc),
							ObjectIdGetDatum(relation->db),
							ObjectIdGetDatum(relation->rel),
							CStringGetTextDatum(forkNames[fork]),
							Int64GetDatum(blocks),
							Int64GetDatum(blocks * BLCKSZ),
							BoolGetDatum(unlogged)},
				  NULL);
}

/* bb_relations(lsn pg_lsn, store name, timeline text) */
static Datum
bb_sql_relations_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	BbSnapshot	snapshot = open_at(ctx, fcinfo);
	MemoryContext row_context = bb_result_begin(fcinfo);
	BbCatalogScan *scan = bb_catalog_scan_new(ctx, &snapshot, BB_KEY_REL_SIZE);
	BbRelation	relation;

	while (bb_catalog_next_relation(ctx, scan, &relation))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);

		for (int fork = 0; fork <= MAX_FORKNUM; fork++)
			if (relation.blocks[fork] != BB_FORK_ABSENT)
				fork_row(fcinfo, &relation, (ForkNumber) fork);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	bb_catalog_scan_close(scan);
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
	MemoryContext row_context = bb_result_begin(fcinfo);
	BbFileList *list;
	BbMember	member;

	list = bb_filelist_new(bb_plan_new(ctx, &call.snapshot, &call.options));
	while (bb_filelist_next(ctx, list, &member))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		const char *kind = bb_member_kind_name(member.kind);

		bb_result_row(fcinfo,
					  (Datum[]){bb_text_datum(member.path),
								CStringGetTextDatum(kind),
								Int64GetDatum((int64) member.size)},
					  NULL);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	bb_filelist_close(list);
	bb_reqctx_end(ctx);
	return (Datum) 0;
}
