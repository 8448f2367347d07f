/*-------------------------------------------------------------------------
 *
 * rm_replorigin.h
 *	  The progress of a replication origin.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RM_REPLORIGIN_H
#define BB_RM_REPLORIGIN_H

#include "ingest/handler.h"

/*
 * bb_replorigin_advance - set the remote LSN up to which an origin is replayed
 * (replorigin_advance in PostgreSQL's origin.c).
 *
 * It goes back only if "backward" is true.
 */
extern void bb_replorigin_advance(BbIngest *ingest, RepOriginId origin,
								  XLogRecPtr remote_lsn, bool backward);

#endif /* BB_RM_REPLORIGIN_H */
