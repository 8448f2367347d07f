/*-------------------------------------------------------------------------
 *
 * audit_steps.c
 *	  Steps of an audit: each changes the store, and the model beside it.
 *
 * After a crash, the store may have a change or not, but no part of it.  The
 * manifest says which.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "audit.h"
#include "base/settings.h"
#include "datatype/timestamp.h"
#include "layer/manifest_edit.h"
#include "upkeep/keeps.h"

const char *const audit_step_names[AUDIT_STEP_KINDS] = {
	[AUDIT_FLUSH] = "flush",
	[AUDIT_RANDOM_JOB] = "random job",
	[AUDIT_POLICY] = "policy",
	[AUDIT_RETENTION_JOBS] = "retention",
	[AUDIT_PLAN] = "plan",
	[AUDIT_COMMIT] = "commit",
	[AUDIT_SET_RETENTION] = "set retention",
	[AUDIT_PIN] = "pin",
	[AUDIT_UNPIN] = "unpin",
	[AUDIT_BRANCH] = "branch",
	[AUDIT_DROP] = "drop",
	[AUDIT_OPEN_READER] = "open reader",
	[AUDIT_READ_ON] = "read on",
	[AUDIT_SWEEP] = "sweep",
	[AUDIT_CLOCK] = "clock",
	[AUDIT_LOSE] = "lose a layer",
	[AUDIT_GAP] = "gap",
};

int64
audit_now(const AuditWorld *world)
{
	return (int64) time(NULL) + world->offset;
}

static BbManifest *
read_manifest(const AuditWorld *world, const AuditLine *line)
{
	return bb_manifest_read(world->ctx, world->objects, line->name);
}

static BbManifest *
find_manifest(const AuditWorld *world, const char *name)
{
	return bb_manifest_find(world->ctx, world->objects, name);
}

/* A random timeline that exists; for a drop, not the first one if possible. */
static AuditLine *
draw_line(const AuditWorld *world, AuditStepKind kind)
{
	int			i = model_roll(2) ? 0 : model_roll(AUDIT_LINES);

	for (int tries = 0; kind == AUDIT_DROP && tries < 8 &&
		 (i == 0 || !audit_alive(world->lines[i]));
		 tries++)
		i = model_roll(AUDIT_LINES);
	return world->lines[audit_alive(world->lines[i]) ? i : 0];
}

/* ---- intake ---- */

static void
move_end(const AuditWorld *world, const AuditLine *line,
		 const BbManifest *base, List *layers, const BbManifestGaps *gaps)
{
	BbManifestEnd end = {.end_lsn = line->lsn,
						 .prev_lsn = line->lsn - 8,
						 .end_time = line->time,
						 .tli = base->tli};

	(void) bb_manifest_edit(world->ctx, world->objects,
							&(BbManifestEdit){.base = base,
											  .added = layers,
											  .gaps = gaps,
											  .end = &end});
}

/* Another intake that goes on from the same end. */
static void
check_rival(const AuditWorld *world, AuditLine *line, const BbManifest *base,
			const AuditLine *before)
{
	AuditLine	after = *line;
	List	   *layers;

	*line = *before;
	audit_line_live(line, 1 + model_roll(5));
	layers = audit_line_layers(world->ctx, world->objects, line,
							   base->end_lsn + 1);
	CHECK_ERROR(move_end(world, line, base, layers, NULL),
				ERRCODE_OBJECT_IN_USE);
	*line = after;
}

/* The records of a flush lie in the world's context. */
static void
flush(AuditWorld *world, AuditLine *line, bool with_rival)
{
	AuditLine	before = *line;
	BbManifest *base = read_manifest(world, line);
	MemoryContext step = MemoryContextSwitchTo(world->context);
	List	   *layers;

	CHECK(base->end_lsn == line->lsn);
	audit_line_live(line, 1 + model_roll(model_roll(4) ? 30 : 80));
	MemoryContextSwitchTo(step);
	layers = audit_line_layers(world->ctx, world->objects, line,
							   base->end_lsn + 1);
	move_end(world, line, base, layers, NULL);
	/* its events would be overwritten */
	if (with_rival && model_roll(10) == 0)
	{
		AuditEvent *events = line->events;
		AuditRecord *records = line->records;

		before.events = palloc((line->nevents + 100) * sizeof(AuditEvent));
		before.records = palloc((line->nrecords + 100) * sizeof(AuditRecord));
		memcpy(before.events, events, before.nevents * sizeof(AuditEvent));
		memcpy(before.records, records, before.nrecords * sizeof(AuditRecord));
		check_rival(world, line, base, &before);
	}
}

/*
 * WAL is lost, and a new base has the state after it: only differences are stored,
 * as import/difference.h does, and LSNs in between can't be read.  No time passes.
 */
static void
make_gap(AuditWorld *world, AuditLine *line)
{
	BbManifest *base = read_manifest(world, line);
	BbManifestGaps gaps = {.n = base->ngaps};
	int			nrecords = line->nrecords;
	int64		time = line->time;
	MemoryContext step;

	/* not right where a branch begins */
	if (nrecords < 2 || base->end_lsn <= base->start_lsn)
		return;
	step = MemoryContextSwitchTo(world->context);
	audit_line_live(line, 2 + model_roll(30));
	line->time = time;
	audit_line_lose(line, nrecords);
	MemoryContextSwitchTo(step);
	gaps.gaps = palloc((gaps.n + 1) * sizeof(BbGap));
	if (gaps.n > 0)
		memcpy(gaps.gaps, base->gaps, gaps.n * sizeof(BbGap));
	gaps.gaps[gaps.n++] = (BbGap){.from = base->end_lsn,
								  .from_prev = base->prev_lsn,
								  .from_time = base->end_time,
								  .until = line->lsn,
								  .until_time = line->time};
	move_end(world, line, base,
			 audit_line_layers(world->ctx, world->objects, line,
							   base->end_lsn + 1),
			 &gaps);
	audit_done.gaps++;
}

/* ---- what is kept ---- */

static void
set_retention(AuditWorld *world, AuditLine *line)
{
	static const char *const periods[] = {NULL,
										  "",
										  "hourly 3",
										  "daily 2",
										  "hourly 2, daily 1",
										  "daily 2, weekly 2, monthly 1"};
	BbRetentionChange change = {
		.window = model_roll(6) > 0,
		.window_s = SECS_PER_HOUR * (1 + model_roll(model_roll(2) ? 4 : 40)),
		.points = periods[model_roll(lengthof(periods))],
	};

	bb_keeps_set(world->ctx, world->objects, line->name, &change);
}

static char *
pin_name(int number)
{
	return psprintf("pin%d", number);
}

/* What the manifest says of pins, after a change that may have crashed. */
static void
learn_pin(AuditWorld *world, AuditLine *line, int number)
{
	BbManifest *manifest = read_manifest(world, line);
	int			at = bb_keeps_find_pin(&manifest->keeps, pin_name(number));
	AuditPin   *pin = &line->pins[number];

	pin->set = at >= 0;
	if (pin->set)
	{
		pin->lsn = manifest->keeps.pins[at].lsn;
		pin->expires_at = manifest->keeps.pins[at].expires_at;
	}
}

static void
set_pin(AuditWorld *world, AuditLine *line, int number)
{
	int64		now = audit_now(world);
	BbPin		pin = {.name = pin_name(number),
					   .lsn = audit_draw_lsn(line, read_manifest(world, line)),
					   .reason = "audit",
					   .owner = "auditor",
					   .created_at = now,
					   .expires_at = model_roll(2) ? 0 : now + 7200};

	bb_keeps_pin(world->ctx, world->objects, line->name, &pin);
	line->pins[number] = (AuditPin){true, pin.lsn, pin.expires_at};
}

static void
change_pin(AuditWorld *world, AuditLine *line, bool set)
{
	for (int i = 0, number = model_roll(AUDIT_PINS); i < AUDIT_PINS;
		 i++, number = (number + 1) % AUDIT_PINS)
	{
		if (line->pins[number].set == set)
			continue;
		if (set)
			set_pin(world, line, number);
		else
		{
			/* even if the answer is lost, it may be gone */
			line->pins[number].set = false;
			bb_keeps_unpin(world->ctx, world->objects, line->name,
						   pin_name(number));
		}
		return;
	}
}

/* Set a pin after an EXPIRE was planned, which has to heed it. */
static void
disturb(AuditWorld *world)
{
	for (int i = 0; i < AUDIT_JOBS; i++)
	{
		const AuditJob *job = &world->jobs[i];

		if (job->context != NULL && !job->line->dropped &&
			job->job.kind == BB_UPKEEP_EXPIRE && model_roll(2))
			change_pin(world, job->line, true);
	}
}

/* ---- branches ---- */

static AuditLine **
free_line(AuditWorld *world, int *number)
{
	for (int i = 1; i < AUDIT_LINES; i++)
		if (!audit_alive(world->lines[i]))
		{
			*number = i;
			return &world->lines[i];
		}
	return NULL;
}

/* The model of a branch that the store has. */
static void
add_branch(AuditWorld *world, AuditLine *ancestor, AuditLine **place,
		   const char *name)
{
	MemoryContext step;
	BbManifest *manifest = find_manifest(world, name);

	if (manifest == NULL)
		return;
	step = MemoryContextSwitchTo(world->context);
	*place = audit_line_branch(ancestor, name, manifest->ancestor_lsn);
	MemoryContextSwitchTo(step);
	audit_done.branches++;
}

static void
branch(AuditWorld *world, AuditLine *ancestor)
{
	int			number;
	AuditLine **place = free_line(world, &number);
	char	   *name;

	if (place == NULL)
		return;
	name = psprintf("branch%d", number);
	bb_timeline_branch(world->ctx, world->objects, name, ancestor->name,
					   audit_draw_lsn(ancestor,
									  read_manifest(world, ancestor)));
	add_branch(world, ancestor, place, name);
}

static bool
has_branch(const AuditWorld *world, const AuditLine *line)
{
	for (int i = 0; i < AUDIT_LINES; i++)
		if (audit_alive(world->lines[i]) && world->lines[i]->ancestor == line)
			return true;
	return false;
}

static void
drop(AuditWorld *world, AuditLine *line)
{
	if (has_branch(world, line))
	{
		CHECK_ERROR(bb_timeline_drop(world->ctx, world->objects, line->name),
					ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST);
		return;
	}
	if (line->ancestor == NULL)
		return;
	/* a server that has lost its lock goes on with its job */
	for (int i = 0; i < AUDIT_JOBS; i++)
		if (world->jobs[i].context != NULL && world->jobs[i].line == line &&
			world->jobs[i].locked)
			audit_jobs_forget(&world->jobs[i]);
	bb_timeline_drop(world->ctx, world->objects, line->name);
	line->dropped = true;
	audit_done.drops++;
}

/* ---- readers ---- */

static void
open_reader(AuditWorld *world, AuditLine *line)
{
	AuditReader reader = {.line = line};
	MemoryContext old;
	BbKeyRange	all = bb_key_range_all();
	AuditReader *place = &world->readers[model_roll(AUDIT_READERS)];

	reader.context = AllocSetContextCreate(CurrentMemoryContext, "reader",
										   ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(reader.context);
	reader.opened = read_manifest(world, line);
	reader.lsn = audit_draw_lsn(line, reader.opened);
	reader.store = bb_pagestore_open_in(world->ctx, world->objects,
										line->name);
	reader.keys = audit_line_keys(line, &reader.nkeys);
	reader.snapshot = bb_snapshot_take(world->ctx, reader.store, reader.lsn);
	MemoryContextSwitchTo(old);
	audit_reader_close(place);
	*place = reader;
	MemoryContextSetParent(reader.context, world->context);
	if (model_roll(3))
	{
		MemoryContextSwitchTo(reader.context);
		place->scan = bb_pagestore_scan_new(world->ctx, &place->snapshot,
											&all);
		MemoryContextSwitchTo(old);
		audit_read_on(world, place, model_roll(10));
	}
}

/* ---- the rest ---- */

/* Layers of a job that is under way without the lock would be removed. */
static void
sweep(AuditWorld *world, AuditLine *line)
{
	for (int i = 0; i < AUDIT_JOBS; i++)
		if (world->jobs[i].context != NULL && world->jobs[i].line == line &&
			!world->jobs[i].locked)
			return;
	bb_manifest_lock(world->ctx, world->objects, line->name);
	if (bb_manifest_sweep(world->ctx, world->objects, line->name))
		audit_check_swept(world, line);
}

static void
turn_clock(AuditWorld *world)
{
	if (model_roll(6) == 0)
		world->offset -= SECS_PER_DAY;
	else
		world->offset += 60 * (1 + model_roll(model_roll(4) ? 120 : 1600));
	world->latest = Max(world->latest, audit_now(world));
}

static void
do_step(AuditWorld *world, const AuditStep *step, AuditLine *line)
{
	switch (step->kind)
	{
		case AUDIT_FLUSH:
			flush(world, line, step->crash == 0);
			break;
		case AUDIT_RANDOM_JOB:
			audit_jobs_random(world, line);
			break;
		case AUDIT_POLICY:
			audit_jobs_policy(world, line);
			break;
		case AUDIT_RETENTION_JOBS:
			audit_jobs_retention(world, line);
			break;
		case AUDIT_PLAN:
			audit_jobs_plan(world, line);
			break;
		case AUDIT_COMMIT:
			disturb(world);
			audit_jobs_commit(world);
			break;
		case AUDIT_SET_RETENTION:
			set_retention(world, line);
			break;
		case AUDIT_PIN:
			change_pin(world, line, true);
			break;
		case AUDIT_UNPIN:
			change_pin(world, line, false);
			break;
		case AUDIT_BRANCH:
			branch(world, line);
			break;
		case AUDIT_DROP:
			drop(world, line);
			break;
		case AUDIT_OPEN_READER:
			open_reader(world, line);
			break;
		case AUDIT_READ_ON:
			audit_read_on(world, &world->readers[model_roll(AUDIT_READERS)],
						  1 + model_roll(20));
			break;
		case AUDIT_SWEEP:
			sweep(world, line);
			break;
		case AUDIT_CLOCK:
			turn_clock(world);
			break;
		case AUDIT_LOSE:
			audit_lose(world, line);
			break;
		case AUDIT_GAP:
			make_gap(world, line);
			break;
	}
}

/* ---- crashes ---- */

/* What has come of the change that was under way? */
static void
recover(AuditWorld *world, const AuditStep *step, AuditLine *line,
		const AuditLine *before)
{
	BbManifest *manifest = find_manifest(world, line->name);
	int			number;
	AuditLine **place;

	if (manifest == NULL)
	{
		CHECK(step->kind == AUDIT_DROP);
		line->dropped = true;
		return;
	}
	for (int i = 0; i < AUDIT_LINES; i++)
		for (int pin = 0; pin < AUDIT_PINS; pin++)
			if (audit_alive(world->lines[i]))
				learn_pin(world, world->lines[i], pin);
	if (manifest->end_lsn == before->lsn)
	{
		line->lsn = before->lsn;
		line->time = before->time;
		line->nevents = line->flushed = before->nevents;
		line->nrecords = before->nrecords;
		memcpy(line->blocks, before->blocks, sizeof(line->blocks));
		line->slru_pages = before->slru_pages;
		line->prepared = before->prepared;
		line->page = before->page;
		line->nends = before->nends;
		line->nwritten = before->nwritten;
		line->first_new = before->first_new;
		memcpy(line->ends, before->ends, sizeof(line->ends));
	}
	else
		CHECK(manifest->end_lsn == line->lsn);
	line->flushed = line->nevents;
	if (step->kind == AUDIT_BRANCH &&
		(place = free_line(world, &number)) != NULL)
		add_branch(world, line, place, psprintf("branch%d", number));
}

void
audit_world_step(AuditWorld *world, const AuditStep *step)
{
	MemoryContext context = unit_enter();
	AuditLine  *line;
	AuditLine	before;
	int			sqlstate = 0;

	pg_prng_seed(&model_prng, step->random);
	line = draw_line(world, step->kind);
	before = *line;
	audit_crash_arm(world->objects, step->crash, step->fault);
	if (step->crash == 0)
		do_step(world, step, line);
	else
	{
		MemoryContext process = unit_enter();

		ERROR_OF(do_step(world, step, line), sqlstate);
		if (audit_crash_disarm())
		{
			/* its locks end with it */
			audit_done.crashes++;
			unit_leave(process);
			recover(world, step, line, &before);
		}
		else if (sqlstate == ERRCODE_DUPLICATE_OBJECT &&
				 step->fault == AUDIT_LOST && step->kind == AUDIT_BRANCH)
			recover(world, step, line, &before);
		else if (sqlstate != 0)
			ereport(ERROR, (errcode(sqlstate),
							errmsg("%s, without a crash", unit_last_error),
							unit_last_detail
								? errdetail_internal("%s", unit_last_detail)
								: 0));
	}
	world->late = step->kind == AUDIT_COMMIT;
	audit_check_manifests(world, step->kind == AUDIT_COMMIT ? NULL : line);
	if (step->look)
		audit_check_reads(world);
	unit_leave(context);
}

/* ---- beginning and end ---- */

AuditWorld *
audit_world_new(const BbReqCtx *ctx, uint64 random)
{
	AuditWorld *world = palloc0(sizeof(AuditWorld));
	int64		today;

	world->ctx = ctx;
	world->context = CurrentMemoryContext;
	world->objects = unit_store(ctx);
	audit_crash_arm(world->objects, 0, AUDIT_BEFORE);
	world->latest = audit_now(world);
	today = world->latest / SECS_PER_DAY * SECS_PER_DAY;
	pg_prng_seed(&model_prng, random);
	world->lines[0] = audit_line_new(ctx, world->objects, "main",
									 today - 60 * SECS_PER_DAY);
	return world;
}

void
audit_world_end(AuditWorld *world)
{
	audit_check_manifests(world, NULL);
	audit_check_reads(world);
	for (int i = 0; i < AUDIT_READERS; i++)
	{
		if (world->readers[i].context != NULL)
			audit_read_on(world, &world->readers[i], PG_INT32_MAX);
		audit_reader_close(&world->readers[i]);
	}
	for (int i = 0; i < AUDIT_JOBS; i++)
		audit_jobs_forget(&world->jobs[i]);
	for (int i = 0; i < AUDIT_LINES; i++)
	{
		MemoryContext context = unit_enter();

		if (world->lines[i] != NULL)
			sweep(world, world->lines[i]);
		unit_leave(context);
	}
}
