/*-------------------------------------------------------------------------
 *
 * read.c
 *	  One page, one file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/content.h"
#include "base/codec.h"
#include "base/foreigntext.h"
#include "common/relpath.h"
#include "funcs/arguments.h"
#include "members/filelist.h"
#include "pagestore/zeroruns.h"
#include "stores/kept_store.h"
#include "stores/store_access.h"
#include "stores/store_timelines.h"
#include "utils/memutils.h"

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

/* Check that the fork exists and has the block. */
static void
check_block(const BbReqCtx *ctx, const BbSnapshot *snapshot,
			const BbKey *block_key)
{
	BbKeyFields f = bb_key_fields(block_key);
	BbKey		size_key = bb_key_rel_size(f.spc, f.db, f.rel,
										   (ForkNumber) f.fork);
	BbValue		value;
	uint32		blocks;

	if (!bb_pagestore_get(ctx, snapshot, &size_key, &value))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation %u/%u/%u has no fork \"%s\" at %X/%X",
						f.spc, f.db, f.rel, forkNames[f.fork],
						LSN_FORMAT_ARGS(snapshot->lsn)),
				 errhint("bb_relations() lists the relations. Unlogged "
						 "relations only have an init fork.")));
	if (value.length != sizeof(blocks))
		bb_pagestore_report_invalid(&size_key);
	blocks = bb_get_le32(value.data);
	if (f.block >= blocks)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("block number %u is out of range for relation %u/%u/%u",
						f.block, f.spc, f.db, f.rel),
				 errdetail("Fork \"%s\" has %u blocks at %X/%X.",
						   forkNames[f.fork], blocks, LSN_FORMAT_ARGS(snapshot->lsn))));
}

/* Return the block's page; a block that was never written is zeros. */
static const uint8 *
read_block(const BbReqCtx *ctx, const BbSnapshot *snapshot, const BbKey *key)
{
	BbZeroRuns	zeros;
	BbValue		value;
	const uint8 *page;

	if (!bb_pagestore_get(ctx, snapshot, key, &value))
	{
		bb_zeroruns_init(&zeros, snapshot);
		page = bb_zeroruns_page(ctx, &zeros, key);
		if (page != NULL)
			return page;
	}
	else if (value.length == BLCKSZ)
		return value.data;

	/* raises the error */
	return bb_pagestore_need(ctx, snapshot, key, BLCKSZ).data;
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
	check_block(ctx, &snapshot, &key);
	data = read_block(ctx, &snapshot, &key);

	page = palloc(VARHDRSZ + BLCKSZ);
	SET_VARSIZE(page, VARHDRSZ + BLCKSZ);
	memcpy(VARDATA(page), data, BLCKSZ);
	BB_COUNT(ctx, bytes_out, BLCKSZ);
	bb_keptstore_release(fcinfo->flinfo->fn_extra);
	bb_reqctx_end(ctx);
	PG_RETURN_BYTEA_P(page);
}

/* Find the member of a full backup that has this path. */
static void
find_member(const BbReqCtx *ctx, BbFileList *list, const char *path,
			XLogRecPtr lsn, BbMember *member)
{
	while (bb_filelist_next(ctx, list, member))
	{
		if (!bb_text_names(path, member->path))
			continue;
		if (member->kind == BB_MEMBER_DIRECTORY)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is a directory", path)));
		if (member->size > MaxAllocSize - VARHDRSZ)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("file \"%s\" is too large for a bytea", path),
					 errdetail("It has " UINT64_FORMAT " bytes.",
							   member->size)));
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("there is no file \"%s\" at %X/%X", path,
					LSN_FORMAT_ARGS(lsn)),
			 errhint("bb_files() lists the files; paths are relative to the "
					 "data directory.")));
}

/* bb_read_file(path text, lsn pg_lsn, store name, timeline text) */
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
	BbBackupOptions options = bb_options_defaults();
	BbBackupPlan *plan;
	BbFileList *list;
	BbContentReader *reader;
	BbMember	member;
	bytea	   *file;
	char	   *to;
	const uint8 *data;
	uint32		length;

	/* a manifest would have to read all other files */
	options.manifest = BB_MANIFEST_NO;
	plan = bb_plan_new(ctx, &snapshot, &options);
	list = bb_filelist_new(plan);
	find_member(ctx, list, path, snapshot.lsn, &member);

	file = palloc(VARHDRSZ + member.size);
	SET_VARSIZE(file, VARHDRSZ + member.size);
	to = VARDATA(file);
	reader = bb_content_new(plan);
	bb_content_begin(ctx, reader, &member);
	while (bb_content_next(ctx, reader, &data, &length))
	{
		memcpy(to, data, length);
		to += length;
	}
	bb_content_close(reader);
	bb_filelist_close(list);
	BB_COUNT(ctx, bytes_out, member.size);
	bb_reqctx_end(ctx);
	PG_RETURN_BYTEA_P(file);
}
