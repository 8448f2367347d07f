/*-------------------------------------------------------------------------
 *
 * kept_store.h
 *	  A page store that stays open between calls, with all that it has read.
 *
 *	  bb_keptstore_open -> reads -> bb_keptstore_release
 *
 * Each open checks the user's permission again, and that the options, the keys
 * and the timeline are still the same.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_KEPT_STORE_H
#define BB_KEPT_STORE_H

#include "pagestore/pagestore.h"

typedef struct BbKeptStore BbKeptStore;

/*
 * bb_keptstore_open - return *kept's page store, or open a new one.
 *
 * *kept is NULL at first.  It is allocated in "context", and so is the store.
 * If a call raises an error before it releases the store, the next call opens
 * a new one.
 *
 * Errors: those of store_access.h.
 */
extern BbPageStore *bb_keptstore_open(const BbReqCtx *ctx, BbKeptStore **kept,
									  MemoryContext context,
									  const char *server,
									  const char *timeline);

/* bb_keptstore_release - the call has ended without an error. */
extern void bb_keptstore_release(BbKeptStore *kept);

#endif /* BB_KEPT_STORE_H */
