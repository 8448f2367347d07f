/*-------------------------------------------------------------------------
 *
 * credentials.h
 *	  Temporary keys of S3 that a role gives, for as long as they are valid.
 *
 *	  s3_request.c ──► credentials.c: keep, renew
 *							│
 *		 ┌──────────────────┼────────────────────┐
 *	  instance			container			web identity
 *	  credentials_metadata.c				credentials_sts.c
 *		 └──────────────────┼────────────────────┘
 *				credentials_fetch.c: one request, a token's file
 *
 * A session keeps the keys of each source, for all stores that use it.  They are
 * renewed five minutes before they expire.  If that fails, they are in use until
 * they expire.
 *
 * No message contains a key, a token, or any of an answer but its status and
 * code.
 *
 * (Facts: AWS's "Use the Instance Metadata Service" and "Retrieve security
 * credentials from instance metadata"; AWS SDKs and Tools Reference Guide,
 * "Container credential provider"; AWS Security Token Service API Reference,
 * "AssumeRoleWithWebIdentity".)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CREDENTIALS_H
#define BB_CREDENTIALS_H

#include "base/compat.h"
#include "objstore/objstore.h"
#include "objstore/s3/s3_sign.h"

/* The keys of a source, kept until the session ends. */
typedef struct BbCredentials
{
	BbS3Keys	keys;		/* access_key_id is NULL before the first ones */
	int64		expires;	/* time_t; 0: never */
	uint64		generation; /* how often they were obtained */
} BbCredentials;

/*
 * bb_credentials_of - return the kept keys of the source that these options name,
 * without obtaining any; NULL: the options have keys.
 *
 * REQUIRES: options->region is set.
 */
extern const BbCredentials *bb_credentials_of(
	const BbObjectStoreOptions *options);

/*
 * bb_credentials_renew - obtain keys if there are none, or if they expire soon.
 *
 * bb_credentials_refused - obtain keys, since S3 has refused those of that
 * generation.
 *
 * Errors: CONNECTION_FAILURE (the source has none); INSUFFICIENT_PRIVILEGE (it
 * refuses); errcode_for_file_access() (the file of a token);
 * FDW_OPTION_NAME_NOT_FOUND (an option is missing).
 */
extern void bb_credentials_renew(const BbReqCtx *ctx,
								 const BbCredentials *credentials);
extern void bb_credentials_refused(const BbReqCtx *ctx,
								   const BbCredentials *credentials,
								   uint64 generation);

/* ---- the sources ---- */

/* What a source has answered, palloc'd. */
typedef struct BbObtained
{
	char	   *access_key_id;
	char	   *secret_access_key;
	char	   *session_token;
	int64		expires;
} BbObtained;

extern void bb_credentials_instance(const BbReqCtx *ctx,
									const BbObjectStoreOptions *options,
									BbObtained *obtained);
extern void bb_credentials_container(const BbReqCtx *ctx,
									 const BbObjectStoreOptions *options,
									 BbObtained *obtained);
extern void bb_credentials_web_identity(const BbReqCtx *ctx,
										const BbObjectStoreOptions *options,
										BbObtained *obtained);

/* ---- credentials_fetch.c ---- */

typedef struct BbCredentialFetch
{
	const char *source; /* "instance metadata service" */
	const char *method;
	const char *url;
	const char *header; /* NULL: none */
	const char *body;	/* NULL: none; a form */
	bool		local;	/* on this machine or its network: no proxy */
	const char *hint;	/* if there is no answer */
} BbCredentialFetch;

/*
 * bb_credentials_fetch - do a request, with a few attempts.  Returns the answer,
 * palloc'd, with *status of 200 or, if "refused" isn't NULL, another one, with
 * the body of the error in *refused.
 *
 * bb_credentials_refuse - report that a source doesn't give keys.
 *
 * bb_credentials_token - return the content of a file with a token, without
 * white space around it.
 *
 * bb_credentials_check - check that keys can be sent in headers.
 */
extern char *bb_credentials_fetch(const BbReqCtx *ctx,
								  const BbCredentialFetch *fetch, int *status,
								  char **refused);
pg_noreturn extern void bb_credentials_refuse(const BbCredentialFetch *fetch,
											  const char *detail,
											  const char *hint);
extern char *bb_credentials_token(const char *file);
extern void bb_credentials_check(const BbCredentialFetch *fetch,
								 const BbObtained *obtained);

#endif /* BB_CREDENTIALS_H */
