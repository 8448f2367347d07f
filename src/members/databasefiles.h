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
 * An unlogged relation has no content that survives a crash, so a backup
 * holds only its init fork, twice: as itself, and as the main fork that the
 * server would make of it when it starts after a crash.
 *
 * Errors: those of the page store; DATA_CORRUPTED.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DATABASEFILES_H
#define BB_DATABASEFILES_H

#include "members/member.h"

typedef struct BbDatabaseFiles BbDatabaseFiles;

/*
 * bb_databasefiles_new - full: all relations; else only init forks.
 *
 * "spc": Invalid: of all tablespaces; DEFAULTTABLESPACE_OID: of those that
 * are built in, with "global"; else of this one.
 *
 * "version" is the content of PG_VERSION.  It has to outlive the iterator
 * and the members.
 */
extern BbDatabaseFiles *bb_databasefiles_new(const BbReqCtx *ctx,
											 BbPageStore *store,
											 XLogRecPtr lsn, Oid spc,
											 bool full, const char *version);
extern bool bb_databasefiles_next(const BbReqCtx *ctx, BbDatabaseFiles *files,
								  BbMember *member);
extern void bb_databasefiles_close(BbDatabaseFiles *files);

#endif /* BB_DATABASEFILES_H */
