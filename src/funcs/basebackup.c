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
#include "funcapi.h"
#include "funcs/backup_call.h"

BB_SQL_FUNCTION(bb_sql_basebackup);
BB_SQL_FUNCTION(bb_sql_basebackup_stream);

/* A row of the stream has about so many bytes. */
#define CHUNK_BYTES (256 * 1024)
/* and this is what one has when it's the last step's that fills it. */
#define CHUNK_ROOM (CHUNK_BYTES + 64 * 1024)

/* A backup under way, into a buffer. */
typedef struct RunningBackup
{
	const BbReqCtx *ctx;
	BbSink	   *chunks;
	BbBackup   *backup;
	bool		more;
} RunningBackup;

/* bb_basebackup(lsn, …): see backup_call.h */
Datum
bb_sql_basebackup(PG_FUNCTION_ARGS)
{
	BbBackupCall call = bb_backup_call_begin(fcinfo);
	BbSink	   *chunks;

	if (call.options.compression.algorithm != PG_COMPRESSION_NONE)
		call.size = 0;
	else if (call.size > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("base backup is too large for a bytea"),
				 errdetail("It would have " UINT64_FORMAT
						   " bytes; the limit is %zu.",
						   call.size, (size_t) (MaxAllocSize - VARHDRSZ)),
				 errhint("Use bb_basebackup_stream() in the target list of a "
						 "SELECT.")));

	chunks = bb_sink_chunks_new(call.size);
	bb_backup_call_run(&call, BB_FORM_TAR, chunks);
	PG_RETURN_BYTEA_P(bb_sink_chunks_take(chunks));
}

static RunningBackup *
start_stream(FunctionCallInfo fcinfo)
{
	RunningBackup *running = palloc0(sizeof(RunningBackup));
	BbBackupCall call = bb_backup_call_begin(fcinfo);

	running->ctx = call.ctx;
	running->chunks = bb_sink_chunks_new(CHUNK_ROOM);
	running->backup = bb_backup_new(call.ctx, call.store, call.lsn,
									&call.options, call.size, BB_FORM_TAR,
									running->chunks);
	running->more = true;
	return running;
}

/*
 * bb_basebackup_stream(lsn, …): see backup_call.h
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
