/*-------------------------------------------------------------------------
 *
 * names.c
 *	  How archives name the files of WAL, and where they put them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>

#include "archive/decompress.h"
#include "archive/names.h"
#include "storage/fd.h"

#define HEX_DIGITS "0123456789ABCDEF"
#define GROUP_DIGITS 16
#define HISTORY_DIGITS 8
#define PARTIAL ".partial"
#define HISTORY ".history"

bool
bb_archive_parse(const char *name, BbArchiveName *parsed)
{
	size_t		digits = strspn(name, HEX_DIGITS);
	const char *rest = name + digits;
	size_t		length;

	parsed->is_history = digits == HISTORY_DIGITS &&
		strncmp(rest, HISTORY, strlen(HISTORY)) == 0;
	if (parsed->is_history)
		rest += strlen(HISTORY);
	else if (digits != XLOG_FNAME_LEN)
		return false;
	else if (strncmp(rest, PARTIAL, strlen(PARTIAL)) == 0)
		rest += strlen(PARTIAL);
	strlcpy(parsed->own, name, rest - name + 1);

	parsed->hash = NULL;
	if (*rest == '-' &&
		strspn(rest + 1, "0123456789abcdef") == BB_ARCHIVE_HASH_DIGITS)
	{
		parsed->hash = rest + 1;
		rest += 1 + BB_ARCHIVE_HASH_DIGITS;
	}
	parsed->suffix = rest;
	return *rest == '\0' ||
		(bb_decompress_suffix(name, &length) != NULL &&
		 strlen(rest) == length);
}

bool
bb_archive_is_group(const char *name)
{
	return strlen(name) == GROUP_DIGITS &&
		strspn(name, HEX_DIGITS) == GROUP_DIGITS;
}

/* ---- parts ---- */

/* The names in a directory, palloc'd; NIL if it can't be read. */
static List *
names_in(const BbReqCtx *ctx, const char *path, int elevel)
{
	List	   *names = NIL;
	DIR		   *dir = AllocateDir(path);
	struct dirent *entry;

	while ((entry = ReadDirExtended(dir, path, elevel)) != NULL)
	{
		bb_reqctx_check(ctx);
		if (entry->d_name[0] != '.')
			names = lappend(names, pstrdup(entry->d_name));
	}
	if (dir != NULL)
		FreeDir(dir);
	return names;
}

/* Does a directory with these names have WAL itself? */
static bool
has_wal(const List *names)
{
	BbArchiveName parsed;
	ListCell   *cell;

	foreach(cell, names)
	{
		if (bb_archive_is_group(lfirst(cell)) ||
			bb_archive_parse(lfirst(cell), &parsed))
			return true;
	}
	return false;
}

/* VERSION-ID of pgBackRest, such as 15-1 or 9.6-2. */
static bool
is_version(const char *name)
{
	size_t		version = strspn(name, "0123456789.");
	size_t		id = strspn(name + version + (name[version] == '-'),
							"0123456789");

	return version > 0 && name[version] == '-' && id > 0 &&
		name[version + 1 + id] == '\0';
}

static bool
has_name(const List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

static void add_parts(const BbReqCtx *ctx, const char *path, bool any,
					  int elevel, List **parts);

/* Add the parts below a path that may be that of a STANZA or SERVER. */
static void
add_named(const BbReqCtx *ctx, const char *path, List **parts)
{
	ListCell   *cell;

	foreach(cell, names_in(ctx, path, DEBUG1))
	{
		const char *name = lfirst(cell);

		if (is_version(name) || strcmp(name, "wals") == 0)
			add_parts(ctx, psprintf("%s/%s", path, name), false, DEBUG1,
					  parts);
	}
}

/* Add the parts at or below a path; "any": a STANZA or SERVER may follow. */
static void
add_parts(const BbReqCtx *ctx, const char *path, bool any, int elevel,
		  List **parts)
{
	List	   *names = names_in(ctx, path, elevel);
	ListCell   *cell;

	if (has_wal(names))
	{
		*parts = lappend(*parts, pstrdup(path));
		return;
	}
	foreach(cell, names)
	{
		const char *name = lfirst(cell);
		const char *below = psprintf("%s/%s", path, name);

		if (is_version(name) || strcmp(name, "wals") == 0 ||
			strcmp(name, "wal_005") == 0)
			add_parts(ctx, below, false, DEBUG1, parts);
		else if (any && strcmp(name, "archive") == 0 &&
				 has_name(names, "backup"))
			add_parts(ctx, below, true, DEBUG1, parts);
		else if (any)
			add_named(ctx, below, parts);
	}
}

static int
compare_paths(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

List *
bb_archive_parts(const BbReqCtx *ctx, const char *directory)
{
	List	   *parts = NIL;

	add_parts(ctx, directory, true, ERROR, &parts);
	if (parts == NIL)
		parts = list_make1(pstrdup(directory));
	list_sort(parts, compare_paths);
	return parts;
}
