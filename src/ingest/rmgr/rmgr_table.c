/*-------------------------------------------------------------------------
 *
 * rmgr_table.c
 *	  The functions that handle the records of each resource manager.
 *
 * Access methods, sequences and generic WAL change nothing but their blocks.
 * The same is true of custom resource managers, since the server offers them
 * nothing else to change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "ingest/rmgr/blockrefs.h"
#include "replication/message.h"

/* Messages of logical decoding change nothing. */
static void
logicalmsg(BbIngest *ingest)
{
	if ((XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK) !=
		XLOG_LOGICAL_MESSAGE)
		bb_ingest_unknown(ingest);
}

static const BbRmgrHandler handlers[RM_MAX_BUILTIN_ID + 1] = {
	[RM_XLOG_ID] = bb_rm_xlog,
	[RM_XACT_ID] = bb_rm_xact,
	[RM_SMGR_ID] = bb_rm_smgr,
	[RM_CLOG_ID] = bb_rm_clog,
	[RM_DBASE_ID] = bb_rm_dbase,
	[RM_TBLSPC_ID] = bb_rm_tblspc,
	[RM_MULTIXACT_ID] = bb_rm_multixact,
	[RM_RELMAP_ID] = bb_rm_relmap,
	[RM_STANDBY_ID] = bb_rm_standby,
	[RM_HEAP2_ID] = bb_rm_heap2,
	[RM_HEAP_ID] = bb_rm_heap,
	[RM_BTREE_ID] = bb_blockrefs_ingest,
	[RM_HASH_ID] = bb_blockrefs_ingest,
	[RM_GIN_ID] = bb_blockrefs_ingest,
	[RM_GIST_ID] = bb_blockrefs_ingest,
	[RM_SEQ_ID] = bb_blockrefs_ingest,
	[RM_SPGIST_ID] = bb_blockrefs_ingest,
	[RM_BRIN_ID] = bb_blockrefs_ingest,
	[RM_COMMIT_TS_ID] = bb_rm_commit_ts,
	[RM_REPLORIGIN_ID] = bb_rm_replorigin,
	[RM_GENERIC_ID] = bb_blockrefs_ingest,
	[RM_LOGICALMSG_ID] = logicalmsg,
};

BbRmgrHandler
bb_rmgr_handler(RmgrId id)
{
	if (id <= RM_MAX_BUILTIN_ID)
		return handlers[id];
	if (RmgrIdIsCustom(id))
		return bb_blockrefs_ingest;
	return NULL;
}
