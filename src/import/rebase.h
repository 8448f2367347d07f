/*-------------------------------------------------------------------------
 *
 * rebase.h
 *	  A new base into an existing timeline, where WAL was lost.
 *
 *	  timeline ──────── from		   until ── ingest, follow ──►
 *						  │				 │
 *						  └ gap: base ── WAL
 *
 * The cluster is imported once more, but only what differs from the timeline at
 * its end is stored (difference.h).  The manifest gets a gap (BbGap) with the
 * base, and its end with the WAL that makes the base consistent.  Until then
 * nothing changes for those who read the timeline.
 *
 * A rebase that fails undoes what it did.  If it was killed, the gap stays open,
 * and the next rebase first undoes it: what the WAL of a base refers to, and
 * doesn't exist, is only remembered in memory (ingest/invalidpages.h).
 *
 * The base must be of the same cluster, and its history must include the end of
 * the timeline.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REBASE_H
#define BB_REBASE_H

#include "import/server_import.h"
#include "nodes/pg_list.h"

typedef struct BbRebaseResult
{
	XLogRecPtr	gap_start;
	XLogRecPtr	gap_end;
	uint64		pages;		  /* relation blocks of the base */
	uint64		pages_stored; /* those that differ */
	uint64		bytes_read;	  /* of files */
	uint64		bytes_stored; /* of layers, with those of WAL */
} BbRebaseResult;

/*
 * bb_rebase_from_directory - store the cluster in the directory "path" as a new base
 * of "timeline"; arguments as bb_import_directory.
 *
 * lost: the keys (BbKeyRange *) that can't be read at the end of the timeline;
 * they are stored whole, as image layers (basewriter.h).
 *
 * Errors: those of bb_import_directory, except DUPLICATE_OBJECT;
 * UNDEFINED_OBJECT (no such timeline); INVALID_PARAMETER_VALUE also if the base
 * is of another cluster; OBJECT_NOT_IN_PREREQUISITE_STATE also if the timeline's
 * import was not completed, the base doesn't begin after the end of the timeline,
 * the timeline isn't in its history, or it has checksums and the timeline
 * doesn't.
 */
extern BbRebaseResult bb_rebase_from_directory(
	const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
	const char *path, const char *wal_directory, BbFetcher *fetcher,
	const List *lost);

/*
 * bb_rebase_from_server - store the cluster of a server as a new base of "timeline".
 *
 * Errors: those of bb_import_server and of bb_rebase_from_directory.
 */
extern BbRebaseResult bb_rebase_from_server(
	const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
	BbReplConnection *connection, const BbServerBackupOptions *options,
	BbServerWal *wal, const List *lost);

#endif /* BB_REBASE_H */
