/*-------------------------------------------------------------------------
 *
 * basebackup.c
 *	  Base backups: as one bytea, as a stream of rows, as several archives, as a
 *	  large object.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/backup.h"
#include "base/foreigntext.h"
#include "funcapi.h"
#include "funcs/arguments.h"
#include "funcs/backup_arguments.h"
#include "miscadmin.h"
#include "sinks/destinations.h"
#include "utils/builtins.h"

BB_SQL_FUNCTION(bb_sql_basebackup);
BB_SQL_FUNCTION(bb_sql_basebackup_stream);
BB_SQL_FUNCTION(bb_sql_basebackup_archives);
BB_SQL_FUNCTION(bb_sql_basebackup_lo);

/* A row of the stream has at least this size, except at the end of an archive. */
#define CHUNK_BYTES (256 * 1024)
/* The last step of a row may exceed that by its own output. */
#define CHUNK_ROOM (CHUNK_BYTES + 64 * 1024)

/* A running backup, whose output goes to a buffer. */
typedef struct RunningBackup
{
	const BbReqCtx *ctx;
	BbSink	   *chunks;
	BbBackup   *backup;
	bool		more;
} RunningBackup;

/* bb_basebackup(lsn, …): see backup_arguments.h */
static Datum
bb_sql_basebackup_body(PG_FUNCTION_ARGS)
{
	BbBackupCall call = bb_backup_call_of(fcinfo);
	uint64		size = call.plan->size;
	BbSink	   *chunks;

	if (call.options.compression.algorithm != PG_COMPRESSION_NONE)
		size = 0;
	else if (size > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("base backup is too large for a bytea"),
				 errdetail("It would have " UINT64_FORMAT
						   " bytes; the limit is %zu.",
						   size, (size_t) (MaxAllocSize - VARHDRSZ)),
				 errhint("Use bb_basebackup_lo(), or "
						 "bb_basebackup_stream() in the target list of a "
						 "SELECT.")));

	chunks = bb_sink_chunks_new(size);
	bb_backup_call_run(&call, BB_FORM_TAR, chunks);
	PG_RETURN_BYTEA_P(bb_sink_chunks_take(chunks));
}

static RunningBackup *
start_stream(FunctionCallInfo fcinfo, BbTablespaces tablespaces)
{
	RunningBackup *running = palloc0(sizeof(RunningBackup));
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_BASEBACKUP);
	BbBackupRequest request = bb_arg_backup(fcinfo);
	BbBackupCall call;

	request.options.tablespaces = tablespaces;
	call = bb_backup_call_begin(ctx, &request);
	running->ctx = ctx;
	running->chunks = bb_sink_chunks_new(CHUNK_ROOM);
	running->backup = bb_backup_call_start(&call, BB_FORM_TAR,
										   running->chunks);
	running->more = true;
	return running;
}

/* Return the backup of this query; the first call starts it. */
static RunningBackup *
running_stream(FunctionCallInfo fcinfo, BbTablespaces tablespaces)
{
	if (SRF_IS_FIRSTCALL())
	{
		FuncCallContext *calls = SRF_FIRSTCALL_INIT();
		MemoryContext old = MemoryContextSwitchTo(
			calls->multi_call_memory_ctx);

		calls->user_fctx = start_stream(fcinfo, tablespaces);
		MemoryContextSwitchTo(old);
	}
	return SRF_PERCALL_SETUP()->user_fctx;
}

/* Return the bytes of a row, all from one archive; NULL at the end. */
static bytea *
next_chunk(RunningBackup *running)
{
	size_t		filled;

	while ((filled = bb_sink_chunks_filled(running->chunks)) < CHUNK_BYTES &&
		   running->more &&
		   !(filled > 0 && bb_sink_chunks_ended(running->chunks)))
		running->more = bb_backup_step(running->ctx, running->backup);

	if (filled == 0)
	{
		bb_reqctx_end(running->ctx);
		return NULL;
	}
	/* the consumer may wait for long before it asks for the next row */
	bb_reqctx_publish(running->ctx);
	return bb_sink_chunks_take(running->chunks);
}

/*
 * bb_basebackup_stream(lsn, …): see backup_arguments.h
 *
 * Each call returns a row.  The backup and its resources belong to the
 * multi-call context, so they are released if the consumer stops early.
 */
static Datum
bb_sql_basebackup_stream_body(PG_FUNCTION_ARGS)
{
	RunningBackup *running = running_stream(fcinfo, BB_TABLESPACES_IN_PLACE);
	FuncCallContext *calls = SRF_PERCALL_SETUP();
	bytea	   *chunk = next_chunk(running);

	if (chunk == NULL)
		SRF_RETURN_DONE(calls);
	SRF_RETURN_NEXT(calls, PointerGetDatum(chunk));
}

/*
 * bb_basebackup_archives(lsn, …): returns rows (archive, data)
 */
static Datum
bb_sql_basebackup_archives_body(PG_FUNCTION_ARGS)
{
	RunningBackup *running = running_stream(fcinfo, BB_TABLESPACES_ARCHIVES);
	FuncCallContext *calls = SRF_PERCALL_SETUP();
	bytea	   *chunk = next_chunk(running);
	Datum		values[2];

	if (chunk == NULL)
		SRF_RETURN_DONE(calls);
	values[0] = CStringGetTextDatum(bb_sink_chunks_archive(running->chunks));
	values[1] = PointerGetDatum(chunk);
	SRF_RETURN_NEXT(calls, bb_result_record(fcinfo, values));
}

/* bb_basebackup_lo(lsn, …): see backup_arguments.h */
static Datum
bb_sql_basebackup_lo_body(PG_FUNCTION_ARGS)
{
	BbBackupCall call;
	BbSink	   *object;

	PreventCommandIfReadOnly("bb_basebackup_lo()");
	call = bb_backup_call_of(fcinfo);
	if (call.options.compression.algorithm == PG_COMPRESSION_NONE)
		bb_sink_largeobject_check_size(call.plan->size);
	object = bb_sink_largeobject_new();
	bb_backup_call_run(&call, BB_FORM_TAR, object);
	PG_RETURN_OID(bb_sink_largeobject_oid(object));
}
