/*-------------------------------------------------------------------------
 *
 * databasefiles.h
 *	  The members of all databases: directories, PG_VERSION, relmaps,
 *	  relation segments.
 *
 * They come in the order of the page store's keys.  A relation fork is cut
 * into segments of RELSEG_SIZE blocks, as PostgreSQL's md.c does; an empty
 * fork is an empty file.
 *
 * An unlogged relation has no content that survives a crash, so a backup has
 * only its init fork, twice: as the init fork, and as the main fork that the
 * server would make of it when it starts after a crash.
 *
 * Errors: those of the page store; DATA_CORRUPTED.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DATABASEFILES_H
#define BB_DATABASEFILES_H

#include "members/plan.h"

typedef struct BbDatabaseFiles BbDatabaseFiles;

/*
 * bb_databasefiles_new - walk over the databases in a tablespace.
 *
 * DEFAULTTABLESPACE_OID stands for both built-in tablespaces, Invalid for all
 * tablespaces.  A thin backup has only the init forks of relations.
 */
extern BbDatabaseFiles *bb_databasefiles_new(const BbReqCtx *ctx,
											 const BbBackupPlan *plan,
											 Oid spc);
extern bool bb_databasefiles_next(const BbReqCtx *ctx, BbDatabaseFiles *files,
								  BbMember *member);
extern void bb_databasefiles_close(BbDatabaseFiles *files);

#endif /* BB_DATABASEFILES_H */
