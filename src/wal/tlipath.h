/*-------------------------------------------------------------------------
 *
 * tlipath.h
 *	  A path along tlis, whose WAL leads from the end of a timeline to a target.
 *
 *	  tli 1 ────────┬─────────
 *					└ tli 2 ──────┬────
 *								  └ tli 3 ──────
 *
 * The target is as in recovery_target_timeline: the newest tli, the current tli
 * of the timeline, or a number.  From a position on tli 1 to tli 3, WAL is read along
 * tli 1 up to the first fork, then along tli 2, then along tli 3.
 *
 * Where the ranges of several tlis of a history overlap, the newest tli counts
 * (XLogFileReadAnyTLI and tliOfPointInHistory in PostgreSQL).  So where tli 3
 * forked before tli 2 did, the path leads from 1 to 3.
 *
 * The newest tli is found as findNewestTimeLine in timeline.c does: one by one
 * from the current tli of the timeline, until a history file is missing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TLIPATH_H
#define BB_TLIPATH_H

#include "wal/page.h"
#include "wal/tlihistory.h"

typedef enum BbWalTargetKind
{
	BB_WAL_LATEST,
	BB_WAL_CURRENT,
	BB_WAL_NUMBER
} BbWalTargetKind;

typedef struct BbWalTarget
{
	BbWalTargetKind kind;
	TimeLineID	tli; /* of BB_WAL_NUMBER */
} BbWalTarget;

/* A place of WAL: from where it is read, and where to. */
typedef struct BbWalPlace
{
	BbWalFiles *files;
	BbWalFiles *history_files; /* for histories, too; NULL: none */
	BbWalTarget target;
	bool		borrow; /* see below */
	BbWalStart	start;
} BbWalPlace;

/*
 * A segment in which a tli was left often exists only under the newer tli,
 * whose file begins with a copy of it.  So with "borrow", the path leads beyond
 * the target to newer tlis, but only their files are used: the reader calls
 * bb_tlipath_shorten where the path would leave the target.
 */
typedef struct BbTliPath
{
	List	   *tlis; /* BbTliRange *, newest first; the last is the place's */
	/* the tlis before that, as OIDs; NIL if not known */
	List	   *ancestors;
	bool		ancestors_known;
	TimeLineID	target; /* if newer tlis only lend their files; else 0 */
} BbTliPath;

/*
 * bb_waltarget_parse - parse 'latest', 'current' or a number.
 *
 * Errors: INVALID_PARAMETER_VALUE.
 */
extern BbWalTarget bb_waltarget_parse(const char *text);

/*
 * bb_tlipath_choose - choose the path from a place to its target.
 *
 * With BB_WAL_LATEST, warns of invalid history files, which are not followed,
 * and of a newer tli that parted before lsn, or belongs to another branch.
 *
 * Errors: INVALID_PARAMETER_VALUE (the target's history file doesn't exist,
 * or the target doesn't descend from the place); DATA_CORRUPTED (that file
 * isn't valid); OBJECT_NOT_IN_PREREQUISITE_STATE (with BB_WAL_LATEST, a
 * history file is missing between the place's tli and a descendant);
 * errcode_for_file_access().
 */
extern BbTliPath *bb_tlipath_choose(const BbReqCtx *ctx,
									const BbWalPlace *place);

/*
 * bb_tlipath_along - return the path along a history, from a tli to that of the
 * history; NULL if the history doesn't have the tli.
 */
extern BbTliPath *bb_tlipath_along(const BbTliHistory *history,
								   TimeLineID from);

/* Returns the LSN at which the path leaves the tli where it begins. */
extern XLogRecPtr bb_tlipath_leaves_at(const BbTliPath *path);

/* Remove the tlis after the target, so that the path ends on the target. */
extern void bb_tlipath_shorten(BbTliPath *path);

/* Returns the tli whose WAL is at lsn, which is not before the place. */
extern const BbTliRange *bb_tlipath_at(const BbTliPath *path, XLogRecPtr lsn);

/* Returns the range of a tli; NULL if it is not on the path. */
extern const BbTliRange *bb_tlipath_find(const BbTliPath *path,
										 TimeLineID tli);

/* Can the path have a page of WAL with this tli in its header? */
extern bool bb_tlipath_has(const BbTliPath *path, TimeLineID tli);

/* Reads the history file of a tli among the place's files; NULL: none. */
extern BbTliHistory *bb_tlipath_history(const BbReqCtx *ctx,
										const BbWalPlace *place,
										TimeLineID tli);

/*
 * bb_tlipath_text - returns the text of the history file of a tli on the path;
 * NULL if there is none.
 *
 * A clone's history begins with this text.  So where the file is missing, isn't
 * valid or disagrees with the one that the path was chosen by, the text is made
 * from that one.
 */
extern const char *bb_tlipath_text(const BbReqCtx *ctx, const BbTliPath *path,
								   const BbWalPlace *place, TimeLineID tli);

#endif /* BB_TLIPATH_H */
