/*-------------------------------------------------------------------------
 *
 * generatedfiles.h
 *	  The content of small files that a backup makes: the label, the map of
 *	  tablespaces, replication origins.
 *
 * All in CurrentMemoryContext.
 *
 * Errors: those of the page store.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_GENERATEDFILES_H
#define BB_GENERATEDFILES_H

#include "lib/stringinfo.h"
#include "members/seed.h"

/*
 * bb_madefile_label - the lines of a backup_label (do_pg_backup_start in
 * PostgreSQL's xlog.c).
 *
 * The time is that of the data, not of the clock: the same backup has the same
 * bytes.
 */
extern char *bb_madefile_label(const BbSeed *seed, int64 mtime,
							   const char *label);

/*
 * bb_madefile_map - tablespace_map: where the source had its tablespaces, as
 * the same function writes it; without those that it had in place.
 */
extern void bb_madefile_map(const BbReqCtx *ctx, BbPageStore *store,
							XLogRecPtr lsn, StringInfo map);

/* pg_logical/replorigin_checkpoint: see pagestore/originfile.h. */
extern void bb_madefile_origins(const BbReqCtx *ctx, BbPageStore *store,
								XLogRecPtr lsn, StringInfo file);

#endif /* BB_GENERATEDFILES_H */
