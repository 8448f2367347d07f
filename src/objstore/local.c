/*-------------------------------------------------------------------------
 *
 * local.c
 *	  The object store driver for a local directory.
 *
 * An object is a file of the same name below the directory.  It is written
 * under a name with a dot ahead, synced, renamed, and its directory synced;
 * so a file without the dot is whole, and one with it that nobody is writing
 * is a leftover:
 *
 *	  timelines/main/layers/.image-….tmp  ->  timelines/main/layers/image-…
 *
 * A lock is an flock(2) on ".lock" files, which die with the process that
 * holds them.	put_if compares and renames under such a lock, so that two
 * servers that share the directory can't both succeed.
 *
 * Files and directories have the modes of the server's own data directory
 * (pg_file_create_mode, pg_dir_create_mode).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "common/file_perm.h"
#include "objstore/local.h"
#include "storage/fd.h"

#define SCHEME_PREFIX "file://"

char *
bb_local_path(const BbObjectStore *store, const char *name)
{
	return psprintf("%s/%s", ((const BbLocalStore *) store)->directory, name);
}

char *
bb_local_companion(const char *path, const char *suffix)
{
	const char *slash = strrchr(path, '/');

	return psprintf("%.*s/.%s.%s", (int) (slash - path), path, slash + 1,
					suffix);
}

void
bb_local_parent(const char *path, char *parent)
{
	strlcpy(parent, path, MAXPGPATH);
	get_parent_directory(parent);
}

void
bb_local_make_parents(const char *path)
{
	char		directory[MAXPGPATH];
	char		above[MAXPGPATH];
	struct stat st;

	bb_local_parent(path, directory);
	if (stat(directory, &st) == 0)
		return;

	bb_local_make_parents(directory);
	if (MakePGDirectory(directory) < 0 && errno != EEXIST)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create page store directory \"%s\": %m",
						directory),
				 errhint("The server's operating system user needs to be "
						 "able to write where the page store is.")));
	bb_local_parent(directory, above);
	fsync_fname(above, true);
}

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
				 errdetail("The path must be that of a directory of its own, "
						   "without \"..\".")));
}

static BbObjectStore *
local_open(const BbReqCtx *ctx, const char *url,
		   const BbObjectStoreOptions *options)
{
	BbLocalStore *store = palloc0(sizeof(BbLocalStore));

	store->directory = pstrdup(url + strlen(SCHEME_PREFIX));
	canonicalize_path(store->directory);
	return &store->base;
}

static const char *
local_directory(const BbObjectStore *store)
{
	return ((const BbLocalStore *) store)->directory;
}

const BbObjectStoreOps bb_objstore_local = {
	.scheme = "file",
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
