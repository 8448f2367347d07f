/*-------------------------------------------------------------------------
 *
 * local.c
 *	  The object store driver for a local directory: its operations, opening a
 *	  store.
 *
 * An object is a file of the same name below the directory.  It is written to
 * a file whose name begins with a dot, fsynced and renamed, and its directory
 * is fsynced.  So a file without the dot is whole, and a file with it that no
 * session is writing is a leftover:
 *
 *	  timelines/main/layers/.image-….tmp  ->  timelines/main/layers/image-…
 *
 * A lock is an flock(2) on a ".lock" file, which the kernel releases when the
 * process dies.  put_if compares and renames under such a lock, so that of two
 * servers that share the directory only one succeeds.
 *
 * Other users may be able to write to the directory.  So files that are
 * created, removed or locked are looked up beneath it, and no symbolic link in
 * it is followed (base/beneath.h).
 *
 * Files and directories have the modes of the server's own data directory
 * (pg_file_create_mode, pg_dir_create_mode).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "objstore/local/local.h"

#define SCHEME_PREFIX "file://"

static void
local_check_url(const char *url)
{
	const char *path = url + strlen(SCHEME_PREFIX);
	char		canonical[MAXPGPATH];

	if (!is_absolute_path(path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid page store URL \"%s\"", url),
				 errdetail("The path in a file URL must be absolute."),
				 errhint("Write it with three slashes: "
						 "\"file:///directory\".")));
	/* room for the names of layers */
	if (strlen(path) >= MAXPGPATH - 256)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("page store path is too long: \"%s\"", path)));

	strlcpy(canonical, path, sizeof(canonical));
	canonicalize_path(canonical);
	if (strcmp(canonical, "/") == 0 || strstr(path, "/../") != NULL ||
		(strlen(path) >= 3 && strcmp(path + strlen(path) - 3, "/..") == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid page store URL \"%s\"", url),
				 errdetail("The path must name a directory other than \"/\", "
						   "without \"..\".")));
}

static BbObjectStore *
local_open(const BbReqCtx *ctx, const char *url,
		   const BbObjectStoreOptions *options)
{
	BbLocalStore *objects = palloc0(sizeof(BbLocalStore));

	objects->directory = pstrdup(url + strlen(SCHEME_PREFIX));
	canonicalize_path(objects->directory);
	return &objects->base;
}

static const char *
local_directory(const BbObjectStore *objects)
{
	return ((const BbLocalStore *) objects)->directory;
}

const BbObjectStoreOps bb_objstore_local = {
	.scheme = "file",
	.residency = &bb_residency_all,
	.check_url = local_check_url,
	.open = local_open,
	.local_directory = local_directory,
	.get = bb_local_get,
	.put_if = bb_local_put_if,
	.list = bb_local_list,
	.list_parts = bb_local_list_parts,
	.remove = bb_local_remove,
	.sweep = bb_local_sweep,
	.lock = bb_local_lock,
	.create = bb_local_create,
	.write = bb_local_write,
	.finish = bb_local_finish,
	.open_object = bb_local_open_object,
	.read = bb_local_read,
	.close = bb_local_close,
};
