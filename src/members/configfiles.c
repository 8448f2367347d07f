/*-------------------------------------------------------------------------
 *
 * configfiles.c
 *	  Captured files, the directories they need, and generated ones.
 *
 * The list of them is in memory, their content isn't, but for what was
 * written here: there are few, as everything that grows with a cluster has a
 * kind of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "members/configfiles.h"
#include "members/dirtree.h"
#include "nodes/pg_list.h"
#include "pagestore/captured.h"
#include "utils/memutils.h"

/* The files that are generated when they weren't captured. */
static const char *const required_names[] = {
	"postgresql.conf",
	"pg_hba.conf",
	"pg_ident.conf",
};

/* Import captures them from a clone, but a thin backup makes them itself. */
static const char *const reserved_names[] = {"neon.signal", "zenith.signal"};

#define GENERATED_COMMENT                                                     \
	"# Made by bbackup: the data directory that this is a backup of had no\n" \
	"# such file; its server kept its configuration elsewhere.\n"

typedef struct ConfigEntry
{
	char	   *path;
	bool		directory;
	bool		generated;
	uint32		ordinal; /* of a captured one */
	mode_t		mode;
	uint64		size;
	const char *text; /* NULL: as it was captured */
} ConfigEntry;

struct BbConfigFiles
{
	MemoryContext context; /* of all that is here */
	BbPageStore *store;
	XLogRecPtr	lsn;
	mode_t		directory_mode;

	int			count;
	int			allocated;
	ConfigEntry *entries; /* in the order of their paths */

	/* iteration */
	int			next;
	List	   *directories; /* char *: made on the way to entries */
};

static bool
is_reserved(const char *path)
{
	for (int i = 0; i < lengthof(reserved_names); i++)
		if (strcmp(path, reserved_names[i]) == 0)
			return true;
	return false;
}

/* By path; the one that was captured last comes first. */
static int
compare_entries(const void *a, const void *b)
{
	const ConfigEntry *left = a;
	const ConfigEntry *right = b;
	int			result = strcmp(left->path, right->path);

	if (result != 0)
		return result;
	return left->ordinal > right->ordinal ? -1
		: left->ordinal < right->ordinal  ? 1
										  : 0;
}

static ConfigEntry *
append(BbConfigFiles *files)
{
	if (files->count == files->allocated)
	{
		files->allocated *= 2;
		files->entries = repalloc(files->entries,
								  files->allocated * sizeof(ConfigEntry));
	}
	memset(&files->entries[files->count], 0, sizeof(ConfigEntry));
	return &files->entries[files->count++];
}

/* The number of the first entry whose path is not before this one. */
static int
position(const BbConfigFiles *files, const char *path)
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

static ConfigEntry *
find(const BbConfigFiles *files, const char *path)
{
	int			at = position(files, path);

	return at < files->count && strcmp(files->entries[at].path, path) == 0
		? &files->entries[at]
		: NULL;
}

static void
read_entries(const BbReqCtx *ctx, BbConfigFiles *files)
{
	BbCatalogScan *scan;
	BbCapturedFile file;
	BbCapturedDirectory directory;
	ConfigEntry *entry;

	scan = bb_catalog_scan_new(ctx, files->store, BB_KEY_FILE_ENTRY,
							   files->lsn);
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

	scan = bb_catalog_scan_new(ctx, files->store, BB_KEY_FILE_DIRECTORY,
							   files->lsn);
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

/* Sort them, and have each path once. */
static void
settle_entries(BbConfigFiles *files)
{
	int			kept = 0;

	qsort(files->entries, files->count, sizeof(ConfigEntry), compare_entries);
	for (int i = 0; i < files->count; i++)
	{
		if (kept > 0 &&
			strcmp(files->entries[kept - 1].path, files->entries[i].path) == 0)
			continue;
		files->entries[kept++] = files->entries[i];
	}
	files->count = kept;
}

BbConfigFiles *
bb_configfiles_new(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn)
{
	BbConfigFiles *files = palloc0(sizeof(BbConfigFiles));

	files->context = CurrentMemoryContext;
	files->store = store;
	files->lsn = lsn;
	files->directory_mode = bb_pagestore_info(store)->directory_mode;
	files->allocated = 16;
	files->entries = palloc(files->allocated * sizeof(ConfigEntry));
	read_entries(ctx, files);
	settle_entries(files);
	return files;
}

static char *
read_captured(const BbReqCtx *ctx, BbConfigFiles *files,
			  const ConfigEntry *entry)
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
		value = bb_pagestore_need(ctx, files->store, &key, files->lsn, length);
		memcpy(text + at, value.data, length);
	}
	return text;
}

char *
bb_configfiles_read(const BbReqCtx *ctx, BbConfigFiles *files,
					const char *path, size_t *length)
{
	const ConfigEntry *entry = find(files, path);
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
bb_configfiles_write(BbConfigFiles *files, const char *path, char *text,
					 size_t length)
{
	ConfigEntry *entry = find(files, path);

	if (entry == NULL)
	{
		int			at = position(files, path);

		(void) append(files);
		entry = &files->entries[at];
		memmove(entry + 1, entry,
				(files->count - 1 - at) * sizeof(ConfigEntry));
		*entry = (ConfigEntry){
			.path = MemoryContextStrdup(files->context, path),
			.generated = true,
			.mode = files->directory_mode & 0666,
		};
	}
	entry->text = text;
	entry->size = length;
}

void
bb_configfiles_leave_out(BbConfigFiles *files, const char *path)
{
	ConfigEntry *entry = find(files, path);

	if (entry == NULL)
		return;
	files->count--;
	memmove(entry, entry + 1,
			(files->entries + files->count - entry) * sizeof(ConfigEntry));
}

bool
bb_configfiles_has(const BbConfigFiles *files, const char *path,
				   bool directory)
{
	const ConfigEntry *entry = find(files, path);
	char	   *prefix;
	int			at;
	bool		has;

	if (entry != NULL || !directory)
		return entry != NULL && entry->directory == directory;
	/* one that is there for the sake of its files */
	prefix = psprintf("%s/", path);
	at = position(files, prefix);
	has = at < files->count &&
		strncmp(files->entries[at].path, prefix, strlen(prefix)) == 0;
	pfree(prefix);
	return has;
}

List *
bb_configfiles_list(const BbConfigFiles *files, const char *directory)
{
	char	   *prefix = psprintf("%s/", directory);
	size_t		length = strlen(prefix);
	List	   *paths = NIL;

	for (int i = position(files, prefix); i < files->count; i++)
	{
		const ConfigEntry *entry = &files->entries[i];

		if (strncmp(entry->path, prefix, length) != 0)
			break;
		if (!entry->directory && strchr(entry->path + length, '/') == NULL)
			paths = lappend(paths, pstrdup(entry->path));
	}
	pfree(prefix);
	return paths;
}

/*
 * What the server needs to start here and to keep what it finds: a place for
 * each prepared transaction, and the commit timestamps, which it would throw
 * away if it didn't know that it is to track them.
 */
static char *
generate_postgresql_conf(const ControlFileData *control)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, GENERATED_COMMENT);
	if (control->max_prepared_xacts > 0)
		appendStringInfo(&buf, "max_prepared_transactions = %d\n",
						 control->max_prepared_xacts);
	if (control->track_commit_timestamp)
		appendStringInfoString(&buf, "track_commit_timestamp = on\n");
	return buf.data;
}

void
bb_configfiles_generate(BbConfigFiles *files, const ControlFileData *control)
{
	char	   *texts[lengthof(required_names)] = {
		generate_postgresql_conf(control),
		pstrdup(GENERATED_COMMENT "local all all peer\n"),
		pstrdup(GENERATED_COMMENT),
	};

	for (int i = 0; i < lengthof(required_names); i++)
		if (find(files, required_names[i]) == NULL)
			bb_configfiles_write(files, required_names[i], texts[i],
								 strlen(texts[i]));
}

/*
 * The first directory on the way to path that the backup doesn't have yet,
 * in *directory; false when there is none.
 */
static bool
missing_directory(const BbConfigFiles *files, const char *path,
				  char *directory, size_t size)
{
	for (const char *slash = strchr(path, '/'); slash != NULL;
		 slash = strchr(slash + 1, '/'))
	{
		bool		known;
		ListCell   *cell;

		strlcpy(directory, path, Min(size, slash - path + 1));
		known = bb_dirtree_contains(directory) ||
			find(files, directory) != NULL;
		foreach(cell, files->directories)
			known = known || strcmp(lfirst(cell), directory) == 0;
		if (!known)
			return true;
	}
	return false;
}

bool
bb_configfiles_next(const BbReqCtx *ctx, BbConfigFiles *files,
					BbMember *member)
{
	const ConfigEntry *entry;
	char		directory[MAXPGPATH];

	if (files->next == files->count)
		return false;
	entry = &files->entries[files->next];
	if (missing_directory(files, entry->path, directory, sizeof(directory)))
	{
		bb_member_init(member, BB_MEMBER_DIRECTORY, files->directory_mode,
					   "%s", directory);
		files->directories = lappend(files->directories, pstrdup(directory));
		return true;
	}

	files->next++;
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
	member->source.file.ordinal = entry->ordinal;
	return true;
}
