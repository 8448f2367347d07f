/*-------------------------------------------------------------------------
 *
 * walend.h
 *	  Where the WAL of a cleanly shut-down cluster ends.
 *
 * The control file says where its last record begins, the shutdown
 * checkpoint; only the WAL itself says where that ends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WALEND_H
#define BB_WALEND_H

#include "ingest/datadir.h"

/*
 * bb_walend_find - the end of the shutdown checkpoint record.
 *
 * Errors: UNDEFINED_FILE (a WAL segment is missing); DATA_CORRUPTED (the
 * record can't be read, or isn't what the control file says).
 */
extern XLogRecPtr bb_walend_find(const BbReqCtx *ctx, const BbDataDir *dir);

#endif /* BB_WALEND_H */
