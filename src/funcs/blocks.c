/*-------------------------------------------------------------------------
 *
 * blocks.c
 *	  What a clone is read by, over a connection: ranges of blocks, and the list of
 *	  its files.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/cloneread.h"
#include "base/compat.h"
#include "base/foreigntext.h"
#include "catalog/pg_type_d.h"
#include "funcs/arguments.h"
#include "members/filelist.h"
#include "stats/calls.h"
#include "stores/block_session.h"
#include "stores/store_access.h"
#include "stores/store_timelines.h"
#include "upkeep/leases.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

BB_SQL_FUNCTION(bb_sql_read_blocks);
BB_SQL_FUNCTION(bb_sql_clone_files);

/* ---- ranges of blocks ---- */

/* Return the elements of an array argument without NULLs. */
static Datum *
array_of(FunctionCallInfo fcinfo, int n, const char *name, Oid type,
		 int *count)
{
	ArrayType  *array;
	Datum	   *values;
	int16		length;
	bool		by_value;
	char		align;

	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
	array = PG_GETARG_ARRAYTYPE_P(n);
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not contain nulls", name)));
	get_typlenbyvalalign(type, &length, &by_value, &align);
	deconstruct_array(array, type, length, by_value, align, &values, NULL,
					  count);
	return values;
}

/* The ranges of the first three arguments. */
static BbFileRange *
ranges_of(FunctionCallInfo fcinfo, int *n)
{
	int			nfirst;
	int			ncounts;
	Datum	   *paths = array_of(fcinfo, 0, "paths", TEXTOID, n);
	Datum	   *first = array_of(fcinfo, 1, "blocks", INT8OID, &nfirst);
	Datum	   *counts = array_of(fcinfo, 2, "counts", INT4OID, &ncounts);
	BbFileRange *ranges = palloc(Max(*n, 1) * sizeof(BbFileRange));

	if (nfirst != *n || ncounts != *n)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("arrays of ranges differ in length"),
				 errdetail("There are %d paths, %d blocks and %d counts.", *n,
						   nfirst, ncounts)));
	for (int i = 0; i < *n; i++)
		ranges[i] = (BbFileRange){.path = TextDatumGetCString(paths[i]),
								  .first = DatumGetInt64(first[i]),
								  .count = DatumGetInt32(counts[i])};
	return ranges;
}

/* The bytes of all ranges. */
static Size
size_of(const BbFileRange *ranges, int n)
{
	const int64 max = (MaxAllocSize - VARHDRSZ) / BLCKSZ;
	int64		blocks = 0;

	for (int i = 0; i < n; i++)
	{
		if (ranges[i].count < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid number of blocks %lld",
							(long long) ranges[i].count)));
		blocks += ranges[i].count;
	}
	if (blocks > max)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many blocks for one call"),
				 errdetail("There are %lld blocks, and at most %lld are possible.",
						   (long long) blocks, (long long) max),
				 errhint("Read them by several calls.")));
	return (Size) blocks * BLCKSZ;
}

/*
 * bb_read_blocks(paths text[], blocks bigint[], counts integer[], lsn pg_lsn,
 * store name, timeline text)
 */
static Datum
bb_sql_read_blocks_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_BLOCK_READ);
	int			n;
	BbFileRange *ranges = ranges_of(fcinfo, &n);
	XLogRecPtr	lsn = bb_arg_lsn(fcinfo, 3, "lsn");
	char	   *server = bb_arg_name(fcinfo, 4, "store");
	char	   *timeline = bb_arg_text(fcinfo, 5, "timeline");
	Size		size = size_of(ranges, n);
	BbRangeReader *reader = bb_blocksession_begin(ctx, server, timeline, lsn);
	bytea	   *blocks = palloc(VARHDRSZ + size);

	SET_VARSIZE(blocks, VARHDRSZ + size);
	bb_rangereader_read(ctx, reader, ranges, n, (uint8 *) VARDATA(blocks));
	BB_COUNT(ctx, bytes_out, size);
	bb_blocksession_end(reader);
	bb_reqctx_end(ctx);
	PG_RETURN_BYTEA_P(blocks);
}

/* ---- the list of files ---- */

/* The arrays "offsets" and "contents" of a row. */
typedef struct Pieces
{
	ArrayBuildState *offsets;
	ArrayBuildState *contents;
	uint64		bytes;
} Pieces;

static void
add_piece(void *arg, uint64 offset, const uint8 *data, size_t length)
{
	Pieces	   *pieces = arg;
	bytea	   *content = palloc(VARHDRSZ + length);

	SET_VARSIZE(content, VARHDRSZ + length);
	memcpy(VARDATA(content), data, length);
	pieces->offsets = accumArrayResult(pieces->offsets,
									   Int64GetDatum((int64) offset), false,
									   INT8OID, CurrentMemoryContext);
	pieces->contents = accumArrayResult(pieces->contents,
										PointerGetDatum(content), false,
										BYTEAOID, CurrentMemoryContext);
	pieces->bytes += length;
}

static Datum
array_datum(ArrayBuildState *state, Oid type)
{
	return state == NULL ? PointerGetDatum(construct_empty_array(type))
						 : makeArrayResult(state, CurrentMemoryContext);
}

static Datum
bytes_datum(const char *bytes)
{
	size_t		length = strlen(bytes);
	bytea	   *datum = palloc(VARHDRSZ + length);

	SET_VARSIZE(datum, VARHDRSZ + length);
	memcpy(VARDATA(datum), bytes, length);
	return PointerGetDatum(datum);
}

static void
put_file(const BbReqCtx *ctx, FunctionCallInfo fcinfo, BbContentReader *reader,
		 const BbMember *member, uint64 content_max)
{
	Pieces		pieces = {0};
	bool		whole = bb_cloneread_has_content(member, content_max);
	bool		nulls[7] = {0};
	Datum		values[lengthof(nulls)] =
		{bb_text_datum(member->path),
		 CStringGetTextDatum(bb_member_kind_name(member->kind)),
		 Int64GetDatum((int64) member->size),
		 Int32GetDatum((int32) member->mode)};

	if (whole)
	{
		bb_cloneread_pieces(ctx, reader, member, add_piece, &pieces);
		values[4] = array_datum(pieces.offsets, INT8OID);
		values[5] = array_datum(pieces.contents, BYTEAOID);
		BB_COUNT(ctx, bytes_out, pieces.bytes);
	}
	nulls[4] = nulls[5] = !whole;
	nulls[6] = bb_text_valid(member->path) == member->path;
	if (!nulls[6])
		values[6] = bytes_datum(member->path);
	bb_result_row(fcinfo, values, nulls);
}

/* The lease of the argument; its LSN must be the one that is given, if one is. */
static const BbPin *
lease_of(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
		 const char *name, XLogRecPtr lsn)
{
	const BbPin *lease = bb_lease_find(bb_manifest_read(ctx, objects,
														timeline),
									   name);

	if (!XLogRecPtrIsInvalid(lsn) && lsn != lease->lsn)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lease \"%s\" is not at LSN " BB_LSN_FORMAT, name,
						LSN_FORMAT_ARGS(lsn)),
				 errdetail("It is at " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(lease->lsn)),
				 errhint("Omit the LSN, or the lease.")));
	return lease;
}

static uint64
content_max_of(FunctionCallInfo fcinfo, int n)
{
	int64		max = bb_arg_int64(fcinfo, n, "content_max");

	if (max < 0 || max > MaxAllocSize / 4)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid content_max %lld", (long long) max),
				 errdetail("It is between 0 and %lld bytes.",
						   (long long) MaxAllocSize / 4)));
	return (uint64) max;
}

/*
 * bb_clone_files(lsn pg_lsn, lease text, store name, timeline text,
 * settings text, content_max bigint)
 */
static Datum
bb_sql_clone_files_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_BLOCK_READ);
	XLogRecPtr	lsn = bb_arg_lsn(fcinfo, 0, "lsn");
	char	   *server = bb_arg_name(fcinfo, 2, "store");
	char	   *timeline = bb_arg_text(fcinfo, 3, "timeline");
	uint64		content_max = content_max_of(fcinfo, 5);
	BbObjectStore *objects = bb_store_open(ctx, server, timeline);
	BbBackupOptions options = bb_options_defaults();
	MemoryContext row_context = bb_result_begin(fcinfo);
	BbSnapshot	snapshot;
	BbBackupPlan *plan;
	BbFileList *list;
	BbContentReader *reader;
	BbMember	member;

	options.manifest = BB_MANIFEST_NO;
	bb_options_set_settings(&options, bb_arg_text(fcinfo, 4, "settings"));
	if (!PG_ARGISNULL(1))
	{
		const BbPin *lease = lease_of(ctx, objects, timeline,
									  bb_arg_text(fcinfo, 1, "lease"), lsn);

		lsn = lease->lsn;
		options.new_tli = lease->new_tli;
		options.tli_reserved = true;
	}
	snapshot = bb_store_snapshot(ctx,
								 bb_pagestore_open_in(ctx, objects, timeline),
								 lsn);
	bb_calls_describe(ctx, &(BbCallAbout){.lsn = snapshot.lsn});
	plan = bb_plan_new(ctx, &snapshot, &options);
	bb_plan_report(plan);
	list = bb_filelist_new(plan);
	reader = bb_content_new(plan);
	while (bb_filelist_next(ctx, list, &member))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);

		put_file(ctx, fcinfo, reader, &member, content_max);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	bb_content_close(reader);
	bb_filelist_close(list);
	bb_reqctx_end(ctx);
	return (Datum) 0;
}
