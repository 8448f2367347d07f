/*-------------------------------------------------------------------------
 *
 * generatedfiles.h
 *	  The content of small files that a backup generates.
 *
 * Everything is allocated in CurrentMemoryContext.
 *
 * Errors: those of the page store.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_GENERATEDFILES_H
#define BB_GENERATEDFILES_H

#include "lib/stringinfo.h"
#include "members/seed.h"
#include "members/smallfiles.h"

/*
 * bb_generatedfile_label - return the lines of a backup_label, as
 * do_pg_backup_start in PostgreSQL's xlog.c writes them.
 *
 * The time is that of the data, not of the clock, so that the same backup has
 * the same bytes.
 */
extern char *bb_generatedfile_label(const BbSeed *seed, int64 mtime,
									const char *label);

/*
 * bb_generatedfile_map - make a tablespace_map of tablespaces (BbTablespace *),
 * as the same function writes it.
 *
 * It has the locations of the source, without tablespaces that were in place.
 */
extern void bb_generatedfile_map(const List *tablespaces, StringInfo map);

/*
 * bb_generatedfile_origins - make pg_logical/replorigin_checkpoint (see
 * pagestore/originfile.h), and return the number of origins in it.
 */
extern uint32 bb_generatedfile_origins(const BbReqCtx *ctx,
									   const BbSnapshot *snapshot,
									   StringInfo file);

/*
 * bb_generatedfile_configuration - add the configuration files without which no
 * server starts, if they weren't captured.
 *
 * A source that keeps them outside its data directory (Debian:
 * /etc/postgresql) gets minimal ones, which fit the control file.
 */
extern void bb_generatedfile_configuration(BbSmallFiles *files,
										   const BbControl *control);

#endif /* BB_GENERATEDFILES_H */
