/*-------------------------------------------------------------------------
 *
 * read.c
 *	  One page, one file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/content.h"
#include "base/foreigntext.h"
#include "common/relpath.h"
#include "funcs/arguments.h"
#include "pagestore/blockread.h"
#include "stores/store_access.h"
#include "stores/store_timelines.h"

BB_SQL_FUNCTION(bb_sql_get_page);
BB_SQL_FUNCTION(bb_sql_read_file);

static ForkNumber
fork_by_name(const char *name)
{
	for (int fork = 0; fork <= MAX_FORKNUM; fork++)
		if (strcmp(forkNames[fork], name) == 0)
			return (ForkNumber) fork;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid fork name \"%s\"", name),
			 errhint("Valid fork names are \"main\", \"fsm\", \"vm\", and "
					 "\"init\".")));
}

/*
 * bb_get_page(tablespace oid, database oid, relfilenode oid, fork text,
 *			   block bigint, lsn pg_lsn, store name, timeline text)
 */
static Datum
bb_sql_get_page_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_PAGE_READ);
	Oid			spc = bb_arg_oid(fcinfo, 0, "tablespace");
	Oid			db = bb_arg_oid(fcinfo, 1, "database");
	Oid			rel = bb_arg_oid(fcinfo, 2, "relfilenode");
	ForkNumber	fork = fork_by_name(bb_arg_text(fcinfo, 3, "fork"));
	int64		block = bb_arg_int64(fcinfo, 4, "block");
	XLogRecPtr	lsn = bb_arg_lsn(fcinfo, 5, "lsn");
	char	   *server = bb_arg_name(fcinfo, 6, "store");
	char	   *timeline = bb_arg_text(fcinfo, 7, "timeline");
	BbPageStore *store;
	BbSnapshot	snapshot;
	BbKey		key;
	const uint8 *data;
	bytea	   *page;

	if (block < 0 || block > MaxBlockNumber)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid block number %lld", (long long) block)));
	store = bb_keptstore_open(ctx, (BbKeptStore **) &fcinfo->flinfo->fn_extra,
							  fcinfo->flinfo->fn_mcxt, server, timeline);
	snapshot = bb_store_snapshot(ctx, store, lsn);
	key = bb_key_rel_block(spc, db, rel, fork, (BlockNumber) block);
	data = bb_block_read(ctx, &snapshot, &key);

	page = palloc(VARHDRSZ + BLCKSZ);
	SET_VARSIZE(page, VARHDRSZ + BLCKSZ);
	memcpy(VARDATA(page), data, BLCKSZ);
	BB_COUNT(ctx, bytes_out, BLCKSZ);
	bb_keptstore_release(fcinfo->flinfo->fn_extra);
	bb_reqctx_end(ctx);
	PG_RETURN_BYTEA_P(page);
}

/* A byte position or number; NULL: "otherwise". */
static uint64
bytes_of(FunctionCallInfo fcinfo, int n, const char *name, uint64 otherwise)
{
	int64		bytes;

	if (PG_ARGISNULL(n))
		return otherwise;
	bytes = PG_GETARG_INT64(n);
	if (bytes < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be negative", name)));
	return (uint64) bytes;
}

/*
 * bb_read_file(path text, lsn pg_lsn, store name, timeline text,
 * "offset" bigint, length bigint)
 */
static Datum
bb_sql_read_file_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_PAGE_READ);
	char	   *path = bb_arg_text(fcinfo, 0, "path");
	XLogRecPtr	lsn = bb_arg_lsn(fcinfo, 1, "lsn");
	BbPageStore *store = bb_store_timeline(ctx,
										   bb_arg_name(fcinfo, 2, "store"),
										   bb_arg_text(fcinfo, 3, "timeline"));
	BbSnapshot	snapshot = bb_store_snapshot(ctx, store, lsn);
	bytea	   *file = bb_file_read(ctx, &snapshot, path,
									bytes_of(fcinfo, 4, "offset", 0),
									bytes_of(fcinfo, 5, "length",
											 PG_UINT64_MAX));

	BB_COUNT(ctx, bytes_out, VARSIZE(file) - VARHDRSZ);
	bb_reqctx_end(ctx);
	PG_RETURN_BYTEA_P(file);
}
