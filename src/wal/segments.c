/*-------------------------------------------------------------------------
 *
 * segments.c
 *	  The segments in a directory of WAL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"
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
	return 0;
}

static inline bool
is_segment_name(const char *name, bool *partial)
{
	*partial = IsPartialXLogFileName(name);
	return *partial || IsXLogFileName(name);
}

/* Is this the suffix of a compressed segment's name? */
static bool
is_compressed(const char *rest)
{
	static const char *const suffixes[] = {".gz", ".lz4", ".zst", ".bz2",
										   ".xz"};

	for (int i = 0; i < lengthof(suffixes); i++)
		if (strstr(rest, suffixes[i]) != NULL)
			return true;
	return false;
}

/* Find a compressed segment whose name begins with "wanted"; NULL: any. */
static char *
find_compressed(const BbReqCtx *ctx, const BbWalSegments *segments,
				const char *wanted)
{
	const char *directory = segments->place->directory;
	DIR		   *dir = AllocateDir(directory);
	struct dirent *entry;
	char	   *found = NULL;

	while (found == NULL && (entry = ReadDir(dir, directory)) != NULL)
	{
		const char *name = entry->d_name;

		bb_reqctx_check(ctx);
		if (strspn(name, "0123456789ABCDEF") == XLOG_FNAME_LEN &&
			(wanted == NULL || strncmp(name, wanted, XLOG_FNAME_LEN) == 0) &&
			is_compressed(name + XLOG_FNAME_LEN))
			found = pstrdup(name);
	}
	FreeDir(dir);
	return found;
}

void
bb_walsegments_need_any(const BbReqCtx *ctx, const BbWalSegments *segments)
{
	const char *directory = segments->place->directory;
	const char *compressed;

	if (segments->on_path.count > 0 || segments->strays.count > 0 ||
		segments->aside.number != 0)
		return;
	compressed = find_compressed(ctx, segments, NULL);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("directory \"%s\" has no WAL", directory),
			 compressed != NULL
			 ? errdetail("There is a file \"%s\", which is not read.",
						 compressed)
			 : 0,
			 errhint("Give a directory of WAL segments under their own "
					 "names, not compressed: an archive, or the pg_wal "
					 "of a server.")));
}

void
bb_walsegments_relist(const BbReqCtx *ctx, BbWalSegments *segments)
{
	const char *directory = segments->place->directory;
	XLogSegNo	first = segments->place->start.lsn / segment_size(segments);
	DIR		   *dir = AllocateDir(directory);
	struct dirent *entry;

	reset_array(segments, &segments->on_path);
	reset_array(segments, &segments->strays);
	while ((entry = ReadDir(dir, directory)) != NULL)
	{
		BbWalSegment segment;

		bb_reqctx_check(ctx);
		if (!is_segment_name(entry->d_name, &segment.partial))
			continue;
		XLogFromFileName(entry->d_name, &segment.tli, &segment.number,
						 segment_size(segments));
		if (segment.number < first)
			segments->aside = segment;
		else if (is_on_path(segments, &segment))
			add_segment(&segments->on_path, &segment);
		else
			add_segment(&segments->strays, &segment);
	}
	FreeDir(dir);

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

static char *
segment_path(const BbWalSegments *segments, const BbWalSegment *segment)
{
	char		name[MAXFNAMELEN];

	bb_walsegments_name(segments, segment, name);
	return psprintf("%s/%s", segments->place->directory, name);
}

/* Open the file of a segment.  Return false if it doesn't exist. */
static bool
open_file(const BbWalSegments *segments, const BbWalSegment *segment,
		  BbWalFile *file)
{
	char	   *path = segment_path(segments, segment);
	struct stat st;

	/* without O_NONBLOCK, opening a FIFO would wait for a writer */
	file->segment = *segment;
	file->fd = bb_fd_open(path, O_RDONLY | O_NONBLOCK | PG_BINARY, 0);
	if (file->fd == NULL && errno == ENOENT)
		return false;
	if (file->fd == NULL || fstat(bb_fd_number(file->fd), &st) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a regular file", path)));
	file->size = st.st_size;
	pfree(path);
	return true;
}

void
bb_walfile_close(BbWalFile *file)
{
	if (file->fd != NULL)
		bb_fd_close(file->fd);
	file->fd = NULL;
}

uint32
bb_walfile_read(const BbWalSegments *segments, const BbWalFile *file,
				uint32 offset, char *buffer, uint32 length)
{
	ssize_t		n = bb_fd_read_at(file->fd, buffer, length, offset);

	if (n < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m",
						segment_path(segments, &file->segment))));
	return (uint32) n;
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
open_nth(const BbWalSegments *segments, XLogSegNo number, TimeLineID tli,
		 bool whole, int *skip, BbWalFile *file)
{
	const SegmentArray *array = &segments->on_path;

	for (int i = first_segment(array, number);
		 i < array->count && array->items[i].number == number; i++)
	{
		const BbWalSegment *segment = &array->items[i];
		bool		is_whole;

		if (segment->tli < tli || (whole && segment->partial) ||
			!open_file(segments, segment, file))
			continue;
		is_whole = !segment->partial && file->size == segment_size(segments);
		if (is_whole == whole && (*skip)-- == 0)
			return true;
		bb_walfile_close(file);
	}
	return false;
}

bool
bb_walsegments_open(const BbWalSegments *segments, XLogSegNo number,
					TimeLineID tli, int skip, BbWalFile *file)
{
	return open_nth(segments, number, tli, true, &skip, file) ||
		open_nth(segments, number, tli, false, &skip, file);
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
						segment_path(segments, &file->segment)),
				 errdetail("Its system identifier is " UINT64_FORMAT "; that of the timeline is " UINT64_FORMAT ".",
						   header->xlp_sysid, stream->system_identifier)));
	if (header->xlp_seg_size != stream->segment_size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL segment \"%s\" has another segment size",
						segment_path(segments, &file->segment)),
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

	if (bb_walfile_read(segments, file, offset, (char *) header, wanted) <
		wanted)
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
begins_with_wal(const BbWalSegments *segments, const BbWalSegment *segment,
				TimeLineID *tli)
{
	XLogLongPageHeaderData header;
	BbWalFile	file;
	bool		good;

	if (!open_file(segments, segment, &file))
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

	for (int i = first_segment(array, number + 1); i < array->count; i++)
	{
		bb_reqctx_check(ctx);
		if ((partial || !array->items[i].partial) &&
			begins_with_wal(segments, &array->items[i], &tli))
			return &array->items[i];
	}
	return NULL;
}

/* Is the stray of the wanted tli; 0: of one newer than the path? */
static bool
is_wanted(const BbWalSegments *segments, const BbWalSegment *segment,
		  TimeLineID wanted)
{
	const BbTliRange *newest = linitial(segments->path->tlis);
	TimeLineID	tli;

	if (wanted != 0 ? segment->tli != wanted : segment->tli <= newest->tli)
		return false;
	/* a segment may begin under the tli before */
	return begins_with_wal(segments, segment, &tli) &&
		(wanted == 0 || tli == wanted);
}

bool
bb_walsegments_beyond(const BbReqCtx *ctx, const BbWalSegments *segments,
					  TimeLineID tli, XLogSegNo number, BbWalSegment *first,
					  BbWalSegment *last)
{
	const SegmentArray *array = &segments->strays;
	int			begin = first_segment(array, number);
	int			i;

	for (i = begin; i < array->count; i++)
	{
		bb_reqctx_check(ctx);
		if (is_wanted(segments, &array->items[i], tli))
			break;
	}
	if (i == array->count)
		return false;
	*first = array->items[i];
	for (i = array->count - 1; i >= begin; i--)
	{
		bb_reqctx_check(ctx);
		if (is_wanted(segments, &array->items[i], tli))
			break;
	}
	*last = array->items[i];
	return true;
}

char *
bb_walsegments_compressed(const BbReqCtx *ctx, const BbWalSegments *segments,
						  const BbWalSegment *segment)
{
	char		wanted[MAXFNAMELEN];

	XLogFileName(wanted, segment->tli, segment->number,
				 segment_size(segments));
	return find_compressed(ctx, segments, wanted);
}

bool
bb_walsegments_is_pg_wal(const BbWalSegments *segments)
{
	char		path[MAXPGPATH];
	struct stat st;

	snprintf(path, sizeof(path), "%s/archive_status",
			 segments->place->directory);
	return stat(path, &st) == 0;
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
check_aside(const BbWalSegments *segments)
{
	XLogLongPageHeaderData header;
	const BbWalSegment *aside = &segments->aside;
	BbWalFile	file;

	if (segments->strays.count > 0)
		aside = &segments->strays.items[0];
	if (segments->on_path.count > 0 || aside->number == 0 ||
		!open_file(segments, aside, &file))
		return;
	if (bb_walfile_read(segments, &file, 0, (char *) &header,
						sizeof(header)) == sizeof(header))
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
	check_aside(segments);
	return segments;
}
