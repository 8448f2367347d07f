/*-------------------------------------------------------------------------
 *
 * s3_internal.h
 *	  The S3 driver, as its files share it.
 *
 *	  s3.c			   the table of operations; URLs; opening a store
 *	  s3_upload.c	   writing objects, large ones in parts; sweeping
 *	  s3_lock.c		   locks, and replacing an object on a condition
 *	  s3_read.c		   reading objects; listings
 *	  s3_versions.c	   versions of objects
 *	  s3_kept.c		   is a layer kept as it was asked for?  Retaining it anew
 *	  s3_storage.c	   encryption, storage class and retention of objects
 *	  s3_request.c	   one request: signed, retried
 *	  s3_report.c	   its errors, explained
 *	  credentials.c	   keys that expire
 *	  s3_sign.c		   the signature
 *	  s3_time.c		   times in documents and headers
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
#include "objstore/s3/credentials.h"
#include "objstore/s3/http.h"
#include "objstore/s3/s3_sign.h"

/*
 * The size of all parts of an upload but the last.  S3 requires 5 MB and
 * allows 10,000 parts.
 */
#define BB_S3_PART_SIZE (16 * 1024 * 1024)

/* Only the answers of reads and listings are larger than this. */
#define BB_S3_ANSWER_CAPACITY (1024 * 1024)

/* How objects are to be kept; see s3_storage.c. */
typedef struct BbS3Storage
{
	const char *encryption; /* NULL: as is usual for the bucket */
	const char *kms_key_id;
	bool		bucket_key;
	const char *storage_class;
	const char *lock_mode;
	int			lock_days;
	bool		checksums; /* the server wants MD5s of bodies */
	bool		checked;   /* the server has kept a layer so */
} BbS3Storage;

typedef struct BbS3Store
{
	BbObjectStore base;
	char	   *prefix; /* "" or "dir/", the beginning of every key */
	char	   *bucket;
	char	   *bucket_url;
	bool		dotted; /* HTTPS to a host whose bucket part has dots */
	BbS3Keys	keys;	/* of the options */
	const BbCredentials *credentials; /* NULL: those */
	BbCredentialKind credentials_kind;
	BbS3Storage storage;

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
#define BB_S3_REFUSAL 4	  /* an object may not be removed */

/* What a request writes. */
typedef enum BbS3Kind
{
	BB_S3_NO_OBJECT, /* nothing, or a part of an upload */
	BB_S3_FLAG,
	BB_S3_MANIFEST,
	BB_S3_LAYER
} BbS3Kind;

typedef struct BbS3Request
{
	const char *action;		/* "read object": could not … */
	const char *name;		/* below the store's prefix; NULL: the bucket */
	const char *query;		/* NULL, or encoded: "uploads=" */
	const char *condition;	/* NULL, or a header */
	uint64		whole_size; /* expected size of the object; 0: any */
	int			tolerate;	/* BB_S3_MISSING, … */
	BbS3Kind	kind;
	const char
		*copy_source;	/* NULL, or an encoded "/bucket/key?versionId=ID" */
	BbHttpRequest http; /* its URL, headers and settings are filled in */
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
	uint64		generation; /* of the keys of the last attempt */
} BbS3Answer;

/*
 * bb_s3_request - send a request and wait for its answer.
 *
 * Temporary failures (500, 503, a broken connection, …) are retried, at
 * growing intervals, until bbackup.s3_retry_time has passed since the first of
 * them.  If keys have expired that can be renewed, they are, once.  Returns true for a status of success; false for one of "tolerate",
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
 * The caller sets the name, the kind, the body and, if wanted, action, query,
 * condition and http.give_up.  With a condition, BB_S3_CONDITION and
 * BB_S3_MISSING are tolerated.
 *
 * Errors: FEATURE_NOT_SUPPORTED (the server didn't encrypt the object as it was
 * asked to; it is there).
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

/* bb_s3_try_delete - DELETE an object.  Returns false if it may not be removed. */
extern bool bb_s3_try_delete(const BbReqCtx *ctx, BbS3Store *objects,
							 const char *name);

/* bb_s3_head - HEAD an object.  Returns false if there is none. */
extern bool bb_s3_head(const BbReqCtx *ctx, BbS3Store *objects,
					   const char *action, const char *name,
					   BbHttpAnswer *answer);

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

/* ---- s3_report.c ---- */

/* The attempts at one request. */
typedef struct BbS3Attempts
{
	int			count;
	TimestampTz failed; /* when the first one failed */
	TimestampTz until;	/* no attempt begins later; 0: none has failed */
	bool		warned;
	bool		renewed; /* the keys were refused, and renewed */
} BbS3Attempts;

/* bb_s3_find_code - find the code in an error's body, and where the bucket is. */
extern void bb_s3_find_code(BbS3Answer *answer);

/* bb_s3_worth_retrying - may the request succeed if it is sent again? */
extern bool bb_s3_worth_retrying(const BbS3Answer *answer);

/* Report a failure: as a WARNING if the request will be retried, or an ERROR. */
extern void bb_s3_report(int level, const BbS3Store *objects,
						 const BbS3Request *request, const BbS3Answer *answer,
						 const BbS3Attempts *attempts);

/* ---- s3_storage.c ---- */

/*
 * bb_s3_kind_of - say how an object of this name is kept: the keys of an encrypted
 * store are retained as manifests are.
 *
 * bb_s3_storage_headers - add the headers that say how an object is to be kept.
 * Returns how many; there are at most BB_S3_STORAGE_HEADERS.
 *
 * bb_s3_check_encrypted - check by the answer that an object was encrypted so.
 *
 * bb_s3_ignored - report that the server ignored an option (FEATURE_NOT_SUPPORTED),
 * with a predicate about the object.
 */
#define BB_S3_STORAGE_HEADERS 7

extern BbS3Kind bb_s3_kind_of(const char *name);
extern int bb_s3_storage_headers(const BbS3Store *objects,
								 const BbS3Request *request,
								 const char **headers);
extern void bb_s3_check_encrypted(const BbS3Store *objects, const char *name,
								  const BbHttpAnswer *answer);
pg_noreturn extern void bb_s3_ignored(const BbS3Store *objects,
									  const char *name, const char *option,
									  const char *predicate, const char *hint);

/* ---- s3_kept.c ---- */

/*
 * bb_s3_check_kept - look at the first layer that was written.
 *
 * Errors: FEATURE_NOT_SUPPORTED (the server ignored an option).
 */
extern void bb_s3_check_kept(const BbReqCtx *ctx, BbS3Store *objects,
							 const char *name);

/* bb_s3_retain - do what bb_objstore_retain does. */
extern void bb_s3_retain(const BbReqCtx *ctx, BbObjectStore *base,
						 const char *name);

/* ---- s3_versions.c ---- */

extern List *bb_s3_versions(const BbReqCtx *ctx, BbObjectStore *base);
extern void bb_s3_put_back(const BbReqCtx *ctx, BbObjectStore *base,
						   const BbObjectVersion *version);

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

/*
 * bb_s3_is_ours - is this the name of an object rather than of a lock or of
 * another file?
 */
extern bool bb_s3_is_ours(const char *name);
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
