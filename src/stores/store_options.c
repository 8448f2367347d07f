/*-------------------------------------------------------------------------
 *
 * store_options.c
 *	  The options of page stores: of foreign servers and their user mappings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "stores/call.h"
#include "stores/own_server.h"
#include "stores/store_options.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#define BB_OPTION_URL "url"
#define BB_OPTION_ENDPOINT "endpoint"
#define BB_OPTION_REGION "region"
#define BB_OPTION_PATH_STYLE "path_style"
#define BB_OPTION_CACHE_SIZE "cache_size"
#define BB_OPTION_UPKEEP "upkeep"
#define BB_OPTION_ACCESS_KEY_ID "access_key_id"
#define BB_OPTION_SECRET_ACCESS_KEY "secret_access_key"
#define BB_OPTION_SESSION_TOKEN "session_token"

/* The default of cache_size, in megabytes. */
#define DEFAULT_CACHE_SIZE_MB 10240

/* ---- checking options ---- */

static void
need_files(const char *what)
{
	bb_call_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files", what);
	bb_call_need_role(ROLE_PG_WRITE_SERVER_FILES, "pg_write_server_files",
					  what);
}

static void
check_url(const char *value)
{
	bb_objstore_check_url(value);
	if (strncmp(value, "file:", 5) == 0)
		need_files("set the URL of a page store");
}

static void
check_region(const char *value)
{
	if (*value == '\0' || strlen(value) > 63 ||
		strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
			strlen(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid region of a page store"),
				 errhint("A region is a name such as \"eu-central-1\".")));
}

static void
check_boolean(const char *option, const char *value)
{
	bool		parsed;

	if (!parse_bool(value, &parsed))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" requires a Boolean value", option)));
}

static void
check_path_style(const char *value)
{
	check_boolean(BB_OPTION_PATH_STYLE, value);
}

static void
check_upkeep(const char *value)
{
	check_boolean(BB_OPTION_UPKEEP, value);
}

static void
check_cache_directory(const char *value)
{
	if (!is_absolute_path(value) || strlen(value) > MAXPGPATH / 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"" BB_OPTION_CACHE_DIRECTORY
						"\" must be an absolute path")));
	/* the rule for a local store, since the cache is read as one */
	if (strstr(psprintf("%s/", value), "/../") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"" BB_OPTION_CACHE_DIRECTORY
						"\" must be a path without \"..\"")));
	need_files("set the cache directory of a page store");
	bb_objstore_check_cache_directory(value);
}

static void
check_cache_size(const char *value)
{
	int			megabytes;

	if (!parse_int(value, &megabytes, GUC_UNIT_MB, NULL) || megabytes < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"" BB_OPTION_CACHE_SIZE
						"\": \"%s\"",
						value),
				 errhint("It must be at least 1MB, for example \"20GB\".")));
}

/* Keys go into HTTP headers.  The error message must not show them. */
static void
check_key(const char *value)
{
	for (const char *p = value; *p; p++)
	{
		if (*p <= ' ' || *p > '~')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid key of a page store"),
					 errdetail("Keys consist of printable ASCII characters.")));
	}
}

static const struct
{
	const char *name;
	Oid			catalog; /* whose objects have the option */
	void		(*check) (const char *value);
}			valid_options[] = {
	{BB_OPTION_URL, ForeignServerRelationId, check_url},
	{BB_OPTION_ENDPOINT, ForeignServerRelationId, bb_objstore_check_endpoint},
	{BB_OPTION_REGION, ForeignServerRelationId, check_region},
	{BB_OPTION_PATH_STYLE, ForeignServerRelationId, check_path_style},
	{BB_OPTION_CACHE_DIRECTORY, ForeignServerRelationId,
	 check_cache_directory},
	{BB_OPTION_CACHE_SIZE, ForeignServerRelationId, check_cache_size},
	{BB_OPTION_UPKEEP, ForeignServerRelationId, check_upkeep},
	{BB_OPTION_ACCESS_KEY_ID, UserMappingRelationId, check_key},
	{BB_OPTION_SECRET_ACCESS_KEY, UserMappingRelationId, check_key},
	{BB_OPTION_SESSION_TOKEN, UserMappingRelationId, check_key},
};

static void
invalid_option(const char *name, Oid catalog)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (int i = 0; i < lengthof(valid_options); i++)
	{
		if (valid_options[i].catalog == catalog)
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "",
							 valid_options[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 valid.len > 0
			 ? errhint("Valid options in this context are: %s", valid.data)
			 : errhint("There are no valid options in this context.")));
}

void
bb_storeoptions_check(List *options, Oid catalog)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem	   *option = lfirst(cell);
		int			i = 0;

		while (i < lengthof(valid_options) &&
			   (valid_options[i].catalog != catalog ||
				strcmp(valid_options[i].name, option->defname) != 0))
			i++;
		if (i == lengthof(valid_options))
			invalid_option(option->defname, catalog);
		valid_options[i].check(defGetString(option));
	}
}

/* ---- using options ---- */

/* Return the value of an option; NULL if it is not set. */
static char *
option_of(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem	   *option = lfirst(cell);

		if (strcmp(option->defname, name) == 0)
			return defGetString(option);
	}
	return NULL;
}

static char *
url_of(const ForeignServer *server)
{
	char	   *url = option_of(server->options, BB_OPTION_URL);

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

		options->access_key_id = option_of(mapping, BB_OPTION_ACCESS_KEY_ID);
		options->secret_access_key = option_of(mapping,
											   BB_OPTION_SECRET_ACCESS_KEY);
		options->session_token = option_of(mapping, BB_OPTION_SESSION_TOKEN);
	}
	else if (superuser_arg(server->owner))
	{
		options->access_key_id = getenv("AWS_ACCESS_KEY_ID");
		options->secret_access_key = getenv("AWS_SECRET_ACCESS_KEY");
		options->session_token = getenv("AWS_SESSION_TOKEN");
	}
}

const char *
bb_storeoptions_of(ForeignServer *server, BbObjectStoreOptions *options)
{
	char	   *path_style = option_of(server->options, BB_OPTION_PATH_STYLE);
	char	   *cache_size = option_of(server->options, BB_OPTION_CACHE_SIZE);

	if (server->options != NIL && bb_own_server_is(server->serverid))
		bb_own_server_refuse(server->serverid, "options");
	memset(options, 0, sizeof(BbObjectStoreOptions));
	options->endpoint = option_of(server->options, BB_OPTION_ENDPOINT);
	options->region = option_of(server->options, BB_OPTION_REGION);
	/* other servers than Amazon's rarely have a host name for each bucket */
	options->path_style = options->endpoint != NULL;
	if (path_style != NULL)
		(void) parse_bool(path_style, &options->path_style);
	options->cache_directory = option_of(server->options,
										 BB_OPTION_CACHE_DIRECTORY);
	options->cache_size_mb = DEFAULT_CACHE_SIZE_MB;
	if (cache_size != NULL)
		(void) parse_int(cache_size, &options->cache_size_mb, GUC_UNIT_MB,
						 NULL);
	find_keys(server, options);
	return url_of(server);
}

bool
bb_storeoptions_upkeep(const ForeignServer *server)
{
	char	   *value = option_of(server->options, BB_OPTION_UPKEEP);
	bool		upkeep = true;

	if (value != NULL)
		(void) parse_bool(value, &upkeep);
	return upkeep;
}

char *
bb_storeoptions_identity(const char *url, const BbObjectStoreOptions *options)
{
#define OR_EMPTY(string) ((string) != NULL ? (string) : "")
	return psprintf("%s\n%s\n%s\n%d\n%s\n%s\n%s\n%s\n%d", url,
					OR_EMPTY(options->endpoint), OR_EMPTY(options->region),
					options->path_style, OR_EMPTY(options->access_key_id),
					OR_EMPTY(options->secret_access_key),
					OR_EMPTY(options->session_token),
					OR_EMPTY(options->cache_directory),
					options->cache_size_mb);
#undef OR_EMPTY
}
