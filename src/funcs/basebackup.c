/*-------------------------------------------------------------------------
 *
 * basebackup.c
 *	  Base backups: as one bytea, as a stream of rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "assembly/backup.h"
#include "base/compat.h"
#include "funcs/arguments.h"
#include "funcs/call.h"
#include "funcs/store_access.h"
#include "utils/memutils.h"

BB_SQL_FUNCTION(bb_sql_basebackup);
BB_SQL_FUNCTION(bb_sql_basebackup_stream);

/* A row of the stream has about so many bytes. */
#define CHUNK_BYTES (256 * 1024)

/* A backup under way, into a buffer. */
typedef struct RunningBackup
{
	const BbReqCtx *ctx;
	BbSink	   *chunks;
	BbBackup   *backup;
	bool		more;
} RunningBackup;

/* bb_basebackup(lsn, full_backup, store, timeline, prev_lsn, new_tli) */
Datum
bb_sql_basebackup(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_begin(fcinfo, BB_TASK_BASEBACKUP);
	BbBackupArguments arguments = bb_arg_backup(fcinfo);
	BbPageStore *store = bb_store_timeline(ctx, arguments.store,
										   arguments.timeline);
	XLogRecPtr	lsn = bb_store_lsn(ctx, store, arguments.lsn);
	uint64		size = bb_backup_size(ctx, store, lsn, &arguments.options);
	BbSink	   *chunks;
	BbBackup   *backup;

	if (size > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("base backup is too large for a bytea"),
				 errdetail("It would have " UINT64_FORMAT
						   " bytes; the limit is %zu.",
						   size, (size_t) (MaxAllocSize - VARHDRSZ)),
				 errhint("Use bb_basebackup_stream() in the target list of a "
						 "SELECT.")));

	chunks = bb_sink_chunks_new(size);
	backup = bb_backup_new(ctx, store, lsn, &arguments.options, size, chunks);
	bb_calls_describe(ctx, &(BbCallAbout){.bytes_total = size});
	while (bb_backup_step(ctx, backup))
		;
	bb_reqctx_end(ctx);
	PG_RETURN_BYTEA_P(bb_sink_chunks_take(chunks));
}

static RunningBackup *
start_stream(FunctionCallInfo fcinfo)
{
	RunningBackup *running = palloc0(sizeof(RunningBackup));
	BbBackupArguments arguments = bb_arg_backup(fcinfo);
	BbPageStore *store;
	XLogRecPtr	lsn;
	uint64		size;

	running->ctx = bb_call_begin(fcinfo, BB_TASK_BASEBACKUP);
	store = bb_store_timeline(running->ctx, arguments.store,
							  arguments.timeline);
	lsn = bb_store_lsn(running->ctx, store, arguments.lsn);
	size = bb_backup_size(running->ctx, store, lsn, &arguments.options);
	bb_calls_describe(running->ctx, &(BbCallAbout){.bytes_total = size});
	running->chunks = bb_sink_chunks_new(CHUNK_BYTES);
	running->backup = bb_backup_new(running->ctx, store, lsn,
									&arguments.options, size,
									running->chunks);
	running->more = true;
	return running;
}

/*
 * bb_basebackup_stream(lsn, full_backup, store, timeline, prev_lsn, new_tli)
 *
 * One row a call.  All that a backup holds lives in the multi-call context,
 * so a consumer that stops early leaves nothing behind.
 */
Datum
bb_sql_basebackup_stream(PG_FUNCTION_ARGS)
{
	FuncCallContext *calls;
	RunningBackup *running;
	MemoryContext old;

	if (SRF_IS_FIRSTCALL())
	{
		calls = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(calls->multi_call_memory_ctx);
		calls->user_fctx = start_stream(fcinfo);
		MemoryContextSwitchTo(old);
	}
	calls = SRF_PERCALL_SETUP();
	running = calls->user_fctx;

	while (running->more &&
		   bb_sink_chunks_filled(running->chunks) < CHUNK_BYTES)
		running->more = bb_backup_step(running->ctx, running->backup);

	if (bb_sink_chunks_filled(running->chunks) == 0)
	{
		bb_reqctx_end(running->ctx);
		SRF_RETURN_DONE(calls);
	}
	/* who knows when the next one is asked for */
	bb_reqctx_publish(running->ctx);
	SRF_RETURN_NEXT(calls,
					PointerGetDatum(bb_sink_chunks_take(running->chunks)));
}
