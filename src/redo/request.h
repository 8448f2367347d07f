/*-------------------------------------------------------------------------
 *
 * request.h
 *	  A page history on its way through a redo helper.
 *
 * A history is copied into the messages that a helper will get.  A long one
 * becomes several messages, pieces, each of which begins with the page that
 * came out of the one before; so no message is large, and a helper that works
 * on a page with a million records answers now and then.
 *
 *	  message	header record record record | header record record ...
 *				\______ first piece ______/  \____ second piece ____
 *	  page		before the piece at work; in the end the result
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_REQUEST_H
#define BB_REDO_REQUEST_H

#include "layer/history.h"
#include "lib/ilist.h"
#include "redo/protocol.h"

/* A piece ends when it has so many bytes of records; one record may be
 * larger. */
#define BB_REDO_PIECE_SIZE (256 * 1024)

typedef enum BbRedoState
{
	BB_REDO_WAITING, /* no helper has it */
	BB_REDO_GIVEN,	 /* a helper has it */
	BB_REDO_DONE	 /* there is a page, or a failure */
} BbRedoState;

/* Why there is no page: the parts of an ereport. */
typedef struct BbRedoFailure
{
	int			sqlerrcode;
	char	   *message;
	char	   *detail; /* NULL: none */
	char	   *hint;	/* NULL: none */
} BbRedoFailure;

typedef struct BbRedoRequest
{
	dlist_node	of_client; /* in the order of submission */
	dlist_node	of_queue;  /* until it is done */
	BbRedoState state;
	bool		unwanted;	/* its client is gone */
	BbRedoFailure *failure; /* done, but not well */

	uint64		id;
	BbKey		key;
	int			nrecords; /* in all pieces */

	char	   *message;
	size_t		length;
	size_t		piece;		  /* where the piece at work begins */
	int			piece_record; /* its first record's number in the history */
	size_t		sent;		  /* bytes of the piece */
	int			slot;		  /* of the helper that has it */

	uint8	   *page; /* BLCKSZ bytes, if there is one before the piece */
} BbRedoRequest;

/*
 * bb_redo_request_new - a request for a history, in "context".
 *
 * Errors: DATA_CORRUPTED (key, LSN): a base or a record of a wrong length.
 */
extern BbRedoRequest *bb_redo_request_new(MemoryContext context, uint64 id,
										  const BbPageHistory *history);

extern void bb_redo_request_free(BbRedoRequest *request);

/*
 * bb_redo_request_place - a helper gets the piece at work: put its page, and its
 * records if there is room, into the helper's slot.
 */
extern void bb_redo_request_place(BbRedoRequest *request, BbRedoSlate *slate,
								  int slot);

/* What is to be sent of the piece at work, once it was placed. */
extern const char *bb_redo_request_piece(const BbRedoRequest *request,
										 size_t *length);

/*
 * bb_redo_request_advance - the piece at work came back as "page".
 *
 * Returns false if it was the last one; request->page is set then.
 */
extern bool bb_redo_request_advance(BbRedoRequest *request, const void *page);

/*
 * bb_redo_request_record_text - "record 3 of 15, Heap INSERT, which ends at
 * 0/16B3D48": record "n" of the piece at work, palloc'd, for messages.
 */
extern char *bb_redo_request_record_text(const BbRedoRequest *request,
										 uint32 n);

#endif /* BB_REDO_REQUEST_H */
