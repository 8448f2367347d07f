/*-------------------------------------------------------------------------
 *
 * rowhistory.c
 *	  The versions of the rows that have a key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam_xlog.h"
#include "access/rmgr.h"
#include "access/transam.h"
#include "access/xlogrecord.h"
#include "catalog/pg_control.h"
#include "executor/executor.h"
#include "fdw/parts.h"
#include "fdw/rowhistory.h"
#include "fdw/rows.h"
#include "heap/changedblocks.h"
#include "heap/commits.h"
#include "heap/sameform.h"
#include "heap/xactends.h"
#include "utils/memutils.h"

/* A tuple with the key, as a page has it. */
typedef struct Version
{
	Oid			part;
	HeapTuple	tuple;
	TransactionId inserter;
	bool		frozen; /* at "from": its inserter may be an ID of another epoch */
	/* those that deleted it, or wanted to, as pages have it one after the other */
	int			ndeleters;
	TransactionId *deleters;
} Version;

typedef struct History
{
	const BbReqCtx *ctx;
	BbPast	   *from;
	BbPast	   *until;
	BbUndecided undecided;
	BbXactEnds *ends;
	BbRowKey   *key;
	BbRows	   *rows; /* of the parts at "until": columns of the key alone */
	TupleTableSlot *slot;
	MemoryContext context; /* of the result */
	MemoryContext row_context;
	MemoryContext page_context;
	List	   *versions;
	/* the present part */
	int			number; /* in rows */
	BbTable	   *part;
	/* blocks of it that have the key at "from", rising */
	int			nblocks;
	int			allocated;
	BlockNumber *blocks;
} History;

/* ---- tuples ---- */

static bool
has_key(History *history, HeapTuple tuple)
{
	const BbRowKey *key = history->key;
	TupleTableSlot *slot = history->slot;
	MemoryContext old = MemoryContextSwitchTo(history->row_context);
	bool		same = true;

	bb_rows_store(history->rows, history->number, tuple, slot);
	for (int i = 0; i < key->n && same; i++)
	{
		int			column = key->columns[i] - 1;

		same = !slot->tts_isnull[column] &&
			DatumGetBool(FunctionCall2Coll((FmgrInfo *) &key->equal[i],
										   key->collations[i],
										   slot->tts_values[column],
										   key->values[i]));
	}
	ExecClearTuple(slot);
	MemoryContextSwitchTo(old);
	MemoryContextReset(history->row_context);
	return same;
}

static Version *
version_of(History *history, HeapTuple tuple)
{
	TransactionId inserter = HeapTupleHeaderGetRawXmin(tuple->t_data);
	Size		header = tuple->t_data->t_hoff;
	Version	   *version;
	ListCell   *cell;

	foreach(cell, history->versions)
	{
		version = lfirst(cell);
		if (version->part == history->part->oid &&
			version->inserter == inserter &&
			ItemPointerEquals(&version->tuple->t_self, &tuple->t_self) &&
			version->tuple->t_len == tuple->t_len &&
			version->tuple->t_data->t_hoff == header &&
			memcmp((char *) version->tuple->t_data + header,
				   (char *) tuple->t_data + header,
				   tuple->t_len - header) == 0)
			return version;
	}
	version = palloc0(sizeof(Version));
	version->part = history->part->oid;
	version->tuple = heap_copytuple(tuple);
	version->inserter = inserter;
	history->versions = lappend(history->versions, version);
	return version;
}

static void
add_tuple(History *history, BbXacts *xacts, HeapTuple tuple)
{
	MemoryContext old = MemoryContextSwitchTo(history->context);
	Version	   *version = version_of(history, tuple);
	TransactionId deleter = bb_tuple_updater(history->ctx, xacts,
											 tuple->t_data);

	if (xacts == history->from->xacts &&
		HeapTupleHeaderXminFrozen(tuple->t_data))
		version->frozen = true;
	if (TransactionIdIsNormal(deleter) &&
		(version->ndeleters == 0 ||
		 version->deleters[version->ndeleters - 1] != deleter))
	{
		Size		size = (version->ndeleters + 1) * sizeof(TransactionId);

		version->deleters = version->ndeleters == 0
			? palloc(size)
			: repalloc(version->deleters, size);
		version->deleters[version->ndeleters++] = deleter;
	}
	MemoryContextSwitchTo(old);
}

/* ---- pages ---- */

/* Add the tuples with the key of the scan's page.  Returns whether there are some. */
static bool
take_page(History *history, BbTupleScan *scan, BbXacts *xacts)
{
	HeapTuple	tuple;
	bool		found = false;

	while ((tuple = bb_tuplescan_any_on_page(history->ctx, scan)) != NULL)
	{
		/* a speculative insertion that was given up is nobody's */
		if (!TransactionIdIsValid(HeapTupleHeaderGetRawXmin(tuple->t_data)) ||
			!has_key(history, tuple))
			continue;
		add_tuple(history, xacts, tuple);
		found = true;
	}
	return found;
}

/* The same for a block at any LSN. */
static bool
take_block_at(History *history, XLogRecPtr lsn, BlockNumber block)
{
	MemoryContext old = MemoryContextSwitchTo(history->page_context);
	BbSnapshot	snapshot = bb_snapshot_at(history->until->snapshot.store, lsn);
	BbPages	   *pages = bb_pages_new(&snapshot);
	BbXacts	   *xacts = bb_xacts_new(pages);
	bool		found = false;

	if (block < bb_pages_blocks(history->ctx, pages, history->part->relation))
	{
		BbTupleScan *scan = bb_tuplescan_new(history->ctx, pages, xacts,
											 history->part->relation, block,
											 block + 1, NULL);

		if (bb_tuplescan_page(history->ctx, scan))
			found = take_page(history, scan, xacts);
		bb_tuplescan_close(scan);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(history->page_context);
	return found;
}

static void
remember_block(History *history, BlockNumber block)
{
	if (history->nblocks == history->allocated)
	{
		Size		size;

		history->allocated = Max(64, 2 * history->allocated);
		size = history->allocated * sizeof(BlockNumber);
		history->blocks = history->blocks == NULL
			? MemoryContextAlloc(history->context, size)
			: repalloc_huge(history->blocks, size);
	}
	history->blocks[history->nblocks++] = block;
}

/* Read these blocks at one of the ends. */
static void
take_blocks(History *history, BbPast *past, const BbBlockRange *ranges, int n)
{
	BlockNumber blocks = bb_pages_blocks(history->ctx, past->pages,
										 history->part->relation);
	BbTupleScan *scan = bb_tuplescan_new(history->ctx, past->pages,
										 past->xacts, history->part->relation,
										 0, 0, NULL);

	for (int i = 0; i < n; i++)
	{
		BlockNumber block = ranges[i].start;

		if (block >= blocks)
			break;
		bb_tuplescan_range(scan, block, Min(ranges[i].end, blocks));
		for (; bb_tuplescan_page(history->ctx, scan); block++)
		{
			if (take_page(history, scan, past->xacts) && past == history->from)
				remember_block(history, block);
		}
	}
	bb_tuplescan_close(scan);
}

/* ---- records ---- */

#define EFFECT_REMOVES 0x01 /* may remove tuples */
#define EFFECT_ADDS 0x02	/* may add a tuple with another key */

/*
 * What a record may do to the tuples of its block.  A HOT update keeps the columns of
 * all indexes, that of the primary key among them.
 */
static int
effect_of_record(const XLogRecord *record)
{
	uint8		operation = record->xl_info & XLOG_HEAP_OPMASK;
	int			init = record->xl_info & XLOG_HEAP_INIT_PAGE ? EFFECT_REMOVES
															 : 0;

	if (record->xl_rmid == RM_HEAP_ID)
	{
		switch (operation)
		{
			case XLOG_HEAP_INSERT:
			case XLOG_HEAP_UPDATE:
				return EFFECT_ADDS | init;
			case XLOG_HEAP_HOT_UPDATE:
			case XLOG_HEAP_DELETE:
			case XLOG_HEAP_CONFIRM:
			case XLOG_HEAP_LOCK:
				return 0;
		}
	}
	else if (record->xl_rmid == RM_HEAP2_ID)
	{
		switch (operation)
		{
			case XLOG_HEAP2_MULTI_INSERT:
				return EFFECT_ADDS | init;
			case XLOG_HEAP2_LOCK_UPDATED:
			case XLOG_HEAP2_NEW_CID:
				return 0;
			default:
				return EFFECT_REMOVES;
		}
	}
	return EFFECT_REMOVES | EFFECT_ADDS;
}

static int
effect_of(const BbEntry *entry)
{
	XLogRecord	record;

	if ((entry->type != BB_ENTRY_RECORD &&
		 entry->type != BB_ENTRY_RECORD_INIT) ||
		entry->length < SizeOfXLogRecord)
		return EFFECT_REMOVES | EFFECT_ADDS;
	memcpy(&record, entry->value, SizeOfXLogRecord);
	return effect_of_record(&record) |
		(entry->type == BB_ENTRY_RECORD_INIT ? EFFECT_REMOVES : 0);
}

static int
compare_blocks(const void *a, const void *b)
{
	BlockNumber left = *(const BlockNumber *) a;
	BlockNumber right = *(const BlockNumber *) b;

	return left < right ? -1 : left > right;
}

static bool
had_key(const History *history, BlockNumber block)
{
	return history->nblocks > 0 &&
		bsearch(&block, history->blocks, history->nblocks, sizeof(BlockNumber),
				compare_blocks) != NULL;
}

/* Read blocks as they were before tuples were removed. */
static void
take_removed(History *history)
{
	BbRelLocator relation = history->part->relation;
	BbKeyRange	range = {bb_key_rel_block(BB_LOCATOR_SPC(relation),
										  BB_LOCATOR_DB(relation),
										  BB_LOCATOR_REL(relation),
										  MAIN_FORKNUM, 0),
						 bb_key_rel_block(BB_LOCATOR_SPC(relation),
										  BB_LOCATOR_DB(relation),
										  BB_LOCATOR_REL(relation),
										  MAIN_FORKNUM, InvalidBlockNumber)};
	BbPageEntries *entries;
	BbEntry		entry;
	BlockNumber present = InvalidBlockNumber;
	bool		may_have = false;

	entries = bb_pagestore_entries_new(history->ctx,
									   history->until->snapshot.store, &range,
									   history->from->snapshot.lsn,
									   history->until->snapshot.lsn);
	while (bb_pagestore_entries_next(history->ctx, entries, &entry))
	{
		BlockNumber block = bb_key_fields(&entry.key).block;
		int			effect = effect_of(&entry);

		if (block != present)
			may_have = had_key(history, block);
		present = block;
		if (effect & EFFECT_REMOVES && may_have)
			may_have = take_block_at(history, entry.lsn - 1, block);
		if (effect & EFFECT_ADDS)
			may_have = true;
	}
	bb_pagestore_entries_close(entries);
}

/* ---- parts ---- */

static void
read_part(History *history)
{
	BbBlockRange whole = {0, MaxBlockNumber};
	BbBlockRange *ranges = &whole;
	int			n = 1;

	if (history->undecided.known)
		ranges = bb_changedblocks_find(history->ctx, history->from,
									   history->until, &history->undecided,
									   history->part->relation, &n);
	history->nblocks = 0;
	take_blocks(history, history->from, ranges, n);
	take_removed(history);
	take_blocks(history, history->until, ranges, n);
}

pg_noreturn static void
report_rewritten(const History *history, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("the history of rows of \"%s\" cannot be read from " BB_LSN_FORMAT " to " BB_LSN_FORMAT,
					name, LSN_FORMAT_ARGS(history->from->snapshot.lsn),
					LSN_FORMAT_ARGS(history->until->snapshot.lsn)),
			 errdetail("The table was created, rewritten or truncated in between, its key was changed, or partitions were attached or detached."),
			 errhint("Read the history before and after that.")));
}

static void
check_part(History *history, List *parts_from)
{
	BbTable	   *until = history->part;
	ListCell   *cell;

	foreach(cell, parts_from)
	{
		BbTable	   *from = lfirst(cell);
		bool		same;

		if (from->oid != until->oid)
			continue;
		same = BB_LOCATOR_EQUALS(from->relation, until->relation);
		for (int i = 0; i < history->key->n && same; i++)
			same = bb_sameform_column(history->ctx, history->from, from,
									  history->until, until,
									  bb_rows_column(history->rows,
													 history->number,
													 history->key->columns[i] -
														 1));
		if (same)
			return;
	}
	report_rewritten(history, NameStr(until->name));
}

/* ---- events ---- */

typedef enum Committed
{
	COMMITTED_BEFORE,  /* by "from" */
	COMMITTED_BETWEEN, /* after it, and by "until" */
	COMMITTED_NOT
} Committed;

/*
 * Had the ID committed by "from"?  pg_xact begins with the oldest ID that is not
 * frozen, and rows of older ones that did not commit have been removed.
 */
static bool
committed_before(History *history, TransactionId xid)
{
	BbKey		key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
	BbValue		value = bb_pagestore_need(history->ctx,
										  &history->from->snapshot, &key,
										  sizeof(CheckPoint));
	CheckPoint	checkpoint;

	memcpy(&checkpoint, value.data, sizeof(checkpoint));
	if (!TransactionIdIsNormal(xid) ||
		TransactionIdPrecedes(xid, checkpoint.oldestXid))
		return true;
	if (!TransactionIdPrecedes(xid,
							   XidFromFullTransactionId(checkpoint.nextXid)))
		return false;
	return bb_xacts_committed(history->ctx, history->from->xacts, xid);
}

/* When did an ID commit?  Sets *lsn if it was in between. */
static Committed
find_commit(History *history, TransactionId xid, XLogRecPtr *lsn)
{
	BbXactEnd	end;

	if (committed_before(history, xid))
		return COMMITTED_BEFORE;
	end = bb_xactends_find(history->ctx, history->ends, xid);
	if (!end.committed)
		return COMMITTED_NOT;
	*lsn = end.lsn;
	return COMMITTED_BETWEEN;
}

static void
add_event(List **events, const Version *version, bool plus, XLogRecPtr lsn)
{
	BbRowEvent *event = palloc0(sizeof(BbRowEvent));

	event->lsn = lsn;
	event->plus = plus;
	event->part = version->part;
	event->tuple = version->tuple;
	*events = lappend(*events, event);
}

static void
add_events(History *history, List **events, const Version *version)
{
	XLogRecPtr	inserted = InvalidXLogRecPtr;
	XLogRecPtr	deleted = InvalidXLogRecPtr;
	Committed	when;

	when = version->frozen
		? COMMITTED_BEFORE
		: find_commit(history, version->inserter, &inserted);
	if (when == COMMITTED_NOT)
		return;
	for (int i = 0; i < version->ndeleters; i++)
	{
		Committed	end = find_commit(history, version->deleters[i], &deleted);

		if (end == COMMITTED_BEFORE)
			return;
		if (end == COMMITTED_BETWEEN)
			break;
	}
	/* one that a transaction inserted and deleted was never visible */
	if (when == COMMITTED_BETWEEN && inserted == deleted)
		return;
	if (when == COMMITTED_BETWEEN)
		add_event(events, version, true, inserted);
	if (!XLogRecPtrIsInvalid(deleted))
		add_event(events, version, false, deleted);
}

static int
compare_events(const ListCell *a, const ListCell *b)
{
	const BbRowEvent *left = lfirst(a);
	const BbRowEvent *right = lfirst(b);

	if (left->lsn != right->lsn)
		return left->lsn < right->lsn ? -1 : 1;
	return (int) left->plus - (int) right->plus;
}

/* Look the commits of events up, which are in the order of LSNs. */
static void
read_commits(History *history, List *events)
{
	BbPageStore *store = history->until->snapshot.store;
	BbCommits  *commits = bb_commits_new(store, history->until->snapshot.lsn);
	ListCell   *cell;

	foreach(cell, events)
	{
		BbRowEvent *event = lfirst(cell);

		bb_commits_need(history->ctx, commits, event->lsn, &event->commit);
	}
	bb_commits_close(commits);
}

List *
bb_rowhistory_read(const BbReqCtx *ctx, BbPast *from, BbPast *until,
				   const BbTableOptions *options, Relation local,
				   BbRowKey *key)
{
	History	   *history = palloc0(sizeof(History));
	int			natts = RelationGetDescr(local)->natts;
	bool	   *needed = palloc0(natts * sizeof(bool) + 1);
	List	   *parts_from = bb_parts_of(ctx, from,
										 bb_parts_table(ctx, from, options),
										 options->only);
	List	   *parts = bb_parts_of(ctx, until,
									bb_parts_table(ctx, until, options),
									options->only);
	List	   *events = NIL;
	ListCell   *cell;

	if (!bb_undecided_gapless(until->snapshot.store, from->snapshot.lsn,
							  until->snapshot.lsn))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the history from " BB_LSN_FORMAT " to " BB_LSN_FORMAT " is not complete",
						LSN_FORMAT_ARGS(from->snapshot.lsn),
						LSN_FORMAT_ARGS(until->snapshot.lsn)),
				 errdetail("There is a gap in between, or it begins before the start of the timeline.")));
	for (int i = 0; i < key->n; i++)
		needed[key->columns[i] - 1] = true;
	history->ctx = ctx;
	history->from = from;
	history->until = until;
	history->key = key;
	history->context = CurrentMemoryContext;
	history->row_context = AllocSetContextCreate(CurrentMemoryContext,
												 "bbackup row",
												 ALLOCSET_DEFAULT_SIZES);
	history->page_context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup page of the past",
												  ALLOCSET_DEFAULT_SIZES);
	history->rows = bb_rows_new(ctx, until, local, parts, needed, false);
	history->slot = MakeSingleTupleTableSlot(RelationGetDescr(local),
											 &TTSOpsVirtual);
	history->undecided = bb_undecided_find(ctx, until->snapshot.store,
										   from->snapshot.lsn,
										   until->snapshot.lsn);
	history->ends = bb_xactends_new(ctx, until->snapshot.store,
									from->snapshot.lsn, until->snapshot.lsn);
	if (list_length(parts) != list_length(parts_from))
		report_rewritten(history, options->table);
	foreach(cell, parts)
	{
		history->number = foreach_current_index(cell);
		history->part = lfirst(cell);
		check_part(history, parts_from);
		read_part(history);
	}
	foreach(cell, history->versions)
		add_events(history, &events, lfirst(cell));
	list_sort(events, compare_events);
	read_commits(history, events);
	ExecDropSingleTupleTableSlot(history->slot);
	return events;
}
