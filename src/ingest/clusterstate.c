/*-------------------------------------------------------------------------
 *
 * clusterstate.c
 *	  Counters and horizons: the contents of a shutdown checkpoint at this LSN.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/multixact.h"
#include "access/transam.h"
#include "base/clusterfile.h"
#include "base/compat.h"
#include "ingest/clusterstate.h"

/* Read a value that is a struct of the server, and check it. */
static void
load(const BbReqCtx *ctx, BbTimeline *timeline, XLogRecPtr lsn, BbKeyKind kind,
	 char *(*find_error) (const BbMajor *, const void *, size_t), void *value,
	 size_t size)
{
	BbKey		key = bb_key_make(kind, 0, 0, 0, 0, 0);
	BbEntry		entry;
	const char *complaint = "There is none.";

	if (bb_timeline_get(ctx, timeline, &key, lsn, &entry))
		complaint = find_error(bb_major_own(), entry.value, entry.length);
	if (complaint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("timeline \"%s\" has no valid %s at " BB_LSN_FORMAT,
						bb_timeline_manifest(timeline)->timeline,
						bb_key_text(&key), LSN_FORMAT_ARGS(lsn)),
				 errdetail("%s", complaint)));
	memcpy(value, entry.value, size);
}

BbClusterState *
bb_clusterstate_load(const BbReqCtx *ctx, BbTimeline *timeline, XLogRecPtr lsn)
{
	BbClusterState *state = palloc0(sizeof(BbClusterState));

	load(ctx, timeline, lsn, BB_KEY_CHECKPOINT, bb_checkpoint_error,
		 &state->checkpoint, sizeof(state->checkpoint));
	load(ctx, timeline, lsn, BB_KEY_CONTROL_FILE, bb_control_error,
		 &state->control, sizeof(state->control));
	memcpy(&state->written, &state->checkpoint, sizeof(CheckPoint));
	return state;
}

void
bb_clusterstate_write(BbClusterState *state, BbOpenLayer *layer,
					  XLogRecPtr lsn)
{
	BbKey		key;

	/* compares padding, too, which is copied and never differs by itself */
	if (memcmp(&state->checkpoint, &state->written, sizeof(CheckPoint)) != 0)
	{
		key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
		bb_openlayer_put(layer, &key, lsn, BB_ENTRY_IMAGE, &state->checkpoint,
						 sizeof(CheckPoint));
		memcpy(&state->written, &state->checkpoint, sizeof(CheckPoint));
	}

	if (state->control_changed)
	{
		ControlFileData *control = &state->control;

		control->crc = bb_control_crc(bb_major_own(), control);
		key = bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0);
		bb_openlayer_put(layer, &key, lsn, BB_ENTRY_IMAGE, control,
						 sizeof(*control));
		state->control_changed = false;
	}
}

void
bb_clusterstate_past_xid(BbClusterState *state, TransactionId xid)
{
	FullTransactionId next = state->checkpoint.nextXid;
	TransactionId next_xid = XidFromFullTransactionId(next);
	uint32		epoch = EpochFromFullTransactionId(next);

	if (!TransactionIdFollowsOrEquals(xid, next_xid))
		return;
	TransactionIdAdvance(xid);
	if (xid < next_xid)
		epoch++;
	state->checkpoint.nextXid = FullTransactionIdFromEpochAndXid(epoch, xid);
}

FullTransactionId
bb_clusterstate_full_xid(const BbClusterState *state, TransactionId xid)
{
	FullTransactionId next = state->checkpoint.nextXid;
	uint32		epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xid);
}

void
bb_clusterstate_past_multi(BbClusterState *state, MultiXactId multi,
						   MultiXactOffset offset)
{
	if (MultiXactIdPrecedes(state->checkpoint.nextMulti, multi))
		state->checkpoint.nextMulti = multi;
#ifdef BB_HAVE_LONG_OFFSETS
	if (state->checkpoint.nextMultiOffset < offset)
		state->checkpoint.nextMultiOffset = offset;
#else
	/* offsets wrap as multixacts do (MultiXactOffsetPrecedes) */
	if ((int32) (state->checkpoint.nextMultiOffset - offset) < 0)
		state->checkpoint.nextMultiOffset = offset;
#endif
}

void
bb_clusterstate_oldest_multi(BbClusterState *state, MultiXactId multi,
							 Oid database)
{
	if (MultiXactIdPrecedes(state->checkpoint.oldestMulti, multi))
	{
		state->checkpoint.oldestMulti = multi;
		state->checkpoint.oldestMultiDB = database;
	}
}

/*
 * The counters of a shutdown checkpoint are exact, since nothing was running.
 * An online checkpoint began some time before its record.  So its counters are
 * lower bounds, and its nextOid is ignored.
 */
void
bb_clusterstate_checkpoint(BbClusterState *state, const CheckPoint *checkpoint,
						   bool shutdown)
{
	CheckPoint *own = &state->checkpoint;

	if (shutdown)
	{
		own->nextXid = checkpoint->nextXid;
		own->nextOid = checkpoint->nextOid;
		own->nextMulti = checkpoint->nextMulti;
		own->nextMultiOffset = checkpoint->nextMultiOffset;
	}
	else
	{
		if (FullTransactionIdPrecedes(own->nextXid, checkpoint->nextXid))
			own->nextXid = checkpoint->nextXid;
		bb_clusterstate_past_multi(state, checkpoint->nextMulti,
								   checkpoint->nextMultiOffset);
	}
	bb_clusterstate_oldest_multi(state, checkpoint->oldestMulti,
								 checkpoint->oldestMultiDB);
	if (shutdown ||
		TransactionIdPrecedes(own->oldestXid, checkpoint->oldestXid))
	{
		own->oldestXid = checkpoint->oldestXid;
		own->oldestXidDB = checkpoint->oldestXidDB;
	}
	own->fullPageWrites = checkpoint->fullPageWrites;
	own->ThisTimeLineID = checkpoint->ThisTimeLineID;
	own->PrevTimeLineID = checkpoint->PrevTimeLineID;
	own->time = checkpoint->time;
#if PG_VERSION_NUM >= 170000
	own->wal_level = checkpoint->wal_level;
#endif
#if PG_VERSION_NUM >= 190000
	own->logicalDecodingEnabled = checkpoint->logicalDecodingEnabled;
#endif
}
