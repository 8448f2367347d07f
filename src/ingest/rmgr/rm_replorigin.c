/*-------------------------------------------------------------------------
 *
 * rm_replorigin.c
 *	  Replication origins, which records set and drop, and commits advance.
 *
 * (replorigin_redo and replorigin_advance in PostgreSQL's origin.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ingest/handler.h"
#include "replication/origin.h"

static BbKey
origin_key(RepOriginId origin)
{
	return bb_key_make(BB_KEY_REPLICATION_ORIGIN, 0, 0, origin, 0, 0);
}

void
bb_replorigin_advance(BbIngest *ingest, RepOriginId origin,
					  XLogRecPtr remote_lsn, bool backward)
{
	BbKey		key = origin_key(origin);
	uint64		before;

	if (origin == InvalidRepOriginId || origin == DoNotReplicateId)
		return;
	if (!bb_knownkeys_get_u64(ingest->ctx, ingest->known, &key, &before) ||
		before < remote_lsn || (backward && before != remote_lsn))
		bb_knownkeys_put_u64(ingest->known, &key, ingest->lsn, remote_lsn);
}

void
bb_rm_replorigin(BbIngest *ingest)
{
	const xl_replorigin_set *set;
	const xl_replorigin_drop *drop;
	BbKey		key;

	switch (XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK)
	{
		case XLOG_REPLORIGIN_SET:
			set = (const xl_replorigin_set *) bb_ingest_data(ingest,
															 sizeof(*set));
			bb_replorigin_advance(ingest, set->node_id, set->remote_lsn,
								  set->force);
			break;
		case XLOG_REPLORIGIN_DROP:
			drop = (const xl_replorigin_drop *) bb_ingest_data(ingest,
															   sizeof(*drop));
			key = origin_key(drop->node_id);
			bb_knownkeys_remove(ingest->ctx, ingest->known, &key, ingest->lsn);
			break;
		default:
			bb_ingest_unknown(ingest);
	}
}
