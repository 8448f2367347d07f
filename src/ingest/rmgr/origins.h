/*-------------------------------------------------------------------------
 *
 * origins.h
 *	  How far a replication origin has been replayed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_ORIGINS_H
#define BB_ORIGINS_H

#include "ingest/handler.h"

/* (replorigin_advance in PostgreSQL's origin.c) */
extern void bb_origins_advance(BbIngest *ingest, RepOriginId origin,
							   XLogRecPtr remote_lsn, bool backward);

#endif /* BB_ORIGINS_H */
