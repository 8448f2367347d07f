/*-------------------------------------------------------------------------
 *
 * s3.c
 *	  The object store driver for S3: its operations, opening a store.
 *
 * An object "NAME" of the store "s3://BUCKET/PREFIX" has the key "PREFIX/NAME".
 * Keys whose last part begins with a dot are locks, not objects.
 *
 * Readers, writers and locks must not outlive their store.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "objstore/s3/s3_internal.h"
#include "utils/timestamp.h"

#define SCHEME_PREFIX "s3://"
#define DEFAULT_REGION "us-east-1"

/* The message doesn't repeat a URL that may contain a key. */
static void
invalid_url(const char *url, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 strchr(url, '@') == NULL
			 ? errmsg("invalid page store URL \"%s\"", url)
			 : errmsg("invalid page store URL"),
			 errdetail("%s", detail),
			 errhint("Write it as \"s3://bucket/prefix\".")));
}

static void
s3_check_url(const char *url)
{
	const char *bucket = url + strlen(SCHEME_PREFIX);
	size_t		length = strcspn(bucket, "/");
	const char *p;

	if (strlen(url) > 512)
		invalid_url(url, "It is too long.");
	for (p = bucket; p < bucket + length; p++)
	{
		if (!bb_is_name_character(*p))
			break;
	}
	if (length < 3 || length > 63 || p != bucket + length || *bucket == '.')
		invalid_url(url,
					"The name of a bucket has 3 to 63 letters, digits, "
					"\".\", \"_\" and \"-\".");

	for (; *p != '\0'; p++)
	{
		bool		begins = *p != '/' && p[-1] == '/';

		if ((*p != '/' && !bb_is_name_character(*p)) ||
			(begins && *p == '.') || (*p == '/' && p[1] == '/'))
			invalid_url(url,
						"A prefix has parts of letters, digits, \".\", "
						"\"_\" and \"-\", none of which begins with a "
						"dot.");
	}
}

static char *
copy_or_null(const char *text)
{
	return text != NULL ? pstrdup(text) : NULL;
}

/* Set the keys, or the source that they are obtained from when they are needed. */
static void
set_keys(BbS3Store *objects, const BbObjectStoreOptions *options,
		 const char *region)
{
	BbObjectStoreOptions source = *options;

	source.region = region;
	objects->credentials = bb_credentials_of(&source);
	objects->credentials_kind = options->credentials;
	if (objects->credentials != NULL)
		return;
	objects->keys.access_key_id = pstrdup(options->access_key_id);
	objects->keys.secret_access_key = pstrdup(options->secret_access_key);
	objects->keys.session_token = copy_or_null(options->session_token);
	objects->keys.region = pstrdup(region);
}

static BbObjectStore *
s3_open(const BbReqCtx *ctx, const char *url,
		const BbObjectStoreOptions *options)
{
	BbS3Store  *objects = palloc0(sizeof(BbS3Store));
	const char *bucket = url + strlen(SCHEME_PREFIX);
	size_t		length = strcspn(bucket, "/");
	const char *prefix = bucket[length] == '/' ? bucket + length + 1 : "";
	const char *region = options->region ? options->region : DEFAULT_REGION;
	const char *endpoint = options->endpoint;
	const char *host;
	const char *slash;

	if (options->credentials == BB_CREDENTIALS_KEYS &&
		(options->access_key_id == NULL || options->secret_access_key == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("there are no keys for page store \"%s\"", url),
				 errhint("CREATE USER MAPPING FOR ... SERVER ... OPTIONS "
						 "(access_key_id '...', secret_access_key '...').")));
	if (endpoint == NULL)
		endpoint = psprintf("https://s3.%s.%s", region, bb_s3_domain(region));
	host = strstr(endpoint, "://") + 3;
	objects->bucket = pnstrdup(bucket, length);
	if (options->path_style)
		objects->bucket_url = psprintf("%s/%.*s/", endpoint, (int) length,
									   bucket);
	else
		objects->bucket_url = psprintf("%.*s%.*s.%s/", (int) (host - endpoint),
									   endpoint, (int) length, bucket, host);
	objects->dotted = !options->path_style &&
		memchr(bucket, '.', length) != NULL &&
		strncmp(endpoint, "https:", 6) == 0;
	slash = *prefix == '\0' || prefix[strlen(prefix) - 1] == '/' ? "" : "/";
	objects->prefix = psprintf("%s%s", prefix, slash);
	dlist_init(&objects->readers);
	set_keys(objects, options, region);
	objects->base.retention_days = options->lock_days;
	objects->storage = (BbS3Storage){.encryption = copy_or_null(
										 options->encryption),
									 .kms_key_id = copy_or_null(
										 options->kms_key_id),
									 .bucket_key = options->bucket_key,
									 .storage_class = copy_or_null(
										 options->storage_class),
									 .lock_mode = copy_or_null(
										 options->lock_mode),
									 .lock_days = options->lock_days,
									 .checksums = options->lock_mode != NULL};
	return &objects->base;
}

static List *
s3_remove(const BbReqCtx *ctx, BbObjectStore *objects, List *names)
{
	List	   *kept = NIL;
	ListCell   *cell;

	foreach(cell, names)
	{
		if (!bb_s3_try_delete(ctx, (BbS3Store *) objects, lfirst(cell)))
			kept = lappend(kept, lfirst(cell));
	}
	return kept;
}

static void
s3_keys_state(const BbReqCtx *ctx, BbObjectStore *base, BbKeysState *state)
{
	static const char *const sources[] =
		{[BB_CREDENTIALS_KEYS] = NULL,
		 [BB_CREDENTIALS_INSTANCE] = "instance",
		 [BB_CREDENTIALS_CONTAINER] = "container",
		 [BB_CREDENTIALS_WEB_IDENTITY] = "web_identity"};
	BbS3Store  *objects = (BbS3Store *) base;

	state->source = sources[objects->credentials_kind];
	state->renewable = objects->credentials != NULL ||
		objects->keys.session_token == NULL;
	if (objects->credentials == NULL)
		return;
	bb_credentials_renew(ctx, objects->credentials);
	if (objects->credentials->expires != 0)
		state->expires = time_t_to_timestamptz(objects->credentials->expires);
}

const BbObjectStoreOps bb_objstore_s3 = {
	.scheme = "s3",
	.residency = BB_RESIDENT_NONE,
	.check_url = s3_check_url,
	.open = s3_open,
	.get = bb_s3_get,
	.put_if = bb_s3_put_if,
	.list = bb_s3_list_objects,
	.list_parts = bb_s3_list_parts,
	.remove = s3_remove,
	.sweep = bb_s3_sweep,
	.lock = bb_s3_lock,
	.create = bb_s3_create,
	.write = bb_s3_write,
	.finish = bb_s3_finish,
	.open_object = bb_s3_open_object,
	.read = bb_s3_read,
	.close = bb_s3_close,
	.begin_part = bb_s3_begin_part,
	.end_part = bb_s3_end_part,
	.keys_state = s3_keys_state,
	.retain = bb_s3_retain,
	.versions = bb_s3_versions,
	.put_back = bb_s3_put_back,
};
