/*-------------------------------------------------------------------------
 *
 * helper_pages.c
 *	  The scratch relations of a redo helper.
 *
 * Redo functions access pages through the buffer manager, so the helper has
 * three scratch relations.  Their main forks are empty files: pages are put into
 * the buffer pool directly, and dropped before any could be evicted.  Dropping
 * takes a while, so it isn't done for each request.  Before 19, the buffers that
 * were dropped are the first to be taken again.  From 19 on they are taken in
 * turn, so that a page has to be dropped before the turn comes to its buffer; if
 * a request takes that many, its page moves on.  Two facts about the server make
 * that work:
 *
 *	- in recovery smgrnblocks() returns smgr_cached_nblocks (smgr.c), so that
 *	  the helper determines how many blocks a relation has;
 *	- mdcreate() returns at once if the fork is open already (md.c).
 *
 * Redo of heap records also looks at the free space map and the visibility
 * map of the heap page's relation.  Its changes of them are discarded (ingest
 * derives map pages from the records itself), but they have to be readable:
 * sparse files of zeros, which are empty maps.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xlogutils.h"
#include "base/compat.h"
#include "catalog/pg_tablespace_d.h"
#include "miscadmin.h"
#include "redo/helper.h"
#include "storage/bufmgr.h"
#include "storage/smgr.h"

/* Arbitrary numbers. */
#define TARGET_RELNODE 60001
#define TRASH_RELNODE 60002
#define VOID_RELNODE 60003

/* As many blocks as a relation can have. */
#define ALL_BLOCKS ((BlockNumber) 0xFFFFFFFE)

/* The segments of the maps of that many heap blocks: a page of a free space map
 * covers about 4,000 blocks, a page of a visibility map 32,672. */
#define FSM_SEGMENTS 9
#define VM_SEGMENTS 2

/* The number of references to the void after which they are forgotten: recovery
 * remembers each missing page. */
#define VOID_LIMIT 256

/* The maximal number of target pages that a request leaves in the buffer pool:
 * its page, and a page of each map. */
#define TARGET_PAGES 3

static SMgrRelation target_relation;
static SMgrRelation trash_relation;
static SMgrRelation void_relation;
static BbRelLocator target_locator;
static BbRelLocator trash_locator;
static BbRelLocator void_locator;

static ForkNumber target_fork;
static BlockNumber target_block;
static bool target_is_new; /* it was zeros at the last check */
static Buffer target_buffer = InvalidBuffer; /* where it was found last */
static int	target_count = 0; /* pages of the target since it was emptied */
static int	trash_count = 0;  /* blocks put into trash since it was emptied */
static int	void_count = 0;
static int	taken_count = 0; /* at most, buffers since all were dropped */

static void
make_sparse_segments(Oid relnode, const char *suffix, int segments)
{
	for (int segment = 0; segment < segments; segment++)
	{
		char		path[MAXPGPATH];
		int			fd;

		if (segment == 0)
			snprintf(path, sizeof(path), "global/%u_%s", relnode, suffix);
		else
			snprintf(path, sizeof(path), "global/%u_%s.%d", relnode, suffix,
					 segment);
		fd = open(path, O_RDWR | O_CREAT, S_IRUSR | S_IWUSR);
		if (fd < 0 || ftruncate(fd, (off_t) RELSEG_SIZE * BLCKSZ) != 0)
			ereport(FATAL,
					(errcode_for_file_access(),
					 errmsg("could not create file \"%s\": %m", path)));
		close(fd);
	}
}

static SMgrRelation
open_scratch(BbRelLocator *locator, Oid relnode)
{
	SMgrRelation relation;

	make_sparse_segments(relnode, "fsm", FSM_SEGMENTS);
	make_sparse_segments(relnode, "vm", VM_SEGMENTS);

	*locator = BB_REL_LOCATOR(GLOBALTABLESPACE_OID, InvalidOid, relnode);
	relation = smgropen(*locator, BB_NO_BACKEND);
	for (ForkNumber fork = MAIN_FORKNUM; fork <= MAX_FORKNUM; fork++)
	{
		smgrcreate(relation, fork, true);
		/* opens all segments while that is still allowed */
		(void) smgrnblocks(relation, fork);
		relation->smgr_cached_nblocks[fork] = ALL_BLOCKS;
	}
	BB_SMGR_PIN(relation);
	return relation;
}

void
bb_redo_pages_init(void)
{
	target_relation = open_scratch(&target_locator, TARGET_RELNODE);
	trash_relation = open_scratch(&trash_locator, TRASH_RELNODE);
	void_relation = open_scratch(&void_locator, VOID_RELNODE);

	/*
	 * Only its main fork is empty: visibilitymap_pin() would extend a
	 * visibility map that has too few blocks, and that writes files.
	 */
	void_relation->smgr_cached_nblocks[MAIN_FORKNUM] = 0;
}

/*
 * A reference to a relation takes buffers: of a page, and of a page of each map.
 */
static void
take_buffers(void)
{
	taken_count += TARGET_PAGES;
}

/*
 * Has the turn to be kept from coming to the first buffers again?  A record has
 * at most XLR_MAX_BLOCK_ID + 1 blocks, and only those of heap have maps.
 */
static bool
turn_comes_near(void)
{
	return !BB_HAVE_FREE_BUFFERS && taken_count > NBuffers / 4;
}

static void
drop_all(void)
{
	SMgrRelation relations[] = {target_relation, trash_relation,
								void_relation};

	BB_DROP_ALL_BUFFERS(relations, lengthof(relations));
	target_count = trash_count = taken_count = 0;
}

/*
 * Put a page into the buffer pool without reading one.
 */
static Buffer
put_page(BbRelLocator locator, ForkNumber fork, BlockNumber block,
		 const void *page)
{
	Buffer		buffer = ReadBufferWithoutRelcache(locator, fork, block,
												   RBM_ZERO_AND_LOCK, NULL,
												   true);

	if (page != NULL)
		memcpy(BufferGetPage(buffer), page, BLCKSZ);
	else
		memset(BufferGetPage(buffer), 0, BLCKSZ);
	/* a clean page could be evicted, and then be read as zeros */
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
	return buffer;
}

static void
put_target(const void *page)
{
	target_buffer = put_page(target_locator, target_fork, target_block, page);
	target_count += TARGET_PAGES;
	take_buffers();
}

void
bb_redo_pages_begin(ForkNumber fork, BlockNumber block, const void *page)
{
	/*
	 * An init fork is treated as a main fork, since redo functions write
	 * pages of init forks to disk at once.
	 */
	target_fork = fork == INIT_FORKNUM ? MAIN_FORKNUM : fork;
	target_block = block;
	put_target(page);
	target_is_new = page == NULL || PageIsNew((Page) page);
}

Page
bb_redo_pages_target(void)
{
	if (!ReadRecentBuffer(target_locator, target_fork, target_block,
						  target_buffer))
		target_buffer = ReadBufferWithoutRelcache(target_locator, target_fork,
												  target_block, RBM_NORMAL,
												  NULL, true);
	ReleaseBuffer(target_buffer);
	return BufferGetPage(target_buffer);
}

bool
bb_redo_pages_target_is_new(bool replaced)
{
	/* redo makes a page zeros only by an image */
	if (target_is_new || replaced)
		target_is_new = PageIsNew(bb_redo_pages_target());
	return target_is_new;
}

/* Blocks of other forks are in trash, or in sparse files. */
static void
forget_missing_pages(BbRelLocator locator)
{
	XLogDropRelation(locator, MAIN_FORKNUM);
}

/*
 * Pages of the target may stay for a while, since they do no harm: the next
 * request replaces its page, and changes of the maps are discarded.  So map pages
 * needn't be read again.
 */
void
bb_redo_pages_end(bool failed)
{
	SMgrRelation relations[2];
	int			n = 0;

	if (turn_comes_near())
		drop_all();
	if (failed || target_count > NBuffers / 2)
	{
		relations[n++] = target_relation;
		target_count = 0;
	}
	if (failed || trash_count > 0)
	{
		relations[n++] = trash_relation;
		trash_count = 0;
	}
	if (n > 0)
		BB_DROP_ALL_BUFFERS(relations, n);

	/*
	 * A target without a base is remembered too; its record then fails.
	 * Forgetting searches all remembered pages.
	 */
	if (failed)
		forget_missing_pages(target_locator);
	if (failed || void_count > VOID_LIMIT)
	{
		forget_missing_pages(void_locator);
		void_count = 0;
	}
}

void
bb_redo_pages_make_room(void)
{
	if (turn_comes_near())
	{
		PGAlignedBlock page;

		memcpy(page.data, bb_redo_pages_target(), BLCKSZ);
		drop_all();
		put_target(page.data);
	}
	if (trash_count > NBuffers / 8)
	{
		BB_DROP_ALL_BUFFERS(&trash_relation, 1);
		trash_count = 0;
	}
}

static void
set_place(DecodedBkpBlock *block, BbRelLocator locator)
{
	BB_DECODED_LOCATOR(block) = locator;
	block->prefetch_buffer = InvalidBuffer;
	if (block->forknum == INIT_FORKNUM)
		block->forknum = MAIN_FORKNUM;
}

void
bb_redo_block_to_target(DecodedBkpBlock *block)
{
	set_place(block, target_locator);
	block->prefetch_buffer = target_buffer;
}

void
bb_redo_block_to_trash(DecodedBkpBlock *block)
{
	trash_count++;
	take_buffers();
	set_place(block, trash_locator);
}

void
bb_redo_block_to_void(DecodedBkpBlock *block)
{
	void_count++;
	take_buffers();
	set_place(block, void_locator);
}

void
bb_redo_block_to_newer(DecodedBkpBlock *block)
{
	Buffer		buffer;
	Page		page;

	trash_count++;
	take_buffers();
	set_place(block, trash_locator);
	buffer = put_page(trash_locator, block->forknum, block->blkno, NULL);
	page = BufferGetPage(buffer);
	PageInit(page, BLCKSZ, 0);
	PageSetLSN(page, PG_UINT64_MAX);
	block->prefetch_buffer = buffer;
}
