/*-------------------------------------------------------------------------
 *
 * names.h
 *	  How archives name the files of WAL, and where they put them.
 *
 *	  plain, Barman		000000010000000000000001[.partial][.SUFFIX]
 *	  WAL-G				the same, with .lz4, .lzma, .zst or .br
 *	  pgBackRest		000000010000000000000001[.partial]-SHA1[.SUFFIX]
 *
 * and history files in the same way (00000002.history).  SHA1 is the hash of the
 * segment, not compressed.  pgBackRest and Barman put segments into directories
 * that are named by the first 16 digits, and history files beside these.
 *
 * Where the tools have those below the directory that a user names:
 *
 *	  pgBackRest		[archive/][STANZA/][VERSION-ID/]	15-1, 16-2, ...
 *	  Barman			[SERVER/][wals/]
 *	  WAL-G				[wal_005/]
 *
 * (pgBackRest: "archive-get" and "Archive Info" of its user guide, and
 * command/archive/common.c.  Barman: xlog.py.  WAL-G: utility.WalPath.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_ARCHIVE_NAMES_H
#define BB_ARCHIVE_NAMES_H

#include "access/xlog_internal.h"
#include "base/reqctx.h"
#include "nodes/pg_list.h"

/* Hexadecimal digits of a SHA-1 hash. */
#define BB_ARCHIVE_HASH_DIGITS 40

/* The name of a file in an archive. */
typedef struct BbArchiveName
{
	char		own[MAXFNAMELEN]; /* the name of the file of WAL */
	bool		is_history;
	const char *hash;	/* BB_ARCHIVE_HASH_DIGITS in the name; or NULL */
	const char *suffix; /* in the name; "" if there is none */
} BbArchiveName;

/*
 * bb_archive_parse - parse the name of a file; false: it is not one of WAL, or it
 * has a suffix that isn't known.
 */
extern bool bb_archive_parse(const char *name, BbArchiveName *parsed);

/* Is this the name of a directory of segments, such as 0000000100000000? */
extern bool bb_archive_is_group(const char *name);

/*
 * bb_archive_parts - find the directories that have groups, segments or history
 * files, at "directory" or where a tool puts them below it.
 *
 * Returns paths, sorted; only "directory" itself if nothing is found.
 *
 * Errors: errcode_for_file_access() (of "directory").
 */
extern List *bb_archive_parts(const BbReqCtx *ctx, const char *directory);

#endif /* BB_ARCHIVE_NAMES_H */
