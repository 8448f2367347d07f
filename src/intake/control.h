/*-------------------------------------------------------------------------
 *
 * control.h
 *	  What the processes that follow a server tell each other, and the views.
 *
 *	  follower (leads)	── receive from here, stored up to, stop ──►  receiver
 *	  reads the spool	◄── received, synced, source's position ──  writes it
 *		   ▲													   ▲
 *		   └──────── bb_wait: flush up to; bb_stat_follow: all ─────┘
 *
 * The control block is a small file, "control", in the directory of the spool,
 * mapped into each of these processes.  So following needs no library that is
 * preloaded.  Its values mean nothing after a crash of the server: each leader
 * makes a new file, under its lock, and a process that has mapped the one of a
 * former leader sees that it isn't current any more.
 *
 * Locks are those of the file "lock", one for the leader and one for the
 * receiver; a lock ends with the process.  So no two processes ever write into
 * one spool, and a lock that is free says that the spool isn't in use.
 *
 * Fields are read and written together under a spinlock, by the functions
 * below only; no process can stop while it holds it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INTAKE_CONTROL_H
#define BB_INTAKE_CONTROL_H

#include "access/xlogdefs.h"
#include "base/reqctx.h"
#include "stores/source_access.h"

typedef enum BbFollowState
{
	BB_FOLLOW_STARTING,
	BB_FOLLOW_IMPORTING,
	BB_FOLLOW_CATCHING_UP, /* in a control block: ingests; to users: is behind */
	BB_FOLLOW_STREAMING,   /* never in a control block, see bb_follow_state */
	BB_FOLLOW_WAITING, /* for the source, after an error; it will be retried */
	BB_FOLLOW_FAILED,  /* with an error that can't pass */
	BB_FOLLOW_STOPPED
} BbFollowState;

/* All that the control block says, read at one moment. */
typedef struct BbFollowStatus
{
	/* written by the leader */
	int			leader_pid;
	char		source[NAMEDATALEN]; /* its foreign server */
	char		slot[NAMEDATALEN];
	bool		temporary; /* the slot ends with the receiver's connection, and
							* the receiver with the first error */
	BbFollowState state;
	uint64		order;	   /* raised by each new order to the receiver */
	TimeLineID	order_tli; /* which receives from here on */
	XLogRecPtr	order_lsn; /* Invalid: doesn't receive yet */
	uint32		segment_size;
	uint64		system_identifier; /* 0: not known yet */
	XLogRecPtr	stored_lsn;		   /* committed to the store */
	TimestampTz stored_time;
	XLogRecPtr	covered_lsn; /* all records that end up to here are committed,
							  * though the last of them may end before */
	uint64		restarts;	 /* after errors, of either process */
	TimeLineID	reading_tli; /* of the WAL that is ingested */
	XLogRecPtr	applied_lsn; /* ingested, not yet committed */
	bool		waiting;	 /* for more WAL: wake it when some has arrived */

	/* written by waiters */
	XLogRecPtr	wanted_lsn; /* to be committed as soon as possible */

	/* written by the receiver */
	int			receiver_pid;
	uint64		receiving_order; /* that it has begun to carry out */
	bool		slot_ready;		 /* the slot exists and keeps WAL */
	bool		connected;
	bool		is_synchronous; /* synchronous_standby_names of the source names
								 * us: commits wait for what is confirmed */
	char		host[256];
	TimeLineID	received_tli; /* the position of the spool's tail */
	XLogRecPtr	received_lsn;
	TimestampTz received_time;
	bool		spool_full;	   /* doesn't receive until the leader commits */
	bool		no_room;	   /* nor until the disk has room */
	XLogRecPtr	synced_lsn;	   /* the end of the last complete record that is
								* synced in the spool; 'spool' only */
	XLogRecPtr	confirmed_lsn; /* reported to the source as flushed */
	XLogRecPtr	promised_lsn;  /* the most that ever was, of this timeline */
	TimestampTz confirmed_time;
	XLogRecPtr	source_lsn; /* the end of the source's WAL */
	uint64		spool_bytes;

	/* why the receiver can't go on; the leader decides what follows */
	int			problem; /* a BbReceiverProblem */
	TimeLineID	problem_tli;
	XLogRecPtr	problem_lsn;

	/* written by either; "" : none yet */
	char		error[1024];
	TimestampTz error_time;
} BbFollowStatus;

typedef struct BbFollowControl BbFollowControl;

/*
 * bb_followcontrol_path - returns the directory of the spool of a timeline of
 * a store (OID of a foreign server) in this database, palloc'd.
 */
extern char *bb_followcontrol_path(Oid store, const char *timeline);

/*
 * bb_followcontrol_create - become the leader: make the directory, lock it, and
 * make the control block anew.
 *
 * Held until CurrentMemoryContext is reset.
 *
 * Errors: OBJECT_IN_USE (another process leads); errcode_for_file_access().
 */
extern BbFollowControl *bb_followcontrol_create(const char *directory);

/*
 * bb_followcontrol_source - say what is received, before a receiver is started.
 */
extern void bb_followcontrol_source(BbFollowControl *control,
									const char *source, const char *slot,
									bool temporary);

/*
 * bb_followcontrol_order - order the receiver to receive the WAL of a tli from
 * lsn on, which is where a record begins or the one before it ends.
 *
 * What is ingested is set to that position, and what is committed to it if
 * "stored", or else to nothing, as an import begins.  A problem that was reported is over.  Wakes the receiver.
 */
extern void bb_followcontrol_order(BbFollowControl *control, TimeLineID tli,
								   XLogRecPtr lsn, bool stored);

/*
 * bb_followcontrol_attach - map the control block of a leader that runs; NULL
 * if there is none.  Mapped until CurrentMemoryContext is reset.
 */
extern BbFollowControl *bb_followcontrol_attach(const char *directory);

/* Removes a directory. */
typedef void (*BbFollowRemove) (const char *directory);

/*
 * bb_followcontrol_remove - if no process leads in a directory, call "remove"
 * while none can begin to.  Returns false if one leads.
 */
extern bool bb_followcontrol_remove(const char *directory,
									BbFollowRemove remove);

/* bb_followcontrol_is_led - does a process lead in this directory? */
extern bool bb_followcontrol_is_led(const char *directory);

/*
 * bb_followcontrol_is_current - does the leader of this control block run?
 *
 * No, if the directory was removed or renamed: another process may lead the one
 * that takes its place.
 */
extern bool bb_followcontrol_is_current(const BbFollowControl *control);

/*
 * bb_followcontrol_receive - become the receiver of a control block, until its
 * memory context is reset.  Returns false if another process still is.
 */
extern bool bb_followcontrol_receive(BbFollowControl *control);

/* bb_followcontrol_has_receiver - does a receiver run? */
extern bool bb_followcontrol_has_receiver(const BbFollowControl *control);

/* bb_followcontrol_get - copy everything, at one moment. */
extern void bb_followcontrol_get(BbFollowControl *control,
								 BbFollowStatus *status);

/*
 * bb_followcontrol_lock, bb_followcontrol_unlock - change fields of the block
 * in between, in straight code without any call.
 */
extern BbFollowStatus *bb_followcontrol_lock(BbFollowControl *control);
extern void bb_followcontrol_unlock(BbFollowControl *control);

/*
 * bb_followcontrol_note_source - the source's WAL ends at lsn, now; see lag.h for
 * is_stream.
 *
 * bb_followcontrol_note_stored - at first: the source's WAL ended where that in
 * the page store does, at some time.
 *
 * bb_followcontrol_lag - returns for how long the source has had WAL beyond lsn,
 * in microseconds.
 */
extern void bb_followcontrol_note_source(BbFollowControl *control,
										 XLogRecPtr lsn, bool is_stream);
extern void bb_followcontrol_note_stored(BbFollowControl *control,
										 TimestampTz time);
extern int64 bb_followcontrol_lag(BbFollowControl *control, XLogRecPtr lsn);

/* Wake the leader, or the receiver, if it runs: set its process latch. */
extern void bb_followcontrol_wake_leader(BbFollowControl *control);
extern void bb_followcontrol_wake_receiver(BbFollowControl *control);

/*
 * bb_followcontrol_error - note an error, and write it to the server's log at
 * level LOG, unless this process has just noted the same one.
 *
 * bb_followcontrol_fine - what this process does works again, so that the same
 * error would be news.
 */
extern void bb_followcontrol_error(BbFollowControl *control,
								   const ErrorData *error);
extern void bb_followcontrol_fine(BbFollowControl *control);

#endif /* BB_INTAKE_CONTROL_H */
