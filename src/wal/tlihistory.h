/*-------------------------------------------------------------------------
 *
 * tlihistory.h
 *	  Timeline history files, among the files of a place of WAL.
 *
 * A server that was promoted writes on under a new tli, and says in a history
 * file (00000003.history) where each of its ancestors ended:
 *
 *	  tli 1 ────────┬─────────
 *					└ tli 2 ──────┬────
 *								  └ tli 3 ──────
 *
 * Other servers may archive into a directory.  So a file that can't be used is
 * not an error here: the caller decides whether it matters.
 *
 * (The server's readTimeLineHistory looks into its own pg_wal only.  The form
 * of a history file, and how it is read: PostgreSQL's timeline.c.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TLIHISTORY_H
#define BB_TLIHISTORY_H

#include "access/xlogdefs.h"
#include "base/reqctx.h"
#include "nodes/pg_list.h"
#include "wal/files.h"

/* Far more bytes than a history file ever has. */
#define BB_TLIHISTORY_MAX (1024 * 1024)

/* WAL in [begin, end) is of this tli. */
typedef struct BbTliRange
{
	TimeLineID	tli;
	XLogRecPtr	begin;
	XLogRecPtr	end; /* PG_UINT64_MAX: not known to end */
} BbTliRange;

/* A history file. */
typedef struct BbTliHistory
{
	TimeLineID	tli;	   /* that the file belongs to */
	const char *path;	   /* for messages; NULL if it wasn't a file */
	const char *text;	   /* NULL if it can't be read */
	List	   *tlis;	   /* BbTliRange *, newest first, "tli" the first */
	const char *complaint; /* why it can't be used, a sentence; NULL: it can */
} BbTliHistory;

/*
 * bb_tlihistory_parse - parse the text of a history file.
 *
 * The rules are those of the server: tlis must rise.  Positions need not, since a
 * server that is recovered to an earlier point than its predecessor writes such
 * a file (see tlipath.h for what that means).  A file that names no tli is
 * invalid, as tli 1 has no history file.
 */
extern BbTliHistory *bb_tlihistory_parse(const char *text, TimeLineID tli);

/*
 * bb_tlihistory_tlis - return the tlis (a list of OIDs) that the text of a
 * history file names, even if the file can't be used.
 */
extern List *bb_tlihistory_tlis(const char *text);

/*
 * bb_tlihistory_read - read the history file of "tli", the best copy that can be
 * used; NULL if there is none.
 *
 * Errors: QUERY_CANCELED; those of bb_walfiles_open.  All others become a
 * complaint.
 */
extern BbTliHistory *bb_tlihistory_read(const BbReqCtx *ctx, BbWalFiles *files,
										TimeLineID tli);

/*
 * bb_tlihistory_list - return the tlis that have a history file, as a sorted
 * list of OIDs.
 *
 * Errors: errcode_for_file_access().
 */
extern List *bb_tlihistory_list(const BbReqCtx *ctx, BbWalFiles *files);

/*
 * bb_tlihistory_text - returns the text of a history file of "tli" that agrees
 * with "chosen", the history of a descendant.
 *
 * That is the text of "own", the file of tli (may be NULL), if "own" is valid
 * and agrees.  Otherwise the text is made from "chosen".
 */
extern const char *bb_tlihistory_text(const BbTliHistory *chosen,
									  const BbTliHistory *own, TimeLineID tli);

#endif /* BB_TLIHISTORY_H */
