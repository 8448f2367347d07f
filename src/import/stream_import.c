/*-------------------------------------------------------------------------
 *
 * stream_import.c
 *	  Import of a base backup that somebody sends, front to back, once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "archive/unpacker.h"
#include "base/errorcontext.h"
#include "import/importwal.h"
#include "import/receiving.h"
#include "import/stream_import.h"
#include "import/tarhead.h"
#include "stats/progress.h"

#define MANIFEST_FILE "backup_manifest"

/* What is in the outermost tar. */
typedef enum StreamForm
{
	FORM_UNKNOWN,
	FORM_FILES,	  /* a data directory */
	FORM_ARCHIVES /* archives */
} StreamForm;

/* A tar that is being read. */
typedef struct Archive
{
	BbUnpacker *unpacker;
	BbTarReader *reader;
} Archive;

typedef struct StreamSource
{
	BbImportSource base;
	BbImportStream *stream;
	const char *wal_directory;
	BbFetcher  *fetcher;
	BbTempFile *temp;
	BbReceiving receiving;
	BbTarHead	head;
	bool		has_label; /* in the head */
	bool		has_control;
	bool		began;
	bool		ended;

	StreamForm	form;
	Archive		outer;
	Archive		inner;		 /* of FORM_ARCHIVES */
	char	   *inner_name;	 /* NULL: none is being read */
	bool		in_manifest; /* the member is backup_manifest */
	bool		has_base;	 /* base.tar */
	List	   *tablespaces; /* OIDs of their archives that came */
} StreamSource;

static const BbTarEvents outer_events;
static const BbTarEvents main_events;

static void
stream_context(void *arg)
{
	const StreamSource *source = arg;

	if (source->inner_name != NULL)
		errcontext("reading archive \"%s\" of base backup \"%s\"",
				   source->inner_name, source->stream->name);
	else
		errcontext("reading base backup \"%s\"", source->stream->name);
}

/* ---- a tar ---- */

static void
feed_reader(void *arg, const char *data, size_t length)
{
	bb_tarreader_feed(arg, data, length);
}

static void
archive_begin(Archive *archive, const BbTarEvents *events, void *arg)
{
	archive->reader = bb_tarreader_new(events, arg);
	archive->unpacker = bb_unpacker_new(feed_reader, archive->reader);
}

static void
archive_end(const BbReqCtx *ctx, Archive *archive)
{
	bb_unpacker_end(ctx, archive->unpacker);
	bb_tarreader_end(archive->reader);
}

/* ---- the data directory ---- */

/* Begin a member of the main archive. */
static void
main_begin(void *arg, const BbTarMember *member)
{
	StreamSource *source = arg;
	BbHeadFile	at;

	bb_tarhead_events.begin_member(&source->head, member);
	at = source->head.at;
	if ((at == BB_HEAD_LABEL && source->has_label) ||
		(at == BB_HEAD_CONTROL && source->has_control))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("base backup \"%s\" has file \"%s\" twice",
						source->stream->name, member->path)));
	bb_receiving_events.begin_member(&source->receiving, member);
}

static void
main_data(void *arg, const char *data, size_t length)
{
	StreamSource *source = arg;

	bb_tarhead_events.data(&source->head, data, length);
	bb_receiving_events.data(&source->receiving, data, length);
}

/* Use what the member has told. */
static void
main_end(void *arg)
{
	StreamSource *source = arg;
	BbImport   *import = source->receiving.import;

	bb_receiving_events.end_member(&source->receiving);
	if (source->head.at == BB_HEAD_LABEL)
	{
		source->has_label = true;
		bb_tarhead_use_label(import, &source->head);
		import->direct = bb_directlayers_new(import, source->temp);
	}
	else if (source->head.at == BB_HEAD_CONTROL)
	{
		source->has_control = true;
		bb_import_checksums_known(import,
								  bb_tarhead_has_checksums(import,
														   &source->head));
	}
	source->head.at = BB_HEAD_COUNT;
}

static const BbTarEvents main_events = {
	.begin_member = main_begin,
	.data = main_data,
	.end_member = main_end,
};

/* ---- archives in a tar ---- */

/* The OID in the name of a tablespace's archive; Invalid: it is none. */
static Oid
tablespace_of(const char *name)
{
	char	   *end;
	unsigned long oid;

	if (name[0] < '1' || name[0] > '9')
		return InvalidOid;
	errno = 0;
	oid = strtoul(name, &end, 10);
	return errno == 0 && oid <= PG_UINT32_MAX && bb_archive_named(end, ".tar")
		? (Oid) oid
		: InvalidOid;
}

static bool
is_archive(const BbTarMember *member)
{
	return member->kind == BB_TAR_FILE &&
		(bb_archive_named(member->path, BB_BASE_ARCHIVE) ||
		 bb_archive_named(member->path, BB_WAL_ARCHIVE) ||
		 OidIsValid(tablespace_of(member->path)));
}

/* Begin the archive of a tablespace that the map has. */
static void
begin_tablespace(StreamSource *source, Oid wanted)
{
	StringInfoData target;
	const char *map = NULL;
	Oid			spc = InvalidOid;

	initStringInfo(&target);
	while (spc != wanted &&
		   bb_tarhead_next_tablespace(&source->head, &map, &spc, &target))
		;
	if (spc != wanted)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("base backup \"%s\" has no tablespace %u",
						source->stream->name, wanted),
				 errdetail("Its tablespace_map does not list it.")));
	bb_tarhead_add_link(source->receiving.tree, spc, target.data);
	source->tablespaces = lappend_oid(source->tablespaces, spc);
	source->receiving.prefix = psprintf("pg_tblspc/%u/", spc);
}

/* Begin a member of the tar of archives. */
static void
begin_archive(StreamSource *source, const BbTarMember *member)
{
	Oid			spc = tablespace_of(member->path);
	const BbTarEvents *events = &bb_receiving_events;
	void	   *arg = &source->receiving;

	source->in_manifest = source->has_base && member->kind == BB_TAR_FILE &&
		strcmp(member->path, MANIFEST_FILE) == 0;
	if (source->in_manifest)
	{
		source->receiving.prefix = "";
		bb_receiving_events.begin_member(&source->receiving, member);
	}
	if (!is_archive(member))
		return;
	source->inner_name = pstrdup(member->path);
	if (bb_archive_named(member->path, BB_BASE_ARCHIVE) == source->has_base)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 source->has_base
					 ? errmsg("base backup \"%s\" has " BB_BASE_ARCHIVE " twice",
							  source->stream->name)
					 : errmsg("base backup \"%s\" does not begin with " BB_BASE_ARCHIVE,
							  source->stream->name)));
	if (OidIsValid(spc))
		begin_tablespace(source, spc);
	else if (source->has_base)
		source->receiving.prefix = XLOGDIR "/";
	else
	{
		source->has_base = true;
		events = &main_events;
		arg = source;
	}
	archive_begin(&source->inner, events, arg);
}

static void
outer_begin(void *arg, const BbTarMember *member)
{
	StreamSource *source = arg;

	if (source->form == FORM_UNKNOWN)
		source->form = is_archive(member) ? FORM_ARCHIVES : FORM_FILES;
	if (source->form == FORM_FILES)
		main_begin(arg, member);
	else
		begin_archive(source, member);
}

static void
outer_data(void *arg, const char *data, size_t length)
{
	StreamSource *source = arg;

	if (source->form == FORM_FILES)
		main_data(arg, data, length);
	else if (source->in_manifest)
		bb_receiving_events.data(&source->receiving, data, length);
	else if (source->inner_name != NULL)
		bb_unpacker_feed(source->receiving.ctx, source->inner.unpacker, data,
						 length);
}

static void
outer_end(void *arg)
{
	StreamSource *source = arg;

	if (source->form == FORM_FILES)
		main_end(arg);
	else if (source->in_manifest)
		bb_receiving_events.end_member(&source->receiving);
	else if (source->inner_name != NULL)
	{
		archive_end(source->receiving.ctx, &source->inner);
		source->inner_name = NULL;
	}
}

static const BbTarEvents outer_events = {
	.begin_member = outer_begin,
	.data = outer_data,
	.end_member = outer_end,
};

/* ---- the stream ---- */

/* Read the whole stream. */
static void
receive(const BbReqCtx *ctx, StreamSource *source)
{
	BbImportStream *stream = source->stream;
	ErrorContextCallback callback;
	uint64		received = 0;
	const char *data;
	size_t		length;

	bb_error_context_push(&callback, stream_context, source);
	archive_begin(&source->outer, &outer_events, source);
	stream->begin(ctx, stream);
	source->began = true;
	while ((length = stream->next(ctx, stream, &data)) > 0)
	{
		bb_unpacker_feed(ctx, source->outer.unpacker, data, length);
		received += length;
		bb_progress_import_done(received, 0);
	}
	source->ended = true;
	if (received == 0)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("base backup \"%s\" is empty", stream->name)));
	archive_end(ctx, &source->outer);
	bb_error_context_pop(&callback);
}

/* Did an archive come for each line of the map? */
static void
check_tablespaces(StreamSource *source)
{
	StringInfoData target;
	const char *map = NULL;
	Oid			spc;

	initStringInfo(&target);
	while (bb_tarhead_next_tablespace(&source->head, &map, &spc, &target))
		if (!list_member_oid(source->tablespaces, spc))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FILE),
					 errmsg("archive \"%u.tar\" of a tablespace is missing from base backup \"%s\"",
							spc, source->stream->name),
					 errhint("Send the directory with all archives: bb_import DIRECTORY.")));
	if (source->head.files[BB_HEAD_MAP].len > 0)
		bb_tarhead_map_done(source->receiving.tree);
}

static void
prepare(const BbReqCtx *ctx, BbImportSource *base, BbImport *import)
{
	StreamSource *source = (StreamSource *) base;

	import->path = source->stream->name;
	import->fuzzy = true;
	import->checksums_unknown = true;
	bb_progress_import_phase(BB_IMPORT_RECEIVING);
	bb_tarhead_init(&source->head);
	source->temp = bb_tempfile_new();
	source->receiving = (BbReceiving){
		.ctx = ctx,
		.import = import,
		.tree = bb_receivedtree_new(import->path, source->temp),
		.prefix = "",
	};
	receive(ctx, source);
	if (!source->has_label)
		bb_tarhead_use_label(import, &source->head); /* raises an error */
	if (!source->has_control)
		(void) bb_tarhead_has_checksums(import, &source->head);
	check_tablespaces(source);

	bb_importwal_received(ctx, import,
						  bb_receivedtree_finish(source->receiving.tree),
						  source->wal_directory, source->fetcher);
}

static void
release(BbImportSource *base)
{
	StreamSource *source = (StreamSource *) base;

	if (source->temp != NULL)
		bb_tempfile_close(source->temp);
}

BbImportResult
bb_import_stream(const BbReqCtx *ctx, BbObjectStore *objects,
				 const char *timeline, BbImportStream *stream,
				 const char *wal_directory, BbFetcher *fetcher)
{
	MemoryContext caller = CurrentMemoryContext;
	BbImportResult result;
	StreamSource source = {
		.base = {.prepare = prepare, .release = release},
		.stream = stream,
		.wal_directory = wal_directory,
		.fetcher = fetcher,
	};

	bb_timeline_name_check(timeline);
	PG_TRY();
	{
		result = bb_import_run(ctx, objects, timeline, &source.base, NULL);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		/* nothing is left by now; a client that has gone ends the session */
		if (source.began && !source.ended)
			stream->refuse(stream);
		ReThrowError(error);
	}
	PG_END_TRY();
	return result;
}
