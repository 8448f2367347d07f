/*-------------------------------------------------------------------------
 *
 * walspool_internal.h
 *	  The directory of a spool, as its writer and its source see it.
 *
 * Errors of all functions: errcode_for_file_access().
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WALSPOOL_INTERNAL_H
#define BB_WALSPOOL_INTERNAL_H

#include "access/xlog_internal.h"
#include "base/resource.h"
#include "nodes/pg_list.h"

/* A history file is written under this name. */
#define BB_SPOOL_TEMPORARY_NAME "history.new"

typedef struct BbSpoolDirectory
{
	const char *path;
	BbFd	   *fd;
	uint32		segment_size;
} BbSpoolDirectory;

/* A file of a spool: a segment, or else a history file. */
typedef struct BbSpoolFile
{
	char		name[MAXFNAMELEN];
	bool		is_segment;
	TimeLineID	tli;
	XLogSegNo	number;
} BbSpoolFile;

/* Open a directory; its descriptor belongs to CurrentMemoryContext. */
extern BbSpoolDirectory bb_spooldir_open(const char *path,
										 uint32 segment_size);

static inline void
bb_spooldir_segment_name(const BbSpoolDirectory *directory, TimeLineID tli,
						 XLogSegNo number, char *name)
{
	XLogFileName(name, tli, number, directory->segment_size);
}

static inline char *
bb_spooldir_path(const BbSpoolDirectory *directory, const char *name)
{
	return psprintf("%s/%s", directory->path, name);
}

/* Raise the error in errno; the message has a %s for the path of "name". */
pg_noreturn extern void bb_spooldir_report(const BbSpoolDirectory *directory,
										   const char *message,
										   const char *name);

/*
 * bb_spooldir_list - list the segments and history files, as BbSpoolFile *.
 *
 * With "warn", a WARNING names each file that no spool has.
 */
extern List *bb_spooldir_list(const BbSpoolDirectory *directory, bool warn);

/*
 * bb_spooldir_file - open a regular file, and set *size.
 *
 * Returns NULL if there is none.
 */
extern BbFd *bb_spooldir_file(const BbSpoolDirectory *directory,
							  const char *name, int flags, uint64 *size);

/* Remove a file, if it is there. */
extern void bb_spooldir_remove(const BbSpoolDirectory *directory,
							   const char *name);

/* Make durable which files there are. */
extern void bb_spooldir_sync(const BbSpoolDirectory *directory);

#endif /* BB_WALSPOOL_INTERNAL_H */
