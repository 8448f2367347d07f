/*-------------------------------------------------------------------------
 *
 * http.h
 *	  HTTP requests, by libcurl and the server's wait events.
 *
 * Several requests may be under way: all of them proceed while the caller waits
 * for one.  Connections are pooled in the session: a request uses the one that
 * an earlier request left open.  A cancel or the deadline of the request
 * context ends a wait at once.  Resetting the memory context stops a request
 * that is under way.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HTTP_H
#define BB_HTTP_H

#include "base/reqctx.h"

/* How much is kept of the body of an answer that is an error. */
#define BB_HTTP_ERROR_BODY_SIZE 4096

/* A key of KMS is named by 2048 characters at most. */
#define BB_HTTP_KMS_KEY_SIZE 2049

typedef struct BbHttpRequest
{
	const char *method;
	const char *url;	  /* with path and query encoded */
	const char **headers; /* "Name: value", then NULL */
	const void *body;	  /* NULL: none */
	size_t		body_length;
	uint64		range_start;  /* offset of the first byte wanted */
	uint64		range_length; /* 0: all */

	bool		direct;	   /* never through a proxy */
	const char *ca_file;   /* trusted certificates; empty: those of libcurl */
	int			timeout_s; /* to connect, or without receiving a byte */
	TimestampTz give_up;   /* fail if there is no answer by then; 0: never */
	/* for the body of the answer; NULL: it is palloc'd, up to capacity */
	char	   *buffer;
	size_t		capacity;
} BbHttpRequest;

typedef struct BbHttpAnswer
{
	/* NULL, or why there is no (whole) answer */
	const char *failure;
	bool		worth_retrying; /* the failure may be temporary */
	bool		untrusted;		/* the failure is the server's certificate */

	int			status;
	char	   *body; /* the request's buffer, or palloc'd, with a final '\0' */
	size_t		length;
	bool		too_long; /* the body was longer than capacity */
	char		error[BB_HTTP_ERROR_BODY_SIZE]; /* of a status >= 300 */
	uint64		content_length; /* from the header; 0: not known */
	uint64		total_length; /* of the whole object, if this is a range; 0: not known */
	char		etag[256]; /* empty: none */
	/* of a redirection: "https://host:port", S3's region; empty: not known */
	char		location[300];
	char		region[64];
	int64		date; /* time_t of the server's clock; 0: not known */

	/* x-amz-...: how S3 keeps an object; empty: there is no such header */
	char		encryption[32];
	char		kms_key_id[BB_HTTP_KMS_KEY_SIZE];
	char		bucket_key[8];
	char		storage_class[32];
	char		lock_mode[16];
	char		retained_until[40];
} BbHttpAnswer;

typedef struct BbHttpTransfer BbHttpTransfer;

/*
 * bb_http_begin - send a request.
 *
 * The request is under way until bb_http_end returns or raises an error, or
 * until CurrentMemoryContext is reset.  Until then its body and buffer, and
 * *answer, are in use.  libcurl copies the URL and the headers.
 *
 * Errors: INSUFFICIENT_RESOURCES.
 */
extern BbHttpTransfer *bb_http_begin(const BbHttpRequest *request,
									 BbHttpAnswer *answer);

/*
 * bb_http_end - wait for the answer, and store it, or why it failed, in
 * *answer.
 *
 * A NULL ctx is for cleaning up: the wait ignores interrupts, so the request
 * needs a give_up.
 *
 * Errors: QUERY_CANCELED.
 */
extern void bb_http_end(const BbReqCtx *ctx, BbHttpTransfer *transfer);

/* bb_http_stop_all - let all requests that are under way fail. */
extern void bb_http_stop_all(void);

#endif /* BB_HTTP_H */
