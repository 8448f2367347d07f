/*-------------------------------------------------------------------------
 *
 * client.c
 *	  A client of the redo helpers, which returns pages in order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "redo/pool.h"
#include "redo/redo.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The maximal size of pending histories, unless there is only one. */
#define BYTES_IN_FLIGHT (8 * 1024 * 1024)

/* While others are pending, this many histories are dispatched together. */
#define SUBMITTED_AT_ONCE 16

struct BbRedo
{
	BbRedoPool *pool;
	dlist_head	requests; /* oldest first */
	int			npending;
	size_t		bytes_pending; /* of histories */
	int			nheld;	  /* histories submitted since the last dispatch */
	BbRedoRequest *given; /* returned last; NULL: none */
	MemoryContextCallback callback;
};

static void
forget_given(BbRedo *redo)
{
	if (redo->given != NULL)
		bb_redo_request_free(redo->given);
	redo->given = NULL;
}

/*
 * The memory context is reset: give up pending requests.
 */
static void
release(void *arg)
{
	BbRedo	   *redo = arg;

	forget_given(redo);
	while (!dlist_is_empty(&redo->requests))
		bb_redo_pool_forget(
			dlist_container(BbRedoRequest, of_client,
							dlist_pop_head_node(&redo->requests)));
	bb_redo_pool_release(redo->pool);
}

BbRedo *
bb_redo_open(const BbReqCtx *ctx, const BbControl *control)
{
	BbRedo	   *redo = palloc0(sizeof(BbRedo));

	dlist_init(&redo->requests);
	redo->pool = bb_redo_pool_acquire(control);
	redo->callback.func = release;
	redo->callback.arg = redo;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &redo->callback);
	return redo;
}

static void
dispatch(BbRedo *redo)
{
	redo->nheld = 0;
	bb_redo_pool_dispatch(redo->pool);
}

void
bb_redo_submit(const BbReqCtx *ctx, BbRedo *redo, const BbPageHistory *history)
{
	BbRedoRequest *request = bb_redo_pool_submit(redo->pool, history);

	dlist_push_tail(&redo->requests, &request->of_client);
	redo->npending++;
	redo->bytes_pending += request->length;
	if (redo->npending == 1 || ++redo->nheld == SUBMITTED_AT_ONCE)
		dispatch(redo);
}

int
bb_redo_pending(const BbRedo *redo)
{
	return redo->npending;
}

int
bb_redo_depth(const BbRedo *redo)
{
	return bb_setting_redo_processes * BB_REDO_DEPTH;
}

bool
bb_redo_full(const BbRedo *redo)
{
	return redo->npending >= bb_redo_depth(redo) ||
		redo->bytes_pending >= BYTES_IN_FLIGHT;
}

const uint8 *
bb_redo_next(const BbReqCtx *ctx, BbRedo *redo)
{
	BbRedoRequest *request = dlist_head_element(BbRedoRequest, of_client,
												&redo->requests);

	forget_given(redo);
	bb_reqctx_check(ctx);
	if (request->state != BB_REDO_DONE)
	{
		TimestampTz since = GetCurrentTimestamp();

		for (;;)
		{
			dispatch(redo);
			if (request->state == BB_REDO_DONE)
				break;
			bb_redo_pool_wait(ctx, redo->pool, since);
		}
		BB_COUNT(ctx, redo_us, GetCurrentTimestamp() - since);
	}

	dlist_delete(&request->of_client);
	redo->npending--;
	redo->bytes_pending -= request->length;
	redo->given = request;
	if (request->failure != NULL)
		ThrowErrorData(request->failure);
	BB_COUNT(ctx, pages_redone, 1);
	BB_COUNT(ctx, records_applied, request->nrecords);
	return request->page;
}
