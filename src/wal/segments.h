/*-------------------------------------------------------------------------
 *
 * segments.h
 *	  The segments in a directory of WAL: which exist, which to read, and what
 *	  they contain.
 *
 * The files are those of a pg_wal or an archive.  Servers of other tlis or other
 * systems may write there.  Segments may be missing, cut, broken, or created
 * for later use and never written to.  So the name of a file isn't enough: a page
 * header has to say that the page is WAL of that address.
 *
 * Which file a segment is read from: the newest tli on the path that has it
 * (XLogFileReadAnyTLI in PostgreSQL's xlogrecovery.c), of the files that are
 * as long as a segment.  Shorter and longer files, and partial ones (".partial",
 * which recovery never reads), are read only if there is no such file, and none
 * can be fetched.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WAL_SEGMENTS_H
#define BB_WAL_SEGMENTS_H

#include "access/xlog_internal.h"
#include "base/resource.h"
#include "wal/tlipath.h"

typedef struct BbWalSegments BbWalSegments;

/* So many segments are fetched ahead of the one that is read. */
#define BB_WAL_AHEAD 4

typedef struct BbWalSegment
{
	XLogSegNo	number;
	TimeLineID	tli;
	bool		partial;
	int			copy; /* of the file; see files.h */
} BbWalSegment;

/* An open segment; it belongs to the memory context that it was opened in. */
typedef struct BbWalFile
{
	BbWalContent *content; /* NULL: none */
	BbWalSegment segment;
} BbWalFile;

typedef enum BbWalPageKind
{
	BB_WAL_PAGE_WAL,	/* WAL of this address */
	BB_WAL_PAGE_UNUSED, /* zeros, or WAL of an older use of the file */
	BB_WAL_PAGE_OTHER,	/* anything else */
	BB_WAL_PAGE_NONE	/* the file ends before it */
} BbWalPageKind;

/*
 * bb_walsegments_new - list the files of a place.
 *
 * The place and the path must live as long as the result.
 *
 * Errors: INVALID_PARAMETER_VALUE (of another system);
 * errcode_for_file_access().
 */
extern BbWalSegments *bb_walsegments_new(const BbReqCtx *ctx,
										 const BbWalPlace *place,
										 const BbTliPath *path);
/*
 * bb_walsegments_need_any - check that there is any WAL segment, unless they are
 * fetched.
 *
 * Errors: UNDEFINED_FILE (there is none).
 */
extern void bb_walsegments_need_any(const BbReqCtx *ctx,
									const BbWalSegments *segments);

/* List the files again. */
extern void bb_walsegments_relist(const BbReqCtx *ctx,
								  BbWalSegments *segments);

/* Write the name of the segment's file to "name", of MAXFNAMELEN bytes. */
extern void bb_walsegments_name(const BbWalSegments *segments,
								const BbWalSegment *segment, char *name);

/*
 * bb_walsegments_open - open the best file of a segment that is of "tli" or a
 * newer tli on the path, after passing over the "skip" best ones.
 *
 * Returns false if there is none.
 *
 * Errors: INVALID_PARAMETER_VALUE (not a regular file);
 * errcode_for_file_access().
 */
extern bool bb_walsegments_open(const BbReqCtx *ctx, BbWalSegments *segments,
								XLogSegNo number, TimeLineID tli, int skip,
								BbWalFile *file);
extern void bb_walfile_close(BbWalFile *file);

/* Read up to "length" bytes; fewer where the file ends. */
extern uint32 bb_walfile_read(const BbWalFile *file, uint32 offset,
							  char *buffer, uint32 length);

/*
 * bb_walfile_check_first - check that a file's first page is of this system.
 *
 * A page that isn't WAL of this address is not an error here.
 *
 * Errors: INVALID_PARAMETER_VALUE (another system, or segment size).
 */
extern void bb_walfile_check_first(const BbWalSegments *segments,
								   const BbWalFile *file,
								   const XLogLongPageHeader header);

/* Returns what the page at an offset contains. */
extern BbWalPageKind bb_walfile_page(const BbWalSegments *segments,
									 const BbWalFile *file, uint32 offset);

/*
 * bb_walsegments_later - return the first segment after "number" that is on the
 * path and begins with WAL; NULL if there is none.
 *
 * Recovery ignores partial segments; they count only with "partial".
 */
extern const BbWalSegment *bb_walsegments_later(const BbReqCtx *ctx,
												BbWalSegments *segments,
												XLogSegNo number,
												bool partial);

/*
 * bb_walsegments_beyond - segments with at least this number, of a tli, that
 * aren't on the path but begin with WAL of that tli: the first and the last of
 * them.
 *
 * tli 0 is any tli that is newer than those on the path.  False: none.
 */
extern bool bb_walsegments_beyond(const BbReqCtx *ctx, BbWalSegments *segments,
								  TimeLineID tli, XLogSegNo number,
								  BbWalSegment *first, BbWalSegment *last);

/*
 * bb_walsegments_similar - the name of a file that begins with the segment's
 * name, but isn't read; NULL: there is none.
 */
extern const char *bb_walsegments_similar(const BbReqCtx *ctx,
										  const BbWalSegments *segments,
										  const BbWalSegment *segment);

/* Is the place the pg_wal of a server, which creates segments in advance? */
extern bool bb_walsegments_is_pg_wal(const BbWalSegments *segments);

/* Returns the end of the last segment that may be read. */
extern XLogRecPtr bb_walsegments_limit(const BbWalSegments *segments);

#endif /* BB_WAL_SEGMENTS_H */
