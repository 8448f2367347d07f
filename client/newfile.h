/*-------------------------------------------------------------------------
 *
 * newfile.h
 *	  A file that gets its name once it's whole.
 *
 *	  open -> write* -> close -> publish
 *
 * Until "publish" it's FILE.part, which goes on failure.  Of two programs that
 * make the same file at once, the second is refused.
 *
 * What is there already and isn't a regular file (a device, a named pipe) is
 * written to as it is.  So is standard output, "-".
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_NEWFILE_H
#define BB_CLIENT_NEWFILE_H

typedef struct BbNewFile BbNewFile;

extern BbNewFile *bb_newfile_open(const char *path);
extern void bb_newfile_write(BbNewFile *file, const char *data, size_t length);
/* bb_newfile_path - the name that it is to have. */
extern const char *bb_newfile_path(const BbNewFile *file);
/* bb_newfile_close - all is written; sync: and on disk. */
extern void bb_newfile_close(BbNewFile *file, bool sync);
/* bb_newfile_publish - under its own name; frees the file. */
extern void bb_newfile_publish(BbNewFile *file, bool sync);

/* bb_write_all - all bytes to a descriptor, whose name is for messages. */
extern void bb_write_all(int fd, const char *name, const char *data,
						 size_t length);

#endif /* BB_CLIENT_NEWFILE_H */
