/*-------------------------------------------------------------------------
 *
 * audit_points.c
 *	  Which states before the window of a timeline have to stay, and which may.
 *
 *	  states: |--1--|-2-|---3---|--4--|-5-|----6----|	each begins with a commit
 *					^				  ^ start: 5 and later ones are in the window
 *
 * A state is what a timeline is from a commit up to the next one.  Of each period
 * the last state stays, if it could be read before; any LSN of it will do.  A state
 * is the last one of its period if the next one that could be read is of another
 * period.  Points in other states are those of pins and branches.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "audit.h"
#include "base/compat.h"
#include "datatype/timestamp.h"

typedef struct State
{
	XLogRecPtr	from;
	XLogRecPtr	until;
	int64		time;
	bool		kept;
} State;

typedef int64 (*Period) (int64 time);

static int64
hour_of(int64 time)
{
	return time / 3600;
}

static int64
day_of(int64 time)
{
	return time / 86400;
}

static int64
week_of(int64 time)
{
	/* the first Monday was the fifth day */
	return (day_of(time) + 3) / 7;
}

static int64
month_of(int64 time)
{
	time_t		t = (time_t) time;
	struct tm	tm;

	gmtime_r(&t, &tm);
	return tm.tm_year * 12 + tm.tm_mon;
}

static State *
states_of(const AuditLine *line, int *n)
{
	State	   *states = palloc((line->nrecords + 1) * sizeof(State));
	int64		time = line->ancestor
		? audit_line_record(line->ancestor, line->ancestor_lsn).time
		: line->records[0].time;

	*n = 0;
	states[(*n)++] = (State){0, PG_UINT64_MAX, time, false};
	for (int i = 0; i < line->nrecords; i++)
	{
		const AuditRecord *record = &line->records[i];

		if (!record->commit)
			continue;
		states[*n - 1].until = record->lsn;
		states[(*n)++] = (State){record->lsn, PG_UINT64_MAX, record->time,
								 false};
	}
	return states;
}

static bool
can_be_read(const BbManifest *manifest, const State *state)
{
	if (manifest->start_lsn < state->until && manifest->end_lsn >= state->from)
		return true;
	for (int i = 0; i < manifest->keeps.npoints; i++)
	{
		XLogRecPtr	lsn = manifest->keeps.points[i].lsn;

		if (lsn >= state->from && lsn < state->until)
			return true;
	}
	return false;
}

/* The state of an LSN; the first one begins at 0. */
static int
state_at(const State *states, int n, XLogRecPtr lsn)
{
	int			at = n - 1;

	while (states[at].from > lsn)
		at--;
	return at;
}

static bool
has(const List *periods, int64 period)
{
	const ListCell *cell;

	foreach(cell, periods)
		if (*(int64 *) lfirst(cell) == period)
			return true;
	return false;
}

/* Mark the states that a number of periods keeps; "at" is that of the start. */
static void
mark(State *states, int at, uint32 count, Period period_of,
	 const BbManifest *before)
{
	int64		next = period_of(states[at].time);
	List	   *periods = NIL;

	for (int i = at - 1; i >= 0; i--)
	{
		int64	   *period = palloc(sizeof(int64));
		bool		last;

		if (!can_be_read(before, &states[i]))
			continue;
		*period = period_of(states[i].time);
		last = *period != next;
		next = *period;
		if (!last || (!has(periods, *period) && list_length(periods) >= count))
			continue;
		if (!has(periods, *period))
			periods = lappend(periods, period);
		states[i].kept = true;
	}
}

/* Is it that of a pin or a branch? */
static bool
is_held(const AuditWorld *world, const AuditLine *line, const BbManifest *now,
		XLogRecPtr lsn)
{
	for (int i = 0; i < now->keeps.npins; i++)
		if (now->keeps.pins[i].lsn == lsn)
			return true;
	for (int i = 0; i < AUDIT_LINES; i++)
		if (audit_alive(world->lines[i]) &&
			world->lines[i]->ancestor == line &&
			world->lines[i]->ancestor_lsn == lsn)
			return true;
	return false;
}

static bool
same_points(const BbManifest *a, const BbManifest *b)
{
	if (a->start_lsn != b->start_lsn || a->keeps.npoints != b->keeps.npoints)
		return false;
	for (int i = 0; i < a->keeps.npoints; i++)
		if (a->keeps.points[i].lsn != b->keeps.points[i].lsn)
			return false;
	return true;
}

void
audit_check_points(const AuditWorld *world, const AuditLine *line,
				   const BbManifest *now)
{
	const BbManifest *before = line->seen;
	const BbRetention *retention = &before->keeps.retention;
	int			n;
	State	   *states;
	int			at;

	if (same_points(before, now))
		return;
	states = states_of(line, &n);
	at = state_at(states, n, now->start_lsn);
	mark(states, at, retention->hourly, hour_of, before);
	mark(states, at, retention->daily, day_of, before);
	mark(states, at, retention->weekly, week_of, before);
	mark(states, at, retention->monthly, month_of, before);
	for (int i = 0; i < at; i++)
	{
		audit_done.periods += states[i].kept;
		if (states[i].kept && !can_be_read(now, &states[i]))
			audit_broken(line,
						 "the state from " BB_LSN_FORMAT
						 ", of time " INT64_FORMAT
						 ", is the last of a period, and was given up",
						 LSN_FORMAT_ARGS(states[i].from), states[i].time);
	}
	/* a pin that was removed since the plan leaves a point, until the next job */
	for (int i = 0; i < now->keeps.npoints && !world->late; i++)
	{
		XLogRecPtr	lsn = now->keeps.points[i].lsn;

		if (!states[state_at(states, n, lsn)].kept &&
			!is_held(world, line, now, lsn))
			audit_broken(line, "point " BB_LSN_FORMAT " is kept for nothing",
						 LSN_FORMAT_ARGS(lsn));
	}
}
