/*-------------------------------------------------------------------------
 *
 * cluster.h
 *	  A small cluster in a page store, and its backup, for tests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLUSTER_H
#define CLUSTER_H

#include "members/plan.h"
#include "unit.h"

#define SEGMENT_SIZE (1024 * 1024)
#define SYSTEM_ID UINT64CONST(7000000000000000001)

/* The end of the clusters' WAL, and the start of the last record there. */
#define LSN UINT64CONST(0x12345678)
#define PREV UINT64CONST(0x12345600)

/* A page of WAL before the one with LSN. */
#define PAGE (LSN - LSN % XLOG_BLCKSZ - 10 * XLOG_BLCKSZ)

extern void put_u32(BbPageStore *store, BbKey key, uint32 v);
extern void put_page(BbPageStore *store, BbKey key, uint8 fill);
/* A fork; all bytes of its page n are "fill + n". */
extern void put_fork(BbPageStore *store, Oid spc, Oid db, Oid rel,
					 ForkNumber fork, BlockNumber blocks, uint8 fill);
extern void put_database(BbPageStore *store, Oid spc, Oid db, uint8 flags);

/* The facts of a page store that starts and ends at LSN. */
extern BbPageStoreInfo cluster_info(void);

/* The checkpoint and the control file of all clusters here. */
extern CheckPoint cluster_checkpoint(void);
extern ControlFileData cluster_control(const BbPageStoreInfo *info);

/* A store with a control file and a checkpoint, as every cluster has them. */
extern BbPageStore *empty_cluster(const BbPageStoreInfo *info);

/* A store with some of every kind of member. */
extern BbPageStore *small_cluster(void);

/* As empty_cluster, with ends of records at and after PAGE. */
extern BbPageStore *cluster_with_records(const BbPageStoreInfo *info);

/* Options that add nothing to the source's settings. */
extern BbBackupOptions options_of(bool full);

/* The plan of a backup at an LSN, which is rounded to the end of a record. */
extern BbBackupPlan *plan_of(const BbReqCtx *ctx, BbPageStore *store,
							 XLogRecPtr lsn, const BbBackupOptions *options);

/* A backup, in chunks of at least so many bytes. */
extern bytea *tar_of(const BbReqCtx *ctx, BbPageStore *store, bool full,
					 size_t chunk);
/* The content of a file in a tar; NULL if it isn't there. */
extern char *tar_find(bytea *tar, const char *path, uint64 *size);

/* As CHECK of equality, but reports the first line that differs. */
extern void check_text(const char *actual, const char *expected);

#endif /* CLUSTER_H */
