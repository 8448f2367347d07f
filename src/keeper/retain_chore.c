/*-------------------------------------------------------------------------
 *
 * retain_chore.c
 *	  The worker extends the retention of the stores that have one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "keeper/chores.h"
#include "upkeep/retain.h"
#include "utils/timestamp.h"

/* A piece ends after so long. */
#define PIECE_MS 5000

static bool
is_due(const BbReqCtx *ctx, const BbChorePlace *place)
{
	return bb_retain_due(ctx, place->objects, place->manifest->timeline,
						 time(NULL));
}

static void
run(const BbReqCtx *ctx, const BbChorePlace *place, BbChoreReport *report)
{
	TimestampTz until = GetCurrentTimestamp() + PIECE_MS * INT64CONST(1000);
	uint64		n = 0;

	report->more = bb_retain_piece(ctx, place->objects, place->manifest, until,
								   &n);
	report->what = psprintf("retained " UINT64_FORMAT " objects anew", n);
}

const BbChore bb_retain_chore = {.name = "retain",
								 .kind = BB_TASK_UPKEEP,
								 .is_due = is_due,
								 .run = run};
