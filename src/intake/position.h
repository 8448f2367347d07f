/*-------------------------------------------------------------------------
 *
 * position.h
 *	  Where a receiver goes on, and what it may confirm: decisions alone.
 *
 *			durable			 read		   received
 *	  ─────────┴───────────────┴──────────────┴──►  tli 1
 *		 ▲			  ▲				 ▲		   ▲	where the source left tli 1:
 *		 DIVERGED	  REWIND		 CUT	   GO
 *
 * "durable" is what is committed to the page store, and with confirm 'spool'
 * what was confirmed, too.  "read" is what the leader has ingested without a
 * commit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INTAKE_POSITION_H
#define BB_INTAKE_POSITION_H

#include "stores/source_access.h"
#include "wal/tlihistory.h"

/* What is here. */
typedef struct BbPosition
{
	TimeLineID	tli;
	XLogRecPtr	durable_lsn;
	XLogRecPtr	read_lsn;
	XLogRecPtr	received_lsn;
	const BbTliHistory *history; /* of tli; NULL: not known */
} BbPosition;

/* What is there. */
typedef struct BbPositionSource
{
	TimeLineID	tli;
	XLogRecPtr	lsn; /* the end of its WAL */
	bool		is_standby;
	const BbTliHistory *history; /* of its tli; NULL: not known */
} BbPositionSource;

typedef enum BbPositionKind
{
	BB_POSITION_GO,		  /* receive from received_lsn */
	BB_POSITION_CUT,	  /* drop what was received from lsn on, then go on */
	BB_POSITION_REWIND,	  /* the leader has to forget what it read */
	BB_POSITION_DIVERGED, /* what is durable from lsn on isn't in the source */
	BB_POSITION_LOST,	  /* a primary that has lost WAL, at lsn or before */
	BB_POSITION_OTHER, /* its tli isn't ours, but has the number; up to lsn, their
						* WAL is the same */
	BB_POSITION_BEHIND,	   /* a standby that will get there */
	BB_POSITION_OLDER,	   /* the source is on an older tli */
	BB_POSITION_UNRELATED, /* our tli isn't in the source's history */
	BB_POSITION_UNREADABLE /* the source's history file isn't valid */
} BbPositionKind;

typedef struct BbPositionStep
{
	BbPositionKind kind;
	XLogRecPtr	lsn; /* where our tli, or with LOST its WAL, ends in the
					  * source; else Invalid */
} BbPositionStep;

/* bb_position_connect - decide what to do with a source just connected to. */
extern BbPositionStep bb_position_connect(const BbPosition *here,
										  const BbPositionSource *source);

/* bb_position_leave - decide what to do if our tli ends at lsn in the source. */
extern BbPositionStep bb_position_leave(const BbPosition *here,
										XLogRecPtr lsn);

/* What was reported to the source last. */
typedef struct BbFeedback
{
	XLogRecPtr	written;
	XLogRecPtr	flushed;
	TimestampTz time;
} BbFeedback;

/*
 * bb_feedback_flushed - return what may be confirmed; or Invalid.
 *
 * stored_lsn and synced_lsn are ends of records; synced_lsn counts with confirm
 * 'spool' only, and not before there is a base backup in the store, without
 * which WAL is no use.  It never goes back behind what was confirmed before.
 *
 * Nothing beyond received_lsn is confirmed.  The record of a segment switch ends
 * with its segment, before whose last bytes have arrived; the source could remove
 * that segment, and the next connection would still ask for the bytes.
 */
extern XLogRecPtr bb_feedback_flushed(BbConfirm confirm, XLogRecPtr stored_lsn,
									  XLogRecPtr synced_lsn,
									  XLogRecPtr received_lsn,
									  XLogRecPtr confirmed_lsn);

/*
 * bb_feedback_wait_ms - return the time until feedback is due; 0: now.
 *
 * It is due when the source asks for it, when more is flushed, for a
 * synchronous standby when more is written, and after interval_ms.
 */
extern long bb_feedback_wait_ms(const BbFeedback *last, const BbFeedback *next,
								bool is_requested, bool is_synchronous,
								long interval_ms);

/*
 * bb_feedback_interval_ms - return the interval: half of wal_sender_timeout
 * (0: none), at most 10 s.
 */
extern long bb_feedback_interval_ms(int sender_timeout_ms);

/*
 * bb_sync_names_has - does a value of synchronous_standby_names name a standby?
 *
 * (Its grammar: PostgreSQL's syncrep_gram.y and syncrep_scanner.l.  Names are
 * compared by pg_strcasecmp, as in SyncRepGetStandbyPriority.)
 */
extern bool bb_sync_names_has(const char *names, const char *application_name);

#endif /* BB_INTAKE_POSITION_H */
