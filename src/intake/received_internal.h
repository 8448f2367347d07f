/*-------------------------------------------------------------------------
 *
 * received_internal.h
 *	  What a receiver has received: the position, for the files that change it.
 *
 *	  received.c		the position, records that are checked, tlis
 *	  received_room.c	writing, and what to do without room for it
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INTAKE_RECEIVED_INTERNAL_H
#define BB_INTAKE_RECEIVED_INTERNAL_H

#include "intake/received.h"

/* How often room is looked for on a disk that is full. */
#define BB_RECEIVED_ROOM_MS 1000

struct BbReceived
{
	BbFollowControl *control;
	const char *directory;
	MemoryContext parent;
	bool		is_changing; /* a change has begun, and not ended */
	bool		is_wake_due; /* the leader doesn't know of the tail yet */
	TimestampTz woken;		 /* last */

	/* the rest means something while "context", that of the spool, isn't NULL */
	MemoryContext context;
	MemoryContext scratch; /* of one call */
	BbWalSpool *spool;
	BbWalStream stream; /* stream.tli is the one that is received */
	uint64		order;
	XLogRecPtr	write_lsn;
	XLogRecPtr	tail_lsn;  /* without what was written since */
	XLogRecPtr	begin_lsn; /* nothing before is needed */
	XLogRecPtr	trimmed_lsn;
	XLogRecPtr	known_lsn; /* what is before was received already */
	XLogRecPtr	room_lsn;  /* WAL before this is received anyhow */

	/* what arrived last, and the disk has no room for; NULL: nothing */
	uint8	   *held;
	size_t		held_length;
	TimestampTz tried_at;	 /* to write it */
	uint64		tried_bytes; /* of the spool at that time */
	TimestampTz room_at;	 /* when there was room again; 0: long ago */

	/* with confirm 'spool' */
	bool		checks;
	BbWalTail	tail; /* of the reader: as far as it is synced */
	BbWalSource *reader;
	XLogRecPtr	checked_lsn;
	XLogRecPtr	check_lsn; /* up to where it was checked */
};

/* The end of what may be read. */
static inline XLogRecPtr
bb_received_tail(const BbReceived *received)
{
	return Max(received->tail_lsn, received->write_lsn);
}

/*
 * bb_received_publish - say how far the leader may read, and wake it.
 *
 * bb_received_publish_quietly - leave that to bb_received_wake.
 */
extern void bb_received_publish(BbReceived *received);
extern void bb_received_publish_quietly(BbReceived *received);

#endif /* BB_INTAKE_RECEIVED_INTERNAL_H */
