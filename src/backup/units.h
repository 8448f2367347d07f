/*-------------------------------------------------------------------------
 *
 * units.h
 *	  The relation blocks of a backup, cut into units of work.
 *
 * A unit is some ranges of blocks that follow each other in a backup: a part
 * of a large segment, or many small relations, so that all units are about as
 * much work.
 *
 *	  members   [a, 700 blocks] [b, 3] [c, 60] [c_fsm, 3] [d, 1] ...
 *	  units     a 0-255 | a 256-511 | a 512-699, b, c 0-52 | c 53-59, c_fsm, d ...
 *
 * The first units are small, so that workers soon have some.
 *
 * Init forks are in no unit: a backup has them twice, and they are small.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UNITS_H
#define BB_UNITS_H

#include "members/plan.h"

/* The blocks of a unit: the maximum, and those of the first one. */
#define BB_UNIT_BLOCKS 256
#define BB_UNIT_BLOCKS_FIRST 16

typedef struct BbBlockRange
{
	Oid			spc;
	Oid			db;
	Oid			rel;
	ForkNumber	fork;
	BlockNumber first;
	uint32		count; /* 1 or more */
} BbBlockRange;

typedef struct BbUnit
{
	int			nranges;
	BbBlockRange ranges[BB_UNIT_BLOCKS];
} BbUnit;

typedef struct BbUnits BbUnits;

/* bb_units_new - cut the relation blocks of a backup; the plan outlives it. */
extern BbUnits *bb_units_new(const BbBackupPlan *plan);
/*
 * bb_units_next - return the next unit; false at the end.
 *
 * Errors: those of filelist.h.
 */
extern bool bb_units_next(const BbReqCtx *ctx, BbUnits *units, BbUnit *unit);
extern void bb_units_close(BbUnits *units);

/* Return the blocks of a member that is a relation segment. */
extern BbBlockRange bb_range_of(const BbMember *member);
/* Return the key of the n-th block of a range. */
extern BbKey bb_range_key(const BbBlockRange *range, uint32 n);

/*
 * The messages between a backup and its workers:
 *
 *	  to a worker    (BbBlockRange+)*							a unit each
 *	  from a worker  READY (page | MISSING | OTHER_LENGTH)* UNIT_DONE ...
 *
 * A page is a message of BLCKSZ bytes; all other messages are BbNotes.
 */
typedef enum BbNoteKind
{
	BB_NOTE_READY = 1,	  /* the worker takes units */
	BB_NOTE_MISSING,	  /* in place of a page: there is no such block */
	BB_NOTE_OTHER_LENGTH, /* in place of a page: the value is no page */
	BB_NOTE_UNIT_DONE
} BbNoteKind;

typedef struct BbNote
{
	BbNoteKind	kind;
	uint32		length; /* of OTHER_LENGTH */
} BbNote;

StaticAssertDecl(sizeof(BbNote) != BLCKSZ, "a note is no page");

#endif /* BB_UNITS_H */
