/*-------------------------------------------------------------------------
 *
 * tarreader.h
 *	  A reader of the tar archives of a base backup that works while their bytes
 *	  arrive.
 *
 * It accepts what a server writes: files, directories and symbolic links of
 * POSIX ustar.  It refuses other types of members, broken headers and numbers,
 * paths that lead out of the archive, and bytes after the end.
 *
 * Calls to the events, for each archive:
 *
 *	  (begin_member data* end_member)*
 *
 * Errors of all functions: PROTOCOL_VIOLATION (no server sends this); those of
 * the events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STREAMING_TARREADER_H
#define BB_STREAMING_TARREADER_H

typedef enum BbTarKind
{
	BB_TAR_FILE,
	BB_TAR_DIRECTORY,
	BB_TAR_LINK
} BbTarKind;

typedef struct BbTarMember
{
	BbTarKind	kind;
	const char *path;	/* relative, without ".", ".." and final '/' */
	const char *target; /* of a link */
	uint64		size;	/* of a file; at most PG_INT64_MAX */
	mode_t		mode;	/* permission bits */
	uint32		uid;
	uint32		gid;
} BbTarMember;

typedef struct BbTarEvents
{
	void		(*begin_member) (void *arg, const BbTarMember *member);
	void		(*data) (void *arg, const char *data, size_t length);
	void		(*end_member) (void *arg);
} BbTarEvents;

typedef struct BbTarReader BbTarReader;

/* bb_tarreader_new - begin an archive, in CurrentMemoryContext. */
extern BbTarReader *bb_tarreader_new(const BbTarEvents *events, void *arg);
extern void bb_tarreader_feed(BbTarReader *reader, const char *data,
							  size_t length);
/* bb_tarreader_end - end the archive, and free the reader. */
extern void bb_tarreader_end(BbTarReader *reader);

#endif /* BB_STREAMING_TARREADER_H */
