/*-------------------------------------------------------------------------
 *
 * parallel_worker.c
 *	  A worker of a backup: makes the pages of units.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/parallel.h"
#include "backup/units.h"
#include "pagestore/blockscan.h"
#include "process/sessionworker.h"
#include "utils/memutils.h"

typedef struct Server
{
	BbBlockScan blocks;
	MemoryContext scratch; /* for one unit */
} Server;

static bool
put_note(const BbReqCtx *ctx, BbNoteKind kind, uint32 length)
{
	BbNote		note = {.kind = kind, .length = length};

	return bb_sessionworker_put(ctx, &note, sizeof(note));
}

/*
 * Read ahead to the end of the unit and no further, since another worker makes
 * what follows.
 */
static void
set_end(Server *server, const BbBlockRange *ranges, int nranges)
{
	BbKey		until = bb_range_key(&ranges[0], 0);

	for (int i = 0; i < nranges; i++)
	{
		BbKey		end = bb_range_key(&ranges[i], ranges[i].count);

		if (bb_key_compare(&end, &until) > 0)
			until = end;
	}
	bb_blockscan_until(&server->blocks, &until);
}

static bool
put_block(const BbReqCtx *ctx, Server *server, const BbKey *wanted)
{
	BbKey		key;
	BbValue		value;

	if (!bb_blockscan_peek(ctx, &server->blocks, wanted, &key, &value) ||
		bb_key_compare(&key, wanted) != 0)
		return put_note(ctx, BB_NOTE_MISSING, 0);
	bb_blockscan_advance(&server->blocks);
	if (likely(value.length == BLCKSZ))
		return bb_sessionworker_put_lazily(ctx, value.data, BLCKSZ);
	return put_note(ctx, BB_NOTE_OTHER_LENGTH, value.length);
}

static bool
put_unit(const BbReqCtx *ctx, Server *server, const BbBlockRange *ranges,
		 int nranges)
{
	set_end(server, ranges, nranges);
	for (int i = 0; i < nranges; i++)
	{
		for (uint32 n = 0; n < ranges[i].count; n++)
		{
			BbKey		key = bb_range_key(&ranges[i], n);

			if (!put_block(ctx, server, &key))
				return false;
		}
	}
	return put_note(ctx, BB_NOTE_UNIT_DONE, 0);
}

void
bb_parallel_serve(const BbReqCtx *ctx, BbPageStore *store,
				  const BbBackupTask *task)
{
	BbSnapshot	snapshot = bb_snapshot_at(store, task->lsn);
	Server		server = {0};
	MemoryContext old;
	const void *message;
	size_t		length;
	bool		connected;

	if (bb_pagestore_identity(&snapshot) != task->identity)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("timeline \"%s\" was replaced while its backup began",
						task->timeline),
				 errhint("Try again.")));
	bb_blockscan_init(&server.blocks, &snapshot);
	server.scratch = AllocSetContextCreate(CurrentMemoryContext,
										   "bbackup unit",
										   ALLOCSET_DEFAULT_SIZES);
	connected = put_note(ctx, BB_NOTE_READY, 0);
	while (connected && bb_sessionworker_get(ctx, &message, &length))
	{
		old = MemoryContextSwitchTo(server.scratch);
		connected = put_unit(ctx, &server, message,
							 length / sizeof(BbBlockRange));
		MemoryContextSwitchTo(old);
		MemoryContextReset(server.scratch);
	}
	bb_blockscan_close(&server.blocks);
	MemoryContextDelete(server.scratch);
}
