/*-------------------------------------------------------------------------
 *
 * test_audit.c
 *	  Random sequences of steps on a small store; see audit.h.
 *
 * The environment's BB_AUDIT is the number of sequences; by hand, have tens of
 * thousands.  A sequence that fails is shrunk, and printed with its seed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit.h"
#include "base/settings.h"
#include "upkeep/upkeep.h"
#include "utils/guc.h"

#define SEQUENCES 200
#define STEPS_MAX 60

typedef struct Sequence
{
	uint64		seed;
	uint64		random; /* of the import */
	int			nsteps;
	AuditStep	steps[STEPS_MAX];
} Sequence;

/* How often each kind of step is drawn. */
static const int weights[AUDIT_STEP_KINDS] = {
	[AUDIT_FLUSH] = 8,		   [AUDIT_RANDOM_JOB] = 6,
	[AUDIT_POLICY] = 4,		   [AUDIT_RETENTION_JOBS] = 10,
	[AUDIT_PLAN] = 3,		   [AUDIT_COMMIT] = 3,
	[AUDIT_SET_RETENTION] = 2, [AUDIT_PIN] = 2,
	[AUDIT_UNPIN] = 1,		   [AUDIT_BRANCH] = 2,
	[AUDIT_DROP] = 1,		   [AUDIT_OPEN_READER] = 3,
	[AUDIT_READ_ON] = 4,	   [AUDIT_SWEEP] = 2,
	[AUDIT_CLOCK] = 3,		   [AUDIT_LOSE] = 1,
	[AUDIT_GAP] = 1,
};

static AuditStepKind
draw_kind(void)
{
	int			total = 0;
	int			die;

	for (int kind = 0; kind < AUDIT_STEP_KINDS; kind++)
		total += weights[kind];
	die = model_roll(total);
	for (int kind = 0; kind < AUDIT_STEP_KINDS; kind++)
		if ((die -= weights[kind]) < 0)
			return (AuditStepKind) kind;
	return AUDIT_FLUSH;
}

static Sequence *
draw_sequence(uint64 seed)
{
	Sequence   *sequence = palloc0(sizeof(Sequence));

	pg_prng_seed(&model_prng, seed);
	sequence->seed = seed;
	sequence->random = pg_prng_uint64(&model_prng);
	sequence->nsteps = 15 + model_roll(STEPS_MAX - 14);
	for (int i = 0; i < sequence->nsteps; i++)
	{
		AuditStep  *step = &sequence->steps[i];

		*step = (AuditStep){
			.kind = i < 3 ? AUDIT_FLUSH
				: i == 3  ? AUDIT_SET_RETENTION
						  : draw_kind(),
			.random = pg_prng_uint64(&model_prng),
			.crash = model_roll(12) ? 0 : 1 + model_roll(5),
			.fault = (AuditFault) model_roll(AUDIT_FAULTS),
			.look = model_roll(4) == 0,
		};
		/* a crash would leave the layer lost */
		if (step->kind == AUDIT_LOSE)
			step->crash = 0;
	}
	return sequence;
}

/* Run a sequence.  Returns NULL, or what is wrong after which step. */
static char *
run(const BbReqCtx *ctx, const Sequence *sequence, int *failed)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = unit_enter();
	ErrorData  *error = NULL;
	char	   *wrong = NULL;

	PG_TRY();
	{
		AuditWorld *world = audit_world_new(ctx, sequence->random);

		for (*failed = 0; *failed < sequence->nsteps; (*failed)++)
			if (!sequence->steps[*failed].skip)
				audit_world_step(world, &sequence->steps[*failed]);
		audit_world_end(world);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	(void) audit_crash_disarm();
	MemoryContextSwitchTo(context);
	unit_leave(context);
	if (error == NULL)
		return NULL;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	wrong = psprintf("%s%s%s%s%s", error->message, error->detail ? ": " : "",
					 error->detail ? error->detail : "",
					 error->context ? "; " : "",
					 error->context ? error->context : "");
	return wrong;
}

/* ---- shrinking ---- */

/* Leave out steps from "from" on.  Does it still fail? */
static bool
try_without(const BbReqCtx *ctx, Sequence *sequence, int from, int n)
{
	Sequence   *smaller = palloc(sizeof(Sequence));
	int			left = 0;
	int			failed;
	char	   *wrong;

	*smaller = *sequence;
	for (int i = from; i < Min(from + n, sequence->nsteps); i++)
	{
		left += !smaller->steps[i].skip;
		smaller->steps[i].skip = true;
	}
	wrong = left == 0 ? NULL : run(ctx, smaller, &failed);
	if (wrong != NULL)
		*sequence = *smaller;
	pfree(smaller);
	return wrong != NULL;
}

static void
shrink(const BbReqCtx *ctx, Sequence *sequence, int failed)
{
	bool		smaller = true;

	sequence->nsteps = Min(sequence->nsteps, failed + 1);
	for (int n = STEPS_MAX / 2; n > 1; n /= 2)
		for (int from = 0; from < sequence->nsteps; from += n)
			(void) try_without(ctx, sequence, from, n);
	while (smaller)
	{
		smaller = false;
		for (int i = 0; i < sequence->nsteps; i++)
			smaller = try_without(ctx, sequence, i, 1) || smaller;
	}
}

static char *
steps_text(const Sequence *sequence)
{
	static const char *const faults[] = {"crash at", "crash after",
										 "no answer to"};
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < sequence->nsteps; i++)
	{
		const AuditStep *step = &sequence->steps[i];

		if (step->skip)
			continue;
		appendStringInfo(&text, "%s%d %s", text.len ? ", " : "", i,
						 audit_step_names[step->kind]);
		if (step->crash > 0)
			appendStringInfo(&text, " (%s write %d)", faults[step->fault],
							 step->crash);
		if (step->look)
			appendStringInfoString(&text, " and look");
	}
	return text.data;
}

pg_noreturn static void
report(const BbReqCtx *ctx, Sequence *sequence, const char *wrong, int failed)
{
	char	   *shrunk;

	shrink(ctx, sequence, failed);
	shrunk = run(ctx, sequence, &failed);
	ereport(ERROR,
			(errmsg_internal("%s (seed " UINT64_FORMAT ")", wrong,
							 sequence->seed),
			 errdetail_internal("steps: %s; then: %s", steps_text(sequence),
								shrunk ? shrunk
									   : "nothing, that time")));
}

/* ---- the test ---- */

/* Was all of it done that the audit is for? */
static void
check_done(int sequences)
{
	const AuditDone *done = &audit_done;
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%d sequences:", sequences);
	for (int kind = 0; kind < BB_UPKEEP_KIND_COUNT; kind++)
		appendStringInfo(&text, " %s %d,", bb_upkeep_kind_names[kind],
						 done->jobs[kind]);
	appendStringInfo(&text,
					 " planned %d, refused %d, crashes %d, points %d,"
					 " refusals %d, stale %d, bereft %d, expired %d,"
					 " forgotten %d, periods %d, lost %d, spared %d,"
					 " branches %d, drops %d, gaps %d",
					 done->planned, done->refused, done->crashes, done->points,
					 done->refusals, done->stale, done->bereft, done->expired,
					 done->forgotten, done->periods, done->lost, done->spared,
					 done->branches, done->drops, done->gaps);
	if (getenv("BB_AUDIT") != NULL)
		elog(NOTICE, "%s", text.data);
	if (sequences < SEQUENCES)
		return;
	for (size_t i = 0; i < sizeof(AuditDone) / sizeof(int); i++)
		if (((const int *) done)[i] == 0)
			elog(ERROR, "too little was done: %s", text.data);
}

UNIT_TEST(audit)
{
	int			size = bb_setting_layer_size_mb;
	int			delay = bb_setting_removal_delay_s;
	int			level = NewGUCNestLevel();
	int			n = getenv("BB_AUDIT") ? atoi(getenv("BB_AUDIT")) : SEQUENCES;

	audit_done = (AuditDone){0};

	/* NOTICEs of what has expired, WARNINGs after a crash */
	(void) set_config_option("client_min_messages", "error", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("log_min_messages", "fatal", PGC_SUSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	bb_setting_removal_delay_s = AUDIT_DELAY_S;
	for (int i = 0; i < n; i++)
	{
		MemoryContext context = unit_enter();
		Sequence   *sequence = draw_sequence(unit_seed());
		int			failed = 0;
		char	   *wrong = run(ctx, sequence, &failed);

		if (wrong != NULL)
			report(ctx, sequence, wrong, failed);
		unit_leave(context);
	}
	AtEOXact_GUC(true, level);
	check_done(n);
	bb_setting_layer_size_mb = size;
	bb_setting_removal_delay_s = delay;
}
