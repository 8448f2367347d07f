/*-------------------------------------------------------------------------
 *
 * made.c
 *	  Made pages: what no workload leaves in a cluster.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/slru.h"
#include "cluster.h"
#include "layer/native.h"
#include "made.h"

typedef struct MadePage
{
	BbKey		key;
	bool		is_block;
	BbRelLocator relation;
	BlockNumber block;
	char	   *bytes; /* aligned as a page */
} MadePage;

Made *
made_new(void)
{
	Made	   *made = palloc0(sizeof(Made));

	made->next_multi = FirstMultiXactId;
	made->next_offset = 1;
	return made;
}

static MadePage *
page_of(Made *made, BbKey key)
{
	MadePage   *page;
	ListCell   *cell;

	foreach(cell, made->pages)
	{
		page = lfirst(cell);
		if (bb_key_compare(&page->key, &key) == 0)
			return page;
	}
	page = palloc0(sizeof(MadePage));
	page->key = key;
	page->bytes = palloc0(BLCKSZ);
	made->pages = lappend(made->pages, page);
	return page;
}

uint8 *
made_slru(Made *made, BbSlru slru, uint64 page)
{
	BbKey		key = bb_key_slru_block(slru, page / SLRU_PAGES_PER_SEGMENT,
										(uint32) (page %
												  SLRU_PAGES_PER_SEGMENT));

	return (uint8 *) page_of(made, key)->bytes;
}

Page
made_block(Made *made, BbRelLocator relation, BlockNumber block)
{
	BbKey		key = bb_key_rel_block(BB_LOCATOR_SPC(relation),
									   BB_LOCATOR_DB(relation),
									   BB_LOCATOR_REL(relation), MAIN_FORKNUM,
									   block);
	MadePage   *page = page_of(made, key);

	page->is_block = true;
	page->relation = relation;
	page->block = block;
	return page->bytes;
}

/* ---- transactions ---- */

void
made_status(Made *made, TransactionId xid, int status)
{
	uint8	   *page = made_slru(made, BB_SLRU_XACT, xid / BB_XACT_PER_PAGE);
	uint32		entry = xid % BB_XACT_PER_PAGE;
	uint8	   *byte = &page[entry / 4];
	int			shift = entry % 4 * 2;

	*byte = (*byte & ~(3 << shift)) | status << shift;
}

void
made_offset(Made *made, MultiXactId multi, MultiXactOffset offset)
{
	uint8	   *page = made_slru(made, BB_SLRU_MULTIXACT_OFFSETS,
								 multi / BB_OFFSETS_PER_PAGE);

	memcpy(page + multi % BB_OFFSETS_PER_PAGE * sizeof(offset), &offset,
		   sizeof(offset));
}

void
made_member(Made *made, MultiXactOffset offset, TransactionId xid, int status)
{
	uint8	   *page = made_slru(made, BB_SLRU_MULTIXACT_MEMBERS,
								 offset / BB_MEMBERS_PER_PAGE);
	uint32		entry = offset % BB_MEMBERS_PER_PAGE;
	uint8	   *group = page +
		entry / BB_MEMBERS_PER_GROUP * BB_MEMBERS_GROUP_SIZE;

	group[entry % BB_MEMBERS_PER_GROUP] = status;
	memcpy(group + BB_MEMBERS_FLAG_BYTES +
			   entry % BB_MEMBERS_PER_GROUP * sizeof(xid),
		   &xid, sizeof(xid));
}

/* ---- rows ---- */

HeapTupleHeader
made_row(Page page, const void *data, size_t length, int natts,
		 OffsetNumber *offset)
{
	static const uint64 column = 0;
	size_t		header = MAXALIGN(SizeofHeapTupleHeader);
	char	   *bytes;
	HeapTupleHeader row;

	if (data == NULL)
	{
		data = &column;
		length = sizeof(column);
	}
	if (PageIsNew(page))
		PageInit(page, BLCKSZ, 0);
	bytes = palloc0(header + length);
	memcpy(bytes + header, data, length);
	row = (HeapTupleHeader) bytes;
	row->t_hoff = header;
	row->t_infomask = HEAP_XMAX_INVALID;
	HeapTupleHeaderSetNatts(row, natts);
	*offset = PageAddItem(page, (void *) bytes, header + length,
						  InvalidOffsetNumber, false, true);
	CHECK(*offset != InvalidOffsetNumber);
	row = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, *offset));
	ItemPointerSet(&row->t_ctid, 0, *offset);
	return row;
}

/* ---- the store ---- */

static void
put_sizes(Made *made, BbPageStore *store)
{
	ListCell   *i;

	foreach(i, made->pages)
	{
		const MadePage *page = lfirst(i);
		BlockNumber blocks = 0;
		ListCell   *j;

		if (!page->is_block || page->block != 0)
			continue;
		foreach(j, made->pages)
		{
			const MadePage *other = lfirst(j);

			if (other->is_block &&
				BB_LOCATOR_EQUALS(other->relation, page->relation))
				blocks = Max(blocks, other->block + 1);
		}
		put_u32(store,
				bb_key_rel_size(BB_LOCATOR_SPC(page->relation),
								BB_LOCATOR_DB(page->relation),
								BB_LOCATOR_REL(page->relation), MAIN_FORKNUM),
				blocks);
	}
}

BbPages *
made_pages(Made *made)
{
	BbPageStoreInfo info = cluster_info();
	BbPageStore *store = fixture_pagestore_new(&info);
	CheckPoint	checkpoint = cluster_checkpoint();
	ListCell   *cell;

	checkpoint.nextMulti = made->next_multi;
	checkpoint.nextMultiOffset = made->next_offset;
	fixture_put(store, bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0),
				&checkpoint, sizeof(checkpoint));
	foreach(cell, made->pages)
	{
		const MadePage *page = lfirst(cell);

		fixture_put(store, page->key, page->bytes, BLCKSZ);
	}
	put_sizes(made, store);
	return bb_pages_new(unit_snapshot(store, LSN));
}
