/*-------------------------------------------------------------------------
 *
 * parallel.c
 *	  The relation blocks of a backup, made by several background workers: the
 *	  backup's side.
 *
 * Units wait in a ring, in the order of the backup:
 *
 *	  [unit being read] [dealt] [dealt] ... [not dealt yet] ...
 *
 * They are dealt in this order too, to the worker that has the fewest.  So if
 * the reader reaches a unit that wasn't dealt, no worker was ready for it before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/parallel.h"
#include "backup/units.h"
#include "process/sessionworker.h"

/* The units that a worker has: the one it makes, and the next. */
#define UNITS_PER_WORKER 2

/* Its queues have room for as many; the length precedes each message. */
#define OUTPUT_BYTES                                              \
	(UNITS_PER_WORKER *                                           \
	 (BB_UNIT_BLOCKS * (BLCKSZ + sizeof(Size)) + sizeof(BbNote) + \
	  2 * sizeof(Size)))
#define INPUT_BYTES     \
	(UNITS_PER_WORKER * \
	 (BB_UNIT_BLOCKS * sizeof(BbBlockRange) + 2 * sizeof(Size)))

typedef struct Worker
{
	BbSessionWorker *worker;
	bool		ready;
	bool		failed; /* to begin: it sends nothing */
	int			units;	/* dealt to it, and not read to the end yet */
} Worker;

typedef struct Planned
{
	BbUnit		unit;
	Worker	   *worker; /* NULL: not dealt yet, or made by the reader */
} Planned;

struct BbParallel
{
	int			nworkers;
	int			nfailed; /* of these, to begin */
	Worker	   *workers;

	BbUnits	   *units;
	bool		planned_all; /* all units that are left are in the queue */
	bool		input_ended; /* the workers were told that */
	Planned	   *queue;		 /* a ring */
	int			queue_length;
	int			first;
	int			queued;
	int			dealt; /* of those in the queue; or begun by the reader */

	/* the first of the queue, if it has been begun */
	bool		reading;
	int			range; /* nranges: all of it has been read */
	uint32		block; /* of the range */
};

static Planned *
queue_at(BbParallel *parallel, int n)
{
	return &parallel->queue[(parallel->first + n) % parallel->queue_length];
}

/* Put another unit into the queue; false if there is none, or no room. */
static bool
plan(const BbReqCtx *ctx, BbParallel *parallel)
{
	Planned	   *planned = queue_at(parallel, parallel->queued);

	if (parallel->planned_all || parallel->queued == parallel->queue_length)
		return false;
	planned->worker = NULL;
	if (!bb_units_next(ctx, parallel->units, &planned->unit))
	{
		parallel->planned_all = true;
		return false;
	}
	parallel->queued++;
	return true;
}

/* ---- beginning ---- */

/* Start as many workers as are wanted, or as there are processes for. */
static void
start_workers(const BbReqCtx *ctx, BbParallel *parallel,
			  const BbBackupTask *task, int wanted)
{
	BbSessionWorkerRequest request =
		{.task = BB_PAGES_TASK,
		 .payload = task,
		 .payload_length = sizeof(*task),
		 .output_bytes = OUTPUT_BYTES,
		 .input_bytes = INPUT_BYTES,
		 .errors = BB_WORKER_START_ERRORS_RETURNED};

	parallel->workers = palloc0(wanted * sizeof(Worker));
	while (parallel->nworkers < wanted)
	{
		const char *shortage;
		BbSessionWorker *worker = bb_sessionworker_try_start(ctx, &request,
															 &shortage);

		if (worker == NULL)
		{
			ereport(NOTICE,
					(errmsg("making a base backup with %d of %d background workers",
							parallel->nworkers, wanted),
					 errdetail_internal("%s", shortage)));
			return;
		}
		parallel->workers[parallel->nworkers++].worker = worker;
	}
}

BbParallel *
bb_parallel_new(const BbReqCtx *ctx, const BbBackupPlan *backup,
				const BbBackupTask *task)
{
	BbParallel *parallel;
	int			jobs = backup->options.jobs;

	if (backup->size > 0)
		jobs = Min(jobs, backup->size / BB_BYTES_PER_WORKER);
	if (jobs == 0)
		return NULL;

	parallel = palloc0(sizeof(BbParallel));
	parallel->queue_length = jobs * UNITS_PER_WORKER + 1;
	parallel->queue = palloc(parallel->queue_length * sizeof(Planned));
	parallel->units = bb_units_new(backup);
	/* the reader most likely makes the first unit */
	while (parallel->queued < jobs + 1 && plan(ctx, parallel))
		;
	jobs = Min(jobs, parallel->queued - 1);

	if (jobs > 0)
		start_workers(ctx, parallel, task, jobs);
	if (parallel->nworkers > 0)
		return parallel;
	bb_units_close(parallel->units);
	return NULL;
}

/* ---- dealing ---- */

/* Note whether a worker says that it is ready; doesn't wait for it. */
static void
look_if_ready(const BbReqCtx *ctx, BbParallel *parallel, Worker *worker)
{
	const void *message;
	const BbNote *note;
	size_t		length;
	BbWorkerEvent event = bb_sessionworker_receive(ctx, worker->worker, false,
												   &message, &length);

	if (event == BB_WORKER_ENDED &&
		bb_sessionworker_start_failure(worker->worker) != NULL)
	{
		worker->failed = true;
		parallel->nfailed++;
		ereport(NOTICE,
				(errmsg("making a base backup with %d of %d background workers",
						parallel->nworkers - parallel->nfailed,
						parallel->nworkers),
				 errdetail_internal(
					 "%s", bb_sessionworker_start_failure(worker->worker))));
	}
	if (event != BB_WORKER_MESSAGE)
		return;
	note = message;
	if (length != sizeof(BbNote) || note->kind != BB_NOTE_READY)
		elog(ERROR, "background worker for %s did not say that it is ready",
			 BB_PAGES_TASK);
	worker->ready = true;
}

/* The worker that has least to do; NULL: all have enough. */
static Worker *
find_idlest(BbParallel *parallel)
{
	Worker	   *idlest = NULL;

	for (int i = 0; i < parallel->nworkers; i++)
	{
		Worker	   *worker = &parallel->workers[i];

		if (worker->ready && worker->units < UNITS_PER_WORKER &&
			(idlest == NULL || worker->units < idlest->units))
			idlest = worker;
	}
	return idlest;
}

static void
end_input(BbParallel *parallel)
{
	if (parallel->input_ended)
		return;
	for (int i = 0; i < parallel->nworkers; i++)
		bb_sessionworker_end_input(parallel->workers[i].worker);
	parallel->input_ended = true;
}

/* Give units to all workers that have too few. */
static void
deal(const BbReqCtx *ctx, BbParallel *parallel)
{
	Worker	   *worker;

	for (int i = 0; i < parallel->nworkers; i++)
		if (!parallel->workers[i].ready && !parallel->workers[i].failed)
			look_if_ready(ctx, parallel, &parallel->workers[i]);
	while ((worker = find_idlest(parallel)) != NULL &&
		   (parallel->dealt < parallel->queued || plan(ctx, parallel)))
	{
		Planned	   *planned = queue_at(parallel, parallel->dealt++);

		planned->worker = worker;
		worker->units++;
		/* if it has gone, receiving its pages reports why */
		(void) bb_sessionworker_send(ctx, worker->worker, planned->unit.ranges,
									 planned->unit.nranges *
										 sizeof(BbBlockRange));
	}
	if (parallel->planned_all && parallel->dealt == parallel->queued)
		end_input(parallel);
}

/* ---- reading ---- */

/* The next message from a worker that has to send more. */
static const void *
receive(const BbReqCtx *ctx, Worker *worker, size_t *length)
{
	const void *message;

	if (bb_sessionworker_receive(ctx, worker->worker, true, &message,
								 length) != BB_WORKER_MESSAGE)
		elog(ERROR, "background worker for %s ended too early",
			 BB_PAGES_TASK);
	if (*length != BLCKSZ && *length != sizeof(BbNote))
		elog(ERROR, "background worker for %s sent %zu bytes",
			 BB_PAGES_TASK, *length);
	return message;
}

static void
begin_unit(const BbReqCtx *ctx, BbParallel *parallel)
{
	if (parallel->queued == 0 && !plan(ctx, parallel))
		elog(ERROR, "a base backup has more blocks than were planned");
	/* one that wasn't dealt is made by the reader */
	parallel->dealt = Max(parallel->dealt, 1);
	parallel->reading = true;
	parallel->range = 0;
	parallel->block = 0;
	deal(ctx, parallel);
}

static void
end_unit(const BbReqCtx *ctx, BbParallel *parallel)
{
	Worker	   *worker = queue_at(parallel, 0)->worker;

	if (worker != NULL)
	{
		size_t		length;
		const BbNote *note = receive(ctx, worker, &length);

		if (length == BLCKSZ || note->kind != BB_NOTE_UNIT_DONE)
			elog(ERROR, "background worker for %s did not end its unit",
				 BB_PAGES_TASK);
		bb_sessionworker_collect(worker->worker);
		worker->units--;
	}
	parallel->first = (parallel->first + 1) % parallel->queue_length;
	parallel->queued--;
	parallel->dealt--;
	parallel->reading = false;
}

static BbBlockOutcome
take_block(const BbReqCtx *ctx, Worker *worker, BbValue *value)
{
	size_t		length;
	const void *message = receive(ctx, worker, &length);
	const BbNote *note = message;

	value->data = message;
	value->length = length;
	if (likely(length == BLCKSZ))
		return BB_BLOCK_MADE;
	switch (note->kind)
	{
		case BB_NOTE_MISSING:
			return BB_BLOCK_MISSING;
		case BB_NOTE_OTHER_LENGTH:
			/* the caller reports the wrong length */
			value->length = note->length;
			return BB_BLOCK_MADE;
		case BB_NOTE_READY:
		case BB_NOTE_UNIT_DONE:
			break;
	}
	elog(ERROR, "background worker for %s left out a block", BB_PAGES_TASK);
}

BbBlockOutcome
bb_parallel_next(const BbReqCtx *ctx, BbParallel *parallel, const BbKey *key,
				 BbValue *value)
{
	Planned	   *planned = queue_at(parallel, 0);
	const BbBlockRange *range;
	BbKey		expected;

	if (parallel->reading && parallel->range == planned->unit.nranges)
		end_unit(ctx, parallel);
	if (!parallel->reading)
		begin_unit(ctx, parallel);

	planned = queue_at(parallel, 0);
	range = &planned->unit.ranges[parallel->range];
	expected = bb_range_key(range, parallel->block);
	if (bb_key_compare(&expected, key) != 0)
		elog(ERROR, "a base backup wants %s where %s was planned",
			 bb_key_text(key), bb_key_text(&expected));
	if (++parallel->block == range->count)
	{
		parallel->range++;
		parallel->block = 0;
	}

	if (planned->worker == NULL)
		return BB_BLOCK_OURS;
	return take_block(ctx, planned->worker, value);
}

void
bb_parallel_end(const BbReqCtx *ctx, BbParallel *parallel)
{
	const void *message;
	size_t		length;

	if (parallel->reading &&
		parallel->range == queue_at(parallel, 0)->unit.nranges)
		end_unit(ctx, parallel);
	if (parallel->queued > 0 || plan(ctx, parallel))
		elog(ERROR, "a base backup has fewer blocks than were planned");

	end_input(parallel);
	for (int i = 0; i < parallel->nworkers; i++)
	{
		Worker	   *worker = &parallel->workers[i];

		/* a worker that isn't ready by now may never be */
		if (worker->ready &&
			bb_sessionworker_receive(ctx, worker->worker, true, &message,
									 &length) != BB_WORKER_ENDED)
			elog(ERROR, "background worker for %s did not end",
				 BB_PAGES_TASK);
		bb_sessionworker_stop(worker->worker);
	}
	bb_units_close(parallel->units);
}
