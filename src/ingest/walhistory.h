/*-------------------------------------------------------------------------
 *
 * walhistory.h
 *	  Which tli's WAL leads from where a timeline ends to the newest.
 *
 * A server that was promoted writes on under a new tli, and says in a history
 * file (00000003.history) where each of its ancestors ended:
 *
 *	  tli 1 ────────┬─────────
 *					└ tli 2 ──────┬────
 *								  └ tli 3 ──────
 *
 * From a position on tli 1, WAL is read along the newest tli that has it in
 * its history: 1 up to the first fork, then 2, then 3; as recovery does with
 * recovery_target_timeline = 'latest'.
 *
 * (The server's readTimeLineHistory looks into its own pg_wal only.	The form
 * of a history file: PostgreSQL's timeline.c.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WALHISTORY_H
#define BB_WALHISTORY_H

#include "access/xlogdefs.h"
#include "base/reqctx.h"
#include "nodes/pg_list.h"

/* WAL in [begin, end) is of this tli. */
typedef struct BbWalTli
{
	TimeLineID	tli;
	XLogRecPtr	begin;
	XLogRecPtr	end; /* PG_UINT64_MAX: not known to end */
} BbWalTli;

/*
 * bb_walhistory_parse - BbWalTlis of a history file's text, newest first, with
 * "tli", whose history it is, as the first.
 *
 * Errors: DATA_CORRUPTED (the file is named).
 */
extern List *bb_walhistory_parse(const char *text, TimeLineID tli,
								 const char *file);

/*
 * bb_walhistory_choose - the way from "lsn" on "tli" to the newest tli whose
 * history file is in the directory.
 *
 * Warns of a newer tli that left before lsn: its WAL can't be followed.
 *
 * Errors: those of bb_walhistory_parse, and of reading.
 */
extern List *bb_walhistory_choose(const BbReqCtx *ctx, const char *directory,
								  TimeLineID tli, XLogRecPtr lsn);

/* The text of a tli's history file; NULL when there is none. */
extern char *bb_walhistory_read(const BbReqCtx *ctx, const char *directory,
								TimeLineID tli);

#endif /* BB_WALHISTORY_H */
