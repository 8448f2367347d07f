/*-------------------------------------------------------------------------
 *
 * policy_stack.c
 *	  How many runs of a stack are merged into one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/policy_stack.h"

double
bb_stack_writes(double n, int depth)
{
	double		before = 1; /* binomial(depth + w - 1, depth) */
	double		count = 1;	/* binomial(depth + w, depth) */
	double		w = 0;

	/* depth 1 would take n rounds */
	if (depth == 1)
		return Max(n - 1, 0);
	while (count < n)
	{
		w++;
		before = count;
		count *= (depth + w) / w;
	}
	if (w == 0)
		return 0;
	return w - (count - n) / (count - before);
}

int
bb_stack_merge(const double *sizes, int n, int depth, double unit)
{
	double		newer = 0;

	if (n <= depth)
		return n;
	for (int i = 1; i < n; i++)
		newer += sizes[i];
	for (int i = 0; i < n - 2; i++)
	{
		int			rest = depth - 1 - i; /* of the stack above this run */

		if (rest <= 0 ||
			newer * bb_stack_writes(newer / unit, rest) >= rest * sizes[i])
			return i;
		newer -= sizes[i + 1];
	}
	return n - 2;
}
