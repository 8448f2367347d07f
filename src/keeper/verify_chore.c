/*-------------------------------------------------------------------------
 *
 * verify_chore.c
 *	  The worker's verification of each timeline, once in
 *	  bbackup.verify_interval.
 *
 * The state is in the store (upkeep/verify_state.h), so several servers that look
 * after one store share the work, and a restart doesn't begin anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "keeper/chores.h"
#include "upkeep/verify_state.h"
#include "utils/timestamp.h"

/* A piece ends after so long. */
#define PIECE_MS 5000

static bool
is_due(const BbReqCtx *ctx, const BbChorePlace *place)
{
	BbVerifyState state;
	int64		elapsed_us;

	if (bb_setting_verify_interval_s == 0 ||
		!bb_manifest_consistent(place->manifest))
		return false;
	state = bb_verify_state_read(ctx, place->objects,
								 place->manifest->timeline);
	if (state.running != NULL || state.last == NULL)
		return true;
	/* a clock that was set back is no reason to wait */
	elapsed_us = GetCurrentTimestamp() - state.last->finished_at;
	return elapsed_us < 0 ||
		elapsed_us >= bb_setting_verify_interval_s * (int64) USECS_PER_SEC;
}

/* The server's log says what was found. */
static void
report_findings(const BbChorePlace *place, const BbVerifyPass *pass)
{
	const BbFinding *first;

	if (pass->nfindings == 0 || pass->findings == NIL)
		return;
	first = linitial(pass->findings);
	ereport(LOG,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("verification of timeline \"%s\" of page store \"%s\" has " UINT64_FORMAT
					" findings",
					pass->timeline, place->server_name, pass->nfindings),
			 errdetail("The first is of kind \"%s\": %s",
					   bb_finding_kind_name(first->kind), first->message),
			 errhint("See the view bb_findings.")));
}

static void
run(const BbReqCtx *ctx, const BbChorePlace *place, BbChoreReport *report)
{
	const char *timeline = place->manifest->timeline;
	BbVerifyState state = bb_verify_state_read(ctx, place->objects, timeline);
	TimestampTz until = GetCurrentTimestamp() + PIECE_MS * INT64CONST(1000);
	BbVerifyPass *pass;
	uint64		layers;

	if (state.running == NULL)
		state.running = bb_verify_begin(timeline, BB_VERIFY_PAGES, NULL, 0);
	pass = state.running;
	layers = pass->layers;
	do
		report->more = bb_verify_step(ctx, place->objects, pass);
	while (report->more && GetCurrentTimestamp() < until);

	report->objects_read = pass->layers - layers;
	report->bytes_read = ctx->counters->bytes_read;
	if (!bb_verify_state_write(ctx, place->objects, timeline, &state))
	{
		/* a store that can't be written is left alone for a while */
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the state of a verification can't be written")));
	}
	if (!report->more)
	{
		report->what = psprintf("verified: " UINT64_FORMAT
								" layers, " UINT64_FORMAT
								" blocks, " UINT64_FORMAT " findings",
								pass->layers, pass->pages, pass->nfindings);
		report_findings(place, pass);
	}
}

const BbChore bb_verify_chore = {.name = "verify",
								 .kind = BB_TASK_VERIFY,
								 .is_due = is_due,
								 .run = run};
