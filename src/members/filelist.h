/*-------------------------------------------------------------------------
 *
 * filelist.h
 *	  The members of a base backup, in order.
 *
 * The order is fixed.  It is that of the page store's keys where it can be, so
 * that one pass over the store serves a whole backup:
 *
 *	  directories, PG_VERSION, captured and generated configuration, the
 *	  label, SLRU segments; for each database directory: itself, PG_VERSION,
 *	  relmap, relation segments; two-phase files, replication origins, signal
 *	  files (thin backups), timeline history and its archive status, WAL,
 *	  global/pg_control, and backup_manifest last.
 *
 * With BB_TABLESPACES_ARCHIVES, each tablespace comes first, with all of its
 * members.  The rest follows without tablespaces, but with a tablespace_map.
 *
 * The list is an iterator: it never holds more than one relation, however
 * many there are.  It sums up the size of the manifest on the way; the sink
 * that sees the content writes the text of the manifest.
 *
 * Errors: those of the page store; DATA_CORRUPTED.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FILELIST_H
#define BB_FILELIST_H

#include "members/member.h"
#include "members/plan.h"

typedef struct BbFileList BbFileList;

/* bb_filelist_new - begin a walk; the plan must outlive it. */
extern BbFileList *bb_filelist_new(const BbBackupPlan *plan);
/* bb_filelist_next - return the next member; false at the end. */
extern bool bb_filelist_next(const BbReqCtx *ctx, BbFileList *list,
							 BbMember *member);
extern void bb_filelist_close(BbFileList *list);

#endif /* BB_FILELIST_H */
