/*-------------------------------------------------------------------------
 *
 * rowrecord.h
 *	  One record of a heap, as a change of rows.
 *
 * (The records are those of PostgreSQL's heapam_xlog.h.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HISTORY_ROWRECORD_H
#define BB_HISTORY_ROWRECORD_H

#include "history/rowchanges.h"
#include "layer/history.h"

typedef struct BbRowRecord BbRowRecord;

extern BbRowRecord *bb_rowrecord_new(const BbPageStoreInfo *info);

/*
 * bb_rowrecord_decode - decode the record of an entry of a block of a main fork.
 *
 * Returns false if the record changes no row, or if its first block is another one.
 * What the change points to stays valid until the next call.
 *
 * Errors: DATA_CORRUPTED.
 */
extern bool bb_rowrecord_decode(BbRowRecord *record, const BbEntry *entry,
								BbRowChange *change);

#endif /* BB_HISTORY_ROWRECORD_H */
