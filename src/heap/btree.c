/*-------------------------------------------------------------------------
 *
 * btree.c
 *	  Descending a btree index as it was at a snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "catalog/pg_index.h"
#include "heap/btree.h"
#include "heap/deform.h"

struct BbBtreeScan
{
	BbPages	   *pages;
	const BbBtree *index;
	BlockNumber blocks; /* of the index */
	BbBtreeKey *keys;	/* equalities first */
	int			nequal; /* one for each of the first columns */
	int			nkeys;	/* the others are bounds for column nequal */
	uint64	   *npages;
	BlockNumber last; /* that was read */
	/* the TIDs of the leaf at hand */
	ItemPointerData *tids;
	int			ntids;
	int			at;
	BlockNumber next;	 /* the next leaf; P_NONE: there is none */
	BlockNumber visited; /* leaves, and steps to the right */
};

/* ---- pages ---- */

pg_noreturn static void
report_broken(const BbBtreeScan *scan, BlockNumber block, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is broken at " BB_LSN_FORMAT,
					scan->index->name,
					LSN_FORMAT_ARGS(bb_pages_snapshot(scan->pages)->lsn)),
			 errdetail("Block %u %s.", block, what),
			 scan->index->optional
				 ? errhint("Set \"enable_indexscan\" to off to read the table without its indexes.")
				 : 0));
}

static BTPageOpaque
opaque_of(Page page)
{
	return (BTPageOpaque) PageGetSpecialPointer(page);
}

/* A page other than the meta page. */
static Page
read_page(const BbReqCtx *ctx, BbBtreeScan *scan, BlockNumber block)
{
	Page		page;

	if (block == BTREE_METAPAGE || block >= scan->blocks)
		report_broken(scan, block, "is linked to, but is not in the index");
	page = bb_pages_get(ctx, scan->pages, scan->index->relation, block);
	if (block != scan->last)
		(*scan->npages)++;
	scan->last = block;
	if (PageIsNew(page) ||
		PageGetSpecialSize(page) != MAXALIGN(sizeof(BTPageOpaqueData)))
		report_broken(scan, block, "is not a btree page");
	return page;
}

/* An item of a page that has been read; also sets its length. */
static IndexTuple
item_at(const BbBtreeScan *scan, Page page, BlockNumber block,
		OffsetNumber offset, Size *length)
{
	ItemId		item;
	IndexTuple	tuple;

	if (offset > PageGetMaxOffsetNumber(page))
		report_broken(scan, block, "lacks an item");
	item = PageGetItemId(page, offset);
	tuple = (IndexTuple) ((char *) page + ItemIdGetOffset(item));
	if (!ItemIdHasStorage(item) || !bb_item_is_sound(page, item) ||
		ItemIdGetLength(item) < sizeof(IndexTupleData) ||
		IndexTupleSize(tuple) > ItemIdGetLength(item))
		report_broken(scan, block, "has an item that is too short");
	*length = ItemIdGetLength(item);
	return tuple;
}

/* ---- comparing ---- */

/* How many columns the tuple has; those that were cut off are minus infinity. */
static int
columns_of(const BbBtreeScan *scan, IndexTuple tuple)
{
	int			natts = scan->index->desc->natts;

	if (!BTreeTupleIsPivot(tuple))
		return natts;
	return Min(ItemPointerGetOffsetNumberNoCheck(&tuple->t_tid) &
				   BT_OFFSET_MASK,
			   natts);
}

/* The first columns of a tuple, as many as keys are of. */
typedef struct Columns
{
	int			n;
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
} Columns;

static int
wanted_columns(const BbBtreeScan *scan)
{
	return scan->nequal + (scan->nkeys > scan->nequal ? 1 : 0);
}

static void
read_columns(const BbBtreeScan *scan, Page page, BlockNumber block,
			 OffsetNumber offset, Columns *columns)
{
	TupleDesc	desc = scan->index->desc;
	Size		length;
	IndexTuple	tuple = item_at(scan, page, block, offset, &length);

	columns->n = Min(wanted_columns(scan), columns_of(scan, tuple));
	if (!bb_deform_index(tuple, length, desc, columns->n, columns->values,
						 columns->isnull))
		report_broken(scan, block, "has an item that is too short");
	for (int i = 0; i < columns->n; i++)
	{
		/* a function that compares would look for it in this cluster */
		if (!columns->isnull[i] && TupleDescAttr(desc, i)->attlen == -1 &&
			VARATT_IS_EXTERNAL(DatumGetPointer(columns->values[i])))
			report_broken(scan, block, "has a value that is out of line");
	}
}

static bool
nulls_first(const BbBtreeScan *scan, int column)
{
	return (scan->index->options[column] & INDOPTION_NULLS_FIRST) != 0;
}

/* <0, 0, >0: where the column stands in the index, compared with the key. */
static int
compare(const BbBtreeScan *scan, BbBtreeKey *key, const Columns *columns)
{
	int			column = key->column;
	bool		is_null_key = key->strategy == BB_BTREE_IS_NULL;
	int			result;

	if (columns->isnull[column])
		return is_null_key ? 0 : nulls_first(scan, column) ? -1 : 1;
	if (is_null_key)
		return nulls_first(scan, column) ? 1 : -1;
	result = DatumGetInt32(
		FunctionCall2Coll(&key->compare, scan->index->collations[column],
						  columns->values[column], key->value));
	if (scan->index->options[column] & INDOPTION_DESC)
		INVERT_COMPARE_RESULT(result);
	return result;
}

/* Is the bound where the scan begins, in the order of the index? */
static bool
is_lower(const BbBtreeScan *scan, const BbBtreeKey *key)
{
	bool		greater = key->strategy == BTGreaterStrategyNumber ||
		key->strategy == BTGreaterEqualStrategyNumber;
	int16		options = scan->index->options[key->column];

	return greater != ((options & INDOPTION_DESC) != 0);
}

/* Does a value that equals the bound fail it? */
static bool
is_strict(const BbBtreeKey *key)
{
	return key->strategy == BTGreaterStrategyNumber ||
		key->strategy == BTLessStrategyNumber;
}

/*
 * Does the column lie before a lower bound, or else ("lower" false) behind an
 * upper one?  A NULL fails all bounds.
 */
static bool
fails_bounds(const BbBtreeScan *scan, const Columns *columns, bool lower)
{
	int			column = scan->nequal;

	if (scan->nkeys > scan->nequal && columns->isnull[column])
		return nulls_first(scan, column) == lower;
	for (int i = scan->nequal; i < scan->nkeys; i++)
	{
		BbBtreeKey *key = &scan->keys[i];
		int			result;

		if (key->strategy == BB_BTREE_IS_NOT_NULL ||
			is_lower(scan, key) != lower)
			continue;
		result = compare(scan, key, columns);
		if (result == 0 ? is_strict(key) : (result < 0) == lower)
			return true;
	}
	return false;
}

/*
 * Is the item before all that the scan wants?  Of a pivot tuple, that is said of
 * the items to its left: none of them has the values that it has before a column
 * that was cut off.
 */
static bool
is_before(const BbBtreeScan *scan, Page page, BlockNumber block,
		  OffsetNumber offset)
{
	Columns		columns;

	read_columns(scan, page, block, offset, &columns);
	for (int i = 0; i < scan->nequal; i++)
	{
		int			result;

		if (i >= columns.n)
			return true;
		result = compare(scan, &scan->keys[i], &columns);
		if (result != 0)
			return result < 0;
	}
	return columns.n < wanted_columns(scan) ||
		fails_bounds(scan, &columns, true);
}

/* Is the item of a leaf, which is not before it, behind all of it? */
static bool
is_behind(const BbBtreeScan *scan, Page page, BlockNumber block,
		  OffsetNumber offset)
{
	Columns		columns;

	read_columns(scan, page, block, offset, &columns);
	if (columns.n < wanted_columns(scan))
		report_broken(scan, block, "has an item that is too short");
	for (int i = 0; i < scan->nequal; i++)
	{
		if (compare(scan, &scan->keys[i], &columns) != 0)
			return true;
	}
	return fails_bounds(scan, &columns, false);
}

/* The first item from "low" on that is not before what the scan wants. */
static OffsetNumber
first_wanted(const BbBtreeScan *scan, Page page, BlockNumber block,
			 OffsetNumber low)
{
	OffsetNumber high = PageGetMaxOffsetNumber(page) + 1;

	while (low < high)
	{
		OffsetNumber middle = low + (high - low) / 2;

		if (is_before(scan, page, block, middle))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- descending ---- */

/* A circle of links must not become an endless loop. */
static void
step(const BbReqCtx *ctx, BbBtreeScan *scan, BlockNumber block)
{
	bb_reqctx_check(ctx);
	if (scan->visited++ > scan->blocks)
		report_broken(scan, block, "is part of a circle");
}

/*
 * Go right, while the page is deleted or has nothing that the scan wants: it was
 * split, and its parent does not know that yet.
 */
static Page
move_right(const BbReqCtx *ctx, BbBtreeScan *scan, BlockNumber *block)
{
	for (;;)
	{
		Page		page = read_page(ctx, scan, *block);
		BTPageOpaque opaque = opaque_of(page);

		step(ctx, scan, *block);
		if (P_RIGHTMOST(opaque))
		{
			if (P_IGNORE(opaque))
				report_broken(scan, *block, "is deleted, and the last one");
			return page;
		}
		if (!P_IGNORE(opaque) && !is_before(scan, page, *block, P_HIKEY))
			return page;
		*block = opaque->btpo_next;
	}
}

static const BTMetaPageData *
read_meta(const BbReqCtx *ctx, BbBtreeScan *scan)
{
	Page		page = bb_pages_get(ctx, scan->pages, scan->index->relation,
									BTREE_METAPAGE);
	const BTMetaPageData *meta = BTPageGetMeta(page);

	(*scan->npages)++;
	if (PageIsNew(page) || meta->btm_magic != BTREE_MAGIC)
		report_broken(scan, BTREE_METAPAGE, "is not a btree's meta page");
	if (meta->btm_version < BTREE_MIN_VERSION ||
		meta->btm_version > BTREE_VERSION)
		report_broken(scan, BTREE_METAPAGE, "has an unknown version");
	return meta;
}

/* The first leaf that may have what the scan wants; P_NONE: an empty index. */
static BlockNumber
descend(const BbReqCtx *ctx, BbBtreeScan *scan)
{
	const BTMetaPageData *meta = read_meta(ctx, scan);
	BlockNumber block = meta->btm_fastroot;
	uint32		level = meta->btm_fastlevel;

	if (block == P_NONE)
		return P_NONE;
	for (;; level--)
	{
		Page		page = move_right(ctx, scan, &block);
		BTPageOpaque opaque = opaque_of(page);
		OffsetNumber wanted;
		Size		length;

		if (opaque->btpo_level != level || P_ISLEAF(opaque) != (level == 0))
			report_broken(scan, block,
						  "is of another level than its parent says");
		if (level == 0)
			return block;
		/* the first item of an inner page is minus infinity */
		wanted = first_wanted(scan, page, block, P_FIRSTDATAKEY(opaque) + 1);
		block = BTreeTupleGetDownLink(
			item_at(scan, page, block, wanted - 1, &length));
	}
}

/* ---- leaves ---- */

static void
add_tid(BbBtreeScan *scan, BlockNumber block, ItemPointer tid)
{
	if (scan->ntids >= MaxTIDsPerBTreePage)
		report_broken(scan, block, "has more entries than a page can have");
	scan->tids[scan->ntids++] = *tid;
}

static void
add_posting(BbBtreeScan *scan, BlockNumber block, IndexTuple tuple,
			Size length)
{
	Size		begin = BTreeTupleGetPostingOffset(tuple);
	int			n = BTreeTupleGetNPosting(tuple);

	if (begin < sizeof(IndexTupleData) || begin != MAXALIGN(begin) ||
		begin + n * sizeof(ItemPointerData) > length)
		report_broken(scan, block, "has an invalid posting list");
	for (int i = 0; i < n; i++)
		add_tid(scan, block, BTreeTupleGetPostingN(tuple, i));
}

static void
read_leaf(const BbReqCtx *ctx, BbBtreeScan *scan, BlockNumber block)
{
	Page		page = read_page(ctx, scan, block);
	BTPageOpaque opaque = opaque_of(page);
	OffsetNumber last = PageGetMaxOffsetNumber(page);

	step(ctx, scan, block);
	scan->ntids = 0;
	scan->at = 0;
	scan->next = P_RIGHTMOST(opaque) ? P_NONE : opaque->btpo_next;
	if (P_IGNORE(opaque))
		return;
	if (!P_ISLEAF(opaque))
		report_broken(scan, block, "is not a leaf");
	for (OffsetNumber offset =
			 first_wanted(scan, page, block, P_FIRSTDATAKEY(opaque));
		 offset <= last; offset++)
	{
		Size		length;
		IndexTuple	tuple = item_at(scan, page, block, offset, &length);

		if (is_behind(scan, page, block, offset))
		{
			scan->next = P_NONE;
			return;
		}
		if (BTreeTupleIsPosting(tuple))
			add_posting(scan, block, tuple, length);
		else
			add_tid(scan, block, &tuple->t_tid);
	}
}

/* ---- the scan ---- */

BbBtreeScan *
bb_btreescan_new(const BbReqCtx *ctx, BbPages *pages, const BbBtree *index,
				 BbBtreeKey *keys, int nkeys, uint64 *npages)
{
	BbBtreeScan *scan = palloc0(sizeof(BbBtreeScan));

	scan->pages = pages;
	scan->index = index;
	scan->keys = keys;
	scan->nkeys = nkeys;
	while (scan->nequal < nkeys &&
		   (keys[scan->nequal].strategy == BTEqualStrategyNumber ||
			keys[scan->nequal].strategy == BB_BTREE_IS_NULL))
		scan->nequal++;
	scan->npages = npages != NULL ? npages : palloc0(sizeof(uint64));
	scan->last = InvalidBlockNumber;
	scan->tids = palloc(sizeof(ItemPointerData) * MaxTIDsPerBTreePage);
	scan->blocks = bb_pages_blocks(ctx, pages, index->relation);
	scan->next = descend(ctx, scan);
	scan->visited = 0;
	return scan;
}

bool
bb_btreescan_next(const BbReqCtx *ctx, BbBtreeScan *scan, ItemPointer tid)
{
	while (scan->at >= scan->ntids)
	{
		if (scan->next == P_NONE)
			return false;
		read_leaf(ctx, scan, scan->next);
	}
	*tid = scan->tids[scan->at++];
	return true;
}
