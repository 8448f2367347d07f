/*-------------------------------------------------------------------------
 *
 * audit.h
 *	  Random sequences of everything that changes a store, and what they promise.
 *
 *	  test_audit.c	  generator: seed ──► steps; shrinks those that fail
 *		  │
 *	  audit_steps.c	  does a step to the store, and to the model beside it
 *	  audit_jobs.c	  jobs of upkeep at random, planned and committed apart
 *	  audit_crash.c	  an object store in which the n-th write is the last one
 *		  │
 *	  audit_loss.c	  a layer that is lost for a while
 *		  │
 *	  audit_check.c	  everything that was promised, after steps
 *	  audit_points.c  which points have to be left before the window
 *	  audit_model.c	  every version of every key of every timeline
 *
 * A world is a store with a few timelines, readers that stand still, jobs that
 * are planned but not committed, and clocks.  A step draws what it does from a
 * number of its own.  So a sequence without one of its steps is a sequence, too,
 * and one that fails is shrunk by leaving steps out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUDIT_H
#define AUDIT_H

#include "model.h"
#include "pagestore/snapshot.h"
#include "upkeep/job.h"

#define AUDIT_RELS 3
#define AUDIT_LINES 4
#define AUDIT_READERS 3
#define AUDIT_JOBS 2
#define AUDIT_PINS 4

/* bbackup.removal_delay of a world */
#define AUDIT_DELAY_S 3600

/* ---- audit_model.c: a timeline ---- */

typedef struct AuditEvent
{
	BbKey		key;
	XLogRecPtr	lsn;
	BbEntryType type;
	uint32		length;
	uint8	   *data;
} AuditEvent;

typedef struct AuditRecord
{
	XLogRecPtr	lsn; /* its end */
	bool		commit;
	int64		time;	   /* time_t of the last commit up to it */
	bool		after_gap; /* what was before it is lost */
} AuditRecord;

typedef struct AuditPin
{
	bool		set;
	XLogRecPtr	lsn;
	int64		expires_at;
} AuditPin;

typedef struct AuditLine
{
	char		name[NAMEDATALEN];
	struct AuditLine *ancestor;
	XLogRecPtr	ancestor_lsn;
	bool		dropped;
	XLogRecPtr	lsn; /* the end */
	int64		time;

	AuditEvent *events;
	int			nevents;
	int			flushed;
	AuditRecord *records;
	int			nrecords;

	/* what records go on from */
	int			blocks[AUDIT_RELS]; /* -1: there is no such relation */
	int			slru_pages;
	bool		prepared;

	/* ends of records */
	uint64		page;
	int			nends;
	int			nwritten;
	XLogRecPtr	first_new;
	uint8		ends[2 * 1024];

	/* what the auditor has seen of its manifest last; NULL: nothing */
	MemoryContext seen_context;
	BbManifest *seen;
	AuditPin	pins[AUDIT_PINS];
} AuditLine;

typedef struct AuditValue
{
	bool		exists;
	bool		optional; /* beyond a size: anything may be there */
	uint32		length;
	PGAlignedBlock page;
} AuditValue;

/* Import a timeline that ends at START at a time. */
extern AuditLine *audit_line_new(const BbReqCtx *ctx, BbObjectStore *objects,
								 const char *name, int64 time);

/* The model of a branch; the store isn't touched. */
extern AuditLine *audit_line_branch(AuditLine *ancestor, const char *name,
									XLogRecPtr lsn);

/* Make so many records. */
extern void audit_line_live(AuditLine *line, int records);

/*
 * The records since the last flush are lost, and only their result is known: it
 * becomes that of one record, the last one.
 */
extern void audit_line_lose(AuditLine *line, int nrecords);

/* Write the records since the last flush into layers (BbLayerDesc *). */
extern List *audit_line_layers(const BbReqCtx *ctx, BbObjectStore *objects,
							   AuditLine *line, XLogRecPtr start);

/* All keys that ever had a value, but those of ends of records; palloc'd. */
extern BbKey *audit_line_keys(const AuditLine *line, int *n);

extern void audit_line_value(const AuditLine *line, const BbKey *key,
							 XLogRecPtr lsn, AuditValue *value);

/* The last record up to an LSN, which may be an ancestor's. */
extern AuditRecord audit_line_record(const AuditLine *line, XLogRecPtr lsn);

/* ---- the world ---- */

typedef struct AuditReader
{
	MemoryContext context; /* NULL: there is none */
	AuditLine  *line;
	XLogRecPtr	lsn;
	BbManifest *opened;
	BbPageStore *store;
	BbSnapshot	snapshot;
	BbPageScan *scan;
	int			nkeys;
	BbKey	   *keys;
	int			at; /* the next key of the scan */
} AuditReader;

/* A job that isn't committed yet. */
typedef struct AuditJob
{
	MemoryContext context; /* NULL: there is none; has the lock */
	AuditLine  *line;
	bool		locked;
	BbManifest *manifest;
	BbUpkeepJob job;
	List	   *added;
	List	   *rival; /* the same, by another upkeep */
} AuditJob;

typedef struct AuditWorld
{
	const BbReqCtx *ctx;
	MemoryContext context;
	BbObjectStore *objects;
	AuditLine  *lines[AUDIT_LINES]; /* NULL or dropped: free */
	AuditReader readers[AUDIT_READERS];
	AuditJob	jobs[AUDIT_JOBS];
	int64		offset; /* of this server's clock, seconds */
	int64		latest; /* the latest time that it had */
	bool		late;	/* a job is committed that was planned before */
} AuditWorld;

extern int64 audit_now(const AuditWorld *world);

/* What was done since the test began, to see that it was enough. */
typedef struct AuditDone
{
	int			jobs[BB_UPKEEP_KIND_COUNT];
	int			planned; /* of these, committed later than planned */
	int			refused;
	int			crashes;
	int			points;	  /* reads at LSNs before the start */
	int			refusals; /* of reads outside of the window */
	int			stale;	/* readers that went on with a manifest of their own */
	int			bereft; /* ... though layers of theirs had been removed */
	int			expired;   /* readers whose LSN was given up */
	int			forgotten; /* layers */
	int			periods;   /* of which a state was kept */
	int			lost;	/* reads that failed without a layer that was lost */
	int			spared; /* ... that didn't */
	int			branches;
	int			drops;
	int			gaps;
} AuditDone;

extern AuditDone audit_done;

/* Is it a timeline that exists? */
static inline bool
audit_alive(const AuditLine *line)
{
	return line != NULL && !line->dropped;
}

/* ---- audit_crash.c ---- */

/* What happens to the last write. */
typedef enum AuditFault
{
	AUDIT_BEFORE, /* the crash comes first, or in the middle */
	AUDIT_AFTER,
	AUDIT_LOST /* no crash: a put is done, but its answer says that it isn't */
} AuditFault;
#define AUDIT_FAULTS (AUDIT_LOST + 1)

/* Let the store crash at the n-th write from now on; 0: never. */
extern void audit_crash_arm(BbObjectStore *objects, int n, AuditFault fault);

/* End that; returns whether it has crashed. */
extern bool audit_crash_disarm(void);

/* ---- audit_jobs.c ---- */

/* Plan a merge, image or squash at random; false: none was found. */
extern bool audit_draw_job(const AuditLine *line, const BbManifest *manifest,
						   BbUpkeepJob *job);

/* Plan, write, and commit at once or later. */
extern void audit_jobs_random(AuditWorld *world, AuditLine *line);
extern void audit_jobs_policy(AuditWorld *world, AuditLine *line);
extern void audit_jobs_retention(AuditWorld *world, AuditLine *line);
extern void audit_jobs_plan(AuditWorld *world, AuditLine *line);
extern void audit_jobs_commit(AuditWorld *world);
extern void audit_jobs_forget(AuditJob *job);

/* An LSN that can be read now, the end of a record. */
extern XLogRecPtr audit_draw_lsn(const AuditLine *line,
								 const BbManifest *manifest);

/* ---- audit_steps.c ---- */

typedef enum AuditStepKind
{
	AUDIT_FLUSH,
	AUDIT_RANDOM_JOB,
	AUDIT_POLICY,
	AUDIT_RETENTION_JOBS,
	AUDIT_PLAN,
	AUDIT_COMMIT,
	AUDIT_SET_RETENTION,
	AUDIT_PIN,
	AUDIT_UNPIN,
	AUDIT_BRANCH,
	AUDIT_DROP,
	AUDIT_OPEN_READER,
	AUDIT_READ_ON,
	AUDIT_SWEEP,
	AUDIT_CLOCK,
	AUDIT_LOSE,
	AUDIT_GAP
} AuditStepKind;
#define AUDIT_STEP_KINDS (AUDIT_GAP + 1)

extern const char *const audit_step_names[AUDIT_STEP_KINDS];

typedef struct AuditStep
{
	AuditStepKind kind;
	uint64		random;
	int			crash; /* at which write; 0: at none */
	AuditFault	fault; /* of that write */
	bool		look;  /* read everything after it */
	bool		skip;  /* left out while shrinking */
} AuditStep;

extern AuditWorld *audit_world_new(const BbReqCtx *ctx, uint64 random);
extern void audit_world_step(AuditWorld *world, const AuditStep *step);

/* All that is open ends, and what nobody needs is removed. */
extern void audit_world_end(AuditWorld *world);

/* ---- audit_loss.c ---- */

/* A layer is lost, then found again. */
extern void audit_lose(AuditWorld *world, AuditLine *line);

/* ---- audit_check.c ---- */

/* Something that was promised isn't so. */
pg_noreturn extern void audit_broken(const AuditLine *line, const char *format,
									 ...) pg_attribute_printf(2, 3);

/*
 * What manifests and objects have to be, compared with the last look.  Objects
 * are those of a timeline (NULL: of all).
 */
extern void audit_check_manifests(AuditWorld *world, const AuditLine *line);

/* Reads at LSNs that can be read and that can't. */
extern void audit_check_reads(AuditWorld *world);

/* One read. */
extern void audit_check_point(AuditWorld *world, const AuditLine *line,
							  const BbSnapshot *snapshot, const BbKey *key);

/* After a sweep, there is no object that the manifest doesn't name. */
extern void audit_check_swept(AuditWorld *world, const AuditLine *line);

/* Let a reader go on. */
extern void audit_read_on(AuditWorld *world, AuditReader *reader, int steps);
extern void audit_reader_close(AuditReader *reader);

/* ---- audit_points.c ---- */

/* The points that are left, compared with the last look. */
extern void audit_check_points(const AuditWorld *world, const AuditLine *line,
							   const BbManifest *now);

#endif /* AUDIT_H */
