/*-------------------------------------------------------------------------
 *
 * archive.c
 *	  Archives of WAL as they lie around, as files of WAL.
 *
 * The number of a copy says where it is: in which part, and with which suffix.
 * A name is looked up when it is opened, so nothing is kept of a listing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive.h"
#include "archive/names.h"
#include "archive/packedfile.h"
#include "common/cryptohash.h"
#include "common/sha1.h"
#include "lib/stringinfo.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "wal/tlihistory.h"

/* Bytes that are decompressed between two looks at interrupts. */
#define READ_BYTES (1024 * 1024)

/* A directory that has WAL. */
typedef struct Part
{
	const char *path;
	bool		grouped; /* has directories of segments */
	bool		hashed;	 /* has names with a hash */
} Part;

typedef struct ArchiveFiles
{
	BbWalFiles	base;
	MemoryContext context;
	List	   *directories;  /* absolute paths, as strings */
	List	   *parts;		  /* Part *; NIL: not looked for */
	BbFetcher  *fetcher;	  /* or NULL */
	uint32		segment_size; /* 0: not known */
	XLogSegNo	first;		  /* segment that is wanted */
} ArchiveFiles;

/* ---- parts ---- */

static void
check_directory(const char *directory)
{
	struct stat st;

	if (!is_absolute_path(directory))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL directory \"%s\" is not an absolute path",
						directory)));
	if (stat(directory, &st) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat directory \"%s\": %m", directory)));
	if (!S_ISDIR(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a directory", directory)));
}

static void
find_parts(const BbReqCtx *ctx, ArchiveFiles *archive)
{
	MemoryContext old;
	ListCell   *cell;
	ListCell   *path;

	if (archive->parts != NIL)
		return;
	old = MemoryContextSwitchTo(archive->context);
	foreach(cell, archive->directories)
	{
		check_directory(lfirst(cell));
		foreach(path, bb_archive_parts(ctx, lfirst(cell)))
		{
			Part	   *part = palloc0(sizeof(Part));

			part->path = lfirst(path);
			archive->parts = lappend(archive->parts, part);
		}
	}
	MemoryContextSwitchTo(old);
}

/* ---- listing ---- */

/* The number of a copy in a part, with a suffix. */
static int
copy_number(int part, const char *suffix)
{
	int			number = 0;

	if (*suffix != '\0')
		for (number = 1; number < BB_DECOMPRESS_SUFFIXES; number++)
		{
			const char *other = bb_decompress_numbered_suffix(number);

			if (other != NULL && strcmp(suffix, other) == 0)
				break;
		}
	return part * BB_DECOMPRESS_SUFFIXES + number;
}

typedef struct Listing
{
	const BbReqCtx *ctx;
	ArchiveFiles *archive;
	int			number; /* of the part */
	Part	   *part;
	BbWalFileSeen seen;
	void	   *arg;
	bool		any;				  /* a group was listed */
	char		skipped[MAXFNAMELEN]; /* the last group that wasn't; or "" */
} Listing;

static void list_directory(Listing *listing, const char *path, bool is_group);

/* Is all of a group long before the segment that is wanted? */
static bool
is_past(const ArchiveFiles *archive, const char *group)
{
	uint64		log = strtoul(group + 8, NULL, 16);

	return archive->segment_size != 0 &&
		log + 1 <
		archive->first / XLogSegmentsPerXLogId(archive->segment_size);
}

static void
list_group(Listing *listing, const char *group)
{
	if (is_past(listing->archive, group))
	{
		if (strcmp(group, listing->skipped) > 0)
			strlcpy(listing->skipped, group, sizeof(listing->skipped));
		return;
	}
	listing->any = true;
	list_directory(listing, psprintf("%s/%s", listing->part->path, group),
				   true);
}

static void
list_directory(Listing *listing, const char *path, bool is_group)
{
	DIR		   *dir = AllocateDir(path);
	struct dirent *entry;
	BbArchiveName name;

	if (is_group && dir == NULL && errno == ENOENT)
		return; /* it has been removed since */
	while ((entry = ReadDir(dir, path)) != NULL)
	{
		bb_reqctx_check(listing->ctx);
		if (!is_group && bb_archive_is_group(entry->d_name))
		{
			listing->part->grouped = true;
			list_group(listing, entry->d_name);
		}
		else if (bb_archive_parse(entry->d_name, &name))
		{
			listing->part->hashed |= name.hash != NULL;
			listing->seen(listing->arg, name.own,
						  copy_number(listing->number, name.suffix));
		}
	}
	FreeDir(dir);
}

static void
list(const BbReqCtx *ctx, BbWalFiles *files, BbWalFileSeen seen, void *arg)
{
	ArchiveFiles *archive = (ArchiveFiles *) files;
	Listing		listing = {ctx, archive, .seen = seen, .arg = arg};
	ListCell   *cell;

	find_parts(ctx, archive);
	if (archive->fetcher != NULL)
		bb_fetcher_forget(archive->fetcher);
	foreach(cell, archive->parts)
	{
		listing.part = lfirst(cell);
		listing.any = false;
		listing.skipped[0] = '\0';
		list_directory(&listing, listing.part->path, false);
		/* one is enough to see whose WAL it is */
		if (!listing.any && listing.skipped[0] != '\0')
			list_directory(&listing,
						   psprintf("%s/%s", listing.part->path,
									listing.skipped),
						   true);
		listing.number++;
	}
}

/* ---- paths ---- */

/* Find the file with a hash in its name; NULL: there is none. */
static char *
find_hashed(const BbReqCtx *ctx, const char *directory, const char *name,
			const char *suffix)
{
	DIR		   *dir = AllocateDir(directory);
	struct dirent *entry;
	char	   *found = NULL;

	while (found == NULL &&
		   (entry = ReadDirExtended(dir, directory, DEBUG1)) != NULL)
	{
		BbArchiveName parsed;

		bb_reqctx_check(ctx);
		if (bb_archive_parse(entry->d_name, &parsed) && parsed.hash != NULL &&
			strcmp(parsed.own, name) == 0 &&
			strcmp(parsed.suffix, suffix) == 0)
			found = psprintf("%s/%s", directory, entry->d_name);
	}
	if (dir != NULL)
		FreeDir(dir);
	return found;
}

/* The path of a copy in a directory; NULL: it isn't there. */
static char *
path_in(const BbReqCtx *ctx, const Part *part, const char *directory,
		const char *name, const char *suffix)
{
	char	   *path = psprintf("%s/%s%s", directory, name, suffix);

	if (access(path, F_OK) == 0)
		return path;
	pfree(path);
	return part->hashed ? find_hashed(ctx, directory, name, suffix) : NULL;
}

/* The path of a copy that isn't fetched; NULL: it isn't there. */
static char *
path_of(const BbReqCtx *ctx, const ArchiveFiles *archive, const char *name,
		int copy)
{
	int			number = copy / BB_DECOMPRESS_SUFFIXES;
	const char *suffix = copy % BB_DECOMPRESS_SUFFIXES == 0
		? ""
		: bb_decompress_numbered_suffix(copy % BB_DECOMPRESS_SUFFIXES);
	const Part *part;
	char	   *path;

	if (number >= list_length(archive->parts) || suffix == NULL)
		return NULL;
	part = list_nth(archive->parts, number);
	path = path_in(ctx, part, part->path, name, suffix);
	if (path == NULL && part->grouped && !IsTLHistoryFileName(name))
		path = path_in(ctx, part, psprintf("%s/%.16s", part->path, name), name,
					   suffix);
	return path;
}

static int
find(const BbReqCtx *ctx, BbWalFiles *files, const char *name, int copy)
{
	ArchiveFiles *archive = (ArchiveFiles *) files;

	find_parts(ctx, archive);
	for (; copy < list_length(archive->parts) * BB_DECOMPRESS_SUFFIXES; copy++)
	{
		if (path_of(ctx, archive, name, copy) != NULL)
			return copy;
	}
	return archive->fetcher != NULL &&
			bb_fetcher_get(ctx, archive->fetcher, name) != NULL
		? BB_WAL_FETCHED
		: -1;
}

static void
ahead(const BbReqCtx *ctx, BbWalFiles *files, const char *name)
{
	bb_fetcher_ahead(ctx, ((ArchiveFiles *) files)->fetcher, name);
}

/* ---- contents ---- */

static bool
has_hash(const char *data, size_t length, const char *digits)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA1);
	uint8		result[SHA1_DIGEST_LENGTH];
	bool		equal = true;

	if (pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, (const uint8 *) data, length) < 0 ||
		pg_cryptohash_final(hash, result, sizeof(result)) < 0)
		elog(ERROR, "could not compute a SHA-1 hash");
	pg_cryptohash_free(hash);
	for (int i = 0; i < SHA1_DIGEST_LENGTH; i++)
	{
		char		byte[3];

		snprintf(byte, sizeof(byte), "%02x", result[i]);
		equal &= memcmp(byte, digits + 2 * i, 2) == 0;
	}
	return equal;
}

/* Read the first bytes of a file, at most "limit", into a content. */
static size_t
load_bytes(const BbReqCtx *ctx, BbPackedFile *file, BbWalContent *content,
		   size_t limit)
{
	char	   *memory = MemoryContextAllocHuge(content->context, limit);
	size_t		size = 0;
	size_t		n;

	while (size < limit &&
		   (n = bb_packedfile_read(ctx, file, memory + size,
								   Min(limit - size, READ_BYTES))) > 0)
		size += n;
	content->memory = memory;
	return size;
}

/* Fill a content with a file, all of it if need is 0. */
static void
load(const BbReqCtx *ctx, BbPackedFile *file, BbWalContent *content,
	 size_t limit, uint32 need, const char *hash)
{
	const char *complaint;
	uint64		size;
	char		more;

	if (need != 0)
		limit = Min(limit, need);
	size = load_bytes(ctx, file, content, limit);
	if (need == 0 && size == limit &&
		bb_packedfile_read(ctx, file, &more, 1) > 0)
		content->complaint = MemoryContextStrdup(
			content->context, psprintf("It has more than %zu bytes.", limit));
	complaint = bb_packedfile_complaint(file);
	if (complaint != NULL)
		content->complaint = MemoryContextStrdup(content->context, complaint);
	content->unsupported = bb_packedfile_is_unsupported(file);
	if (content->complaint == NULL && need == 0 && hash != NULL &&
		!has_hash(content->memory, size, hash))
		content->complaint =
			"Its content does not have the SHA-1 hash in its name.";
	content->size = content->complaint == NULL ? size : 0;
}

static BbWalContent *
open_path(const BbReqCtx *ctx, const ArchiveFiles *archive, const char *name,
		  const char *path, uint32 need)
{
	BbPackedFile *file = bb_packedfile_open(path);
	BbArchiveName parsed;
	BbWalContent *content;
	size_t		limit = archive->segment_size;

	if (file == NULL)
		return NULL;
	if (!bb_archive_parse(last_dir_separator(path) + 1, &parsed))
		parsed.hash = NULL;
	if (bb_packedfile_method(file) == NULL && parsed.hash == NULL)
	{
		bool		encrypted = bb_packedfile_complaint(file) != NULL;

		content = bb_walcontent_open(path);
		if (content != NULL && content->complaint == NULL && encrypted)
		{
			content->complaint = "It is encrypted.";
			content->size = 0;
		}
	}
	else
	{
		if (IsTLHistoryFileName(name))
			limit = BB_TLIHISTORY_MAX;
		else if (limit == 0)
			limit = WalSegMaxSize;
		content = bb_walcontent_new(path);
		load(ctx, file, content, limit, need, parsed.hash);
	}
	bb_packedfile_close(file);
	return content;
}

static BbWalContent *
open_file(const BbReqCtx *ctx, BbWalFiles *files, const char *name, int copy,
		  uint32 need)
{
	ArchiveFiles *archive = (ArchiveFiles *) files;
	const char *path;

	find_parts(ctx, archive);
	path = copy == BB_WAL_FETCHED ? bb_fetcher_get(ctx, archive->fetcher, name)
								  : path_of(ctx, archive, name, copy);
	return path != NULL ? open_path(ctx, archive, name, path, need) : NULL;
}

/* ---- other questions ---- */

static bool
is_similar(const char *file, const char *name)
{
	BbArchiveName parsed;
	const char *rest = file + XLOG_FNAME_LEN;

	return strspn(file, "0123456789ABCDEF") == XLOG_FNAME_LEN &&
		(name == NULL || strncmp(file, name, XLOG_FNAME_LEN) == 0) &&
		strstr(rest, ".backup") == NULL && !bb_archive_parse(file, &parsed);
}

/* Find a similar name in a directory or its groups. */
static const char *
similar_in(const BbReqCtx *ctx, const char *path, bool is_group,
		   const char *name)
{
	DIR		   *dir = AllocateDir(path);
	struct dirent *entry;
	const char *found = NULL;

	while (found == NULL &&
		   (entry = ReadDirExtended(dir, path, DEBUG1)) != NULL)
	{
		bb_reqctx_check(ctx);
		if (is_similar(entry->d_name, name))
			found = pstrdup(entry->d_name);
		else if (!is_group && bb_archive_is_group(entry->d_name) &&
				 (name == NULL || strncmp(entry->d_name, name, 16) == 0))
			found = similar_in(ctx, psprintf("%s/%s", path, entry->d_name),
							   true, name);
	}
	if (dir != NULL)
		FreeDir(dir);
	return found;
}

static const char *
similar(const BbReqCtx *ctx, BbWalFiles *files, const char *name)
{
	const char *found = NULL;
	ListCell   *cell;

	foreach(cell, ((const ArchiveFiles *) files)->parts)
	{
		if (found == NULL)
			found = similar_in(ctx, ((const Part *) lfirst(cell))->path, false,
							   name);
	}
	return found;
}

static bool
is_pg_wal(const BbWalFiles *files)
{
	ListCell   *cell;

	foreach(cell, ((const ArchiveFiles *) files)->parts)
	{
		if (access(psprintf("%s/archive_status",
							((const Part *) lfirst(cell))->path),
				   F_OK) == 0)
			return true;
	}
	return false;
}

/* ---- the beginning ---- */

/* What is known of a part whose system is looked for. */
typedef struct Probe
{
	int			number;
	char		name[MAXFNAMELEN];
	int			copy; /* -1: none */
} Probe;

/* Called with each file: keep the newest segment of the part. */
static void
note_newest(void *arg, const char *name, int copy)
{
	Probe	   *probe = arg;

	if (copy / BB_DECOMPRESS_SUFFIXES != probe->number ||
		!IsXLogFileName(name) ||
		(probe->copy >= 0 && strcmp(name, probe->name) < 0))
		return;
	strlcpy(probe->name, name, MAXFNAMELEN);
	probe->copy = copy;
}

/* Is the newest segment of a part that of another system? */
static bool
is_foreign(const BbReqCtx *ctx, ArchiveFiles *archive, int number,
		   uint64 system_identifier)
{
	Probe		probe = {.number = number, .copy = -1};
	XLogLongPageHeaderData header;
	BbWalContent *content;
	bool		foreign;

	list(ctx, &archive->base, note_newest, &probe);
	if (probe.copy < 0)
		return false;
	content = open_file(ctx, &archive->base, probe.name, probe.copy,
						sizeof(header));
	if (content == NULL)
		return false;
	foreign = bb_walcontent_read(content, 0, &header, sizeof(header)) ==
			sizeof(header) &&
		(header.std.xlp_info & XLP_LONG_HEADER) != 0 &&
		header.xlp_sysid != system_identifier;
	bb_walcontent_close(content);
	return foreign;
}

/*
 * Of several parts, keep those of the system.  If there are none, keep all, so
 * that the caller says what is wrong.
 */
static void
choose_parts(const BbReqCtx *ctx, ArchiveFiles *archive,
			 uint64 system_identifier)
{
	List	   *kept = NIL;
	MemoryContext old;

	if (list_length(archive->parts) <= list_length(archive->directories))
		return;
	for (int i = 0; i < list_length(archive->parts); i++)
	{
		bool		foreign = is_foreign(ctx, archive, i, system_identifier);

		old = MemoryContextSwitchTo(archive->context);
		if (!foreign)
			kept = lappend(kept, list_nth(archive->parts, i));
		MemoryContextSwitchTo(old);
	}
	if (kept != NIL)
		archive->parts = kept;
}

static void
begin(const BbReqCtx *ctx, BbWalFiles *files, const BbWalStart *start)
{
	ArchiveFiles *archive = (ArchiveFiles *) files;

	archive->segment_size = start->stream.segment_size;
	archive->first = start->lsn / archive->segment_size;
	archive->parts = NIL;
	find_parts(ctx, archive);
	choose_parts(ctx, archive, start->stream.system_identifier);
	if (archive->fetcher != NULL)
	{
		char		name[MAXFNAMELEN];

		XLogFileName(name, start->stream.tli, archive->first,
					 archive->segment_size);
		bb_fetcher_begin(archive->fetcher, name);
	}
}

static const BbWalFilesOps ops = {
	.list = list,
	.open = open_file,
	.find = find,
	.begin = begin,
	.similar = similar,
	.is_pg_wal = is_pg_wal,
	.ahead = ahead,
};

/* The paths in a list of them. */
static List *
split_paths(const char *directories)
{
	List	   *paths = NIL;
	struct stat st;
	const char *rest = directories;

	if (stat(directories, &st) == 0)
		return list_make1(pstrdup(directories));
	for (;;)
	{
		size_t		length = strcspn(rest, ":");

		paths = lappend(paths, pnstrdup(rest, length));
		if (rest[length] == '\0')
			break;
		rest += length + 1;
	}
	return paths;
}

static const char *
name_of(const ArchiveFiles *archive)
{
	StringInfoData name;
	ListCell   *cell;

	if (archive->directories == NIL)
		return "the archive of restore_command";
	initStringInfo(&name);
	appendStringInfoString(&name,
						   list_length(archive->directories) > 1
							   ? "directories "
							   : "directory ");
	foreach(cell, archive->directories)
		appendStringInfo(&name, "%s\"%s\"",
						 cell == list_head(archive->directories) ? "" : ", ",
						 (const char *) lfirst(cell));
	if (archive->fetcher != NULL)
		appendStringInfoString(&name, " and the archive of restore_command");
	return name.data;
}

BbWalFiles *
bb_archive_files(const char *directories, BbFetcher *fetcher)
{
	ArchiveFiles *archive = palloc0(sizeof(ArchiveFiles));
	ListCell   *cell;

	Assert(directories != NULL || fetcher != NULL);
	archive->base.ops = &ops;
	archive->base.fetches = fetcher != NULL;
	archive->context = CurrentMemoryContext;
	archive->fetcher = fetcher;
	if (directories != NULL)
		archive->directories = split_paths(directories);
	foreach(cell, archive->directories)
		canonicalize_path(lfirst(cell));
	archive->base.name = name_of(archive);
	return &archive->base;
}
