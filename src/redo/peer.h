/*-------------------------------------------------------------------------
 *
 * peer.h
 *	  A redo helper as its pool talks to it: the process, the requests that it
 *	  has, and the input that has arrived from it.
 *
 *	  bb_redo_peer_new, then the pool sets "process"
 *	  (give | send | receive)* time_out? bb_redo_peer_free
 *
 * When a helper fails, one request is to blame: the one on its slate, or else
 * the oldest that it has.  That request is done with a failure; the others go
 * back to the head of the pool's queue.  Each helper that fails has either
 * answered a request or fails one, so retries come to an end.  Afterwards the
 * caller frees the peer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_PEER_H
#define BB_REDO_PEER_H

#include "datatype/timestamp.h"
#include "redo/process.h"
#include "redo/request.h"

#define BB_REDO_INPUT_SIZE (16 * (sizeof(BbRedoAnswer) + BB_REDO_MESSAGE_MAX))

typedef struct BbRedoPeer
{
	MemoryContext context;	/* the pool's */
	dlist_head *waiting;	/* the pool's requests that no peer has */
	BbRedoProcess *process; /* NULL: not started */
	bool		greeted;	/* it has sent its hello */
	bool		proved;		/* it has answered a request */
	int			nrequests;	/* in both queues */
	bool		slots[BB_REDO_DEPTH]; /* occupied by a request? */
	dlist_head	outgoing;			  /* not sent, the first maybe in part */
	dlist_head	awaiting;			  /* sent; answers arrive in this order */
	TimestampTz progress_at;		  /* when it last received or sent data */
	int			event;				  /* position in the pool's wait set */

	size_t		have; /* bytes in input */
	char		input[BB_REDO_INPUT_SIZE];
} BbRedoPeer;

extern BbRedoPeer *bb_redo_peer_new(MemoryContext context,
									dlist_head *waiting);

/* End the helper if it lives.  The requests that it has are lost. */
extern void bb_redo_peer_free(BbRedoPeer *peer);

/*
 * bb_redo_peer_give - give the helper a request, which it will get next.
 *
 * REQUIRES: it has fewer than BB_REDO_DEPTH requests.
 */
extern void bb_redo_peer_give(BbRedoPeer *peer, BbRedoRequest *request);

/*
 * bb_redo_peer_send, bb_redo_peer_receive - send or receive what is possible
 * without waiting.
 *
 * Return false if the helper has failed.
 */
extern bool bb_redo_peer_send(BbRedoPeer *peer);
extern bool bb_redo_peer_receive(BbRedoPeer *peer);

/* The helper exceeded bbackup.redo_timeout: it has failed. */
extern void bb_redo_peer_time_out(BbRedoPeer *peer);

#endif /* BB_REDO_PEER_H */
