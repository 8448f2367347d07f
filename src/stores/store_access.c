/*-------------------------------------------------------------------------
 *
 * store_access.c
 *	  Page stores by the name of their foreign server, for those who may.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "base/compat.h"
#include "base/settings.h"
#include "commands/defrem.h"
#include "common/hashfn.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "pagestore/walposition.h"
#include "stats/calls.h"
#include "stores/own_server.h"
#include "stores/store_access.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

void
bb_store_need_role(Oid role, const char *role_name, const char *what)
{
	if (!has_privs_of_role(GetUserId(), role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s", what),
				 errdetail("Only members of the role \"%s\" may do that.",
						   role_name)));
}

static char *
default_url(void)
{
	if (bb_setting_store_directory[0] != '\0')
		return psprintf("file://%s", bb_setting_store_directory);
	return psprintf("file://%s.bbackup", DataDir);
}

/* The value of an option; NULL when it is not set. */
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
	if (bb_own_server_is(server->serverid))
		return default_url();
	ereport(ERROR,
			(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
			 errmsg("page store \"%s\" has no URL", server->servername),
			 errhint("ALTER SERVER %s OPTIONS (ADD " BB_OPTION_URL
					 " 'file:///directory').",
					 server->servername)));
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

static void
find_options(ForeignServer *server, BbObjectStoreOptions *options)
{
	char	   *path_style = option_of(server->options, BB_OPTION_PATH_STYLE);
	char	   *cache_size = option_of(server->options, BB_OPTION_CACHE_SIZE);

	memset(options, 0, sizeof(BbObjectStoreOptions));
	options->endpoint = option_of(server->options, BB_OPTION_ENDPOINT);
	options->region = option_of(server->options, BB_OPTION_REGION);
	/* what isn't Amazon's rarely has a host name for each bucket */
	options->path_style = options->endpoint != NULL;
	if (path_style != NULL)
		(void) parse_bool(path_style, &options->path_style);
	options->cache_directory = option_of(server->options,
										 BB_OPTION_CACHE_DIRECTORY);
	options->cache_size_mb = BB_DEFAULT_CACHE_SIZE_MB;
	if (cache_size != NULL)
		(void) parse_int(cache_size, &options->cache_size_mb, GUC_UNIT_MB,
						 NULL);
	find_keys(server, options);
}

/* All that makes it this store, read with these rights. */
static char *
fingerprint(const char *url, const BbObjectStoreOptions *options)
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

/*
 * Return the URL of a store that the user may use, and its options.  *identity
 * is their fingerprint (NULL: not wanted).
 */
static const char *
find_store(const BbReqCtx *ctx, const char *name,
		   BbObjectStoreOptions *options, char **identity)
{
	ForeignServer *server = GetForeignServerByName(name, true);
	char	   *url;
	AclResult	allowed;

	bb_calls_describe(ctx, &(BbCallAbout){.store = name});
	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("page store \"%s\" does not exist", name),
				 errhint("Page stores are foreign servers of the wrapper \""
						 BB_WRAPPER_NAME "\".")));
	if (strcmp(GetForeignDataWrapper(server->fdwid)->fdwname,
			   BB_WRAPPER_NAME) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not a page store", name),
				 errhint("Page stores are foreign servers of the wrapper \""
						 BB_WRAPPER_NAME "\".")));
	allowed = bb_compat_server_usage(server->serverid, GetUserId());
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_FOREIGN_SERVER, name);

	if (server->options != NIL && bb_own_server_is(server->serverid))
		bb_own_server_refuse(server->serverid, "options");
	find_options(server, options);
	url = url_of(server);
	if (identity != NULL)
		*identity = fingerprint(url, options);
	return url;
}

BbObjectStore *
bb_store_open(const BbReqCtx *ctx, const char *name)
{
	BbObjectStoreOptions options;
	const char *url = find_store(ctx, name, &options, NULL);

	return bb_objstore_open(ctx, url, &options);
}

static uint64
hash_of(const char *identity)
{
	return hash_bytes_extended((const unsigned char *) identity,
							   (int) strlen(identity), 0);
}

BbObjectStore *
bb_store_open_told(const BbReqCtx *ctx, const char *name, uint64 *options_hash)
{
	BbObjectStoreOptions options;
	char	   *identity;
	const char *url = find_store(ctx, name, &options, &identity);

	*options_hash = hash_of(identity);
	return bb_objstore_open(ctx, url, &options);
}

BbPageStore *
bb_store_timeline_told(const BbReqCtx *ctx, const char *name,
					   const char *timeline, uint64 *options_hash)
{
	BbObjectStoreOptions options;
	char	   *identity;
	const char *url = find_store(ctx, name, &options, &identity);

	bb_calls_describe(ctx, &(BbCallAbout){.timeline = timeline});
	*options_hash = hash_of(identity);
	return bb_pagestore_open(ctx, url, &options, timeline);
}

BbPageStore *
bb_store_timeline_same(const BbReqCtx *ctx, const char *name,
					   const char *timeline, uint64 options_hash)
{
	uint64		actual;
	BbPageStore *store = bb_store_timeline_told(ctx, name, timeline, &actual);

	if (actual != options_hash)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("options of page store \"%s\" have changed", name),
				 errdetail("A background worker sees other ones than who "
						   "started it: what is committed by now."),
				 errhint("Try again, in a transaction that doesn't change "
						 "them itself.")));
	return store;
}

void
bb_store_need_cache(const BbObjectStore *store, const char *server)
{
	if (bb_objstore_residency(store) == BB_RESIDENT_ALL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("page store \"%s\" has no cache", server),
				 errdetail("It is a local directory: its layers are always "
						   "resident, and nowhere else.")));
	if (bb_objstore_residency(store) == BB_RESIDENT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("page store \"%s\" has no cache", server),
				 errhint("ALTER SERVER %s OPTIONS (ADD "
						 BB_OPTION_CACHE_DIRECTORY " '/directory').",
						 server)));
}

BbPageStore *
bb_store_timeline(const BbReqCtx *ctx, const char *server,
				  const char *timeline)
{
	uint64		options_hash;

	return bb_store_timeline_told(ctx, server, timeline, &options_hash);
}

/* A page store between two calls of a function, in its fn_extra. */
typedef struct KeptStore
{
	MemoryContext context; /* of all this */
	bool		in_use;	   /* by a call that has not ended well yet */
	const char *identity;
	BbPageStore *store;
} KeptStore;

static bool
may_use(const BbReqCtx *ctx, const KeptStore *kept, const char *identity,
		const char *timeline)
{
	return !kept->in_use && strcmp(kept->identity, identity) == 0 &&
		strcmp(bb_pagestore_info(kept->store)->timeline, timeline) == 0 &&
		bb_pagestore_is_current(ctx, kept->store);
}

BbPageStore *
bb_store_timeline_kept(const BbReqCtx *ctx, FmgrInfo *function,
					   const char *server, const char *timeline)
{
	KeptStore  *kept = function->fn_extra;
	BbObjectStoreOptions options;
	MemoryContext context;
	MemoryContext old;
	char	   *identity;

	/* each time: the user, the rights and the keys may be other ones by now */
	(void) find_store(ctx, server, &options, &identity);
	if (kept == NULL || !may_use(ctx, kept, identity, timeline))
	{
		function->fn_extra = NULL;
		if (kept != NULL)
			MemoryContextDelete(kept->context);

		context = AllocSetContextCreate(function->fn_mcxt,
										"bbackup kept page store",
										ALLOCSET_DEFAULT_SIZES);
		old = MemoryContextSwitchTo(context);
		kept = palloc(sizeof(KeptStore));
		kept->context = context;
		kept->in_use = true;
		kept->identity = pstrdup(identity);
		function->fn_extra = kept;
		kept->store = bb_store_timeline(ctx, server, timeline);
		MemoryContextSwitchTo(old);
	}
	kept->in_use = true;
	return kept->store;
}

void
bb_store_keep(FmgrInfo *function)
{
	((KeptStore *) function->fn_extra)->in_use = false;
}

XLogRecPtr
bb_store_lsn(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn)
{
	XLogRecPtr	used;

	lsn = bb_pagestore_check_lsn(store, lsn);
	used = bb_pagestore_round_lsn(ctx, store, lsn, NULL);
	if (used != lsn)
		ereport(NOTICE,
				(errmsg("using LSN %X/%X, where the last record ends that is complete at %X/%X",
						LSN_FORMAT_ARGS(used), LSN_FORMAT_ARGS(lsn))));
	bb_calls_describe(ctx, &(BbCallAbout){.lsn = used});
	return used;
}

/* Raise a NOTICE that there is no timeline, with the likely reason. */
static void
tell_empty(const BbObjectStore *store, const char *server)
{
	const char *directory = bb_objstore_local_directory(store);
	struct stat st;

	if (directory == NULL || stat(directory, &st) == 0 || errno != ENOENT)
		ereport(NOTICE,
				(errmsg("page store \"%s\" has no timelines",
						bb_objstore_url(store)),
				 errhint("If it should have some, check the URL of the "
						 "foreign server. bb_import_directory() makes the "
						 "first one.")));
	else
		ereport(NOTICE,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("directory \"%s\" of page store \"%s\" does not exist",
						directory, server),
				 bb_own_server_is(GetForeignServerByName(server, false)->serverid)
				 ? errhint("bb_import_directory() makes it. If the store was "
						   "beside a data directory of another name, rename "
						   "it, too, or set bbackup.store_directory.")
				 : errhint("bb_import_directory() makes it.")));
}

List *
bb_store_timelines(const BbReqCtx *ctx, BbObjectStore *store,
				   const char *server)
{
	List	   *names = bb_manifest_list(ctx, store);

	if (names == NIL)
		tell_empty(store, server);
	return names;
}

BbManifest *
bb_store_listed_timeline(const BbReqCtx *ctx, BbObjectStore *store,
						 const char *timeline)
{
	ErrorData  *error;
	BbManifest *manifest = bb_manifest_try(ctx, store, timeline, &error);

	if (error != NULL)
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("skipping timeline \"%s\": %s", timeline,
						error->message),
				 error->detail ? errdetail_internal("%s", error->detail) : 0,
				 error->hint ? errhint("%s", error->hint) : 0));
	return manifest;
}
