/*-------------------------------------------------------------------------
 *
 * http.h
 *	  HTTP requests, by libcurl, with the server's own wait.
 *
 * Several may be under way: all of them go on while one is waited for.
 * Connections are pooled for the session: a request finds the one that the
 * last left open.  While it waits, the backend waits as the server does, so a
 * cancel or the deadline of the request context ends it at once; what was
 * under way goes with the memory context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HTTP_H
#define BB_HTTP_H

#include "base/reqctx.h"

/* As much of the body of an answer that is an error. */
#define BB_HTTP_ERROR_BODY_SIZE 4096

typedef struct BbHttpRequest
{
	const char *method;
	const char *url;
	const char **headers; /* "Name: value", then NULL */
	const void *body;	  /* NULL: none */
	size_t		body_length;
	uint64		range_start;  /* of the bytes wanted */
	uint64		range_length; /* 0: all */

	const char *ca_file;   /* trusted certificates; empty: libcurl's */
	int			timeout_s; /* without a byte, or to connect */
	TimestampTz give_up;   /* when there has to be an answer; 0: never */
	/*
	 * Where the body of the answer goes.  NULL: it is palloc'd, up to
	 * capacity.
	 */
	char	   *buffer;
	size_t		capacity;
} BbHttpRequest;

typedef struct BbHttpAnswer
{
	/* NULL, or why there was no (whole) answer */
	const char *failure;
	bool		worth_retrying; /* such a failure may be gone next time */
	bool		untrusted;		/* the server's certificate is the failure */

	int			status;
	char	   *body; /* the request's buffer, or palloc'd; '\0' behind it then */
	size_t		length;
	bool		too_long; /* the body was longer than capacity */
	char		error[BB_HTTP_ERROR_BODY_SIZE]; /* of a status >= 300 */
	uint64		content_length; /* as the header says; 0: it doesn't */
	uint64		total_length;	/* of what a range is of; 0: it doesn't */
	char		etag[256];		/* empty: none */
	/* of a redirection: "https://host:port" and S3's region; empty: not told */
	char		location[300];
	char		region[64];
	int64		date; /* time_t of the server's clock; 0: not known */
} BbHttpAnswer;

typedef struct BbHttpTransfer BbHttpTransfer;

/*
 * bb_http_begin - send a request.
 *
 * It is under way until the end of bb_http_end, by an error too, or until
 * CurrentMemoryContext is reset; until then its body and buffer, and *answer,
 * are in use.
 *
 * Errors: INSUFFICIENT_RESOURCES.
 */
extern BbHttpTransfer *bb_http_begin(const BbHttpRequest *request,
									 BbHttpAnswer *answer);

/*
 * bb_http_end - wait for its answer.
 *
 * Whatever came is in *answer; a failure is no ERROR.
 *
 * A NULL ctx is for cleaning up: it doesn't look at interrupts, so there has to
 * be a give_up.
 *
 * Errors: QUERY_CANCELED.
 */
extern void bb_http_end(const BbReqCtx *ctx, BbHttpTransfer *transfer);

/*
 * bb_http_stop_all - stop all that are under way, as failed.
 */
extern void bb_http_stop_all(void);

#endif /* BB_HTTP_H */
