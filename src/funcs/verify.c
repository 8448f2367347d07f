/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  Is a store whole?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/foreigntext.h"
#include "catalog/pg_type_d.h"
#include "funcs/arguments.h"
#include "stats/calls.h"
#include "stores/store_access.h"
#include "stores/store_list.h"
#include "stores/store_timelines.h"
#include "upkeep/inherited.h"
#include "upkeep/pace.h"
#include "upkeep/verify_state.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_verify);
BB_SQL_FUNCTION(bb_sql_get_stat_verification);
BB_SQL_FUNCTION(bb_sql_get_findings);

/* How often a pass that is under way is noted in the store. */
#define NOTE_INTERVAL_MS 2000

/* A finding as columns of bb_verify(). */
typedef struct FindingRow
{
	Datum		values[10];
	bool		nulls[10];
} FindingRow;

static FindingRow
finding_values(const char *timeline, const BbFinding *finding)
{
	FindingRow	row = {.nulls = {false}};

	row.values[0] = CStringGetTextDatum(timeline);
	row.values[1] = CStringGetTextDatum(bb_finding_kind_name(finding->kind));
	row.values[2] = bb_result_text(finding->layer, &row.nulls[2]);
	row.values[3] = Int64GetDatum((int64) finding->offset);
	row.nulls[3] = finding->layer == NULL;
	row.values[4] = bb_result_lsn(finding->lsn_from, &row.nulls[4]);
	row.values[5] = bb_result_lsn(finding->lsn_until, &row.nulls[5]);
	row.values[6] = CStringGetTextDatum(bb_key_text(&finding->keys.start));
	row.values[7] = CStringGetTextDatum(bb_key_text(&finding->keys.end));
	row.values[8] = CStringGetTextDatum(bb_finding_lost(finding));
	row.values[9] = bb_text_datum(finding->message);
	return row;
}

static void
finding_row(FunctionCallInfo fcinfo, const char *timeline,
			const BbFinding *finding)
{
	FindingRow	row = finding_values(timeline, finding);

	bb_result_row(fcinfo, row.values, row.nulls);
}

static void
inherited_rows(FunctionCallInfo fcinfo, const List *inherited)
{
	const ListCell *cell;

	foreach(cell, inherited)
	{
		const BbInherited *one = lfirst(cell);

		finding_row(fcinfo, one->timeline, &one->finding);
	}
}

/* The LSNs at which pages are checked. */
typedef struct Lsns
{
	int			n;
	XLogRecPtr	at[BB_VERIFY_LSNS_MAX];
} Lsns;

/* Argument n, "lsns". */
static Lsns
arg_lsns(FunctionCallInfo fcinfo, int n)
{
	Lsns		lsns = {0};
	Datum	   *values;
	bool	   *nulls;

	if (PG_ARGISNULL(n))
		return lsns;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), PG_LSNOID, sizeof(XLogRecPtr),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &nulls,
					  &lsns.n);
	if (lsns.n > BB_VERIFY_LSNS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many LSNs"),
				 errdetail("There are %d; the limit is %d.", lsns.n,
						   BB_VERIFY_LSNS_MAX)));
	for (int i = 0; i < lsns.n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"lsns\" must not contain nulls")));
		lsns.at[i] = DatumGetLSN(values[i]);
	}
	return lsns;
}

/* Those of a timeline, if the user names none: its start, middle and end. */
static Lsns
usual_lsns(const BbManifest *manifest)
{
	BbManifest	readable = bb_manifest_readable(manifest);
	XLogRecPtr	start = readable.start_lsn;
	XLogRecPtr	end = readable.end_lsn;
	Lsns		lsns = {.n = 1, .at = {end}};
	const XLogRecPtr others[] = {start + (end - start) / 2, start};

	for (int i = 0; i < lengthof(others); i++)
		if (bb_verify_lsn_readable(&readable, others[i]) &&
			others[i] != lsns.at[lsns.n - 1])
			lsns.at[lsns.n++] = others[i];
	return lsns;
}

static void
check_lsns(const BbManifest *manifest, const Lsns *lsns)
{
	BbManifest	readable = bb_manifest_readable(manifest);

	for (int i = 0; i < lsns->n; i++)
		if (!bb_verify_lsn_readable(&readable, lsns->at[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("timeline \"%s\" cannot be read at " BB_LSN_FORMAT,
							manifest->timeline, LSN_FORMAT_ARGS(lsns->at[i])),
					 errdetail("It reaches from " BB_LSN_FORMAT " to " BB_LSN_FORMAT ".",
							   LSN_FORMAT_ARGS(readable.start_lsn),
							   LSN_FORMAT_ARGS(readable.end_lsn))));
}

/* What bb_verify() was asked for. */
typedef struct VerifyCall
{
	const BbReqCtx *ctx;
	FunctionCallInfo fcinfo;
	BbObjectStore *objects;
	BbVerifyLevel level;
	Lsns		lsns;
	bool		resume;
	bool		only; /* one timeline was named */
} VerifyCall;

/* Begin a pass, or go on with the one that the store has noted. */
static BbVerifyPass *
begin_pass(const VerifyCall *call, const char *timeline,
		   const BbVerifyState *state)
{
	ErrorData  *error;
	BbManifest *manifest;
	Lsns		lsns = call->lsns;

	if (call->resume && state->running != NULL)
		return state->running;
	/* a manifest that can't be read is a finding */
	manifest = bb_manifest_try(call->ctx, call->objects, timeline, &error);
	if (manifest != NULL && lsns.n > 0)
		check_lsns(manifest, &lsns);
	else if (manifest != NULL && bb_manifest_consistent(manifest))
		lsns = usual_lsns(manifest);
	return bb_verify_begin(timeline, call->level, lsns.at, lsns.n);
}

/* Verify a timeline, and return a row for each finding. */
static void
verify(const VerifyCall *call, const char *timeline)
{
	const BbReqCtx *ctx = call->ctx;
	BbVerifyState state = bb_verify_state_read(ctx, call->objects, timeline);
	BbVerifyPass *pass = begin_pass(call, timeline, &state);
	bool		noted = pass->level != BB_VERIFY_OBJECTS;
	TimestampTz noted_at = GetCurrentTimestamp();
	ListCell   *cell;

	if (noted)
		state.running = pass;
	while (bb_verify_step(ctx, call->objects, pass))
	{
		bb_reqctx_check(ctx);
		if (noted &&
			TimestampDifferenceExceeds(noted_at, GetCurrentTimestamp(),
									   NOTE_INTERVAL_MS))
		{
			noted = bb_verify_state_write(ctx, call->objects, timeline,
										  &state);
			noted_at = GetCurrentTimestamp();
		}
	}
	if (noted)
		(void) bb_verify_state_write(ctx, call->objects, timeline, &state);

	foreach(cell, pass->findings)
		finding_row(call->fcinfo, timeline, lfirst(cell));
	inherited_rows(call->fcinfo,
				   bb_inherited_by_branches(ctx, call->objects, timeline,
											pass->findings));
	/* of all timelines, each tells what it means for its branches */
	if (call->only)
		inherited_rows(call->fcinfo,
					   bb_inherited_from_ancestors(ctx, call->objects,
												   timeline));
	if (pass->nfindings > list_length(pass->findings))
		ereport(NOTICE,
				(errmsg("timeline \"%s\" has " UINT64_FORMAT
						" findings; the first %d are shown",
						timeline, pass->nfindings,
						list_length(pass->findings))));
}

/*
 * bb_verify(store name, timeline text, level text, lsns pg_lsn[], resume boolean);
 * timeline NULL: all timelines
 */
static Datum
bb_sql_verify_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_VERIFY);
	char	   *server = bb_arg_name(fcinfo, 0, "store");
	char	   *timeline = PG_ARGISNULL(1)
		? NULL
		: bb_arg_text(fcinfo, 1, "timeline");
	VerifyCall	call = {
		.ctx = ctx,
		.fcinfo = fcinfo,
		.level = bb_verify_level_of(bb_arg_text(fcinfo, 2, "level")),
		.lsns = arg_lsns(fcinfo, 3),
		.resume = bb_arg_bool(fcinfo, 4, "resume"),
		.only = timeline != NULL,
	};
	MemoryContext row_context;
	List	   *names;
	ListCell   *cell;

	if (call.lsns.n > 0 && (timeline == NULL || call.level != BB_VERIFY_PAGES))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"lsns\" requires a timeline and the level \"pages\"")));
	call.objects = bb_store_open(ctx, server, timeline);
	row_context = bb_result_begin(fcinfo);
	names = timeline
		? list_make1(timeline)
		: bb_inherited_order(ctx, call.objects,
							 bb_store_timelines(ctx, call.objects, server));
	bb_upkeeppace_begin(ctx, NULL);
	foreach(cell, names)
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);

		verify(&call, lfirst(cell));
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

/* ---- what stores remember ---- */

typedef struct StateCall StateCall;

typedef void (*StateRow) (const StateCall *call, BbObjectStore *objects,
						  const char *server, const char *timeline,
						  const BbVerifyState *state);

struct StateCall
{
	const BbReqCtx *ctx;
	FunctionCallInfo fcinfo;
	StateRow	row;
};

static Datum
time_or_null(TimestampTz time, bool *null)
{
	*null = time == 0;
	return TimestampTzGetDatum(time);
}

static Datum
level_or_null(const BbVerifyPass *pass, bool *null)
{
	return bb_result_text(pass ? bb_verify_level_name(pass->level) : NULL,
						  null);
}

static void
verification_row(const StateCall *call, BbObjectStore *objects,
				 const char *server, const char *timeline,
				 const BbVerifyState *state)
{
	static const BbVerifyPass none = {0};
	const BbVerifyPass *last = state->last ? state->last : &none;
	const BbVerifyPass *running = state->running ? state->running : &none;
	NameData	store;
	bool		nulls[15] = {0};

	namestrcpy(&store, server);
	memset(nulls + 5, state->last == NULL, 4);
	memset(nulls + 11, state->running == NULL, 4);
	bb_result_row(call->fcinfo,
				  (Datum[lengthof(
					  nulls)]){NameGetDatum(&store),
							   CStringGetTextDatum(timeline),
							   level_or_null(state->last, &nulls[2]),
							   time_or_null(last->started_at, &nulls[3]),
							   time_or_null(last->finished_at, &nulls[4]),
							   Int64GetDatum((int64) last->layers),
							   Int64GetDatum((int64) last->bytes),
							   Int64GetDatum((int64) last->pages),
							   Int64GetDatum((int64) last->nfindings),
							   level_or_null(state->running, &nulls[9]),
							   time_or_null(running->started_at, &nulls[10]),
							   Int64GetDatum((int64) running->layers_total),
							   Int64GetDatum((int64) running->layers),
							   Int64GetDatum((int64) running->pages),
							   Int64GetDatum((int64) running->nfindings)},
				  nulls);
}

static void
noted_row(FunctionCallInfo fcinfo, const char *server, const char *timeline,
		  const BbFinding *finding, TimestampTz found_by)
{
	FindingRow	row = finding_values(timeline, finding);
	Datum		values[lengthof(row.values) + 2];
	bool		nulls[lengthof(row.values) + 2] = {0};
	NameData	store;

	namestrcpy(&store, server);
	values[0] = NameGetDatum(&store);
	memcpy(values + 1, row.values, sizeof(row.values));
	memcpy(nulls + 1, row.nulls, sizeof(row.nulls));
	values[lengthof(values) - 1] = TimestampTzGetDatum(found_by);
	bb_result_row(fcinfo, values, nulls);
}

static void
findings_of_pass(const StateCall *call, const char *server,
				 const char *timeline, const BbVerifyPass *pass)
{
	ListCell   *cell;

	if (pass == NULL)
		return;
	foreach(cell, pass->findings)
		noted_row(call->fcinfo, server, timeline, lfirst(cell),
				  pass->started_at);
}

static void
findings_rows(const StateCall *call, BbObjectStore *objects,
			  const char *server, const char *timeline,
			  const BbVerifyState *state)
{
	ListCell   *cell;

	findings_of_pass(call, server, timeline, state->last);
	findings_of_pass(call, server, timeline, state->running);
	foreach(cell, bb_inherited_from_ancestors(call->ctx, objects, timeline))
	{
		const BbInherited *one = lfirst(cell);

		noted_row(call->fcinfo, server, timeline, &one->finding,
				  one->started_at);
	}
}

static void
states_of_store(const char *server, void *arg)
{
	StateCall  *call = arg;
	BbObjectStore *objects = bb_store_open(call->ctx, server, NULL);
	ListCell   *cell;

	foreach(cell, bb_manifest_list(call->ctx, objects))
	{
		BbVerifyState state;

		if (!bb_store_has_timeline(call->ctx, objects, lfirst(cell)))
			continue;
		state = bb_verify_state_read(call->ctx, objects, lfirst(cell));
		call->row(call, objects, server, lfirst(cell), &state);
	}
}

/* Rows of a store, or (NULL) of all that the user may use. */
static Datum
rows_of_states(FunctionCallInfo fcinfo, StateRow row)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	StateCall	call = {.ctx = ctx, .fcinfo = fcinfo, .row = row};

	(void) bb_result_begin(fcinfo);
	bb_store_each(PG_ARGISNULL(0) ? NULL : bb_arg_name(fcinfo, 0, "store"),
				  states_of_store, &call);
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

/* bb_get_stat_verification(store name); NULL: all stores */
static Datum
bb_sql_get_stat_verification_body(PG_FUNCTION_ARGS)
{
	return rows_of_states(fcinfo, verification_row);
}

/* bb_get_findings(store name); NULL: all stores */
static Datum
bb_sql_get_findings_body(PG_FUNCTION_ARGS)
{
	return rows_of_states(fcinfo, findings_rows);
}
