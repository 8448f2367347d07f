/*-------------------------------------------------------------------------
 *
 * databases.h
 *	  Which databases a backup has, by their names in pg_database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_DATABASES_H
#define BB_HEAP_DATABASES_H

#include "members/partial.h"
#include "pagestore/snapshot.h"

/*
 * bb_databases_only - leave all databases out of a backup but those named (char *),
 * and those that initdb makes; in CurrentMemoryContext.
 *
 * Errors: those of past.h; UNDEFINED_DATABASE.
 */
extern BbPartial *bb_databases_only(const BbReqCtx *ctx,
									const BbSnapshot *snapshot,
									const List *names);

#endif /* BB_HEAP_DATABASES_H */
