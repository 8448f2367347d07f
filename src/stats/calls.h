/*-------------------------------------------------------------------------
 *
 * calls.h
 *	  What each call did, and all of them together.
 *
 * A call is a request context: each has a row from when it is made until
 * bbackup.track_calls others have ended after it.
 *
 *	  context made -> live slot    BB_COUNT -> the context's own counters
 *						  ^                          |
 *						  +------- published --------+   now and then
 *	  context ended:  live slot -> ring of ended calls, totals
 *
 * While it runs, the backend that it runs in is the only one that writes to
 * its slot, without a lock; who reads looks at the change count before and
 * after, as for the server's own backend status (PgBackendStatus).  Rows come
 * and go under the lock of shared.h, so that a reader who holds it sees each
 * call once: live, or in ring and totals.
 *
 * A call ends by bb_reqctx_end(), or with the memory context that it was made
 * in: a stream whose consumer stops early is done, too; one that goes in the
 * abort of a transaction ended in an error or was cancelled.  Its error is the
 * one that was raised last in this process since a call began.
 *
 * When there are more calls at once than slots (two for each backend that
 * there may be), those that have none are seen only when they have ended.
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
	BB_CALL_CANCELLED /* asked to, timed out, or its session was ended */
} BbCallState;

/* Of an error's message, with its zero; a longer message is cut. */
#define BB_CALL_MESSAGE_SIZE 256

/* One call, as it was when looked at. */
typedef struct BbCall
{
	uint64		call_id;
	int			pid;
	Oid			user; /* who asked, whatever SECURITY DEFINER says */
	BbTaskKind	task_kind;
	BbDownloadBehavior download_behavior;
	uint64		parent_call_id; /* 0: none */
	BbParentLink parent_link;
	TimestampTz started_at;
	TimestampTz ended_at; /* while it runs: 0 */
	BbCallState state;
	/* of the error that ended it; 0 and empty: no error, or an unknown one */
	int			sqlstate;
	char		message[BB_CALL_MESSAGE_SIZE];
	/* what bb_calls_describe was told; empty, or Invalid: nothing */
	char		function[NAMEDATALEN];
	char		store[NAMEDATALEN];
	char		timeline[NAMEDATALEN];
	XLogRecPtr	lsn;
	XLogRecPtr	start_lsn; /* of an ingest: where it began */
	XLogRecPtr	end_lsn;   /* of an ingest: up to where WAL is in the store */
	uint64		bytes_total; /* that bytes_out will be; 0: not known */
	BbCounters	counters;
} BbCall;

/*
 * bb_calls_describe - what a call is about, as far as is known by now.
 *
 * A child is about the same as its parent, unless it says otherwise.
 */
typedef struct BbCallAbout
{
	const char *function; /* what is NULL or 0 stays as it was */
	const char *store;
	const char *timeline;
	XLogRecPtr	lsn;
	XLogRecPtr	start_lsn;
	XLogRecPtr	end_lsn;
	uint64		bytes_total;
} BbCallAbout;

extern void bb_calls_describe(const BbReqCtx *ctx, const BbCallAbout *about);

/* BbCalls, palloc'd: those that run and those remembered; oldest first. */
extern List *bb_calls_fetch(void);

/*
 * The ended calls of a task kind and download behaviour, since the last reset
 * (a call counts when it ends).  What an attached child did is in its own
 * row and in its parent's, so it's here in both as well.
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
