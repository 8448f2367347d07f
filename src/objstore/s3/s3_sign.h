/*-------------------------------------------------------------------------
 *
 * s3_sign.h
 *	  Signatures of S3 requests: AWS Signature Version 4.
 *
 * A signature is an HMAC, with a key derived from the secret access key, the
 * date and the region, over the method, the path, the query, some headers and
 * the SHA-256 hash of the body.  It is sent in a header of the request.
 *
 * (The algorithm is that of AWS's documentation, "Signature Calculations for
 * the Authorization Header: Transferring Payload in a Single Chunk", whose
 * examples are a unit test, test/unit/test_s3_sign.c.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_S3_SIGN_H
#define BB_S3_SIGN_H

#include "objstore/s3/http.h"

typedef struct BbS3Keys
{
	char	   *access_key_id;
	char	   *secret_access_key;
	char	   *session_token; /* NULL: none */
	char	   *region;
} BbS3Keys;

/*
 * bb_s3_sign - return the headers to send: those of the request and those of
 * its signature, which is over its method, URL, headers and body.
 *
 * The latter are Host, x-amz-content-sha256, x-amz-date, x-amz-security-token
 * if there is a session token, and Authorization.  The array ends with NULL;
 * it and its strings are palloc'd.  "now" is the time of the request, which the
 * server compares with its clock.
 *
 * Requires neither a transaction nor a resource owner.
 */
extern const char **bb_s3_sign(const BbS3Keys *keys,
							   const BbHttpRequest *request, TimestampTz now);

/*
 * bb_s3_encode - percent-encode text for a URL, as signatures require: all
 * characters except letters, digits and "-._~".  The result is palloc'd.
 *
 * bb_s3_encode_path - do the same, but keep slashes.
 */
extern char *bb_s3_encode(const char *text);
extern char *bb_s3_encode_path(const char *path);

/* bb_s3_domain - the domain of Amazon's services in a region. */
extern const char *bb_s3_domain(const char *region);

#endif /* BB_S3_SIGN_H */
