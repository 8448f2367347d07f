/*-------------------------------------------------------------------------
 *
 * segments.c
 *	  The segments of a place of WAL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "wal/segments.h"

/* Segments in a growing array. */
typedef struct SegmentArray
{
	int			count;
	int			allocated;
	BbWalSegment *items;
} SegmentArray;

struct BbWalSegments
{
	MemoryContext context; /* of the arrays */
	const BbWalPlace *place;
	const BbTliPath *path;
	SegmentArray on_path; /* by number, then whole before partial */
	SegmentArray strays;  /* not before the place, but not on the path */
	BbWalSegment aside;	  /* any other one; number 0: none */
	XLogSegNo	first;	  /* where the place begins */
};

static inline uint32
segment_size(const BbWalSegments *segments)
{
	return segments->place->start.stream.segment_size;
}

/* ---- listing ---- */

static void
add_segment(SegmentArray *array, const BbWalSegment *segment)
{
	if (array->count == array->allocated)
	{
		array->allocated *= 2;
		array->items = repalloc_huge(array->items,
									 array->allocated * sizeof(BbWalSegment));
	}
	array->items[array->count++] = *segment;
}

static void
reset_array(BbWalSegments *segments, SegmentArray *array)
{
	if (array->items != NULL)
		pfree(array->items);
	array->count = 0;
	array->allocated = 64;
	array->items = MemoryContextAlloc(segments->context,
									  array->allocated * sizeof(BbWalSegment));
}

/* Can this segment of this tli be on the path? */
static bool
is_on_path(const BbWalSegments *segments, const BbWalSegment *segment)
{
	const BbTliRange *entry = bb_tlipath_find(segments->path, segment->tli);
	uint32		size = segment_size(segments);

	return entry != NULL && segment->number >= entry->begin / size &&
		(entry->end == PG_UINT64_MAX ||
		 segment->number <= (entry->end - 1) / size);
}

static int
compare_segments(const void *a, const void *b)
{
	const BbWalSegment *left = a;
	const BbWalSegment *right = b;

	if (left->number != right->number)
		return left->number < right->number ? -1 : 1;
	if (left->partial != right->partial)
		return left->partial ? 1 : -1;
	if (left->tli != right->tli)
		return left->tli > right->tli ? -1 : 1;
	if (left->copy != right->copy)
		return left->copy < right->copy ? -1 : 1;
	return 0;
}

static inline bool
is_segment_name(const char *name, bool *partial)
{
	*partial = IsPartialXLogFileName(name);
	return *partial || IsXLogFileName(name);
}

void
bb_walsegments_need_any(const BbReqCtx *ctx, const BbWalSegments *segments)
{
	BbWalFiles *files = segments->place->files;
	const char *similar;

	if (files->fetches || segments->on_path.count > 0 ||
		segments->strays.count > 0 || segments->aside.number != 0)
		return;
	similar = bb_walfiles_similar(ctx, files, NULL);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("%s has no WAL", files->name),
			 similar != NULL
			 ? errdetail("There is a file \"%s\", which is not read.",
						 similar)
			 : 0,
			 errhint("Give an archive of WAL segments, as archive_command, "
					 "pgBackRest, Barman or WAL-G write it, or the pg_wal of "
					 "a server.")));
}

/* Called with each file. */
static void
note_file(void *arg, const char *name, int copy)
{
	BbWalSegments *segments = arg;
	BbWalSegment segment = {.copy = copy};

	if (!is_segment_name(name, &segment.partial))
		return;
	XLogFromFileName(name, &segment.tli, &segment.number,
					 segment_size(segments));
	if (segment.number < segments->first)
		segments->aside = segment;
	else if (is_on_path(segments, &segment))
		add_segment(&segments->on_path, &segment);
	else
		add_segment(&segments->strays, &segment);
}

void
bb_walsegments_relist(const BbReqCtx *ctx, BbWalSegments *segments)
{
	segments->first = segments->place->start.lsn / segment_size(segments);
	reset_array(segments, &segments->on_path);
	reset_array(segments, &segments->strays);
	bb_walfiles_list(ctx, segments->place->files, note_file, segments);
	qsort(segments->on_path.items, segments->on_path.count,
		  sizeof(BbWalSegment), compare_segments);
	qsort(segments->strays.items, segments->strays.count, sizeof(BbWalSegment),
		  compare_segments);
}

/* ---- files ---- */

void
bb_walsegments_name(const BbWalSegments *segments, const BbWalSegment *segment,
					char *name)
{
	XLogFileName(name, segment->tli, segment->number, segment_size(segments));
	if (segment->partial)
		strlcat(name, ".partial", MAXFNAMELEN);
}

/* Open the file of a segment.  Return false if it doesn't exist. */
static bool
open_file(const BbReqCtx *ctx, const BbWalSegments *segments,
		  const BbWalSegment *segment, uint32 need, BbWalFile *file)
{
	char		name[MAXFNAMELEN];

	bb_walsegments_name(segments, segment, name);
	file->segment = *segment;
	file->content = bb_walfiles_open(ctx, segments->place->files, name,
									 segment->copy, need);
	if (file->content == NULL)
		return false;
	bb_walcontent_need_file(file->content);
	return true;
}

void
bb_walfile_close(BbWalFile *file)
{
	if (file->content != NULL)
		bb_walcontent_close(file->content);
	file->content = NULL;
}

uint32
bb_walfile_read(const BbWalFile *file, uint32 offset, char *buffer,
				uint32 length)
{
	return bb_walcontent_read(file->content, offset, buffer, length);
}

/* Return the index of the first segment with at least this number. */
static int
first_segment(const SegmentArray *array, XLogSegNo number)
{
	int			low = 0;
	int			high = array->count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (array->items[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* As bb_walsegments_open, but only of whole files, or only of the others. */
static bool
open_nth(const BbReqCtx *ctx, const BbWalSegments *segments, XLogSegNo number,
		 TimeLineID tli, bool whole, int *skip, BbWalFile *file)
{
	const SegmentArray *array = &segments->on_path;

	for (int i = first_segment(array, number);
		 i < array->count && array->items[i].number == number; i++)
	{
		const BbWalSegment *segment = &array->items[i];
		bool		is_whole;

		if (segment->tli < tli || (whole && segment->partial) ||
			!open_file(ctx, segments, segment, 0, file))
			continue;
		is_whole = !segment->partial &&
			file->content->size == segment_size(segments);
		if (is_whole == whole && (*skip)-- == 0)
			return true;
		bb_walfile_close(file);
	}
	return false;
}

/* Is there an entry of a fetched copy of the segment? */
static bool
is_known(const BbWalSegments *segments, const BbWalSegment *wanted)
{
	const SegmentArray *array = &segments->on_path;

	for (int i = first_segment(array, wanted->number);
		 i < array->count && array->items[i].number == wanted->number; i++)
	{
		if (array->items[i].tli == wanted->tli &&
			array->items[i].copy == wanted->copy)
			return true;
	}
	return false;
}

/*
 * Fetch a segment of tli or of a newer tli on the path, the newest that there
 * is, and add it to those that are known.  Returns false if there is none, or if
 * it was known.
 */
static bool
fetch(const BbReqCtx *ctx, BbWalSegments *segments, XLogSegNo number,
	  TimeLineID tli)
{
	BbWalFiles *files = segments->place->files;
	char		name[MAXFNAMELEN];
	ListCell   *cell;

	if (!files->fetches)
		return false;
	foreach(cell, segments->path->tlis)
	{
		const BbTliRange *range = lfirst(cell);
		BbWalSegment segment = {.number = number,
								.tli = range->tli,
								.copy = BB_WAL_FETCHED};

		if (segment.tli < tli || !is_on_path(segments, &segment))
			continue;
		if (is_known(segments, &segment))
			return false;
		bb_walsegments_name(segments, &segment, name);
		if (bb_walfiles_find(ctx, files, name, BB_WAL_FETCHED) < 0)
			continue;
		add_segment(&segments->on_path, &segment);
		qsort(segments->on_path.items, segments->on_path.count,
			  sizeof(BbWalSegment), compare_segments);
		return true;
	}
	return false;
}

/* Begin to fetch the segments that will be needed after this one. */
static void
fetch_ahead(const BbReqCtx *ctx, const BbWalSegments *segments,
			XLogSegNo number)
{
	const SegmentArray *array = &segments->on_path;
	char		name[MAXFNAMELEN];

	if (!segments->place->files->fetches)
		return;
	for (XLogSegNo next = number + 1; next <= number + BB_WAL_AHEAD; next++)
	{
		BbWalSegment segment = {.number = next};
		int			known = first_segment(array, next);

		if (known < array->count && array->items[known].number == next)
			continue;
		segment.tli = bb_tlipath_at(segments->path,
									next * segment_size(segments))
						  ->tli;
		bb_walsegments_name(segments, &segment, name);
		bb_walfiles_ahead(ctx, segments->place->files, name);
	}
}

bool
bb_walsegments_open(const BbReqCtx *ctx, BbWalSegments *segments,
					XLogSegNo number, TimeLineID tli, int skip,
					BbWalFile *file)
{
	fetch_ahead(ctx, segments, number);
	return open_nth(ctx, segments, number, tli, true, &skip, file) ||
		(fetch(ctx, segments, number, tli) &&
		 open_nth(ctx, segments, number, tli, true, &skip, file)) ||
		open_nth(ctx, segments, number, tli, false, &skip, file);
}

/* ---- contents ---- */

void
bb_walfile_check_first(const BbWalSegments *segments, const BbWalFile *file,
					   const XLogLongPageHeader header)
{
	const BbWalStream *stream = &segments->place->start.stream;

	if (header->std.xlp_magic != XLOG_PAGE_MAGIC ||
		(header->std.xlp_info & XLP_LONG_HEADER) == 0 ||
		header->std.xlp_pageaddr !=
			file->segment.number * stream->segment_size)
		return;

	if (header->xlp_sysid != stream->system_identifier)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL segment \"%s\" is of another database system",
						file->content->path),
				 errdetail("Its system identifier is " UINT64_FORMAT "; that of the timeline is " UINT64_FORMAT ".",
						   header->xlp_sysid, stream->system_identifier)));
	if (header->xlp_seg_size != stream->segment_size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL segment \"%s\" has another segment size",
						file->content->path),
				 errdetail("Its segment size is %u bytes; that of the timeline is %u.",
						   header->xlp_seg_size, stream->segment_size)));
}

/* (XLogReaderValidatePageHeader in PostgreSQL's xlogreader.c) */
static BbWalPageKind
page_kind(const BbWalSegments *segments, const BbWalFile *file, uint32 offset,
		  XLogLongPageHeaderData *header)
{
	const BbWalStream *stream = &segments->place->start.stream;
	XLogLongPageHeaderData zeros = {0};
	XLogRecPtr	address = file->segment.number * stream->segment_size + offset;
	uint32		wanted = offset == 0 ? SizeOfXLogLongPHD : SizeOfXLogShortPHD;

	if (bb_walfile_read(file, offset, (char *) header, wanted) < wanted)
		return BB_WAL_PAGE_NONE;
	if (memcmp(header, &zeros, wanted) == 0)
		return BB_WAL_PAGE_UNUSED;
	if (header->std.xlp_magic != XLOG_PAGE_MAGIC ||
		(header->std.xlp_info & ~XLP_ALL_FLAGS) != 0 ||
		header->std.xlp_pageaddr % XLOG_BLCKSZ != 0 ||
		header->std.xlp_pageaddr > address)
		return BB_WAL_PAGE_OTHER;
	if (offset == 0 &&
		((header->std.xlp_info & XLP_LONG_HEADER) == 0 ||
		 header->xlp_sysid != stream->system_identifier ||
		 header->xlp_seg_size != stream->segment_size))
		return BB_WAL_PAGE_OTHER;
	return header->std.xlp_pageaddr == address ? BB_WAL_PAGE_WAL
											   : BB_WAL_PAGE_UNUSED;
}

BbWalPageKind
bb_walfile_page(const BbWalSegments *segments, const BbWalFile *file,
				uint32 offset)
{
	XLogLongPageHeaderData header;

	return page_kind(segments, file, offset, &header);
}

/* Does a segment begin with WAL, and of which tli? */
static bool
begins_with_wal(const BbReqCtx *ctx, const BbWalSegments *segments,
				const BbWalSegment *segment, TimeLineID *tli)
{
	XLogLongPageHeaderData header;
	BbWalFile	file;
	bool		good;

	if (!open_file(ctx, segments, segment, sizeof(header), &file))
		return false;
	good = page_kind(segments, &file, 0, &header) == BB_WAL_PAGE_WAL;
	bb_walfile_close(&file);
	*tli = header.std.xlp_tli;
	return good;
}

const BbWalSegment *
bb_walsegments_later(const BbReqCtx *ctx, BbWalSegments *segments,
					 XLogSegNo number, bool partial)
{
	const SegmentArray *array = &segments->on_path;
	TimeLineID	tli;

	/* those that can be fetched can't be listed: look at the next one */
	(void) fetch(ctx, segments, number + 1, 0);
	for (int i = first_segment(array, number + 1); i < array->count; i++)
	{
		bb_reqctx_check(ctx);
		if ((partial || !array->items[i].partial) &&
			begins_with_wal(ctx, segments, &array->items[i], &tli))
			return &array->items[i];
	}
	return NULL;
}

/* Is the stray of the wanted tli; 0: of one newer than the path? */
static bool
is_wanted(const BbReqCtx *ctx, const BbWalSegments *segments,
		  const BbWalSegment *segment, TimeLineID wanted)
{
	const BbTliRange *newest = linitial(segments->path->tlis);
	TimeLineID	tli;

	if (wanted != 0 ? segment->tli != wanted : segment->tli <= newest->tli)
		return false;
	/* a segment may begin under the tli before */
	return begins_with_wal(ctx, segments, segment, &tli) &&
		(wanted == 0 || tli == wanted);
}

bool
bb_walsegments_beyond(const BbReqCtx *ctx, BbWalSegments *segments,
					  TimeLineID tli, XLogSegNo number, BbWalSegment *first,
					  BbWalSegment *last)
{
	const SegmentArray *array = &segments->strays;
	int			begin = first_segment(array, number);
	int			i;

	for (i = begin; i < array->count; i++)
	{
		bb_reqctx_check(ctx);
		if (is_wanted(ctx, segments, &array->items[i], tli))
			break;
	}
	if (i == array->count)
		return false;
	*first = array->items[i];
	for (i = array->count - 1; i >= begin; i--)
	{
		bb_reqctx_check(ctx);
		if (is_wanted(ctx, segments, &array->items[i], tli))
			break;
	}
	*last = array->items[i];
	return true;
}

const char *
bb_walsegments_similar(const BbReqCtx *ctx, const BbWalSegments *segments,
					   const BbWalSegment *segment)
{
	char		wanted[MAXFNAMELEN];

	XLogFileName(wanted, segment->tli, segment->number,
				 segment_size(segments));
	return bb_walfiles_similar(ctx, segments->place->files, wanted);
}

bool
bb_walsegments_is_pg_wal(const BbWalSegments *segments)
{
	return bb_walfiles_is_pg_wal(segments->place->files);
}

XLogRecPtr
bb_walsegments_limit(const BbWalSegments *segments)
{
	const SegmentArray *array = &segments->on_path;

	if (array->count == 0)
		return segments->place->start.lsn;
	return (array->items[array->count - 1].number + 1) *
		segment_size(segments);
}

/* ---- opening ---- */

/* A directory that has nothing to read may be that of another system. */
static void
check_aside(const BbReqCtx *ctx, const BbWalSegments *segments)
{
	XLogLongPageHeaderData header;
	const BbWalSegment *aside = &segments->aside;
	BbWalFile	file;

	if (segments->strays.count > 0)
		aside = &segments->strays.items[0];
	if (segments->on_path.count > 0 || aside->number == 0 ||
		!open_file(ctx, segments, aside, sizeof(header), &file))
		return;
	if (bb_walfile_read(&file, 0, (char *) &header, sizeof(header)) ==
		sizeof(header))
		bb_walfile_check_first(segments, &file, &header);
	bb_walfile_close(&file);
}

BbWalSegments *
bb_walsegments_new(const BbReqCtx *ctx, const BbWalPlace *place,
				   const BbTliPath *path)
{
	BbWalSegments *segments = palloc0(sizeof(BbWalSegments));

	segments->context = CurrentMemoryContext;
	segments->place = place;
	segments->path = path;
	bb_walsegments_relist(ctx, segments);
	check_aside(ctx, segments);
	return segments;
}
