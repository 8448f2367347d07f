/*-------------------------------------------------------------------------
 *
 * s3_internal.h
 *	  The S3 driver, as its files share it.
 *
 *	  s3.c			   the table of operations; URLs; opening a store
 *	  s3_upload.c	   writing objects, large ones in parts; sweeping
 *	  s3_lock.c		   locks, and replacing an object on a condition
 *	  s3_read.c		   reading objects; listings
 *	  s3_request.c	   one request: signed, retried, its errors explained
 *	  s3_sign.c		   the signature
 *	  xml.c			   the documents in answers
 *	  http.c		   a request by libcurl
 *	  http_session.c   the connections
 *
 * Each file calls those below it only.
 *
 * No message contains a key, or more of an answer that is an error than its
 * status and code.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_S3_INTERNAL_H
#define BB_S3_INTERNAL_H

#include "lib/ilist.h"
#include "objstore/objstore_driver.h"
#include "objstore/s3/http.h"
#include "objstore/s3/s3_sign.h"

/*
 * The size of all parts of an upload but the last.  S3 requires 5 MB and
 * allows 10,000 parts.
 */
#define BB_S3_PART_SIZE (16 * 1024 * 1024)

/* Only the answers of reads and listings are larger than this. */
#define BB_S3_ANSWER_CAPACITY (1024 * 1024)

typedef struct BbS3Store
{
	BbObjectStore base;
	char	   *prefix; /* "" or "dir/", the beginning of every key */
	char	   *bucket_url;
	bool		dotted; /* HTTPS to a host whose bucket part has dots */
	BbS3Keys	keys;

	/* s3_request.c calls this before each request, unless it is NULL */
	void		(*before_request) (const BbReqCtx *ctx,
								   struct BbS3Store *objects);

	/* s3_lock.c */
	List	   *locks; /* held */
	bool		conditions_known;
	bool		conditions; /* the server supports conditional PUT */

	/* s3_read.c */
	dlist_head	readers; /* open */
	int			nreaders;
	size_t		fetched_bytes; /* allocated for what they have fetched */
} BbS3Store;

/* Statuses that the caller handles, so that they aren't errors. */
#define BB_S3_MISSING 1	  /* 404, unless the bucket is missing */
#define BB_S3_CONDITION 2 /* 409, 412, 501, and 400 that means 501 */

typedef struct BbS3Request
{
	const char *action;		/* "read object": could not … */
	const char *name;		/* below the store's prefix; NULL: the bucket */
	const char *query;		/* NULL, or encoded: "uploads=" */
	const char *condition;	/* NULL, or a header */
	uint64		whole_size; /* expected size of the object; 0: any */
	int			tolerate;	/* BB_S3_MISSING, … */
	BbHttpRequest http;		/* its URL, headers and settings are filled in */
} BbS3Request;

typedef struct BbS3Answer
{
	BbHttpAnswer http;
	char		code[64]; /* of an error; empty: none */
	/* if the bucket is elsewhere: where; empty: the answer doesn't say */
	char		endpoint[300];
	char		region[64];
	bool		other_size; /* the object's size isn't whole_size */
	bool		repeated;	/* an earlier attempt may have had its effect */
} BbS3Answer;

/*
 * bb_s3_request - send a request and wait for its answer.
 *
 * Temporary failures (500, 503, a broken connection, …) are retried, at
 * growing intervals, until bbackup.s3_retry_time has passed since the first of
 * them.  Returns true for a status of success; false for one of "tolerate",
 * and for an object of another size.
 *
 * Errors: CONNECTION_FAILURE.
 */
extern bool bb_s3_request(const BbReqCtx *ctx, BbS3Store *objects,
						  const BbS3Request *request, BbS3Answer *answer);

/*
 * bb_s3_begin, bb_s3_end - do the same in two steps: the first attempt is
 * under way between them, as those of other requests may be.
 *
 * Pass the same request and answer to both; bb_http_begin says how long they
 * are in use.
 */
extern BbHttpTransfer *bb_s3_begin(const BbReqCtx *ctx, BbS3Store *objects,
								   const BbS3Request *request,
								   BbS3Answer *answer);
extern bool bb_s3_end(const BbReqCtx *ctx, BbS3Store *objects,
					  BbHttpTransfer *transfer, const BbS3Request *request,
					  BbS3Answer *answer);

/*
 * bb_s3_put - PUT an object, or a part of one, as bb_s3_request does.
 *
 * The caller sets the name, the body and, if wanted, action, query, condition
 * and http.give_up.  With a condition, BB_S3_CONDITION and BB_S3_MISSING are
 * tolerated.
 */
extern bool bb_s3_put(const BbReqCtx *ctx, BbS3Store *objects,
					  const BbS3Request *put, BbS3Answer *answer);

/*
 * bb_s3_delete - DELETE an object, or an upload by its query (NULL: none);
 * it need not exist.
 */
extern void bb_s3_delete(const BbReqCtx *ctx, BbS3Store *objects,
						 const char *action, const char *name,
						 const char *query);

/* bb_s3_look - does an object exist?  Sets *size. */
extern bool bb_s3_look(const BbReqCtx *ctx, BbS3Store *objects,
					   const char *action, const char *name, uint64 *size);

/*
 * bb_s3_clean_up - DELETE an object or an upload, in one attempt, from a
 * memory context's callback.
 *
 * Never throws.  If it fails, the object or upload stays.
 */
extern void bb_s3_clean_up(BbS3Store *objects, const char *name,
						   const char *query);

/* bb_s3_bad_answer - report that an answer isn't the document it should be. */
pg_noreturn extern void bb_s3_bad_answer(const BbS3Store *objects,
										 const char *action,
										 const char *reason);

/* ---- s3_read.c ---- */

typedef struct BbS3Listed
{
	BbObjectInfo object;  /* its name is below the store's prefix */
	int64		modified; /* time_t; 0: not known */
} BbS3Listed;

/*
 * bb_s3_list - return BbS3Listed of all objects whose names begin with
 * "start"; *now is the server's time.
 */
extern List *bb_s3_list(const BbReqCtx *ctx, BbS3Store *objects,
						const char *start, int64 *now);
extern List *bb_s3_list_objects(const BbReqCtx *ctx, BbObjectStore *objects,
								const char *prefix);
extern List *bb_s3_list_parts(const BbReqCtx *ctx, BbObjectStore *objects,
							  const char *prefix);

/*
 * bb_s3_get_etag - do what bb_objstore_get does, and set *etag (NULL: not
 * wanted), palloc'd.
 */
extern bool bb_s3_get_etag(const BbReqCtx *ctx, BbS3Store *objects,
						   const char *name, size_t max_length, char **data,
						   size_t *length, BbObjectTag *tag, char **etag);
extern bool bb_s3_get(const BbReqCtx *ctx, BbObjectStore *objects,
					  const char *name, size_t max_length, char **data,
					  size_t *length, BbObjectTag *tag);
extern BbObjectReader *bb_s3_open_object(const BbReqCtx *ctx,
										 BbObjectStore *objects,
										 const char *name);
extern void bb_s3_read(const BbReqCtx *ctx, BbObjectReader *base,
					   uint64 offset, void *data, size_t length);
extern void bb_s3_close(BbObjectReader *base);
extern BbObjectPart *bb_s3_begin_part(const BbReqCtx *ctx,
									  BbObjectStore *objects,
									  const BbWholeObject *object,
									  uint64 offset, void *data,
									  size_t length);
extern bool bb_s3_end_part(const BbReqCtx *ctx, BbObjectPart *base);

/* ---- s3_lock.c ---- */

/*
 * A lock that is held sets the store's before_request, which renews locks that
 * are due and raises OBJECT_IN_USE if one was lost.
 */
extern bool bb_s3_lock(const BbReqCtx *ctx, BbObjectStore *objects,
					   const char *name);
extern bool bb_s3_put_if(const BbReqCtx *ctx, BbObjectStore *base,
						 const char *name, const void *data, size_t length,
						 BbObjectTag expected, BbObjectTag *tag);

/* ---- s3_upload.c ---- */

extern BbObjectWriter *bb_s3_create(const BbReqCtx *ctx,
									BbObjectStore *objects, const char *name);
extern void bb_s3_write(const BbReqCtx *ctx, BbObjectWriter *base,
						const void *data, size_t length);
extern void bb_s3_finish(const BbReqCtx *ctx, BbObjectWriter *base);
extern void bb_s3_sweep(const BbReqCtx *ctx, BbObjectStore *base,
						const char *prefix);

#endif /* BB_S3_INTERNAL_H */
