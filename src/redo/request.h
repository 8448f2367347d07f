/*-------------------------------------------------------------------------
 *
 * request.h
 *	  A page history as messages to a redo helper.
 *
 * A history is copied into messages.  A long one becomes several messages, called
 * pieces, each of which begins with the page that resulted from the previous one.
 * So no message is large, and a helper that works on a page with a million
 * records answers regularly.
 *
 *	  message	header record record record | header record record ...
 *				\______ first piece ______/  \____ second piece ____
 *	  page		before the current piece; in the end the result
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_REQUEST_H
#define BB_REDO_REQUEST_H

#include "layer/history.h"
#include "lib/ilist.h"
#include "redo/protocol.h"

/* The maximal size of the records of a piece, unless it has only one. */
#define BB_REDO_PIECE_SIZE (256 * 1024)

typedef enum BbRedoState
{
	BB_REDO_WAITING, /* no helper has it */
	BB_REDO_GIVEN,	 /* a helper has it */
	BB_REDO_DONE	 /* it has a page or a failure */
} BbRedoState;

typedef struct BbRedoRequest
{
	dlist_node	of_client; /* in the order of submission */
	dlist_node	of_queue;  /* until it is done */
	BbRedoState state;
	bool		unwanted; /* its client has given it up */
	bool		foreign;  /* its records are of another major version */
	ErrorData  *failure;  /* NULL unless it is done without a page */

	uint64		id;
	BbKey		key;
	int			nrecords; /* in all pieces */

	char	   *message;
	size_t		length;
	size_t		piece;		  /* where the current piece begins */
	int			piece_record; /* its first record's number in the history */
	size_t		sent;		  /* bytes of the piece */
	int			slot;		  /* of the helper that has it */

	uint8	   *page; /* BLCKSZ bytes, if there is a page before the piece */
} BbRedoRequest;

/*
 * bb_redo_request_new - create a request for a history, in "context".
 *
 * Errors: DATA_CORRUPTED (a base or a record has a wrong length; names key and
 * LSN).
 */
extern BbRedoRequest *bb_redo_request_new(MemoryContext context, uint64 id,
										  const BbPageHistory *history);

extern void bb_redo_request_free(BbRedoRequest *request);

/*
 * bb_redo_request_place - copy the page of the current piece, and its records if
 * there is room, to a slot of a helper.
 */
extern void bb_redo_request_place(BbRedoRequest *request, BbRedoSlate *slate,
								  int slot);

/* Returns what to send of the current piece after it was placed. */
extern const char *bb_redo_request_piece(const BbRedoRequest *request,
										 size_t *length);

/*
 * bb_redo_request_advance - take the result of the current piece.
 *
 * Returns false if that was the last piece; request->page then has the result.
 */
extern bool bb_redo_request_advance(BbRedoRequest *request, const void *page);

/*
 * bb_redo_request_record_text - describe record "n" of the current piece for
 * messages, palloc'd: "record 3 of 15, Heap INSERT, which ends at 0/16B3D48".
 */
extern char *bb_redo_request_record_text(const BbRedoRequest *request,
										 uint32 n);

#endif /* BB_REDO_REQUEST_H */
