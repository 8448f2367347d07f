/*-------------------------------------------------------------------------
 *
 * smallfiles.c
 *	  The small files of a backup: captured and generated ones.
 *
 * The list of files is in memory; their content is not, except that of files
 * written here.  There are few of them, since everything that grows with a
 * cluster has a separate kind of member.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "members/smallfiles.h"
#include "nodes/pg_list.h"
#include "pagestore/captured.h"
#include "utils/memutils.h"

/* Import captures these from a clone, but a thin backup makes them itself. */
static const char *const reserved_names[] = {"neon.signal", "zenith.signal"};

typedef struct SmallFile
{
	char	   *path;
	bool		directory;
	bool		generated;
	uint32		ordinal; /* of a captured file */
	mode_t		mode;
	uint64		size;
	const char *text; /* NULL: as it was captured */
} SmallFile;

struct BbSmallFiles
{
	MemoryContext context; /* owns everything here */
	BbSnapshot	snapshot;
	mode_t		directory_mode;

	int			count;
	int			allocated;
	SmallFile  *entries; /* in the order of their paths */
};

static bool
is_reserved(const char *path)
{
	for (int i = 0; i < lengthof(reserved_names); i++)
		if (strcmp(path, reserved_names[i]) == 0)
			return true;
	return false;
}

/* By path; of two with the same path, the one captured last comes first. */
static int
compare_entries(const void *a, const void *b)
{
	const SmallFile *left = a;
	const SmallFile *right = b;
	int			result = strcmp(left->path, right->path);

	if (result != 0)
		return result;
	return left->ordinal > right->ordinal ? -1
		: left->ordinal < right->ordinal  ? 1
										  : 0;
}

static SmallFile *
append(BbSmallFiles *files)
{
	if (files->count == files->allocated)
	{
		files->allocated *= 2;
		files->entries = repalloc(files->entries,
								  files->allocated * sizeof(SmallFile));
	}
	memset(&files->entries[files->count], 0, sizeof(SmallFile));
	return &files->entries[files->count++];
}

/* The number of the first entry whose path is at or after this one. */
static int
position(const BbSmallFiles *files, const char *path)
{
	int			low = 0;
	int			high = files->count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (strcmp(files->entries[middle].path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static SmallFile *
find(const BbSmallFiles *files, const char *path)
{
	int			at = position(files, path);

	return at < files->count && strcmp(files->entries[at].path, path) == 0
		? &files->entries[at]
		: NULL;
}

static void
read_entries(const BbReqCtx *ctx, BbSmallFiles *files)
{
	BbCatalogScan *scan;
	BbCapturedFile file;
	BbCapturedDirectory directory;
	SmallFile  *entry;

	scan = bb_catalog_scan_new(ctx, &files->snapshot, BB_KEY_FILE_ENTRY);
	while (bb_catalog_next_file(ctx, scan, &file))
	{
		if (is_reserved(file.path))
			continue;
		entry = append(files);
		entry->path = file.path;
		entry->ordinal = file.ordinal;
		entry->mode = file.mode;
		entry->size = file.size;
	}
	bb_catalog_scan_close(scan);

	scan = bb_catalog_scan_new(ctx, &files->snapshot, BB_KEY_FILE_DIRECTORY);
	while (bb_catalog_next_directory(ctx, scan, &directory))
	{
		if (is_reserved(directory.path))
			continue;
		entry = append(files);
		entry->path = directory.path;
		entry->directory = true;
		entry->mode = files->directory_mode;
	}
	bb_catalog_scan_close(scan);
}

/* Sort the entries, and keep each path once. */
static void
settle_entries(BbSmallFiles *files)
{
	int			kept = 0;

	qsort(files->entries, files->count, sizeof(SmallFile), compare_entries);
	for (int i = 0; i < files->count; i++)
	{
		if (kept > 0 &&
			strcmp(files->entries[kept - 1].path, files->entries[i].path) == 0)
			continue;
		files->entries[kept++] = files->entries[i];
	}
	files->count = kept;
}

BbSmallFiles *
bb_smallfiles_new(const BbReqCtx *ctx, const BbSnapshot *snapshot)
{
	BbSmallFiles *files = palloc0(sizeof(BbSmallFiles));

	files->context = CurrentMemoryContext;
	files->snapshot = *snapshot;
	files->directory_mode = bb_pagestore_info(snapshot->store)->directory_mode;
	files->allocated = 16;
	files->entries = palloc(files->allocated * sizeof(SmallFile));
	read_entries(ctx, files);
	settle_entries(files);
	return files;
}

static char *
read_captured(const BbReqCtx *ctx, const BbSmallFiles *files,
			  const SmallFile *entry)
{
	char	   *text;

	text = palloc(entry->size + 1);
	text[entry->size] = '\0';
	for (uint64 at = 0; at < entry->size; at += BLCKSZ)
	{
		uint32		length = Min(BLCKSZ, entry->size - at);
		BbKey		key = bb_key_make(BB_KEY_FILE_BLOCK, 0, 0, entry->ordinal,
									  0, at / BLCKSZ);
		BbValue		value;

		bb_reqctx_check(ctx);
		value = bb_pagestore_need(ctx, &files->snapshot, &key, length);
		memcpy(text + at, value.data, length);
	}
	return text;
}

char *
bb_smallfiles_read(const BbReqCtx *ctx, const BbSmallFiles *files,
				   const char *path, size_t *length)
{
	const SmallFile *entry = find(files, path);
	char	   *text;

	*length = 0;
	if (entry == NULL || entry->directory)
		return NULL;
	*length = entry->size;
	if (entry->text == NULL)
		return read_captured(ctx, files, entry);
	text = palloc(entry->size + 1);
	memcpy(text, entry->text, entry->size);
	text[entry->size] = '\0';
	return text;
}

void
bb_smallfiles_write(BbSmallFiles *files, const char *path, char *text,
					size_t length)
{
	SmallFile  *entry = find(files, path);

	if (entry == NULL)
	{
		int			at = position(files, path);

		(void) append(files);
		entry = &files->entries[at];
		memmove(entry + 1, entry, (files->count - 1 - at) * sizeof(SmallFile));
		*entry = (SmallFile){
			.path = MemoryContextStrdup(files->context, path),
			.generated = true,
			.mode = files->directory_mode & 0666,
		};
	}
	entry->text = text;
	entry->size = length;
}

void
bb_smallfiles_remove(BbSmallFiles *files, const char *path)
{
	SmallFile  *entry = find(files, path);

	if (entry == NULL)
		return;
	files->count--;
	memmove(entry, entry + 1,
			(files->entries + files->count - entry) * sizeof(SmallFile));
}

bool
bb_smallfiles_has(const BbSmallFiles *files, const char *path, bool directory)
{
	const SmallFile *entry = find(files, path);
	char	   *prefix;
	int			at;
	bool		has;

	if (entry != NULL || !directory)
		return entry != NULL && entry->directory == directory;
	/* a directory that exists because files are in it */
	prefix = psprintf("%s/", path);
	at = position(files, prefix);
	has = at < files->count &&
		strncmp(files->entries[at].path, prefix, strlen(prefix)) == 0;
	pfree(prefix);
	return has;
}

List *
bb_smallfiles_list(const BbSmallFiles *files, const char *directory)
{
	char	   *prefix = psprintf("%s/", directory);
	size_t		length = strlen(prefix);
	List	   *paths = NIL;

	for (int i = position(files, prefix); i < files->count; i++)
	{
		const SmallFile *entry = &files->entries[i];

		if (strncmp(entry->path, prefix, length) != 0)
			break;
		if (!entry->directory && strchr(entry->path + length, '/') == NULL)
			paths = lappend(paths, pstrdup(entry->path));
	}
	pfree(prefix);
	return paths;
}

/*
 * The first directory on the way to path that the backup doesn't have yet,
 * in *directory; false if it has all of them.
 */
static bool
missing_directory(const BbSmallFilesWalk *walk, const char *path,
				  char *directory, size_t size)
{
	for (const char *slash = strchr(path, '/'); slash != NULL;
		 slash = strchr(slash + 1, '/'))
	{
		bool		known;
		ListCell   *cell;

		strlcpy(directory, path, Min(size, slash - path + 1));
		known = bb_dirtree_contains(walk->major, directory) ||
			find(walk->files, directory) != NULL;
		foreach(cell, walk->directories)
			known = known || strcmp(lfirst(cell), directory) == 0;
		if (!known)
			return true;
	}
	return false;
}

bool
bb_smallfiles_next(BbSmallFilesWalk *walk, BbMember *member)
{
	const BbSmallFiles *files = walk->files;
	const SmallFile *entry;
	char		directory[MAXPGPATH];

	if (walk->next == files->count)
		return false;
	entry = &files->entries[walk->next];
	if (missing_directory(walk, entry->path, directory, sizeof(directory)))
	{
		bb_member_init(member, BB_MEMBER_DIRECTORY, files->directory_mode,
					   "%s", directory);
		walk->directories = lappend(walk->directories, pstrdup(directory));
		return true;
	}

	walk->next++;
	if (entry->directory)
	{
		bb_member_init(member, BB_MEMBER_DIRECTORY, entry->mode, "%s",
					   entry->path);
		return true;
	}
	bb_member_init(member,
				   entry->generated ? BB_MEMBER_GENERATED
					   : bb_captured_is_history(entry->path)
					   ? BB_MEMBER_HISTORY
					   : BB_MEMBER_CONFIG,
				   entry->mode, "%s", entry->path);
	if (entry->text != NULL)
	{
		bb_member_set_bytes(member, entry->text, entry->size);
		return true;
	}
	member->content = BB_CONTENT_FILE;
	member->size = entry->size;
	member->source.ordinal = entry->ordinal;
	return true;
}
