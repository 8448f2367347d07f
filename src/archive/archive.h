/*-------------------------------------------------------------------------
 *
 * archive.h
 *	  Archives of WAL as they lie around, as files of WAL (wal/files.h).
 *
 *	  directories ──► parts (names.h) ──► packed files ─┐
 *														 ├──► segments
 *	  restore_command ──► fetch.h ──────────────────────┘
 *
 * Segments may be compressed, by the suffix of their names or, as Barman
 * compresses them, without one.  A compressed segment is decompressed into
 * memory when it is opened, as a whole: one that isn't good to its end, has more
 * bytes than a segment, or another hash than its name says, isn't read at all.
 *
 * Several directories are searched in order.  What isn't in any of them is
 * fetched by the command, if there is one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_ARCHIVE_H
#define BB_ARCHIVE_H

#include "archive/fetch.h"
#include "wal/files.h"

/*
 * bb_archive_files - the files of one or several directories, and those that can
 * be fetched.
 *
 * directories: paths, separated by colons as in dynamic_library_path, unless a
 * directory with that name exists; NULL: none.  fetcher: NULL: nothing is
 * fetched.  REQUIRES: one of the two.
 */
extern BbWalFiles *bb_archive_files(const char *directories,
									BbFetcher *fetcher);

#endif /* BB_ARCHIVE_H */
