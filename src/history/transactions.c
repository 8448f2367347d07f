/*-------------------------------------------------------------------------
 *
 * transactions.c
 *	  Which transactions changed tables, and how many rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlogdefs.h"
#include "catalog/indexing.h"
#include "catalog/pg_replication_origin.h"
#include "heap/commits.h"
#include "heap/syscat.h"
#include "heap/undecided.h"
#include "heap/xactends.h"
#include "history/rowchanges.h"
#include "history/rowsort.h"
#include "history/transactions.h"
#include "replication/origin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* So many sums are in memory at once. */
#define SUMS_MAX 50000

/* More files than this are read as whole databases. */
#define SINGLE_FILES_MAX 32

/* The rows of a table that a transaction, or a subtransaction, changed. */
typedef struct Sum
{
	struct
	{
		uint64		xid;
		uint64		table;
	}			key;
	int64		inserted;
	int64		updated;
	int64		deleted;
	RepOriginId origin;
} Sum;

/* The columns of a sort. */
enum
{
	BY_KEY, /* xid, then LSN of the commit */
	BY_TABLE,
	INSERTED,
	UPDATED,
	DELETED,
	ORIGIN,
	ACTIONS,
	XID,
	NCOLUMNS
};

typedef struct Listing
{
	const BbReqCtx *ctx;
	BbPageStore *store;
	const BbPageStoreInfo *info;
	XLogRecPtr	from;
	XLogRecPtr	until;
	XLogRecPtr	began; /* from there on changes are read */
	BbRelFiles *files;
	BbXactEnds *ends;
	HTAB	   *sums;
	BbNumberSort *by_xid;
	BbNumberSort *by_commit;
	/* the file that was looked up last */
	BbRelLocator last_locator;
	BbHistoryFile *last_file;
} Listing;

/* ---- the range ---- */

static XLogRecPtr
check_bound(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);

	lsn = bb_pagestore_check_lsn(store, lsn);
	if (lsn < info->start_lsn)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("what happened before " BB_LSN_FORMAT " is not known in timeline \"%s\"",
						LSN_FORMAT_ARGS(info->start_lsn), info->timeline),
				 errdetail("Changes are known from " BB_LSN_FORMAT " to " BB_LSN_FORMAT "; of points before, only the state is.",
						   LSN_FORMAT_ARGS(info->start_lsn),
						   LSN_FORMAT_ARGS(info->end_lsn))));
	return bb_snapshot_take(ctx, store, lsn).lsn;
}

static void
set_range(Listing *listing, const BbTransactionsQuery *query)
{
	const BbPageStoreInfo *info = listing->info;
	XLogRecPtr	from = XLogRecPtrIsInvalid(query->from) ? info->start_lsn
														: query->from;

	listing->until = check_bound(listing->ctx, query->store, query->until);
	listing->from = check_bound(listing->ctx, query->store, from);
	if (listing->from > listing->until)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"from\" " BB_LSN_FORMAT " is after \"to\" " BB_LSN_FORMAT,
						LSN_FORMAT_ARGS(listing->from),
						LSN_FORMAT_ARGS(listing->until)),
				 errdetail("The timeline can be read from " BB_LSN_FORMAT " to " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(info->start_lsn),
						   LSN_FORMAT_ARGS(info->end_lsn))));
	for (int i = 0; i < info->ngaps; i++)
	{
		const BbGap *gap = &info->gaps[i];

		if (gap->until > listing->from && gap->from < listing->until)
			ereport(WARNING,
					(errmsg("what happened between " BB_LSN_FORMAT " and " BB_LSN_FORMAT " is not known",
							LSN_FORMAT_ARGS(gap->from),
							LSN_FORMAT_ARGS(gap->until)),
					 errdetail("The WAL of timeline \"%s\" was lost there.",
							   info->timeline)));
	}
}

/*
 * Find where to begin to read.  That takes the commits of the range; so if it is
 * longer than what is before it, everything is read.
 */
static void
set_began(Listing *listing)
{
	const BbGap *gap = bb_gap_before(listing->info->gaps, listing->info->ngaps,
									 listing->from);
	XLogRecPtr	start = gap != NULL ? gap->until : listing->info->start_lsn;

	listing->began = listing->until - listing->from > listing->from - start
		? start
		: bb_undecided_find(listing->ctx, listing->store, listing->from,
							listing->until)
			  .since;
	listing->began = bb_snapshot_take(listing->ctx, listing->store,
									  listing->began)
						 .lsn;
}

/* ---- changes ---- */

static void
flush_sums(Listing *listing)
{
	HASH_SEQ_STATUS scan;
	Sum		   *sum;

	hash_seq_init(&scan, listing->sums);
	while ((sum = hash_seq_search(&scan)) != NULL)
	{
		bb_numbersort_add(listing->by_xid,
						  (int64[NCOLUMNS]){[BY_KEY] = (int64) sum->key.xid,
											[BY_TABLE] = sum->key.table,
											[INSERTED] = sum->inserted,
											[UPDATED] = sum->updated,
											[DELETED] = sum->deleted,
											[ORIGIN] = sum->origin});
		(void) hash_search(listing->sums, &sum->key, HASH_REMOVE, NULL);
	}
}

static void
add_change(Listing *listing, const BbHistoryFile *file,
		   const BbRowChange *change)
{
	Sum			key = {
		.key = {.xid = bb_xactends_full(listing->ends, change->xid),
				.table = (uint64) file->table}};
	bool		found;
	Sum		   *sum = hash_search(listing->sums, &key.key, HASH_ENTER, &found);

	if (!found)
	{
		sum->inserted = sum->updated = sum->deleted = 0;
		sum->origin = change->origin;
	}
	switch (change->action)
	{
		case BB_ROW_INSERT:
			sum->inserted += change->nrows;
			break;
		case BB_ROW_UPDATE:
			sum->updated++;
			break;
		case BB_ROW_DELETE:
			sum->deleted++;
			break;
		case BB_ROW_TAKE_BACK:
			sum->inserted--;
			break;
	}
	if (!found && hash_get_num_entries(listing->sums) >= SUMS_MAX)
		flush_sums(listing);
}

/* Is the file of a table that is wanted? */
static bool
is_wanted(void *arg, BbRelLocator locator)
{
	Listing	   *listing = arg;

	if (!BB_LOCATOR_EQUALS(locator, listing->last_locator))
	{
		listing->last_locator = locator;
		listing->last_file = hash_search(listing->files->files, &locator,
										 HASH_FIND, NULL);
	}
	return listing->last_file != NULL;
}

static void
read_range(Listing *listing, const BbKeyRange *range)
{
	BbRowChanges *changes = bb_rowchanges_new(listing->ctx, listing->store,
											  range, listing->began,
											  listing->until);
	BbRowChange change;

	bb_rowchanges_filter(changes, is_wanted, listing);
	while (bb_rowchanges_next(listing->ctx, changes, &change))
	{
		/* is_wanted was called for its file last */
		if (change.lsn > listing->last_file->rewritten)
			add_change(listing, listing->last_file, &change);
	}
	bb_rowchanges_close(changes);
}

static void
read_files(Listing *listing)
{
	bool		single = hash_get_num_entries(listing->files->files) <=
		SINGLE_FILES_MAX;
	List	   *tablespaces = NIL;
	HASH_SEQ_STATUS scan;
	BbHistoryFile *file;
	ListCell   *cell;

	hash_seq_init(&scan, listing->files->files);
	while ((file = hash_seq_search(&scan)) != NULL)
	{
		BbKeyRange	range = bb_rowchanges_range(file->locator);

		if (single)
			read_range(listing, &range);
		else
			tablespaces = list_append_unique_oid(tablespaces,
												 BB_LOCATOR_SPC(
													 file->locator));
	}
	foreach(cell, tablespaces)
	{
		Oid			db = listing->files->db;
		BbKeyRange	range;

		range.start = bb_key_rel_block(lfirst_oid(cell), db, 0, MAIN_FORKNUM,
									   0);
		range.end = bb_key_rel_block(lfirst_oid(cell), db, PG_UINT32_MAX,
									 MAIN_FORKNUM, 0);
		read_range(listing, &range);
	}
	flush_sums(listing);
	bb_numbersort_finish(listing->by_xid);
}

/* ---- commits ---- */

/* Sort what was committed in the range by the LSN of its commit. */
static void
sort_by_commit(Listing *listing)
{
	int64		row[NCOLUMNS];
	ListCell   *cell;

	while (bb_numbersort_next(listing->by_xid, row))
	{
		uint64		xid = (uint64) row[BY_KEY];
		BbXactEnd	end = bb_xactends_find(listing->ctx, listing->ends,
										   (TransactionId) xid);

		if (!end.committed || end.lsn <= listing->from)
			continue;
		row[BY_KEY] = (int64) end.lsn;
		row[XID] = (int64) xid;
		bb_numbersort_add(listing->by_commit, row);
	}
	foreach(cell, listing->files->events)
	{
		const BbHistoryEvent *event = lfirst(cell);

		if (event->lsn > listing->from)
			bb_numbersort_add(listing->by_commit,
							  (int64[NCOLUMNS]){[BY_KEY] = (int64) event->lsn,
												[BY_TABLE] = event->table,
												[ORIGIN] = event->origin,
												[ACTIONS] = event->actions,
												[XID] = PG_INT64_MAX});
	}
	bb_numbersort_finish(listing->by_commit);
}

static void
add_row(int64 *sum, const int64 *row)
{
	sum[INSERTED] += row[INSERTED];
	sum[UPDATED] += row[UPDATED];
	sum[DELETED] += row[DELETED];
	sum[ACTIONS] |= row[ACTIONS];
	sum[ORIGIN] = Max(sum[ORIGIN], row[ORIGIN]);
	sum[XID] = Min(sum[XID], row[XID]);
}

/* ---- rows ---- */

/* What rows need of the past, beside sums. */
typedef struct Output
{
	Listing	   *listing;
	BbCommits  *commits;
	BbPast	   *past; /* at "until" */
	uint64	   *xids; /* at the start, and the end of each gap, */
	XLogRecPtr *lsns; /* which are there: earlier xids may be incomplete */
	int			nxids;
	MemoryContext row_context;
	void		(*take) (void *arg, const BbTransactionRow *row);
	void	   *arg;
} Output;

static void
set_borders(Output *output)
{
	Listing	   *listing = output->listing;
	const BbPageStoreInfo *info = listing->info;

	output->xids = palloc((info->ngaps + 1) * sizeof(uint64));
	output->lsns = palloc((info->ngaps + 1) * sizeof(XLogRecPtr));
	output->lsns[output->nxids++] = info->start_lsn;
	for (int i = 0; i < info->ngaps; i++)
		if (info->gaps[i].until > info->start_lsn)
			output->lsns[output->nxids++] = info->gaps[i].until;
	for (int i = 0; i < output->nxids; i++)
		output->xids[i] = bb_xactends_next_xid(listing->ctx, listing->store,
											   output->lsns[i]);
}

static bool
is_complete(const Output *output, uint64 xid, XLogRecPtr lsn)
{
	for (int i = 0; i < output->nxids; i++)
		if (lsn > output->lsns[i] && xid < output->xids[i])
			return false;
	return true;
}

/* The name of an origin; as the server has it at the end of the range. */
static const char *
origin_name(const Output *output, RepOriginId origin)
{
	Datum		value = ObjectIdGetDatum(origin);
	const BbReqCtx *ctx = output->listing->ctx;
	List	   *rows;
	Datum		name;
	bool		isnull;

	if (origin == InvalidRepOriginId)
		return NULL;
	rows = bb_syscat_find(ctx, output->past, ReplicationOriginRelationId,
						  ReplicationOriginIdentIndex, &value, 1);
	if (rows == NIL)
		return psprintf("%u", origin);
	name = bb_syscat_value(linitial(rows), ReplicationOriginRelationId,
						   Anum_pg_replication_origin_roname, &isnull);
	return isnull ? psprintf("%u", origin) : TextDatumGetCString(name);
}

static void
give_row(Output *output, const int64 *sum)
{
	Listing	   *listing = output->listing;
	XLogRecPtr	lsn = (XLogRecPtr) sum[BY_KEY];
	int			table = (int) sum[BY_TABLE];
	BbTransactionRow row = {.lsn = lsn,
							.inserted = sum[INSERTED],
							.updated = sum[UPDATED],
							.deleted = sum[DELETED],
							.actions = (int) sum[ACTIONS]};
	const BbNameAt *name;
	BbCommit	commit;
	MemoryContext old;

	if (sum[INSERTED] == 0 && sum[UPDATED] == 0 && sum[DELETED] == 0 &&
		sum[ACTIONS] == 0)
		return;
	bb_commits_need(listing->ctx, output->commits, lsn, &commit);
	name = bb_relfiles_name(listing->ctx, listing->files, table, lsn);

	old = MemoryContextSwitchTo(output->row_context);
	row.time = commit.time;
	row.xid = commit.xid;
	row.origin = origin_name(output, (RepOriginId) sum[ORIGIN]);
	row.schema = name->schema;
	row.name = name->name;
	row.oid = listing->files->tables[table].oid;
	row.complete = commit.xid != 0 && is_complete(output, commit.xid, lsn);
	output->take(output->arg, &row);
	MemoryContextSwitchTo(old);
	MemoryContextReset(output->row_context);
}

static void
give_rows(Output *output)
{
	int64		sum[NCOLUMNS];
	int64		row[NCOLUMNS];
	bool		some = false;

	while (bb_numbersort_next(output->listing->by_commit, row))
	{
		if (some && sum[BY_KEY] == row[BY_KEY] &&
			sum[BY_TABLE] == row[BY_TABLE])
		{
			add_row(sum, row);
			continue;
		}
		if (some)
			give_row(output, sum);
		memcpy(sum, row, sizeof(sum));
		some = true;
	}
	if (some)
		give_row(output, sum);
}

/* ---- the listing ---- */

static HTAB *
new_sums(void)
{
	HASHCTL		info = {.keysize = sizeof(((Sum *) NULL)->key),
						.entrysize = sizeof(Sum),
						.hcxt = CurrentMemoryContext};

	return hash_create("bbackup changed rows", 1024, &info,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
run(Listing *listing, const BbTransactionsQuery *query, Output *output)
{
	const BbReqCtx *ctx = listing->ctx;
	BbSnapshot	end;

	set_range(listing, query);
	set_began(listing);
	listing->files = bb_relfiles_new(ctx, query->store, query->database,
									 query->schema, query->name,
									 listing->began, listing->until);
	bb_relfiles_find_swaps(ctx, listing->files);
	listing->ends = bb_xactends_new(ctx, query->store, listing->began,
									listing->until);
	listing->sums = new_sums();
	listing->by_xid = bb_numbersort_new(NCOLUMNS, 2);
	listing->by_commit = bb_numbersort_new(NCOLUMNS, 2);
	read_files(listing);
	sort_by_commit(listing);
	bb_numbersort_close(listing->by_xid);

	end = bb_snapshot_at(query->store, listing->until);
	output->past = bb_past_open(ctx, &end, query->database);
	output->commits = bb_commits_new(query->store, listing->until);
	set_borders(output);
	give_rows(output);
	bb_commits_close(output->commits);
	bb_past_close(output->past);
	bb_numbersort_close(listing->by_commit);
}

void
bb_transactions_list(const BbReqCtx *ctx, const BbTransactionsQuery *query,
					 MemoryContext row_context,
					 void (*take) (void *arg, const BbTransactionRow *row),
					 void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup transactions",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Listing		listing = {.ctx = ctx,
						   .store = query->store,
						   .info = bb_pagestore_info(query->store)};
	Output		output = {.listing = &listing,
						  .row_context = row_context,
						  .take = take,
						  .arg = arg};

	run(&listing, query, &output);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
