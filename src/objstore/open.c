/*-------------------------------------------------------------------------
 *
 * open.c
 *	  Opening an object store: the table of drivers, checks of the options.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <stdlib.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "objstore/objstore_driver.h"

static const BbObjectStoreOps *const drivers[] = {
	&bb_objstore_local,
	&bb_objstore_s3,
};

static const BbObjectStoreOps *
driver_for(const char *url)
{
	const char *colon = strstr(url, "://");

	if (colon != NULL)
	{
		for (int i = 0; i < lengthof(drivers); i++)
		{
			size_t		length = strlen(drivers[i]->scheme);

			if (length == colon - url &&
				strncmp(url, drivers[i]->scheme, length) == 0)
				return drivers[i];
		}
	}

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid page store URL \"%s\"", url),
			 errhint("A page store is a local directory: "
					 "\"file:///absolute/path\", or in object storage: "
					 "\"s3://bucket/prefix\".")));
}

void
bb_objstore_check_url(const char *url)
{
	driver_for(url)->check_url(url);
}

void
bb_objstore_check_endpoint(const char *endpoint)
{
	const char *host = endpoint;
	const char *p;

	if (strncmp(endpoint, "http://", 7) == 0)
		host += 7;
	else if (strncmp(endpoint, "https://", 8) == 0)
		host += 8;
	for (p = host; bb_is_name_character(*p) || (*p && strchr(":[]", *p)); p++)
		;
	if (host == endpoint || p == host || *p != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid endpoint of a page store"),
				 errhint("Write it as \"https://host\" or "
						 "\"https://host:port\".")));
}

/*
 * May a token be sent there without TLS?  To this machine, and to the addresses
 * of the clouds' services for instances and containers.
 */
static bool
is_near(const char *host)
{
	static const char *const near[] = {"127.",		 "localhost:",
									   "localhost/", "169.254.",
									   "[::1]",		 "[fd00:ec2::"};
	const char *part;

	for (int i = 0; i < lengthof(near); i++)
	{
		size_t		length = strlen(near[i]);

		if (strncmp(host, near[i], length) != 0)
			continue;
		/* an address, and not a name that begins like one */
		part = host + strspn(host, "0123456789.");
		return near[i][length - 1] != '.' || *part == '\0' || *part == ':' ||
			*part == '/';
	}
	return false;
}

void
bb_objstore_check_credentials_endpoint(const char *url)
{
	const char *host = strstr(url, "://");
	bool		tls = strncmp(url, "https://", 8) == 0;
	bool		valid = tls || strncmp(url, "http://", 7) == 0;

	for (const char *p = url; *p != '\0'; p++)
		valid = valid && *p > ' ' && *p <= '~' && *p != '@' && *p != '#';
	if (!valid || host[3] == '\0' || host[3] == '/')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid URL of a source of keys"),
				 errhint("Write it as \"https://host/path\".")));
	if (!tls && !is_near(host + 3))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the source of keys must be reached by https"),
				 errdetail("Only services at loopback and link-local "
						   "addresses may be reached by http.")));
}

/*
 * Resolve the symbolic links in a path.  If the path doesn't exist, resolve
 * the nearest directory above it that does.  Returns false if that fails.
 */
static bool
resolve(const char *path, char *resolved)
{
	char		existing[MAXPGPATH];

	strlcpy(existing, path, sizeof(existing));
	while (realpath(existing, resolved) == NULL)
	{
		if (errno != ENOENT || strcmp(existing, "/") == 0)
			return false; /* using it will report the error */
		get_parent_directory(existing);
	}
	return true;
}

void
bb_objstore_check_cache_directory(const char *directory)
{
	char		cache[PATH_MAX];
	char		data[PATH_MAX];

	if (resolve(directory, cache) && resolve(DataDir, data) &&
		path_is_prefix_of_path(data, cache))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cache directory \"%s\" is in the server's data "
						"directory",
						directory),
				 errdetail("A base backup of this server would contain the "
						   "cache."),
				 errhint("Choose a directory elsewhere.")));
}

static BbObjectStore *
open_driver(const BbReqCtx *ctx, const char *url,
			const BbObjectStoreOptions *options)
{
	const BbObjectStoreOps *ops = driver_for(url);
	BbObjectStore *objects;

	ops->check_url(url);
	if (options->endpoint != NULL && ops->residency == BB_RESIDENT_NONE)
		bb_objstore_check_endpoint(options->endpoint);
	objects = ops->open(ctx, url, options);
	objects->ops = ops;
	objects->residency = ops->residency;
	objects->url = pstrdup(url);
	return objects;
}

/* Open the directory for copies of the objects at this URL and endpoint. */
static BbObjectStore *
open_cache_directory(const BbReqCtx *ctx, const char *url,
					 const BbObjectStoreOptions *options)
{
	const char *endpoint = options->endpoint ? options->endpoint : "";
	char	   *identity = psprintf("%s %s", url, endpoint);
	uint64		hash = hash_bytes_extended((const unsigned char *) identity,
										   (int) strlen(identity), 0);

	bb_objstore_check_cache_directory(options->cache_directory);
	url = psprintf("file://%s/%016llx", options->cache_directory,
				   (unsigned long long) hash);
	return open_driver(ctx, url, options);
}

BbObjectStore *
bb_objstore_open(const BbReqCtx *ctx, const char *url,
				 const BbObjectStoreOptions *options)
{
	static const BbObjectStoreOptions none = {0};
	BbObjectStore *objects;

	if (options == NULL)
		options = &none;
	objects = open_driver(ctx, url, options);
	if (options->cache_directory != NULL &&
		bb_objstore_residency(objects) == BB_RESIDENT_NONE)
		bb_cache_attach(objects, open_cache_directory(ctx, url, options),
						options->cache_size_mb);
	if (options->encrypted)
		objects = bb_crypt_open(objects, options);
	return objects;
}
