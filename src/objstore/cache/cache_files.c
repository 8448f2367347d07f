/*-------------------------------------------------------------------------
 *
 * cache_files.c
 *	  The files of a cache directory: their names, and a listing of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "objstore/cache/cache_internal.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

/* Digits of the object's id in the name of its file. */
#define ID_DIGITS 16

char *
bb_cache_file(const BbWholeObject *object)
{
	char	   *file = psprintf("%s.%016llx", object->name,
								(unsigned long long) object->id);

	for (char *p = file; *p; p++)
	{
		if (*p == '/')
			*p = '_';
	}
	return file;
}

char *
bb_cache_path(const BbCache *cache, const char *file)
{
	return psprintf("%s/%s", cache->directory, file);
}

char *
bb_cache_part_path(const BbCache *cache, const char *file, uint64 size)
{
	return psprintf("%s/.%s." UINT64_FORMAT ".part", cache->directory, file,
					size);
}

bool
bb_cache_is_there(const BbCache *cache, const char *file, uint64 size)
{
	struct stat st;

	return lstat(bb_cache_path(cache, file), &st) == 0 &&
		S_ISREG(st.st_mode) && st.st_size == (off_t) size;
}

/* Parse "FILE.ID", as bb_cache_file makes it.  Returns false if it isn't. */
static bool
parse_file(const char *entry, BbCacheFile *file)
{
	const char *dot = strrchr(entry, '.');

	if (dot == NULL || strlen(dot + 1) != ID_DIGITS ||
		strspn(dot + 1, "0123456789abcdef") != ID_DIGITS)
		return false;
	file->file = pstrdup(entry);
	file->id = strtou64(dot + 1, NULL, 16);
	return true;
}

/* Parse ".FILE.SIZE.part".  Returns false if it isn't. */
static bool
parse_part(const char *entry, BbCacheFile *file)
{
	size_t		length = strlen(entry);
	const char *dot;

	if (length < 8 || strcmp(entry + length - 5, ".part") != 0)
		return false;
	for (dot = entry + length - 6; dot > entry && *dot != '.'; dot--)
		;
	if (dot == entry ||
		!parse_file(pnstrdup(entry + 1, dot - entry - 1), file))
		return false;
	file->size = Max(file->size, strtou64(dot + 1, NULL, 10));
	file->part = true;
	return true;
}

static int
compare_ages(const ListCell *a, const ListCell *b)
{
	const BbCacheFile *left = lfirst(a);
	const BbCacheFile *right = lfirst(b);

	/* abandoned downloads are evicted first */
	if (left->part != right->part)
		return left->part ? -1 : 1;
	return left->used < right->used ? -1 : left->used > right->used;
}

List *
bb_cache_list(const BbCache *cache, uint64 *total)
{
	List	   *files = NIL;
	DIR		   *dir = AllocateDir(cache->directory);
	struct dirent *entry;

	*total = 0;
	while ((entry = ReadDir(dir, cache->directory)) != NULL)
	{
		BbCacheFile *file = palloc0(sizeof(BbCacheFile));
		struct stat st;

		file->path = bb_cache_path(cache, entry->d_name);
		if (lstat(file->path, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		file->size = st.st_size;
		file->used = time_t_to_timestamptz(st.st_mtim.tv_sec) +
			st.st_mtim.tv_nsec / 1000;
		if (entry->d_name[0] != '.' ? !parse_file(entry->d_name, file)
									: !parse_part(entry->d_name, file))
			continue;
		*total += file->size;
		files = lappend(files, file);
	}
	FreeDir(dir);
	list_sort(files, compare_ages);
	return files;
}
