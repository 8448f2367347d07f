/*-------------------------------------------------------------------------
 *
 * recordcheck.c
 *	  Checks whether a server can have written a WAL record.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_tablespace_d.h"
#include "ingest/recordcheck.h"
#include "wal/blocks.h"

void
bb_recordcheck_blocks(BbIngest *ingest)
{
	const char *complaint = bb_walblocks_error(ingest->record);

	if (complaint != NULL)
		bb_ingest_refuse(ingest, "%s", complaint);
}

void
bb_recordcheck_heap(BbIngest *ingest, uint8 main_id)
{
	XLogReaderState *record = ingest->record;
	const DecodedBkpBlock *main;

	if (!XLogRecHasBlockRef(record, main_id))
		bb_ingest_refuse(ingest, "It lacks block reference %u.", main_id);
	main = XLogRecGetBlock(record, main_id);
	if (main->forknum != MAIN_FORKNUM)
		bb_ingest_refuse(
			ingest,
			"Block reference %u is of fork %d instead of the main fork.",
			main_id, (int) main->forknum);
	for (int id = 0; id <= XLogRecMaxBlockId(record); id++)
	{
		const DecodedBkpBlock *other = XLogRecGetBlock(record, id);

		if (!other->in_use || id == main_id)
			continue;
		if (!BB_LOCATOR_EQUALS(BB_DECODED_LOCATOR(other),
							   BB_DECODED_LOCATOR(main)))
			bb_ingest_refuse(
				ingest, "Block references %u and %d are of two relations.",
				main_id, id);
		if (other->forknum != MAIN_FORKNUM &&
			other->forknum != VISIBILITYMAP_FORKNUM)
			bb_ingest_refuse(ingest, "Block reference %d is of fork %d.", id,
							 (int) other->forknum);
	}
}

void
bb_recordcheck_items(BbIngest *ingest, size_t fixed, int64 count,
					 size_t item_size)
{
	size_t		length = XLogRecGetDataLen(ingest->record);

	if (count < 0 || length < fixed ||
		(length - fixed) / item_size < (uint64) count)
		bb_ingest_refuse(ingest,
						 "It has %zu bytes of data, and claims " INT64_FORMAT
						 " items of %zu bytes after the first %zu bytes.",
						 length, count, item_size, fixed);
}

void
bb_recordcheck_relation(BbIngest *ingest, Oid spc, Oid db, Oid rel)
{
	if (!bb_walblocks_locator_valid(spc, db, rel))
		bb_ingest_refuse(ingest, "There cannot be a relation %u/%u/%u.", spc,
						 db, rel);
}

void
bb_recordcheck_database(BbIngest *ingest, Oid spc, Oid db)
{
	if (spc == InvalidOid || spc == GLOBALTABLESPACE_OID || db == InvalidOid)
		bb_ingest_refuse(ingest,
						 "There cannot be a database %u in tablespace %u.", db,
						 spc);
}

void
bb_recordcheck_tablespace(BbIngest *ingest, Oid spc)
{
	/* the system's tablespaces have smaller OIDs */
	if (spc < FirstNormalObjectId)
		bb_ingest_refuse(ingest,
						 "Tablespace %u is neither created nor dropped.", spc);
}
