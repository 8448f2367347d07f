/*-------------------------------------------------------------------------
 *
 * calls.h
 *	  Statistics of each call, and totals of all calls.
 *
 * A call is a request context.  It has a row from its creation until
 * bbackup.track_calls other calls have ended after it.
 *
 *	  context created -> live slot    BB_COUNT -> the context's counters
 *							 ^                          |
 *							 +------- published --------+   regularly
 *	  context ended:  live slot -> ring of ended calls, totals
 *
 * Only the backend that runs a call writes to its slot, without a lock; readers
 * compare the change count before and after, as for the server's backend status
 * (PgBackendStatus).  Rows are added and removed under the lock of shared.h, so
 * a reader that holds it sees each call once: live, or in ring and totals.
 *
 * A call ends by bb_reqctx_end(), or with the memory context in which it was
 * created.  The latter is a success, such as a stream whose consumer stopped
 * early, unless it happens in the abort of a transaction: then the call ended
 * with an error or was canceled.  Its error is the last one that this process
 * raised since a call began.
 *
 * If more calls run than there are slots (two for each possible backend), calls
 * without a slot are visible only after they have ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CALLS_H
#define BB_CALLS_H

#include "access/xlogdefs.h"
#include "base/reqctx.h"
#include "nodes/pg_list.h"

typedef enum BbCallState
{
	BB_CALL_RUNNING,
	BB_CALL_DONE,
	BB_CALL_ERROR,
	BB_CALL_CANCELLED /* by a user, a timeout or the end of its session */
} BbCallState;

/* The size of an error's message with its zero; longer messages are cut. */
#define BB_CALL_MESSAGE_SIZE 256

/* A copy of the statistics of one call. */
typedef struct BbCall
{
	uint64		call_id;
	int			pid;
	Oid			user; /* of the session, not of a SECURITY DEFINER function */
	BbTaskKind	task_kind;
	BbDownloadBehavior download_behavior;
	uint64		parent_call_id; /* 0: none */
	BbParentLink parent_link;
	TimestampTz started_at;
	TimestampTz ended_at; /* while it runs: 0 */
	BbCallState state;
	/* the error that ended it; 0 and empty: none, or unknown */
	int			sqlstate;
	char		message[BB_CALL_MESSAGE_SIZE];
	/* as set by bb_calls_describe; otherwise empty or Invalid */
	char		function[NAMEDATALEN];
	char		store[NAMEDATALEN];
	char		timeline[NAMEDATALEN];
	XLogRecPtr	lsn;
	XLogRecPtr	start_lsn; /* of an ingest: where it began */
	XLogRecPtr	end_lsn;   /* of an ingest: the end of the WAL in the store */
	uint64		bytes_total; /* the final bytes_out; 0: unknown */
	BbCounters	counters;
} BbCall;

/*
 * bb_calls_describe - set a call's function, store, timeline and so on, as far as
 * they are known.
 *
 * A child begins with its parent's.
 */
typedef struct BbCallAbout
{
	const char *function; /* NULL and 0 leave a value unchanged */
	const char *store;
	const char *timeline;
	XLogRecPtr	lsn;
	XLogRecPtr	start_lsn;
	XLogRecPtr	end_lsn;
	uint64		bytes_total;
} BbCallAbout;

extern void bb_calls_describe(const BbReqCtx *ctx, const BbCallAbout *about);

/* Returns BbCalls, palloc'd, of running and remembered calls; oldest first. */
extern List *bb_calls_fetch(void);

/*
 * Totals of the calls of a task kind and download behavior that have ended since
 * the last reset.  The counts of an attached child are included in its parent's,
 * so they appear twice here as well.
 */
typedef struct BbCallTotals
{
	uint64		calls;
	uint64		errors;	   /* among them */
	uint64		cancelled; /* among them */
	uint64		duration_us;
	BbCounters	counters;
} BbCallTotals;

typedef struct BbAllTotals
{
	TimestampTz since;
	BbCallTotals totals[BB_TASK_KIND_COUNT][BB_DOWNLOAD_BEHAVIOR_COUNT];
} BbAllTotals;

extern void bb_calls_totals(BbAllTotals *totals);

/* "running", "done", "error", "cancelled" */
extern const char *bb_call_state_name(BbCallState state);

#endif /* BB_CALLS_H */
