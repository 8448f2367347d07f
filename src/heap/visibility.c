/*-------------------------------------------------------------------------
 *
 * visibility.c
 *	  Which tuples a server sees that has recovered up to an LSN.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "heap/visibility.h"

/*
 * VACUUM FULL of releases before 9.0 moved tuples; such marks may be in a cluster
 * that was upgraded since.
 */
static bool
moved_here(const BbReqCtx *ctx, BbXacts *xacts, HeapTupleHeader tuple)
{
	bool		moved = bb_xacts_committed(ctx, xacts,
										   HeapTupleHeaderGetXvac(tuple));

	return moved == ((tuple->t_infomask & HEAP_MOVED_OFF) == 0);
}

bool
bb_tuple_inserted(const BbReqCtx *ctx, BbXacts *xacts, HeapTupleHeader tuple)
{
	/* which is also set where the tuple is frozen */
	if (HeapTupleHeaderXminCommitted(tuple))
		return true;
	if (HeapTupleHeaderXminInvalid(tuple))
		return false;
	if (tuple->t_infomask & HEAP_MOVED)
		return moved_here(ctx, xacts, tuple);
	return bb_xacts_committed(ctx, xacts, HeapTupleHeaderGetRawXmin(tuple));
}

TransactionId
bb_tuple_updater(const BbReqCtx *ctx, BbXacts *xacts, HeapTupleHeader tuple)
{
	uint16		infomask = tuple->t_infomask;

	/* among them those that releases before 9.3 locked (HEAP_LOCKED_UPGRADED) */
	if (infomask & HEAP_XMAX_INVALID || HEAP_XMAX_IS_LOCKED_ONLY(infomask))
		return InvalidTransactionId;
	if (infomask & HEAP_XMAX_IS_MULTI)
		return bb_xacts_updater(ctx, xacts, HeapTupleHeaderGetRawXmax(tuple));
	return HeapTupleHeaderGetRawXmax(tuple);
}

bool
bb_tuple_visible(const BbReqCtx *ctx, BbXacts *xacts, HeapTupleHeader tuple)
{
	TransactionId updater;

	if (!bb_tuple_inserted(ctx, xacts, tuple))
		return false;
	updater = bb_tuple_updater(ctx, xacts, tuple);
	if (!TransactionIdIsValid(updater))
		return true;
	if (tuple->t_infomask & HEAP_XMAX_COMMITTED &&
		!(tuple->t_infomask & HEAP_XMAX_IS_MULTI))
		return false;
	return !bb_xacts_committed(ctx, xacts, updater);
}
