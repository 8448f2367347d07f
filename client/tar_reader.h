/*-------------------------------------------------------------------------
 *
 * tar_reader.h
 *	  A tar archive, taken apart while it comes.
 *
 * It knows what the server writes (POSIX ustar: files and directories), and
 * refuses all else: other types of members, broken headers, paths that lead
 * out of the archive, permissions to write for others or to run as the owner,
 * bytes behind its end.
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
	char	   *path; /* relative, no "." or ".." in it, no '/' at its end */
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
/* bb_tar_reader_end - nothing more comes; frees the reader. */
extern void bb_tar_reader_end(BbTarReader *reader);

#endif /* BB_CLIENT_TAR_READER_H */
