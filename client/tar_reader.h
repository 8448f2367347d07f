/*-------------------------------------------------------------------------
 *
 * tar_reader.h
 *	  A reader of tar archives that works while the bytes arrive.
 *
 * It accepts what the server writes: files and directories of POSIX ustar.  It
 * refuses other types of members, broken headers, paths that lead out of the
 * archive, permissions that let others write or run as the owner, and bytes
 * after the end.
 *
 * Calls to the events:
 *
 *	  (begin_member data* end_member)*
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_TAR_READER_H
#define BB_CLIENT_TAR_READER_H

typedef struct BbTarMember
{
	char	   *path; /* relative, without ".", ".." and final '/' */
	bool		directory;
	mode_t		mode; /* permission bits */
	uint64		size;
} BbTarMember;

typedef struct BbTarEvents
{
	void		(*begin_member) (void *arg, const BbTarMember *member);
	void		(*data) (void *arg, const char *data, size_t length);
	void		(*end_member) (void *arg);
} BbTarEvents;

typedef struct BbTarReader BbTarReader;

extern BbTarReader *bb_tar_reader_new(const BbTarEvents *events, void *arg);
extern void bb_tar_reader_feed(BbTarReader *reader, const char *data,
							   size_t length);
/* bb_tar_reader_end - end the archive and free the reader. */
extern void bb_tar_reader_end(BbTarReader *reader);

#endif /* BB_CLIENT_TAR_READER_H */
