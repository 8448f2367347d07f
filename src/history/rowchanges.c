/*-------------------------------------------------------------------------
 *
 * rowchanges.c
 *	  What WAL records did to rows of tables, out of the delta layers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "history/rowrecord.h"
#include "history/rowsort.h"

struct BbRowChanges
{
	BbPageStore *store;
	const BbPageStoreInfo *info;
	BbPageEntries *entries;
	BbRowRecord *record;
	/* where the last record was; an image of that LSN comes from it */
	BbKey		last_key;
	XLogRecPtr	last_lsn;
	bool		(*wanted) (void *arg, BbRelLocator relation); /* NULL: all */
	void	   *wanted_arg;
	BbRowSort  *sort; /* NULL: they are not to be sorted */
	bool		sorted;
};

BbKeyRange
bb_rowchanges_range(BbRelLocator relation)
{
	Oid			spc = BB_LOCATOR_SPC(relation);
	Oid			db = BB_LOCATOR_DB(relation);
	Oid			rel = BB_LOCATOR_REL(relation);
	BbKeyRange	range;

	range.start = bb_key_rel_block(spc, db, rel, MAIN_FORKNUM, 0);
	range.end = bb_key_rel_block(spc, db, rel, FSM_FORKNUM, 0);
	return range;
}

BbRowChanges *
bb_rowchanges_new(const BbReqCtx *ctx, BbPageStore *store,
				  const BbKeyRange *range, XLogRecPtr after, XLogRecPtr until)
{
	BbRowChanges *changes = palloc0(sizeof(BbRowChanges));

	changes->store = store;
	changes->info = bb_pagestore_info(store);
	changes->entries = bb_pagestore_entries_new(ctx, store, range, after,
												until);
	changes->record = bb_rowrecord_new(changes->info);
	return changes;
}

BbRowChanges *
bb_rowchanges_new_sorted(const BbReqCtx *ctx, BbPageStore *store,
						 const BbKeyRange *range, XLogRecPtr after,
						 XLogRecPtr until)
{
	BbRowChanges *changes = bb_rowchanges_new(ctx, store, range, after, until);

	changes->sort = bb_rowsort_new();
	return changes;
}

void
bb_rowchanges_filter(BbRowChanges *changes,
					 bool (*wanted) (void *arg, BbRelLocator relation),
					 void *arg)
{
	changes->wanted = wanted;
	changes->wanted_arg = arg;
}

static bool
is_zero(const BbEntry *entry)
{
	for (uint32 i = 0; i < entry->length; i++)
		if (entry->value[i] != 0)
			return false;
	return true;
}

/*
 * An image must have the record that it comes from before it; the zeros that fill a
 * gap between blocks come from none.
 */
static void
check_image(const BbRowChanges *changes, const BbEntry *entry)
{
	if ((changes->last_lsn == entry->lsn &&
		 bb_key_compare(&changes->last_key, &entry->key) == 0) ||
		is_zero(entry))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the WAL record at " BB_LSN_FORMAT " that changed %s is not in timeline \"%s\"",
					LSN_FORMAT_ARGS(entry->lsn), bb_key_text(&entry->key),
					changes->info->timeline),
			 errdetail("An earlier version of bbackup ingested the WAL there, and kept only the full-page image."),
			 errhint("Ask for changes after that LSN, or import the cluster and its WAL archive anew.")));
}

/* Does WAL that was lost end there, so that entries say what differs? */
static bool
fills_gap(const BbRowChanges *changes, XLogRecPtr lsn)
{
	const BbPageStoreInfo *info = changes->info;

	for (int i = 0; i < info->ngaps; i++)
		if (lsn > info->gaps[i].from && lsn <= info->gaps[i].until)
			return true;
	return false;
}

static bool
take_next(const BbReqCtx *ctx, BbRowChanges *changes, BbRowChange *change)
{
	BbEntry		entry;

	while (bb_pagestore_entries_next(ctx, changes->entries, &entry))
	{
		BbKeyFields key = bb_key_fields(&entry.key);

		if (key.fork != MAIN_FORKNUM || fills_gap(changes, entry.lsn) ||
			(changes->wanted != NULL &&
			 !changes->wanted(changes->wanted_arg,
							  BB_REL_LOCATOR(key.spc, key.db, key.rel))))
			continue;
		switch (entry.type)
		{
			case BB_ENTRY_RECORD:
			case BB_ENTRY_RECORD_INIT:
				changes->last_key = entry.key;
				changes->last_lsn = entry.lsn;
				/* one without bytes changes no row */
				if (entry.length > 0 &&
					bb_rowrecord_decode(changes->record, &entry, change))
					return true;
				break;
			case BB_ENTRY_IMAGE:
				check_image(changes, &entry);
				break;
			default:
				break;
		}
	}
	return false;
}

bool
bb_rowchanges_next(const BbReqCtx *ctx, BbRowChanges *changes,
				   BbRowChange *change)
{
	if (changes->sort == NULL)
		return take_next(ctx, changes, change);
	if (!changes->sorted)
	{
		while (take_next(ctx, changes, change))
			bb_rowsort_add(changes->sort, change);
		bb_rowsort_finish(changes->sort);
		changes->sorted = true;
	}
	return bb_rowsort_next(changes->sort, change);
}

void
bb_rowchanges_close(BbRowChanges *changes)
{
	bb_pagestore_entries_close(changes->entries);
	if (changes->sort != NULL)
		bb_rowsort_close(changes->sort);
	pfree(changes);
}
