/*-------------------------------------------------------------------------
 *
 * units.c
 *	  The relation blocks of a backup, cut into units of work.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/units.h"
#include "members/filelist.h"

struct BbUnits
{
	BbFileList *list;
	uint32		size;	 /* blocks of the next unit */
	BbBlockRange member; /* the rest of the current member */
};

BbUnits *
bb_units_new(const BbBackupPlan *plan)
{
	BbUnits	   *units = palloc0(sizeof(BbUnits));

	units->list = bb_filelist_new(plan);
	units->size = BB_UNIT_BLOCKS_FIRST;
	return units;
}

void
bb_units_close(BbUnits *units)
{
	bb_filelist_close(units->list);
	pfree(units);
}

/* Have a current member with blocks left; false: there are no more. */
static bool
need_member(const BbReqCtx *ctx, BbUnits *units)
{
	BbMember	member;

	while (units->member.count == 0)
	{
		if (!bb_filelist_next(ctx, units->list, &member))
			return false;
		if (member.content != BB_CONTENT_RELATION ||
			member.source.relation.fork == INIT_FORKNUM)
			continue;
		units->member = bb_range_of(&member);
	}
	return true;
}

bool
bb_units_next(const BbReqCtx *ctx, BbUnits *units, BbUnit *unit)
{
	uint32		left = units->size;

	unit->nranges = 0;
	while (left > 0 && need_member(ctx, units))
	{
		BbBlockRange *range = &unit->ranges[unit->nranges++];

		*range = units->member;
		range->count = Min(range->count, left);
		units->member.first += range->count;
		units->member.count -= range->count;
		left -= range->count;
	}
	units->size = Min(units->size * 2, BB_UNIT_BLOCKS);
	return unit->nranges > 0;
}

BbBlockRange
bb_range_of(const BbMember *member)
{
	return (BbBlockRange){
		.spc = member->source.relation.spc,
		.db = member->source.relation.db,
		.rel = member->source.relation.rel,
		.fork = member->source.relation.fork,
		.first = member->source.relation.first,
		.count = member->size / BLCKSZ,
	};
}

BbKey
bb_range_key(const BbBlockRange *range, uint32 n)
{
	return bb_key_rel_block(range->spc, range->db, range->rel, range->fork,
							range->first + n);
}
