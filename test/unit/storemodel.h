/*-------------------------------------------------------------------------
 *
 * storemodel.h
 *	  A timeline as import and ingest make it, and its values at each LSN.
 *
 * Other than model.h, sizes and blocks belong together: relations are made,
 * extended, with gaps and runs of zeros, truncated and dropped; SLRUs grow; there
 * are two-phase files, commits, and ends of records.  So what has to exist at an
 * LSN is known from the sizes, as upkeep needs it.
 *
 * The timeline is in an object store, where upkeep may change its layers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef STOREMODEL_H
#define STOREMODEL_H

#include "model.h"

typedef struct StoreModel StoreModel;

/* Make a timeline by an import.  With an ancestor, a branch of it at an LSN. */
extern StoreModel *storemodel_new(const BbReqCtx *ctx, BbObjectStore *objects,
								  const char *name);
extern StoreModel *storemodel_branch(const BbReqCtx *ctx, StoreModel *ancestor,
									 const char *name, XLogRecPtr lsn);

/* Make so many records, flush them, and commit. */
extern void storemodel_live(const BbReqCtx *ctx, StoreModel *model,
							int records);

extern BbObjectStore *storemodel_objects(const StoreModel *model);
extern const char *storemodel_name(const StoreModel *model);

/* The LSN at which it ends; a random end of a record from "from" on. */
extern XLogRecPtr storemodel_end(const StoreModel *model);
extern XLogRecPtr storemodel_draw_lsn(const StoreModel *model,
									  XLogRecPtr from);

/* A random key that has, or had, a value. */
extern BbKey storemodel_draw_key(const StoreModel *model);

/*
 * Compare all that exists at an LSN, by a scan and some point reads.  Returns
 * NULL, or what differs.
 *
 * Blocks beyond a size may have any value.  Of the ends of records before
 * "start", only those of the last two WAL pages have to be there.
 */
extern char *storemodel_compare(const BbReqCtx *ctx, StoreModel *model,
								XLogRecPtr lsn, XLogRecPtr start);

/* Return all keys that ever had a value (BbKey), in order. */
extern const BbKey *storemodel_keys(StoreModel *model, int *n);

#endif /* STOREMODEL_H */
