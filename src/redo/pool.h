/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  The redo helpers of this backend for one cluster.
 *
 * A pool gives requests to its helpers (peer.h) and takes their answers; a
 * client (client.c) keeps the order.
 *
 *	  waiting --dispatch--> helper: outgoing --send--> awaiting
 *		 ^											  |
 *		 +------- more pieces, or the helper failed ----+--> done
 *
 * A backend has one pool, or several while calls for different clusters run at
 * the same time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_POOL_H
#define BB_REDO_POOL_H

#include "base/clusterfile.h"
#include "base/reqctx.h"
#include "redo/request.h"

typedef struct BbRedoPool BbRedoPool;

/*
 * bb_redo_pool_acquire - return the pool for a cluster and the current
 * settings; it exists until bb_redo_pool_release.
 *
 * Ends the helpers of unused pools.
 *
 * Errors: those of bb_redo_installation_find().
 */
extern BbRedoPool *bb_redo_pool_acquire(const BbControl *control);
/* Never throws. */
extern void bb_redo_pool_release(BbRedoPool *pool);

/*
 * bb_redo_pool_submit - put a request for a history into the pool.
 *
 * The pool owns the request until it is done; then the caller frees it.
 *
 * Errors: DATA_CORRUPTED.
 */
extern BbRedoRequest *bb_redo_pool_submit(BbRedoPool *pool,
										  const BbPageHistory *history);

/*
 * bb_redo_pool_dispatch - give waiting requests to helpers that have room,
 * and send as much as is possible without waiting.
 *
 * Errors: those of bb_redo_process_start().
 */
extern void bb_redo_pool_dispatch(BbRedoPool *pool);

/*
 * bb_redo_pool_wait - wait until a helper can send or receive or has failed,
 * and handle that.
 *
 * A helper without progress during bbackup.redo_timeout, counted from "since" at
 * the earliest, has failed.
 *
 * Errors: QUERY_CANCELED.
 */
extern void bb_redo_pool_wait(const BbReqCtx *ctx, BbRedoPool *pool,
							  TimestampTz since);

/*
 * bb_redo_pool_forget - give up a request.
 *
 * It is freed now, or when the helper that has it has answered it.  Never
 * throws.
 */
extern void bb_redo_pool_forget(BbRedoRequest *request);

#endif /* BB_REDO_POOL_H */
