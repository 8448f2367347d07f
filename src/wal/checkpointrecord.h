/*-------------------------------------------------------------------------
 *
 * checkpointrecord.h
 *	  The checkpoint record that an import goes by.
 *
 * Of a cleanly shut-down cluster it is the last record: the control file says
 * where it begins, and only WAL itself where it ends.  Of a base backup it is
 * the one that backup_label names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CHECKPOINTRECORD_H
#define BB_CHECKPOINTRECORD_H

#include "catalog/pg_control.h"
#include "wal/tlipath.h"

typedef struct BbCheckpointRecord
{
	CheckPoint	checkpoint;
	bool		shutdown; /* rather than online */
	XLogRecPtr	end;	  /* of the record */
} BbCheckpointRecord;

/*
 * bb_checkpointrecord_read - the record that begins at the place's lsn, out of
 * its directory: wherever ingest from that place would find it.
 *
 * Errors: INVALID_PARAMETER_VALUE (lsn can't be one); UNDEFINED_FILE (a WAL
 * segment is missing); DATA_CORRUPTED (the record can't be read, or is none
 * of a checkpoint); those of bb_walsource_open.
 */
extern BbCheckpointRecord bb_checkpointrecord_read(const BbReqCtx *ctx,
												   const BbWalPlace *place);

#endif /* BB_CHECKPOINTRECORD_H */
