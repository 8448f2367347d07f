/*-------------------------------------------------------------------------
 *
 * tar_import.c
 *	  Import of a base backup in the tar format, as pg_basebackup -Ft writes it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/xlog_internal.h"
#include "archive/packedfile.h"
#include "base/errorcontext.h"
#include "files/tempfile.h"
#include "import/directlayers.h"
#include "import/importwal.h"
#include "import/receiving.h"
#include "import/tar_import.h"
#include "import/tarhead.h"
#include "stats/progress.h"
#include "storage/fd.h"

#define READ_BYTES (256 * 1024)

typedef struct TarSource
{
	BbImportSource base;
	const char *path;
	const char *wal_directory; /* NULL: the backup's WAL */
	BbFetcher  *fetcher;
	BbTempFile *temp;
	char	   *buffer; /* of READ_BYTES */
	uint64		done;	/* bytes of files that are read */
} TarSource;

/* ---- which archives are there? ---- */

/* The name of an archive in a directory, palloc'd; NULL: there is none. */
static char *
find_archive(const char *path, const char *archive)
{
	DIR		   *dir = AllocateDir(path);
	struct dirent *entry;
	char	   *found = NULL;

	while ((entry = ReadDirExtended(dir, path, DEBUG1)) != NULL)
	{
		if (bb_archive_named(entry->d_name, archive) && found != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("directory \"%s\" has both \"%s\" and \"%s\"",
							path, found, entry->d_name),
					 errhint("Remove one of them.")));
		if (bb_archive_named(entry->d_name, archive))
			found = pstrdup(entry->d_name);
	}
	if (dir != NULL)
		FreeDir(dir);
	return found;
}

const char *
bb_tarbackup_find(const char *path)
{
	struct stat st;
	char	   *directory = pstrdup(path);
	const char *name;

	canonicalize_path(directory);
	if (!is_absolute_path(directory) || stat(directory, &st) < 0)
		return NULL;
	if (S_ISREG(st.st_mode))
	{
		name = last_dir_separator(directory) + 1;
		if (!bb_archive_named(name, BB_BASE_ARCHIVE))
			return NULL;
		get_parent_directory(directory);
		return directory;
	}
	if (!S_ISDIR(st.st_mode) ||
		stat(psprintf("%s/PG_VERSION", directory), &st) == 0)
		return NULL;
	return find_archive(directory, BB_BASE_ARCHIVE) != NULL ? directory : NULL;
}

/* ---- reading an archive ---- */

static void
archive_context(void *arg)
{
	errcontext("reading archive \"%s\"", (const char *) arg);
}

pg_noreturn static void
raise_unreadable(const char *path, const BbPackedFile *file)
{
	ereport(ERROR,
			(errcode(bb_packedfile_is_unsupported(file)
						 ? ERRCODE_FEATURE_NOT_SUPPORTED
						 : ERRCODE_DATA_CORRUPTED),
			 errmsg("could not read archive \"%s\"", path),
			 errdetail("%s", bb_packedfile_complaint(file))));
}

/* Feed all members of an archive to events. */
static void
read_archive(const BbReqCtx *ctx, TarSource *source, const char *name,
			 const BbTarEvents *events, void *arg)
{
	const char *path = psprintf("%s/%s", source->path, name);
	BbTarReader *reader = bb_tarreader_new(events, arg);
	BbPackedFile *file = bb_packedfile_open(path);
	ErrorContextCallback callback;
	size_t		n;

	if (file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	bb_error_context_push(&callback, archive_context, (void *) path);
	while ((n = bb_packedfile_read(ctx, file, source->buffer, READ_BYTES)) > 0)
	{
		bb_reqctx_check(ctx);
		bb_tarreader_feed(reader, source->buffer, n);
		bb_progress_import_done(source->done + bb_packedfile_bytes_read(file),
								0);
	}
	if (bb_packedfile_complaint(file) != NULL)
		raise_unreadable(path, file);
	bb_tarreader_end(reader);
	bb_error_context_pop(&callback);
	source->done += bb_packedfile_bytes_read(file);
	bb_packedfile_close(file);
}

/* ---- tablespaces ---- */

/* Add a link that the map stands for, and read the tablespace's archive. */
static void
read_tablespace(const BbReqCtx *ctx, TarSource *source, BbReceiving *receiving,
				Oid spc, const char *target)
{
	char	   *name = find_archive(source->path, psprintf("%u.tar", spc));

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("archive \"%u.tar\" of a tablespace is missing from directory \"%s\"",
						spc, source->path)));
	bb_tarhead_add_link(receiving->tree, spc, target);
	receiving->prefix = psprintf("pg_tblspc/%u/", spc);
	read_archive(ctx, source, name, &bb_receiving_events, receiving);
}

static void
read_tablespaces(const BbReqCtx *ctx, TarSource *source,
				 BbReceiving *receiving, const BbTarHead *head)
{
	StringInfoData target;
	const char *map = NULL;
	Oid			spc;

	initStringInfo(&target);
	while (bb_tarhead_next_tablespace(head, &map, &spc, &target))
		read_tablespace(ctx, source, receiving, spc, target.data);
	bb_tarhead_map_done(receiving->tree);
}

/* ---- the backup ---- */

static uint64
bytes_of(const TarSource *source, const char *name)
{
	struct stat st;

	return name != NULL &&
			stat(psprintf("%s/%s", source->path, name), &st) == 0
		? (uint64) st.st_size
		: 0;
}

static void
prepare(const BbReqCtx *ctx, BbImportSource *base, BbImport *import)
{
	TarSource  *source = (TarSource *) base;
	BbReceiving receiving = {.ctx = ctx, .import = import, .prefix = ""};
	BbTarHead	head;
	char	   *base_name = find_archive(source->path, BB_BASE_ARCHIVE);
	char	   *wal_name = find_archive(source->path, BB_WAL_ARCHIVE);

	if (base_name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("archive \"%s\" is missing from directory \"%s\"",
						BB_BASE_ARCHIVE, source->path)));
	import->path = source->path;
	import->fuzzy = true;
	source->buffer = palloc(READ_BYTES);
	bb_progress_import_total(2 * bytes_of(source, base_name) +
								 bytes_of(source, wal_name),
							 0);
	bb_progress_import_phase(BB_IMPORT_RECEIVING);
	bb_tarhead_init(&head);
	read_archive(ctx, source, base_name, &bb_tarhead_events, &head);
	bb_tarhead_use_label(import, &head);
	import->checksums = bb_tarhead_has_checksums(import, &head);

	source->temp = bb_tempfile_new();
	receiving.tree = bb_receivedtree_new(source->path, source->temp);
	import->direct = bb_directlayers_new(import, source->temp);
	read_archive(ctx, source, base_name, &bb_receiving_events, &receiving);
	read_tablespaces(ctx, source, &receiving, &head);
	if (wal_name != NULL)
	{
		receiving.prefix = XLOGDIR "/";
		read_archive(ctx, source, wal_name, &bb_receiving_events, &receiving);
	}

	bb_importwal_received(ctx, import, bb_receivedtree_finish(receiving.tree),
						  source->wal_directory, source->fetcher);
}

static void
release(BbImportSource *base)
{
	TarSource  *source = (TarSource *) base;

	if (source->temp != NULL)
		bb_tempfile_close(source->temp);
}

BbImportResult
bb_import_from_tars(const BbReqCtx *ctx, BbObjectStore *objects,
					const char *timeline, const char *path,
					const char *wal_directory, BbFetcher *fetcher,
					BbRebase *rebase)
{
	TarSource	source = {
		.base = {.prepare = prepare, .release = release},
		.path = path,
		.wal_directory = wal_directory,
		.fetcher = fetcher,
	};

	bb_timeline_name_check(timeline);
	return bb_import_run(ctx, objects, timeline, &source.base, rebase);
}
