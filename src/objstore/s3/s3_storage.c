/*-------------------------------------------------------------------------
 *
 * s3_storage.c
 *	  How the server is to keep objects: encryption, storage class, retention.
 *
 *				encryption	 storage class	 retention
 *	  flag			x
 *	  manifest		x							 x
 *	  layer			x			  x				 x
 *
 * Flags (the objects of locks, and other small ones that are replaced soon) have
 * to be removable.  Manifests are read all the time, and are smaller than what
 * the cheaper classes charge for.
 *
 * An answer to a PUT says how the object was encrypted.  It says neither its
 * storage class nor its retention, so the first layer that a store writes is
 * looked at.
 *
 * (Facts: Amazon S3's API Reference, "PutObject" and "HeadObject"; User Guide,
 * "Object Lock considerations".)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "common/base64.h"
#include "common/cryptohash.h"
#include "common/md5.h"
#include "objstore/s3/s3_internal.h"
#include "objstore/s3/s3_time.h"

#define SECONDS_PER_DAY_INT64 INT64CONST(86400)

BbS3Kind
bb_s3_kind_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	if (strstr(name, "/layers/") != NULL)
		return BB_S3_LAYER;
	return strcmp(name, BB_RING_OBJECT) == 0 ||
			(slash != NULL && strcmp(slash, "/manifest") == 0)
		? BB_S3_MANIFEST
		: BB_S3_FLAG;
}

/* ---- what is asked for ---- */

/* The MD5 of a body, for servers that keep nothing without it. */
static const char *
content_md5(const BbHttpRequest *http)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_MD5);
	uint8		digest[MD5_DIGEST_LENGTH];
	char		text[32] = "";

	if (pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, http->body, http->body_length) < 0 ||
		pg_cryptohash_final(context, digest, sizeof(digest)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("could not compute the MD5 hash that object lock requires: %s",
						pg_cryptohash_error(context))));
	pg_cryptohash_free(context);
	if (pg_b64_encode((void *) digest, sizeof(digest), text, sizeof(text)) < 0)
		elog(ERROR, "could not encode an MD5 hash");
	return psprintf("Content-MD5: %s", text);
}

int
bb_s3_storage_headers(const BbS3Store *objects, const BbS3Request *request,
					  const char **headers)
{
	const BbS3Storage *storage = &objects->storage;
	int			n = 0;

	if (storage->checksums && request->http.body_length > 0)
		headers[n++] = content_md5(&request->http);
	if (request->kind == BB_S3_NO_OBJECT)
		return n;
	if (storage->encryption != NULL)
		headers[n++] = psprintf("x-amz-server-side-encryption: %s",
								storage->encryption);
	if (storage->kms_key_id != NULL)
		headers[n++] =
			psprintf("x-amz-server-side-encryption-aws-kms-key-id: %s",
					 storage->kms_key_id);
	if (storage->bucket_key)
		headers[n++] = "x-amz-server-side-encryption-bucket-key-enabled: true";
	if (request->kind == BB_S3_FLAG)
		return n;
	if (storage->lock_mode != NULL)
	{
		int64		until = time(NULL) +
			storage->lock_days * SECONDS_PER_DAY_INT64;

		headers[n++] = psprintf("x-amz-object-lock-mode: %s",
								storage->lock_mode);
		headers[n++] = psprintf("x-amz-object-lock-retain-until-date: %s",
								bb_s3_time_text(until));
	}
	if (request->kind == BB_S3_LAYER && storage->storage_class != NULL)
		headers[n++] = psprintf("x-amz-storage-class: %s",
								storage->storage_class);
	return n;
}

/* ---- what was done ---- */

void
bb_s3_ignored(const BbS3Store *objects, const char *name, const char *option,
			  const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("object storage ignored option \"%s\" of page store \"%s\"",
					option, objects->base.url),
			 errdetail("Object \"%s\" %s.", name, detail),
			 errhint("%s", hint)));
}

/* Is it the key that was asked for, by its name, its id or an alias? */
static bool
is_key(const char *wanted, const char *used)
{
	size_t		length = strlen(wanted);
	size_t		used_length = strlen(used);

	if (used[0] == '\0')
		return false;
	if (strstr(wanted, "alias/") != NULL)
		return true; /* the answer has the key that it stands for */
	return used_length >= length &&
		strcmp(used + used_length - length, wanted) == 0;
}

void
bb_s3_check_encrypted(const BbS3Store *objects, const char *name,
					  const BbHttpAnswer *answer)
{
	static const char
		*const hint = "Omit the option, or use a server that supports it.";
	const BbS3Storage *storage = &objects->storage;

	if (storage->encryption != NULL &&
		strcmp(storage->encryption, answer->encryption) != 0)
		bb_s3_ignored(objects, name, "server_side_encryption",
					  answer->encryption[0] != '\0'
						  ? "is encrypted in another way"
						  : "is not encrypted",
					  hint);
	if (storage->kms_key_id != NULL &&
		!is_key(storage->kms_key_id, answer->kms_key_id))
		bb_s3_ignored(objects, name, "kms_key_id",
					  "is encrypted by another key", hint);
	if (storage->bucket_key && strcmp(answer->bucket_key, "true") != 0)
		bb_s3_ignored(objects, name, "bucket_key", "has no bucket key", hint);
}
