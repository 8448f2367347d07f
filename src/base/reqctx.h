/*-------------------------------------------------------------------------
 *
 * reqctx.h
 *	  The request context: who asks, and what may be done for it.
 *
 * A read of one page passes through many hands: driver, page store,
 * timeline, layer, object store.  Somewhere below, a decision has to be made
 * that only the top can make: may this call wait for a download?	has its
 * user gone away?	to whose account does the block just read go?	So each
 * call on the read path takes a request context as its first argument and
 * hands it on:
 *
 *	  SELECT bb_basebackup(...)
 *		 |	root: kind BASEBACKUP, deadline, counters
 *		 v
 *	  bb_backup_step(ctx, ...)
 *		 |
 *		 v	bb_pagestore_get(ctx, ...) -> bb_timeline_get(ctx, ...)
 *		 v	  -> bb_layer_get(ctx, ...) -> bb_object_read(ctx, ...)
 *
 * The rules:
 *
 *	- Nothing reads a layer without one.  A function that needs one takes it
 *	  as "ctx", first; it doesn't make its own to get around its caller's.
 *	- It is immutable.  Who needs another task kind or another behaviour
 *	  makes a child.  Only the counters behind it change.
 *	- A child is ATTACHED or DETACHED.  An attached child is a part of its
 *	  parent's work: it ends with the parent at the latest, obeys the
 *	  parent's deadline, and what it counts counts for the parent too.  A
 *	  detached child is a call of its own that remembers who started it: its
 *	  own deadline, its own account, and it may outlive the parent.
 *	- A context is freed with the memory context that it was made in, and its
 *	  call ends then at the latest.  Who knows that it's done says so before,
 *	  by bb_reqctx_end().
 *
 * Cancellation is PostgreSQL's own: bb_reqctx_check() calls
 * CHECK_FOR_INTERRUPTS() and then looks at the deadline.  Call it once a page
 * and in every wait.  Now and then it also publishes the counters.
 *
 * The idea is that of Neon's pageserver (pageserver/src/context.rs), which
 * has neither a tree of children nor cancellation.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REQCTX_H
#define BB_REQCTX_H

#include "datatype/timestamp.h"

/* What kind of work this is.  Statistics and downloads go by it. */
typedef enum BbTaskKind
{
	BB_TASK_BASEBACKUP, /* bb_basebackup and its like */
	BB_TASK_PAGE_READ,	/* a page or a file asked for by itself */
	BB_TASK_LISTING,	/* what exists: timelines, layers, relations, files */
	BB_TASK_IMPORT,		/* bb_import_directory */
	BB_TASK_INGEST,		/* bb_ingest */
	BB_TASK_MANAGEMENT, /* timelines made and dropped */
	BB_TASK_PREFETCH,	/* what a backup will need is fetched */
	BB_TASK_EVICTION,	/* bb_evict and its like */
	BB_TASK_UNIT_TEST
} BbTaskKind;
#define BB_TASK_KIND_COUNT (BB_TASK_UNIT_TEST + 1)

/* What to do when a layer that is needed is not resident. */
typedef enum BbDownloadBehavior
{
	BB_DOWNLOAD_ALLOW, /* fetch it in silence */
	BB_DOWNLOAD_WARN,  /* fetch it, warn, and count the warning */
	BB_DOWNLOAD_ERROR  /* refuse */
} BbDownloadBehavior;
#define BB_DOWNLOAD_BEHAVIOR_COUNT (BB_DOWNLOAD_ERROR + 1)

typedef enum BbParentLink
{
	BB_LINK_ROOT,	  /* no parent */
	BB_LINK_ATTACHED, /* part of the parent's work */
	BB_LINK_DETACHED  /* started by the parent, otherwise on its own */
} BbParentLink;

/*
 * What a call did.  Plain numbers without locks: one backend writes them.
 * Units are in the names; the rest are counts.
 */
typedef struct BbCounters
{
	uint64		keys_requested;	   /* values asked for, of any kind */
	uint64		pages_requested;   /* relation blocks among them */
	uint64		layers_visited;	   /* layers opened or searched */
	uint64		blocks_read;	   /* layer blocks read from an object */
	uint64		blocks_cached;	   /* layer blocks found already decoded */
	uint64		bytes_read;		   /* bytes read from objects */
	uint64		layers_skipped;	   /* delta layers whose key filter said no */
	uint64		images_used;	   /* values that came as an image */
	uint64		pages_redone;	   /* pages that redo helpers made */
	uint64		records_applied;   /* WAL records that they applied */
	uint64		redo_us;		   /* microseconds spent waiting for them */
	uint64		layers_downloaded; /* by this call, as whole files */
	uint64		bytes_downloaded;  /* from a store elsewhere */
	uint64		download_wait_us;  /* waiting for layers, microseconds */
	uint64		downloads_warned;  /* that BB_DOWNLOAD_WARN warned of */
	uint64		downloads_refused; /* that BB_DOWNLOAD_ERROR refused */
	uint64		bytes_out;		   /* bytes given to the caller */
} BbCounters;

typedef struct BbReqCtx
{
	uint64		call_id; /* unique since the server, or session, started */
	BbTaskKind	task_kind;
	BbDownloadBehavior download_behavior;
	const struct BbReqCtx *parent; /* NULL for a root or a detached child */
	uint64		parent_call_id;	   /* 0 for a root */
	BbParentLink parent_link;
	bool		uncounted; /* what it opens doesn't count as used */
	TimestampTz started_at;
	TimestampTz deadline;	   /* 0: none */
	BbCounters *counters;	   /* that this process alone writes */
	struct BbAccount *account; /* of the observer; NULL: there is none */
} BbReqCtx;

/*
 * Who keeps account of all contexts (stats/calls.h).  One a process.
 *
 * begin: a context was made, complete but for call_id and account, which the
 * observer sets; parent is NULL when this process doesn't have it.  publish: its counters may
 * have changed.  end: it is done.  What ends without that the observer has to
 * notice by the memory context in which "begin" was called.
 */
typedef struct BbReqCtxObserver
{
	void		(*begin) (BbReqCtx *ctx, const BbReqCtx *parent);
	void		(*publish) (const BbReqCtx *ctx);
	void		(*end) (const BbReqCtx *ctx);
} BbReqCtxObserver;

extern void bb_reqctx_observe(const BbReqCtxObserver *observer);

/*
 * bb_reqctx_root - the context of a call that comes from outside.
 *
 * The deadline is now plus bbackup.call_timeout, if that is set.  Allocated
 * in CurrentMemoryContext.
 */
extern const BbReqCtx *bb_reqctx_root(BbTaskKind kind,
									  BbDownloadBehavior behavior);

/*
 * bb_reqctx_uncounted_root - the same for a call that may look at layers
 * without their counting as used, with all its attached children: listings,
 * verification.
 */
extern const BbReqCtx *bb_reqctx_uncounted_root(BbTaskKind kind,
												BbDownloadBehavior behavior);

/*
 * bb_reqctx_attached_child, bb_reqctx_detached_child - see above.
 *
 * An attached child keeps a pointer to its parent: allocate it in a memory
 * context that doesn't outlive the parent's.
 */
extern const BbReqCtx *bb_reqctx_attached_child(const BbReqCtx *parent,
												BbTaskKind kind);
extern const BbReqCtx *bb_reqctx_detached_child(const BbReqCtx *parent,
												BbTaskKind kind,
												BbDownloadBehavior behavior);

/*
 * bb_reqctx_detached_child_of - a detached child in another process than its
 * parent, whose call_id is all that is known there.
 */
extern const BbReqCtx *bb_reqctx_detached_child_of(
	uint64 parent_call_id, BbTaskKind kind, BbDownloadBehavior behavior);

/*
 * bb_reqctx_attached_child_of - an attached child in another process than its
 * parent, of which it has a copy, whose pointers are not followed.
 *
 * It counts in *counters, zeros as yet, which the parent's process reads:
 * see bb_sessionworker_counters.
 */
extern const BbReqCtx *bb_reqctx_attached_child_of(const BbReqCtx *parent_copy,
												   BbTaskKind kind,
												   BbCounters *counters);

/*
 * bb_reqctx_add - a child in another process has counted so much more.
 */
extern void bb_reqctx_add(const BbReqCtx *ctx, const BbCounters *counters);

/* *to += *from, each counter. */
extern void bb_counters_add(BbCounters *to, const BbCounters *from);

/*
 * bb_counters_since - what was counted since "before", which then is "now".
 *
 * REQUIRES: nobody counts in "now" meanwhile.
 */
extern BbCounters bb_counters_since(BbCounters *before, const BbCounters *now);

/*
 * bb_reqctx_check - give way to a cancel request; hold to the deadline.
 *
 * Errors: QUERY_CANCELED.
 */
extern void bb_reqctx_check(const BbReqCtx *ctx);

/*
 * bb_reqctx_wait_ms - how long may a wait last whose end is to be followed by
 * bb_reqctx_check()?  -1: as long as it takes.
 */
extern long bb_reqctx_wait_ms(const BbReqCtx *ctx);

/*
 * bb_reqctx_publish - let others see what was counted so far.
 *
 * bb_reqctx_check() does that now and then; so this is for who is about to
 * wait for something else, as a stream for its consumer.
 */
extern void bb_reqctx_publish(const BbReqCtx *ctx);

/*
 * bb_reqctx_end - the call is done, and its attached children with it.
 *
 * Nothing is counted any more after that.
 */
extern void bb_reqctx_end(const BbReqCtx *ctx);

/* "basebackup", "page read", …: for messages and views. */
extern const char *bb_task_kind_name(BbTaskKind kind);
/* "download", "warn", "error". */
extern const char *bb_download_behavior_name(BbDownloadBehavior behavior);

/*
 * BB_COUNT - add n to a counter of ctx and of all whom ctx works for.
 */
#define BB_COUNT(ctx, field, n)                                               \
	do                                                                        \
	{                                                                         \
		for (const BbReqCtx *ctx_ = (ctx); ctx_ != NULL; ctx_ = ctx_->parent) \
			ctx_->counters->field += (n);                                     \
	} while (0)

#endif /* BB_REQCTX_H */
