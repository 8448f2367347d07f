/*-------------------------------------------------------------------------
 *
 * units.h
 *	  The relation blocks of a backup, cut into units of work.
 *
 * A unit is some ranges of blocks that follow each other in a backup: a part
 * of a large segment, or many small relations, so that it's about as much work
 * as another.
 *
 *	  members   [a, 700 blocks] [b, 3] [c, 60] [c_fsm, 3] [d, 1] ...
 *	  units     a 0-255 | a 256-511 | a 512-699, b, c 0-52 | c 53-59, c_fsm, d ...
 *
 * Units are small at first, so that there soon are some.
 *
 * Init forks are in none: a backup has them twice, and they are small.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UNITS_H
#define BB_UNITS_H

#include "members/options.h"
#include "pagestore/pagestore.h"

/* The blocks of a unit, at most and at first. */
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

/*
 * bb_units_new - those of a backup with these options.
 *
 * Errors: those of filelist.h.
 */
extern BbUnits *bb_units_new(const BbReqCtx *ctx, BbPageStore *store,
							 XLogRecPtr lsn, const BbBackupOptions *options);
/* The next one; false: there is none left. */
extern bool bb_units_next(const BbReqCtx *ctx, BbUnits *units, BbUnit *unit);
extern void bb_units_close(BbUnits *units);

/* The key of a block of a range. */
extern BbKey bb_range_key(const BbBlockRange *range, uint32 n);

#endif /* BB_UNITS_H */
