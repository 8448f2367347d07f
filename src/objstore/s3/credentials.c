/*-------------------------------------------------------------------------
 *
 * credentials.c
 *	  Temporary keys of S3: kept in the session, and renewed before they expire.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "base/caught.h"
#include "objstore/s3/credentials.h"
#include "objstore/s3/s3_time.h"
#include "utils/memutils.h"

/* So long before they expire, keys are renewed. */
#define RENEW_SECONDS 300

/* Keys are not asked for more often, unless S3 has refused them. */
#define PAUSE_SECONDS 30

typedef void (*Obtain) (const BbReqCtx *ctx,
						const BbObjectStoreOptions *options,
						BbObtained *obtained);

static const Obtain sources[] = {
	[BB_CREDENTIALS_INSTANCE] = bb_credentials_instance,
	[BB_CREDENTIALS_CONTAINER] = bb_credentials_container,
	[BB_CREDENTIALS_WEB_IDENTITY] = bb_credentials_web_identity,
};

typedef struct Kept
{
	BbCredentials credentials;
	BbObjectStoreOptions options; /* what names the source */
	int64		renew_at;		  /* time_t */
	struct Kept *next;
} Kept;

static Kept *all_kept;

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static char *
copy(const char *text)
{
	return text != NULL ? MemoryContextStrdup(TopMemoryContext, text) : NULL;
}

const BbCredentials *
bb_credentials_of(const BbObjectStoreOptions *options)
{
	Kept	   *kept;

	if (options->credentials == BB_CREDENTIALS_KEYS)
		return NULL;
	for (kept = all_kept; kept != NULL; kept = kept->next)
	{
		if (kept->options.credentials == options->credentials &&
			same(kept->options.credentials_endpoint,
				 options->credentials_endpoint) &&
			same(kept->options.credentials_token_file,
				 options->credentials_token_file) &&
			same(kept->options.role_arn, options->role_arn) &&
			same(kept->options.region, options->region))
			return &kept->credentials;
	}
	kept = MemoryContextAllocZero(TopMemoryContext, sizeof(Kept));
	kept->options.credentials = options->credentials;
	kept->options.credentials_endpoint = copy(options->credentials_endpoint);
	kept->options.credentials_token_file = copy(
		options->credentials_token_file);
	kept->options.role_arn = copy(options->role_arn);
	kept->options.region = copy(options->region);
	kept->credentials.keys.region = copy(options->region);
	kept->next = all_kept;
	all_kept = kept;
	return &kept->credentials;
}

static void
wipe(char *text)
{
	if (text == NULL)
		return;
	explicit_bzero(text, strlen(text));
	pfree(text);
}

static void
set_key(char **key, char *obtained)
{
	wipe(*key);
	*key = obtained != NULL && *obtained != '\0' ? copy(obtained) : NULL;
	wipe(obtained);
}

/*
 * When to renew keys: before they expire, or halfway to that if they are valid
 * for a short time.
 */
static int64
renewal_of(int64 expires, int64 now)
{
	int64		left = expires - now;

	if (expires == 0)
		return PG_INT64_MAX;
	return now + Max(Max(left / 2, left - RENEW_SECONDS), PAUSE_SECONDS);
}

static void
obtain_in_context(const BbReqCtx *ctx, Kept *kept, int64 now)
{
	BbS3Keys   *keys = &kept->credentials.keys;
	BbObtained	obtained = {0};

	sources[kept->options.credentials](ctx, &kept->options, &obtained);
	set_key(&keys->access_key_id, obtained.access_key_id);
	set_key(&keys->secret_access_key, obtained.secret_access_key);
	set_key(&keys->session_token, obtained.session_token);
	kept->credentials.expires = obtained.expires;
	kept->credentials.generation++;
	kept->renew_at = renewal_of(obtained.expires, now);
}

/* Renewing keys that are still valid failed: that can wait. */
static void
log_failure(MemoryContext context, int64 expires)
{
	ErrorData  *error = bb_caught(context);

	ereport(LOG,
			(errmsg("could not renew keys of object storage: %s",
					error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 errhint("Those in use are valid until %s.",
					 bb_s3_time_text(expires))));
}

/*
 * Get keys from the source.  If it fails although there are "valid" ones, only
 * log that.
 */
static void
obtain(const BbReqCtx *ctx, Kept *kept, int64 now, bool valid)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup credentials",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	PG_TRY();
	{
		obtain_in_context(ctx, kept, now);
	}
	PG_CATCH();
	{
		if (!valid)
			PG_RE_THROW();
		log_failure(context, kept->credentials.expires);
		kept->renew_at = now + PAUSE_SECONDS;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
bb_credentials_renew(const BbReqCtx *ctx, const BbCredentials *credentials)
{
	Kept	   *kept = (Kept *) unconstify(BbCredentials *, credentials);
	int64		now = time(NULL);

	if (credentials->generation == 0 || now >= kept->renew_at)
		obtain(ctx, kept, now,
			   credentials->generation > 0 && now < credentials->expires);
}

void
bb_credentials_refused(const BbReqCtx *ctx, const BbCredentials *credentials,
					   uint64 generation)
{
	/* unless another store of the session has renewed them since */
	if (credentials->generation == generation)
		obtain(ctx, (Kept *) unconstify(BbCredentials *, credentials),
			   time(NULL), false);
}
