/*-------------------------------------------------------------------------
 *
 * asof.h
 *	  Which LSN a table of the past is read at.
 *
 *	  option lsn  ──►  option time  ──►  bbackup.as_of  ──►  end of the timeline
 *
 * The first that is there decides.  What is not a fixed LSN is looked up once for a
 * statement, so all tables of a timeline are read at the same LSN, even if more
 * WAL is ingested meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FDW_ASOF_H
#define BB_FDW_ASOF_H

#include "pagestore/snapshot.h"
#include "stores/table_options.h"

/*
 * bb_asof_lsn - return the LSN for a table with these options.
 *
 * "identity" is that of the store (bb_storeoptions_identity).
 *
 * Errors: those of store_targets.h and bb_pagestore_check_lsn.
 */
extern XLogRecPtr bb_asof_lsn(const BbReqCtx *ctx, BbPageStore *store,
							  const BbTableOptions *options,
							  const char *identity);

#endif /* BB_FDW_ASOF_H */
