/*-------------------------------------------------------------------------
 *
 * rm_relmap.c
 *	  Updates of the map of a database's mapped catalogs.
 *
 * The record has the file as it then is, with its checksum.
 *
 * (relmap_redo and write_relmap_file in PostgreSQL's relmapper.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ingest/ingest_internal.h"
#include "utils/relmapper.h"

void
bb_rm_relmap(BbIngest *ingest)
{
	const xl_relmap_update *update;
	BbKey		key;

	if ((XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK) !=
		XLOG_RELMAP_UPDATE)
		bb_ingest_unknown(ingest);

	update = (const xl_relmap_update *) bb_ingest_data(ingest,
													   MinSizeOfRelmapUpdate);
	if (update->nbytes <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("WAL has a relation map of %d bytes",
						update->nbytes)));
	(void) bb_ingest_data(ingest, MinSizeOfRelmapUpdate + update->nbytes);
	key = bb_key_make(BB_KEY_RELMAP, update->tsid, update->dbid, 0, 0, 0);
	bb_openlayer_put(ingest->layer, &key, ingest->lsn, BB_ENTRY_IMAGE,
					 update->data, update->nbytes);
}
