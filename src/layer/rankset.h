/*-------------------------------------------------------------------------
 *
 * rankset.h
 *	  A set of small numbers that finds neighbors fast.
 *
 * Each bit of a level says whether the word below it has any bit set, so that a
 * search looks at one or two words of each level.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RANKSET_H
#define BB_RANKSET_H

/* Enough for 64^4 numbers. */
#define BB_RANKSET_LEVELS 4

typedef struct BbRankSet
{
	int			nlevels;
	uint64	   *levels[BB_RANKSET_LEVELS]; /* [0] has a bit for each number */
} BbRankSet;

/* bb_rankset_init - make an empty set of numbers below n, palloc'd. */
extern void bb_rankset_init(BbRankSet *set, int n);
extern void bb_rankset_free(BbRankSet *set);

extern void bb_rankset_add(BbRankSet *set, int number);
extern void bb_rankset_remove(BbRankSet *set, int number);

static inline bool
bb_rankset_has(const BbRankSet *set, int number)
{
	return (set->levels[0][number / 64] >> (number % 64)) & 1;
}

/* bb_rankset_prev - return the greatest member up to number, or -1. */
extern int bb_rankset_prev(const BbRankSet *set, int number);
/* bb_rankset_next - return the smallest member from number on, or -1. */
extern int bb_rankset_next(const BbRankSet *set, int number);

#endif /* BB_RANKSET_H */
