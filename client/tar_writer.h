/*-------------------------------------------------------------------------
 *
 * tar_writer.h
 *	  A tar of files, written front to back.
 *
 *	  (file | directory | link)* end
 *
 * The contents go to a function as they are read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_TAR_WRITER_H
#define BB_CLIENT_TAR_WRITER_H

#include <sys/stat.h>

typedef struct BbTarWriter
{
	void		(*put) (void *arg, const char *data, size_t length);
	void	   *arg;
} BbTarWriter;

/*
 * bb_tar_file - add the file "path" as "name".
 *
 * Ends the program if it can't be read, or shrinks; what it grows is omitted.
 * Returns false if the name is too long for a tar.
 */
extern bool bb_tar_file(const BbTarWriter *writer, const char *path,
						const char *name);

/* bb_tar_directory, bb_tar_link - add a directory, or a symbolic link. */
extern bool bb_tar_directory(const BbTarWriter *writer, const char *name,
							 const struct stat *st);
extern bool bb_tar_link(const BbTarWriter *writer, const char *name,
						const char *target, const struct stat *st);

extern void bb_tar_end(const BbTarWriter *writer);

#endif /* BB_CLIENT_TAR_WRITER_H */
