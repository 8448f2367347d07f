/*-------------------------------------------------------------------------
 *
 * visibility.h
 *	  Which tuples a server sees that has recovered up to an LSN.
 *
 * Source: HeapTupleSatisfiesMVCC in PostgreSQL's heapam_visibility.c, for a
 * snapshot in which no transaction is in progress.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_VISIBILITY_H
#define BB_HEAP_VISIBILITY_H

#include "access/htup_details.h"
#include "heap/xacts.h"

/* bb_tuple_inserted - has the transaction that inserted the tuple committed? */
extern bool bb_tuple_inserted(const BbReqCtx *ctx, BbXacts *xacts,
							  HeapTupleHeader tuple);

/*
 * bb_tuple_visible - is the tuple inserted, and neither updated nor deleted?
 *
 * Errors: those of xacts.h.
 */
extern bool bb_tuple_visible(const BbReqCtx *ctx, BbXacts *xacts,
							 HeapTupleHeader tuple);

/*
 * bb_tuple_updater - return the transaction that updated or deleted the tuple,
 * committed or not; Invalid if there is none.
 */
extern TransactionId bb_tuple_updater(const BbReqCtx *ctx, BbXacts *xacts,
									  HeapTupleHeader tuple);

#endif /* BB_HEAP_VISIBILITY_H */
