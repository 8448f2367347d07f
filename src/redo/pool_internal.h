/*-------------------------------------------------------------------------
 *
 * pool_internal.h
 *	  A pool and its peers, for pool.c and peer.c alone.
 *
 * A peer is a helper as the pool talks to it: the process, the requests that
 * it has, and what it has said so far.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_POOL_INTERNAL_H
#define BB_REDO_POOL_INTERNAL_H

#include "nodes/pg_list.h"
#include "redo/pool.h"
#include "redo/process.h"

#define BB_REDO_INPUT_SIZE (16 * (sizeof(BbRedoAnswer) + BB_REDO_MESSAGE_MAX))

typedef struct BbRedoPeer
{
	BbRedoPool *pool;
	BbRedoProcess *process;
	bool		greeted;			  /* it has said hello */
	bool		proved;				  /* it has answered a request */
	int			nrequests;			  /* in both queues */
	bool		slots[BB_REDO_DEPTH]; /* those taken, one for each request */
	dlist_head	outgoing;			  /* not sent, the first maybe in part */
	dlist_head	awaiting;			  /* sent; answers are due in this order */
	TimestampTz progress_at;		  /* when it last took or gave something */
	int			event;				  /* position in the pool's wait set */

	size_t		have; /* bytes in input */
	char		input[BB_REDO_INPUT_SIZE];
} BbRedoPeer;

struct BbRedoPool
{
	MemoryContext context; /* has everything of the pool */
	BbRedoSetup setup;
	int			nclients;
	List	   *peers;
	dlist_head	waiting; /* requests that no helper has */
	uint64		last_id;
	struct WaitEventSet *wait_set; /* NULL: to be made anew */
};

/* The pool's peers are others than before. */
extern void bb_redo_pool_changed(BbRedoPool *pool);

/*
 * bb_redo_peer_new - start a helper, as one of the pool's.
 *
 * Errors: those of bb_redo_process_start().
 */
extern void bb_redo_peer_new(BbRedoPool *pool);

/* End the helper, if it lives; whatever it has is lost. */
extern void bb_redo_peer_free(BbRedoPeer *peer);

/* Let the helper have a request: it is the next to be sent. */
extern void bb_redo_peer_give(BbRedoPeer *peer, BbRedoRequest *request);

/*
 * bb_redo_peer_send, bb_redo_peer_receive - go on with what is to be sent or
 * received, without waiting.
 *
 * Return false if the helper has failed.  The peer is gone then, one request
 * at most is done with a failure, and the pool has the others.
 */
extern bool bb_redo_peer_send(BbRedoPeer *peer);
extern bool bb_redo_peer_receive(BbRedoPeer *peer);

/* It took too long: the same as if those had returned false. */
extern void bb_redo_peer_hung(BbRedoPeer *peer);

#endif /* BB_REDO_POOL_INTERNAL_H */
