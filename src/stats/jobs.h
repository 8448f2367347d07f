/*-------------------------------------------------------------------------
 *
 * jobs.h
 *	  What upkeep does: the state of each timeline, the last jobs and why.
 *
 *	  bb_jobs_begin ──► the timeline is RUNNING
 *	  bb_jobs_end	──► the timeline is IDLE, or WAITING after an error
 *						the job is in the ring, its bytes are in the sums
 *
 * A job that fails gets a pause before the next attempt, which grows with each
 * failure in a row from 10 s to an hour.  Each kind of job has a pause of its
 * own: a disk that is too full for a merge doesn't keep objects from being
 * removed.  A job that failed because of a broken layer, or of some keys, has none:
 * these are noted (jobfaults.h), and jobs that don't need them go on.
 *
 * The kinds of jobs are numbers here; the room upkeep knows their names.
 *
 * Known are the last jobs (512 in shared memory, 64 in a session's memory) and
 * the timelines that were visited last (256; 32).  See shared.h for the memory
 * and the lock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_JOBS_H
#define BB_JOBS_H

#include "access/xlogdefs.h"
#include "base/key.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#define BB_JOB_KINDS_MAX 12
#define BB_JOB_BARREN_MAX 16
#define BB_JOB_FAULTS_MAX 16
#define BB_JOB_TIMELINE_SIZE 64
#define BB_JOB_WHY_SIZE 128
#define BB_JOB_MESSAGE_SIZE 256

/* A timeline, as users of a database name it. */
typedef struct BbJobPlace
{
	Oid			database;
	char		store[NAMEDATALEN];
	char		timeline[BB_JOB_TIMELINE_SIZE];
} BbJobPlace;

/* bb_jobplace - a timeline of a store of this database; names are cut. */
extern BbJobPlace bb_jobplace(const char *store, const char *timeline);

/* A job that has ended, or (ended_at 0) that runs. */
typedef struct BbJob
{
	uint64		id; /* rising */
	BbJobPlace	place;
	Oid			user; /* for whom it ran */
	int			pid;
	int			kind;
	TimestampTz started_at;
	TimestampTz ended_at;
	XLogRecPtr	lsn; /* Invalid: it concerns none */
	char		why[BB_JOB_WHY_SIZE];
	uint64		layers_read; /* or objects */
	uint64		layers_written;
	uint64		layers_removed; /* retired, or their objects removed */
	uint64		bytes_read;
	uint64		bytes_written;
	int			sqlstate; /* 0: it succeeded; QUERY_CANCELED is no failure */
	char		message[BB_JOB_MESSAGE_SIZE];
	bool		fault_noted; /* its error is that of a BbJobFault, which has
							  * the pause */
} BbJob;

/* What jobs of a kind failed of, and what is left out since then. */
typedef struct BbJobFault
{
	int			kind;  /* of the job */
	uint64		layer; /* the file_id of a layer that can't be read; 0: none */
	BbKeyRange	keys;  /* if there is none: the keys of the job */
	int			failures; /* in a row; 0: this place is free */
	TimestampTz noted_at; /* the last one */
	TimestampTz retry_at;
} BbJobFault;

/* What a timeline looks like to upkeep. */
typedef struct BbJobDebt
{
	uint64		layers;
	uint64		runs; /* stretches of WAL, each with delta layers of its own */
	uint64		depth; /* delta layers over one key, at most */
	uint64		retired;
	uint64		bytes;
	XLogRecPtr	end_lsn;
	uint64		new_bytes; /* of layers that begin at or after the end_lsn of
							* the last look; see bb_jobs_seen_end */
} BbJobDebt;

typedef enum BbJobState
{
	BB_JOBS_IDLE,		  /* nothing to do, at the last visit */
	BB_JOBS_RUNNING,	  /* a job runs */
	BB_JOBS_WAITING,	  /* a job failed; it has a pause */
	BB_JOBS_BUSY,		  /* another process takes care of it */
	BB_JOBS_COPY,		  /* it is a copy, which nobody changes here */
	BB_JOBS_INCOMPLETE,	  /* its import isn't complete */
	BB_JOBS_OTHER_VERSION /* idle; but images take redo helpers of another
						   * major version */
} BbJobState;

typedef struct BbJobTimeline
{
	BbJobPlace	place;
	Oid			user;
	BbJobState	state;
	int			pid;  /* of the last visit */
	int			kind; /* of the last job; -1: none so far */
	TimestampTz visited_at;
	TimestampTz job_at; /* when the last job ended; 0: none */
	BbJobDebt	debt;
	uint64		jobs;
	uint64		failed_jobs;
	uint64		bytes_ingested; /* since it was seen first */
	uint64		bytes_read[BB_JOB_KINDS_MAX];
	uint64		bytes_written[BB_JOB_KINDS_MAX];
	int			failures[BB_JOB_KINDS_MAX]; /* in a row */
	TimestampTz retry_at[BB_JOB_KINDS_MAX];
	/* keys of which nothing exists, so that there is no image to make */
	struct
	{
		BbKeyRange	keys;
		TimestampTz found_at; /* 0: none */
	}			barren[BB_JOB_BARREN_MAX];
	BbJobFault	faults[BB_JOB_FAULTS_MAX];
	uint64		waiting;	   /* see bb_jobs_waited; 0: nothing */
	int64		waiting_since; /* seconds of the clock that can't be set */
	TimestampTz failed_at;	   /* 0: no error, or it has been overcome */
	int			failed_kind;
	int			sqlstate;
	char		message[BB_JOB_MESSAGE_SIZE];
} BbJobTimeline;

/*
 * bb_jobs_seen_end - the end_lsn of the last look at a timeline; Invalid: there
 * was none.
 */
extern XLogRecPtr bb_jobs_seen_end(const BbJobPlace *place);

/* bb_jobs_look - a timeline is visited. */
extern void bb_jobs_look(const BbJobPlace *place, const BbJobDebt *debt,
						 BbJobState state);

/*
 * bb_jobs_pause_is_over - is a pause over that ends at "retry_at"?
 *
 * No pause is that long if the clock has been set back; then it's over.
 */
extern bool bb_jobs_pause_is_over(TimestampTz retry_at, TimestampTz now);

/* bb_jobs_may_run - is the pause of this kind of job over? */
extern bool bb_jobs_may_run(const BbJobPlace *place, int kind);

/*
 * bb_jobs_barren - return the ranges of keys (BbKeyRange *), palloc'd, that were
 * found to be barren within the last hour.
 *
 * bb_jobs_note_barren - there is another one; if there are BB_JOB_BARREN_MAX of
 * them, it replaces the oldest.
 */
extern List *bb_jobs_barren(const BbJobPlace *place);
extern void bb_jobs_note_barren(const BbJobPlace *place,
								const BbKeyRange *keys);

/*
 * bb_jobs_waited - has "what" been there for so many seconds?
 *
 * Each call notes what is there now: 0 is nothing, and anything new begins to
 * wait.  The seconds are those of a clock that can't be set.
 */
extern bool bb_jobs_waited(const BbJobPlace *place, uint64 what,
						   int64 seconds);

/*
 * bb_jobs_begin - a job of job->place, kind, lsn and why begins; sets its other
 * fields.
 */
extern void bb_jobs_begin(BbJob *job);

/*
 * bb_jobs_end - the job has ended; with an error, job->sqlstate and message are
 * set.
 *
 * Returns whether the error is another one than that of the last failure, so
 * that the log has each only once.
 */
extern bool bb_jobs_end(BbJob *job);

/*
 * bb_jobs_overcome - a kind of job that failed works again; without a row of a
 * job.
 */
extern void bb_jobs_overcome(const BbJobPlace *place, int kind);

/* bb_jobs_forget - drop what is known of a timeline that doesn't exist. */
extern void bb_jobs_forget(const BbJobPlace *place);

/*
 * bb_jobs_forget_others - drop what is known of the timelines of a page store of
 * this database that aren't among these names.
 */
extern void bb_jobs_forget_others(const char *store, const List *names);

/*
 * bb_jobs_forget_stores - drop what is known of page stores of this database
 * other than these (char *).
 */
extern void bb_jobs_forget_stores(const List *names);

/* Return BbJobs, oldest first, and BbJobTimelines, palloc'd. */
extern List *bb_jobs_fetch(void);
extern List *bb_jobs_fetch_timelines(void);

#endif /* BB_JOBS_H */
