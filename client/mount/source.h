/*-------------------------------------------------------------------------
 *
 * source.h
 *	  Where blocks that aren't in the overlay are read: a table of operations.
 *
 * A driver has a struct with BbSource first.  All operations may be called by
 * several threads at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOUNT_SOURCE_H
#define BB_MOUNT_SOURCE_H

#include "postgres_fe.h"

typedef struct BbSource BbSource;

typedef struct BbSourceOps
{
	/*
	 * read - read "count" blocks of a file from block "first" on into "data".
	 *
	 * Retries what may pass, for as long as the driver is configured to.  With
	 * "background", waits while others read.  Returns 0 or -errno.
	 */
	int			(*read) (BbSource *source, const char *path, uint32 first,
						 uint32 count, char *data, bool background);
	void		(*close) (BbSource *source);
} BbSourceOps;

struct BbSource
{
	const BbSourceOps *ops;
};

/*
 * bb_source_directory - a source that reads files below a directory.
 *
 * Returns NULL and sets errno if it can't be opened.
 */
extern BbSource *bb_source_directory(const char *path);

#endif /* BB_MOUNT_SOURCE_H */
