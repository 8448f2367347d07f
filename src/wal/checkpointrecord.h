/*-------------------------------------------------------------------------
 *
 * checkpointrecord.h
 *	  The checkpoint record that an import begins with.
 *
 * In a cleanly shut-down cluster it is the last record: the control file says
 * where it begins, and only WAL itself says where it ends.  In a base backup it
 * is the record that backup_label names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CHECKPOINTRECORD_H
#define BB_CHECKPOINTRECORD_H

#include "catalog/pg_control.h"
#include "wal/source.h"

typedef struct BbCheckpointRecord
{
	CheckPoint	checkpoint;
	bool		shutdown; /* rather than online */
	XLogRecPtr	end;	  /* of the record */
} BbCheckpointRecord;

/*
 * bb_checkpointrecord_read - read the checkpoint record that begins at
 * start->lsn, as an ingest from there would.
 *
 * Errors: INVALID_PARAMETER_VALUE (no record can begin there); UNDEFINED_FILE
 * (a WAL segment is missing); DATA_CORRUPTED (the record can't be read, or is
 * not a checkpoint record); those of the origin's open and of
 * bb_walsource_next.
 */
extern BbCheckpointRecord bb_checkpointrecord_read(const BbReqCtx *ctx,
												   const BbWalOrigin *origin,
												   const BbWalStart *start);

#endif /* BB_CHECKPOINTRECORD_H */
