/*-------------------------------------------------------------------------
 *
 * newfile.h
 *	  A file that gets its name when it is complete.
 *
 *	  open -> write* -> close -> publish
 *
 * Until "publish" it is FILE.part, which is removed on failure.  If two programs
 * create the same file at once, the second fails.
 *
 * An existing file that isn't regular (a device, a named pipe), and standard
 * output ("-"), are written to directly.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_NEWFILE_H
#define BB_CLIENT_NEWFILE_H

typedef struct BbNewFile BbNewFile;

extern BbNewFile *bb_newfile_open(const char *path);
extern void bb_newfile_write(BbNewFile *file, const char *data, size_t length);
/* bb_newfile_path - return the name that the file will have. */
extern const char *bb_newfile_path(const BbNewFile *file);
/* bb_newfile_close - close the complete file; if "sync", sync it to disk. */
extern void bb_newfile_close(BbNewFile *file, bool sync);
/* bb_newfile_publish - give the file its name, and free the struct. */
extern void bb_newfile_publish(BbNewFile *file, bool sync);

/* bb_write_all - write to a descriptor; "name" is for messages. */
extern void bb_write_all(int fd, const char *name, const char *data,
						 size_t length);

#endif /* BB_CLIENT_NEWFILE_H */
