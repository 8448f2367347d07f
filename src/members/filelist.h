/*-------------------------------------------------------------------------
 *
 * filelist.h
 *	  The members of a base backup at an LSN, in order.
 *
 * The order is fixed, and that of the page store's keys where it can be, so
 * that one pass over the store serves a whole backup:
 *
 *	  directories, PG_VERSION, captured and generated configuration, the
 *	  label, SLRU segments; for each database directory: itself, PG_VERSION,
 *	  relmap, relation segments; two-phase files, replication origins, signal
 *	  files (thin backups), timeline history and its archive status, WAL,
 *	  global/pg_control, and backup_manifest last.
 *
 * With BB_TABLESPACES_ARCHIVES the tablespaces come first, each with all that
 * it has, and the rest is without them, but with a tablespace_map.
 *
 * The list is an iterator: it never holds more than one relation, however
 * many there are.  It sums up the size of the manifest on the way; the text of
 * the manifest is made by the sink that sees the content.
 *
 * Errors: those of the page store; INVALID_PARAMETER_VALUE (prev_lsn, new_tli);
 * PROGRAM_LIMIT_EXCEEDED (there is no tli that is new); DATA_CORRUPTED (a
 * captured history file isn't text).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FILELIST_H
#define BB_FILELIST_H

#include "members/backupmanifest.h"
#include "members/member.h"
#include "members/options.h"
#include "members/seed.h"

typedef struct BbFileList BbFileList;

/*
 * bb_filelist_new - REQUIRES: lsn from bb_pagestore_check_lsn.
 */
extern BbFileList *bb_filelist_new(const BbReqCtx *ctx, BbPageStore *store,
								   XLogRecPtr lsn,
								   const BbBackupOptions *options);
extern bool bb_filelist_next(const BbReqCtx *ctx, BbFileList *list,
							 BbMember *member);
/* Raise the NOTICEs about the settings of the backup. */
extern void bb_filelist_tell(const BbFileList *list);
/* The control file and WAL that go with this list. */
extern const BbSeed *bb_filelist_seed(const BbFileList *list);
/* The manifest that goes with it; NULL: none is wanted. */
extern const BbManifestText *bb_filelist_manifest(const BbFileList *list);
/* time_t of every member. */
extern int64 bb_filelist_mtime(const BbFileList *list);
extern void bb_filelist_close(BbFileList *list);

#endif /* BB_FILELIST_H */
