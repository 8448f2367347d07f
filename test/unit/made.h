/*-------------------------------------------------------------------------
 *
 * made.h
 *	  Made pages: what no workload leaves in a cluster.
 *
 * Pages of pg_xact and pg_multixact are filled entry by entry, and heap pages row
 * by row.  made_pages() puts all of them into a page store in memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MADE_H
#define MADE_H

#include "access/clog.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "heap/pages.h"
#include "heap/xacts.h"
#include "unit.h"

typedef struct Made
{
	List	   *pages; /* MadePage */
	MultiXactId next_multi;
	MultiXactOffset next_offset;
} Made;

extern Made *made_new(void);

/* A page of zeros that stays where it is, and may be filled. */
extern uint8 *made_slru(Made *made, BbSlru slru, uint64 page);
extern Page made_block(Made *made, BbRelLocator relation, BlockNumber block);

/* The status of a transaction, from clog.h. */
extern void made_status(Made *made, TransactionId xid, int status);

/*
 * A multixact whose members begin at the offset; those that follow it go to the
 * offsets that follow, 0 among them.
 */
extern void made_offset(Made *made, MultiXactId multi, MultiXactOffset offset);
extern void made_member(Made *made, MultiXactOffset offset, TransactionId xid,
						int status);

/*
 * made_row - add a tuple with one column of eight bytes, or with what "data" has;
 * return its header, in which the bits are to be set.
 */
extern HeapTupleHeader made_row(Page page, const void *data, size_t length,
								int natts, OffsetNumber *offset);

/* The store as it is now, with the sizes of relations. */
extern BbPages *made_pages(Made *made);

#endif /* MADE_H */
