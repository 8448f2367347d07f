/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  The redo helpers of this backend for one cluster.
 *
 * A pool gives requests to its helpers and takes their answers; a client
 * (client.c) keeps the order.
 *
 *	  waiting --dispatch--> helper: outgoing --send--> awaiting
 *		 ^											  |
 *		 +------- more pieces, or the helper died ----+--> done
 *
 * A backend has one pool at a time, unless calls for several clusters are
 * under way at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_POOL_H
#define BB_REDO_POOL_H

#include "base/reqctx.h"
#include "redo/request.h"

typedef struct BbRedoPool BbRedoPool;

/*
 * bb_redo_pool_acquire - the pool for a cluster, and for the settings as they
 * are.  It is kept until bb_redo_pool_release.
 *
 * Ends the helpers of pools that nobody uses.
 *
 * Errors: DATA_CORRUPTED (the control file has too few bytes);
 * UNDEFINED_FILE.
 */
extern BbRedoPool *bb_redo_pool_acquire(const void *control,
										size_t control_length);
/* Never throws. */
extern void bb_redo_pool_release(BbRedoPool *pool);

/*
 * bb_redo_pool_submit - put a request for a history into the pool.
 *
 * The request is the pool's until it is done; then the caller frees it.
 *
 * Errors: DATA_CORRUPTED.
 */
extern BbRedoRequest *bb_redo_pool_submit(BbRedoPool *pool,
										  const BbPageHistory *history);

/*
 * bb_redo_pool_dispatch - give waiting requests to helpers that have room,
 * and send what can be sent without waiting.
 *
 * Errors: those of bb_redo_process_start().
 */
extern void bb_redo_pool_dispatch(BbRedoPool *pool);

/*
 * bb_redo_pool_wait - wait until helpers took or gave something, or one has
 * failed, and note what comes of it.
 *
 * A helper that did nothing since "since" for bbackup.redo_timeout is taken
 * for hung.
 *
 * Errors: QUERY_CANCELED.
 */
extern void bb_redo_pool_wait(const BbReqCtx *ctx, BbRedoPool *pool,
							  TimestampTz since);

/*
 * bb_redo_pool_forget - nobody wants the request's page any more.
 *
 * It is freed now, or when the helper that has it is through with it.  Never
 * throws.
 */
extern void bb_redo_pool_forget(BbRedoRequest *request);

#endif /* BB_REDO_POOL_H */
