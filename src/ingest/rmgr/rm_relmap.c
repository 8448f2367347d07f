/*-------------------------------------------------------------------------
 *
 * rm_relmap.c
 *	  Updates of relation maps.
 *
 * The record has the whole new file with its checksum.
 *
 * (relmap_redo and write_relmap_file in PostgreSQL's relmapper.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clusterfile.h"
#include "base/compat.h"
#include "catalog/pg_tablespace_d.h"
#include "ingest/recordcheck.h"
#include "utils/relmapper.h"

void
bb_rm_relmap(BbIngest *ingest)
{
	const uint32 size = bb_major_own()->relmap_size;
	const xl_relmap_update *update;
	const char *complaint;
	BbKey		key;

	if ((XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK) !=
		XLOG_RELMAP_UPDATE)
		bb_ingest_unknown(ingest);

	update = (const xl_relmap_update *) bb_ingest_data(ingest,
													   MinSizeOfRelmapUpdate);
	if (update->nbytes != (int32) size)
		bb_ingest_refuse(ingest,
						 "It has a relation map of %d bytes instead of %u.",
						 update->nbytes, size);
	(void) bb_ingest_data(ingest, MinSizeOfRelmapUpdate + size);
	complaint = bb_relmap_error(bb_major_own(), update->data, size);
	if (complaint != NULL)
		bb_ingest_refuse(ingest, "Its relation map is not valid: %s",
						 complaint);
	if ((update->tsid == GLOBALTABLESPACE_OID) != (update->dbid == InvalidOid))
		bb_ingest_refuse(
			ingest,
			"There cannot be a relation map of database %u in tablespace %u.",
			update->dbid, update->tsid);
	key = bb_key_make(BB_KEY_RELMAP, update->tsid, update->dbid, 0, 0, 0);
	bb_openlayer_put(ingest->layer, &key, ingest->lsn, BB_ENTRY_IMAGE,
					 update->data, update->nbytes);
}
