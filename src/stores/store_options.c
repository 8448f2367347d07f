/*-------------------------------------------------------------------------
 *
 * store_options.c
 *	  The options of page stores: of foreign servers and their user mappings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "stores/option_value.h"
#include "stores/own_server.h"
#include "stores/store_options_internal.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"

/* The default of cache_size, in megabytes. */
#define DEFAULT_CACHE_SIZE_MB 10240

static char *
url_of(const ForeignServer *server)
{
	char	   *url = bb_option_value(server->options, BB_OPTION_URL);

	if (url != NULL)
		return url;
	if (!bb_own_server_is(server->serverid))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("page store \"%s\" has no URL", server->servername),
				 errhint("ALTER SERVER %s OPTIONS (ADD " BB_OPTION_URL
						 " 'file:///directory').",
						 server->servername)));
	if (bb_setting_store_directory[0] != '\0')
		return psprintf("file://%s", bb_setting_store_directory);
	return psprintf("file://%s.bbackup", DataDir);
}

static bool
has_mapping(Oid user, Oid server)
{
	return SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(user),
								 ObjectIdGetDatum(server));
}

static void
find_keys(const ForeignServer *server, BbObjectStoreOptions *options)
{
	if (has_mapping(GetUserId(), server->serverid) ||
		has_mapping(InvalidOid, server->serverid))
	{
		List	   *mapping = GetUserMapping(GetUserId(), server->serverid)
								  ->options;

		options->access_key_id = bb_option_value(mapping,
												 BB_OPTION_ACCESS_KEY_ID);
		options
			->secret_access_key = bb_option_value(mapping,
												  BB_OPTION_SECRET_ACCESS_KEY);
		options->session_token = bb_option_value(mapping,
												 BB_OPTION_SESSION_TOKEN);
		options->encryption_key = bb_option_value(mapping,
												  BB_OPTION_ENCRYPTION_KEY);
		/* a user's own keys come before the machine's */
		if (options->access_key_id != NULL)
			options->credentials = BB_CREDENTIALS_KEYS;
	}
	else if (superuser_arg(server->owner) &&
			 options->credentials == BB_CREDENTIALS_KEYS)
	{
		options->access_key_id = getenv("AWS_ACCESS_KEY_ID");
		options->secret_access_key = getenv("AWS_SECRET_ACCESS_KEY");
		options->session_token = getenv("AWS_SESSION_TOKEN");
	}
}

/* Set where keys come from, unless the mapping has some, and how objects are kept. */
static void
set_object_storage(const ForeignServer *server, BbObjectStoreOptions *options)
{
	List	   *list = server->options;
	char	   *kind = bb_option_value(list, BB_OPTION_CREDENTIALS);
	char	   *days = bb_option_value(list, BB_OPTION_LOCK_DAYS);
	char	   *bucket_key = bb_option_value(list, BB_OPTION_BUCKET_KEY);

	if (kind != NULL)
		options->credentials = bb_storeoption_credentials(kind);
	options->credentials_endpoint =
		bb_option_value(list, BB_OPTION_CREDENTIALS_ENDPOINT);
	options->credentials_token_file = bb_option_value(list,
													  BB_OPTION_TOKEN_FILE);
	options->role_arn = bb_option_value(list, BB_OPTION_ROLE_ARN);
	options->encryption = bb_option_value(list, BB_OPTION_ENCRYPTION);
	options->kms_key_id = bb_option_value(list, BB_OPTION_KMS_KEY_ID);
	if (bucket_key != NULL)
		(void) parse_bool(bucket_key, &options->bucket_key);
	options->storage_class = bb_option_value(list, BB_OPTION_STORAGE_CLASS);
	options->lock_mode = bb_option_value(list, BB_OPTION_LOCK_MODE);
	if (days != NULL)
		options->lock_days = bb_storeoption_days(days);
}

/* Any key makes a store an encrypted one; so may the server, without a key. */
static void
set_encryption(const ForeignServer *server, BbObjectStoreOptions *options)
{
	char	   *encrypted = bb_option_value(server->options,
											BB_OPTION_ENCRYPTED);

	options->encryption_key_file = bb_option_value(server->options,
												   BB_OPTION_KEY_FILE);
	options->encryption_key_command = bb_option_value(server->options,
													  BB_OPTION_KEY_COMMAND);
	if (encrypted != NULL)
		(void) parse_bool(encrypted, &options->encrypted);
	if (options->encryption_key != NULL ||
		options->encryption_key_file != NULL ||
		options->encryption_key_command != NULL)
		options->encrypted = true;
}

const char *
bb_storeoptions_of(ForeignServer *server, BbObjectStoreOptions *options)
{
	char	   *path_style = bb_option_value(server->options,
											 BB_OPTION_PATH_STYLE);
	char	   *cache_size = bb_option_value(server->options,
											 BB_OPTION_CACHE_SIZE);

	if (server->options != NIL && bb_own_server_is(server->serverid))
		bb_own_server_refuse(server->serverid, "options");
	memset(options, 0, sizeof(BbObjectStoreOptions));
	options->endpoint = bb_option_value(server->options, BB_OPTION_ENDPOINT);
	options->region = bb_option_value(server->options, BB_OPTION_REGION);
	/* other servers than Amazon's rarely have a host name for each bucket */
	options->path_style = options->endpoint != NULL;
	if (path_style != NULL)
		(void) parse_bool(path_style, &options->path_style);
	options->cache_directory = bb_option_value(server->options,
											   BB_OPTION_CACHE_DIRECTORY);
	options->cache_size_mb = DEFAULT_CACHE_SIZE_MB;
	if (cache_size != NULL)
		(void) parse_int(cache_size, &options->cache_size_mb, GUC_UNIT_MB,
						 NULL);
	set_object_storage(server, options);
	find_keys(server, options);
	set_encryption(server, options);
	return url_of(server);
}

bool
bb_storeoptions_upkeep(const ForeignServer *server)
{
	char	   *value = bb_option_value(server->options, BB_OPTION_UPKEEP);
	bool		upkeep = true;

	if (value != NULL)
		(void) parse_bool(value, &upkeep);
	return upkeep;
}

char *
bb_storeoptions_identity(const char *url, const BbObjectStoreOptions *options)
{
	const char *texts[] = {url,
						   options->endpoint,
						   options->region,
						   options->access_key_id,
						   options->secret_access_key,
						   options->session_token,
						   options->credentials_endpoint,
						   options->credentials_token_file,
						   options->role_arn,
						   options->encryption,
						   options->kms_key_id,
						   options->storage_class,
						   options->lock_mode,
						   options->cache_directory,
						   options->encryption_key,
						   options->encryption_key_file,
						   options->encryption_key_command};
	StringInfoData identity;

	initStringInfo(&identity);
	for (int i = 0; i < lengthof(texts); i++)
		appendStringInfo(&identity, "%s\n", texts[i] != NULL ? texts[i] : "");
	appendStringInfo(&identity, "%d %d %d %d %d %d", options->path_style,
					 options->credentials, options->bucket_key,
					 options->lock_days, options->cache_size_mb,
					 options->encrypted);
	return identity.data;
}
