/*-------------------------------------------------------------------------
 *
 * reqctx.h
 *	  The request context: on whose behalf code runs, and what it may do.
 *
 * A read of one page passes through many functions: driver, page store,
 * timeline, layer, object store.  The lower ones need answers that only the top
 * has: may this call wait for a download?  Has its user canceled it?  Which
 * statistics does the block just read belong to?  So each function on the read
 * path takes a request context as its first argument and passes it on:
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
 *	- Nothing reads a layer without a request context.  A function that needs
 *	  one takes it as its first argument "ctx"; it doesn't create one to avoid
 *	  its caller's.
 *	- A context is immutable; only the counters that it points to change.  Code
 *	  that needs another task kind or download behavior creates a child.
 *	- A child is ATTACHED or DETACHED.  An attached child is a part of its
 *	  parent's work: it ends with the parent at the latest, has the parent's
 *	  deadline, and its counts are added to the parent's.  A detached child is
 *	  a separate call that remembers its parent's call_id: it has a separate
 *	  deadline and counters, and may outlive the parent.
 *	- A context is freed with the memory context in which it was created, and
 *	  its call ends then at the latest.  Code that knows that a call is done
 *	  ends it earlier, by bb_reqctx_end().
 *
 * Cancellation is PostgreSQL's: bb_reqctx_check() calls CHECK_FOR_INTERRUPTS()
 * and then checks the deadline.  Call it once a page and in every wait.  Every
 * few calls it also publishes the counters.
 *
 * The idea is taken from Neon's pageserver (pageserver/src/context.rs), which
 * has neither a tree of children nor cancellation.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REQCTX_H
#define BB_REQCTX_H

#include "datatype/timestamp.h"

/* The kind of work, by which statistics are kept. */
typedef enum BbTaskKind
{
	BB_TASK_BASEBACKUP, /* bb_basebackup and other backup functions */
	BB_TASK_PAGE_READ,	/* a single page or file */
	BB_TASK_LISTING,	/* timelines, layers, relations, files */
	BB_TASK_IMPORT,		/* bb_import_directory */
	BB_TASK_INGEST,		/* bb_ingest */
	BB_TASK_MANAGEMENT, /* timelines are created or dropped */
	BB_TASK_PREFETCH,	/* layers are fetched for a backup */
	BB_TASK_EVICTION,	/* bb_evict and other evictions */
	BB_TASK_RECEIVE,	/* WAL of a server is received */
	BB_TASK_FOLLOW,		/* and ingested as it arrives */
	BB_TASK_UPKEEP,		/* layers are merged, made or removed */
	BB_TASK_VERIFY,		/* layers are checked */
	BB_TASK_COPY,		/* timelines are copied between stores */
	BB_TASK_TABLE_READ, /* a table of the past */
	BB_TASK_BLOCK_READ, /* blocks for a clone, or for another server */
	BB_TASK_UNIT_TEST
} BbTaskKind;
#define BB_TASK_KIND_COUNT (BB_TASK_UNIT_TEST + 1)

/* What to do when a layer that is needed is not resident. */
typedef enum BbDownloadBehavior
{
	BB_DOWNLOAD_ALLOW, /* fetch it silently */
	BB_DOWNLOAD_WARN,  /* fetch it, warn, and count the warning */
	BB_DOWNLOAD_ERROR  /* refuse */
} BbDownloadBehavior;
#define BB_DOWNLOAD_BEHAVIOR_COUNT (BB_DOWNLOAD_ERROR + 1)

typedef enum BbParentLink
{
	BB_LINK_ROOT,	  /* no parent */
	BB_LINK_ATTACHED, /* part of the parent's work */
	BB_LINK_DETACHED  /* started by the parent, but independent */
} BbParentLink;

/*
 * What a call did.  These are plain numbers without locks: only one backend
 * writes them.  Names contain the unit, except for counts.
 */
typedef struct BbCounters
{
	uint64		keys_requested;	 /* values asked for, of any kind */
	uint64		pages_requested; /* relation blocks among them */
	uint64		layers_visited;	 /* layers opened or searched */
	uint64		blocks_read;	 /* layer blocks read from an object */
	uint64		blocks_cached;	 /* layer blocks found already decoded */
	uint64		bytes_read;		 /* bytes read from objects */
	uint64		layers_skipped; /* delta layers excluded by their key filter */
	uint64		images_used;	/* values read as an image */
	uint64		pages_redone;	/* pages from redo helpers */
	uint64		records_applied;   /* WAL records applied for them */
	uint64		redo_us;		   /* microseconds spent waiting for them */
	uint64		layers_downloaded; /* by this call, as whole files */
	uint64		bytes_downloaded;  /* from a remote store */
	uint64		download_wait_us;  /* waiting for layers, microseconds */
	uint64		downloads_warned;  /* with a warning of BB_DOWNLOAD_WARN */
	uint64		downloads_refused; /* refused by BB_DOWNLOAD_ERROR */
	uint64		bytes_out;		   /* bytes returned to the caller */
} BbCounters;

typedef struct BbReqCtx
{
	uint64		call_id; /* unique since the server, or session, started */
	BbTaskKind	task_kind;
	BbDownloadBehavior download_behavior;
	const struct BbReqCtx *parent; /* NULL for a root or a detached child */
	uint64		parent_call_id;	   /* 0 for a root */
	BbParentLink parent_link;
	bool		uncounted; /* opening a layer doesn't count as use */
	TimestampTz started_at;
	TimestampTz deadline;	   /* 0: none */
	BbCounters *counters;	   /* written by this process only */
	struct BbAccount *account; /* of the observer; NULL: no observer */
} BbReqCtx;

/*
 * The observer of all contexts of a process, which keeps the statistics of
 * calls (stats/calls.h).
 *
 * begin: a context was created, complete except for call_id and account, which
 * the observer sets; parent is NULL if it is in another process.  publish: the
 * counters may have changed.  end: the call is done.  A call can also end
 * without "end", with the memory context in which "begin" was called.
 */
typedef struct BbReqCtxObserver
{
	void		(*begin) (BbReqCtx *ctx, const BbReqCtx *parent);
	void		(*publish) (const BbReqCtx *ctx);
	void		(*end) (const BbReqCtx *ctx);
} BbReqCtxObserver;

extern void bb_reqctx_observe(const BbReqCtxObserver *observer);

/*
 * bb_reqctx_root - create the context of a call from outside, in
 * CurrentMemoryContext.
 *
 * The deadline is now plus bbackup.call_timeout, if that is set.
 */
extern const BbReqCtx *bb_reqctx_root(BbTaskKind kind,
									  BbDownloadBehavior behavior);

/*
 * bb_reqctx_uncounted_root - the same for a listing or verification: layers that
 * it and its attached children open don't count as used.
 */
extern const BbReqCtx *bb_reqctx_uncounted_root(BbTaskKind kind,
												BbDownloadBehavior behavior);

/*
 * bb_reqctx_attached_child, bb_reqctx_detached_child - create a child.
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
 * bb_reqctx_detached_child_of - create a detached child of a call in another
 * process, of which only the call_id is known.
 */
extern const BbReqCtx *bb_reqctx_detached_child_of(
	uint64 parent_call_id, BbTaskKind kind, BbDownloadBehavior behavior);

/*
 * bb_reqctx_attached_child_of - create an attached child of a call in another
 * process, from a copy of its context, whose pointers are not followed.
 *
 * It counts in *counters, initially zeros, which the parent's process reads:
 * see bb_sessionworker_counters.
 */
extern const BbReqCtx *bb_reqctx_attached_child_of(const BbReqCtx *parent_copy,
												   BbTaskKind kind,
												   BbCounters *counters);

/*
 * bb_reqctx_add - add what a child in another process has counted.
 */
extern void bb_reqctx_add(const BbReqCtx *ctx, const BbCounters *counters);

/* *to += *from, each counter. */
extern void bb_counters_add(BbCounters *to, const BbCounters *from);

/*
 * bb_counters_since - return the difference of *now and *before, and set *before
 * to *now.
 *
 * REQUIRES: *now doesn't change meanwhile.
 */
extern BbCounters bb_counters_since(BbCounters *before, const BbCounters *now);

/*
 * bb_reqctx_check - raise an error if the call was canceled or its deadline has
 * passed.
 *
 * Errors: QUERY_CANCELED.
 */
extern void bb_reqctx_check(const BbReqCtx *ctx);

/*
 * bb_reqctx_wait_ms - return the time until the deadline, for a wait that is
 * followed by bb_reqctx_check(); -1: no limit.
 */
extern long bb_reqctx_wait_ms(const BbReqCtx *ctx);

/*
 * bb_reqctx_publish - let other sessions see what was counted so far.
 *
 * bb_reqctx_check() does that regularly; so only code needs this that is about
 * to wait without it, as a stream waits for its consumer.
 */
extern void bb_reqctx_publish(const BbReqCtx *ctx);

/*
 * bb_reqctx_end - end a call and its attached children.
 *
 * What is counted after that is lost.
 */
extern void bb_reqctx_end(const BbReqCtx *ctx);

/* "basebackup", "page read", …: for messages and views. */
extern const char *bb_task_kind_name(BbTaskKind kind);
/* "download", "warn", "error". */
extern const char *bb_download_behavior_name(BbDownloadBehavior behavior);

/*
 * BB_COUNT - add n to a counter of ctx and of its ancestors.
 */
#define BB_COUNT(ctx, field, n)                                               \
	do                                                                        \
	{                                                                         \
		for (const BbReqCtx *ctx_ = (ctx); ctx_ != NULL; ctx_ = ctx_->parent) \
			ctx_->counters->field += (n);                                     \
	} while (0)

#endif /* BB_REQCTX_H */
