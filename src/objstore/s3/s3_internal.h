/*-------------------------------------------------------------------------
 *
 * s3_internal.h
 *	  The S3 driver, as its files share it.
 *
 *	  s3.c			   the table of operations; URLs; reading
 *	  s3_upload.c	   writing, in parts when it's much; sweeping
 *	  s3_lock.c		   locks, and replacing an object on a condition
 *	  s3_list.c		   listings
 *	  s3_request.c	   one request: signed, repeated, its errors explained
 *	  s3_sign.c		   the signature
 *	  xml.c, http.c	   what these need
 *
 * Keys are in no message: of an error's answer only status and code are told.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_S3_INTERNAL_H
#define BB_S3_INTERNAL_H

#include "base/compat.h"
#include "lib/ilist.h"
#include "objstore/objstore_driver.h"
#include "objstore/s3/http.h"
#include "objstore/s3/s3_sign.h"

/* As S3 has it: a part, but for the last, has 5 MB at least; 10,000 parts. */
#define BB_S3_PART_SIZE (16 * 1024 * 1024)

typedef struct BbS3Store
{
	BbObjectStore base;
	char	   *prefix; /* "" or "dir/", ahead of every name */
	char	   *bucket_url;
	bool		dotted; /* by HTTPS, with dots of the bucket's in the host */
	BbS3Keys	keys;
	List	   *locks;	  /* that are held: s3_lock.c */
	bool		renewing; /* them, right now */
	dlist_head	readers;  /* that are open: s3.c */
	int			nreaders;
	size_t		fetched_bytes; /* that they have, besides what they gave */
	bool		conditions_known;
	bool		conditions; /* the server puts on a condition */
} BbS3Store;

/* Statuses that the caller deals with, so that they are no error. */
#define BB_S3_MISSING 1	  /* 404, unless it is the bucket */
#define BB_S3_CONDITION 2 /* 409, 412, 501, and 400 that means 501 */

typedef struct BbS3Request
{
	const char *action; /* "read object": could not … */
	const char *method;
	const char *name;	   /* below the store's prefix; NULL: the bucket */
	const char *query;	   /* NULL, or encoded: "uploads=" */
	const char *condition; /* NULL, or a header */
	const void *body;	   /* NULL: none */
	size_t		body_length;
	uint64		range_start;
	uint64		range_length; /* 0: all */
	uint64		whole_size;	  /* that the object is to have; 0: any */
	char	   *buffer;		  /* as BbHttpRequest's */
	size_t		capacity;
	int			tolerate; /* BB_S3_MISSING, … */
	TimestampTz give_up;  /* nothing is under way after that; 0: never */
} BbS3Request;

typedef struct BbS3Answer
{
	BbHttpAnswer http;
	char		code[64]; /* of an error; empty: none */
	/* where the bucket is instead, if that is the error; empty: not told */
	char		endpoint[300];
	char		region[64];
	bool		other_size; /* the object hasn't the request's whole_size */
	bool		repeated;	/* an earlier attempt may have had its effect */
} BbS3Answer;

/*
 * bb_s3_request - do it, as often as it takes.
 *
 * Answers that promise to be other ones the next time (500, 503, a broken
 * connection, …) are tried again, at growing distances, until
 * bbackup.s3_retry_time has passed since the first of them.  Returns whether
 * the status is one of success; other ones that "tolerate" has, and an object
 * of another size, are the caller's.
 *
 * Errors: CONNECTION_FAILURE.
 */
extern bool bb_s3_request(const BbReqCtx *ctx, BbS3Store *objects,
						  const BbS3Request *request, BbS3Answer *answer);

/*
 * bb_s3_begin, bb_s3_end - the same in two steps: what is sent first is under
 * way between them, as others may be.  Request and answer, the same in both,
 * are in use as long as bb_http_begin says.
 */
extern BbHttpTransfer *bb_s3_begin(const BbReqCtx *ctx, BbS3Store *objects,
								   const BbS3Request *request,
								   BbS3Answer *answer);
extern bool bb_s3_end(const BbReqCtx *ctx, BbS3Store *objects,
					  BbHttpTransfer *transfer, const BbS3Request *request,
					  BbS3Answer *answer);

/*
 * bb_s3_clean_up - DELETE what nobody needs, once, from a memory context's
 * callback.  Never throws; if it fails, something is left.
 */
extern void bb_s3_clean_up(BbS3Store *objects, const char *name,
						   const char *query);

/* An answer that is no such document as it should be. */
pg_noreturn extern void bb_s3_bad_answer(const BbS3Store *objects,
										 const char *action,
										 const char *complaint);

/* ---- s3_list.c ---- */

typedef struct BbS3Listed
{
	char	   *name; /* below the store's prefix */
	uint64		size;
	int64		modified; /* time_t; 0: not known */
} BbS3Listed;

/*
 * bb_s3_list - BbS3Listed of all whose names begin with "start"; *now is the
 * server's time.
 */
extern List *bb_s3_list(const BbReqCtx *ctx, BbS3Store *objects,
						const char *start, int64 *now);
extern List *bb_s3_list_objects(const BbReqCtx *ctx, BbObjectStore *objects,
								const char *prefix);
extern List *bb_s3_list_parts(const BbReqCtx *ctx, BbObjectStore *objects,
							  const char *prefix);

/* ---- s3_upload.c ---- */

extern BbObjectWriter *bb_s3_create(const BbReqCtx *ctx,
									BbObjectStore *objects, const char *name);
extern void bb_s3_write(const BbReqCtx *ctx, BbObjectWriter *writer,
						const void *data, size_t length);
extern void bb_s3_finish(const BbReqCtx *ctx, BbObjectWriter *writer);
extern void bb_s3_sweep(const BbReqCtx *ctx, BbObjectStore *objects,
						const char *prefix);

/* ---- s3_lock.c ---- */

extern bool bb_s3_lock(const BbReqCtx *ctx, BbObjectStore *objects,
					   const char *name);
extern bool bb_s3_put_if(const BbReqCtx *ctx, BbObjectStore *objects,
						 const char *name, const void *data, size_t length,
						 BbObjectTag expected, BbObjectTag *tag);

/*
 * bb_s3_renew_locks - those that are due.
 *
 * Errors: OBJECT_IN_USE (one was lost).
 */
extern void bb_s3_renew_locks(const BbReqCtx *ctx, BbS3Store *objects);

/* ---- s3.c ---- */

/*
 * bb_s3_get - as bb_objstore_get; etag (NULL: not wanted) is palloc'd.
 */
extern bool bb_s3_get(const BbReqCtx *ctx, BbS3Store *objects,
					  const char *name, size_t max_length, char **data,
					  size_t *length, BbObjectTag *tag, char **etag);

#endif /* BB_S3_INTERNAL_H */
