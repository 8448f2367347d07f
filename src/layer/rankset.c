/*-------------------------------------------------------------------------
 *
 * rankset.c
 *	  A set of small numbers that finds neighbors fast.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/rankset.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

/* One word more than needed, so that a search may start behind the end. */
static Size
words_for(Size n)
{
	return n / 64 + 1;
}

void
bb_rankset_init(BbRankSet *set, int n)
{
	Size		bits = n;

	set->nlevels = 0;
	do
	{
		Size		words = words_for(bits);

		if (set->nlevels == BB_RANKSET_LEVELS)
			elog(ERROR, "a set of %d numbers is too large", n);
		set->levels[set->nlevels++] = palloc_extended(words * sizeof(uint64),
													  MCXT_ALLOC_HUGE |
														  MCXT_ALLOC_ZERO);
		bits = words;
	} while (bits > 1);
}

void
bb_rankset_free(BbRankSet *set)
{
	for (int i = 0; i < set->nlevels; i++)
		pfree(set->levels[i]);
}

void
bb_rankset_add(BbRankSet *set, int number)
{
	for (int i = 0; i < set->nlevels; i++)
	{
		set->levels[i][number / 64] |= UINT64CONST(1) << (number % 64);
		number /= 64;
	}
}

void
bb_rankset_remove(BbRankSet *set, int number)
{
	for (int i = 0; i < set->nlevels; i++)
	{
		uint64	   *word = &set->levels[i][number / 64];

		*word &= ~(UINT64CONST(1) << (number % 64));
		if (*word != 0)
			return;
		number /= 64;
	}
}

int
bb_rankset_prev(const BbRankSet *set, int number)
{
	for (int i = 0; i < set->nlevels && number >= 0; i++)
	{
		uint64		word = set->levels[i][number / 64] &
			(PG_UINT64_MAX >> (63 - number % 64));

		if (word != 0)
		{
			number = number / 64 * 64 + pg_leftmost_one_pos64(word);
			while (i-- > 0)
				number = number * 64 +
					pg_leftmost_one_pos64(set->levels[i][number]);
			return number;
		}
		number = number / 64 - 1;
	}
	return -1;
}

int
bb_rankset_next(const BbRankSet *set, int number)
{
	for (int i = 0; i < set->nlevels; i++)
	{
		uint64		word = set->levels[i][number / 64] &
			(PG_UINT64_MAX << (number % 64));

		if (word != 0)
		{
			number = number / 64 * 64 + pg_rightmost_one_pos64(word);
			while (i-- > 0)
				number = number * 64 +
					pg_rightmost_one_pos64(set->levels[i][number]);
			return number;
		}
		number = number / 64 + 1;
		/* is there a word for it on the next level? */
		if (i + 1 == set->nlevels)
			break;
	}
	return -1;
}
