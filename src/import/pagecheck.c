/*-------------------------------------------------------------------------
 *
 * pagecheck.c
 *	  Check of pages of relations, and what becomes of bad ones.
 *
 *	  source				  page of a map		   any other page
 *	  base backup			  zeros				   torn: WAL must have its image
 *	  clean shutdown		  WARNING, zeros	   ERROR
 *
 * The server reads a page of a free space map or a visibility map as zeros if
 * it can't read it, and zeros say nothing wrong there: RBM_ZERO_ON_ERROR in
 * fsm_readbuf (freespace.c) and vm_readbuf (visibilitymap.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/pagecheck.h"
#include "import/import_internal.h"

/* A page of a base backup that was copied while it was written. */
typedef struct TornPage
{
	BbKey		key;
	char	   *complaint;
} TornPage;

static void
remember_torn(BbImport *import, const BbKey *key, const char *complaint)
{
	MemoryContext old = MemoryContextSwitchTo(import->context);
	TornPage   *torn = palloc(sizeof(TornPage));

	torn->key = *key;
	torn->complaint = pstrdup(complaint);
	import->torn_pages = lappend(import->torn_pages, torn);
	MemoryContextSwitchTo(old);
}

/* Return what is stored instead of a bad page; NULL: nothing yet. */
static const void *
replace(BbImport *import, const BbKey *key, const char *path,
		BlockNumber block_of_file, Page page, const char *complaint)
{
	static const uint8 zeros[BLCKSZ] = {0};
	BbKeyFields f = bb_key_fields(key);
	bool		map = f.fork == FSM_FORKNUM || f.fork == VISIBILITYMAP_FORKNUM;

	if (!import->fuzzy)
	{
		/* a page that is newer than the WAL is readable, so it isn't zeroed */
		if (!map ||
			bb_pagecheck(page, f.block, import->checksums, PG_UINT64_MAX) ==
				NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("block %u of file \"%s/%s\" is corrupted",
							block_of_file, import->path, path),
					 errdetail("%s", complaint),
					 errhint("The cluster itself is damaged: restore the page, "
							 "or the relation, there.")));
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("block %u of file \"%s/%s\" is corrupted and becomes zeros",
						block_of_file, import->path, path),
				 errdetail("%s It is a page of a free space map or visibility map, and the server would zero it too.",
						   complaint)));
	}
	else if (!map)
	{
		remember_torn(import, key, complaint);
		return NULL;
	}
	return zeros;
}

const void *
bb_import_check_page(BbImport *import, const BbKey *key, const char *path,
					 BlockNumber block_of_file, Page page)
{
	/* pages of a base backup may be newer than the start of its WAL */
	XLogRecPtr	end_lsn = import->fuzzy ? PG_UINT64_MAX : import->lsn;
	char	   *complaint = bb_pagecheck(page, bb_key_fields(key).block,
										 import->checksums, end_lsn);

	if (complaint != NULL)
		return replace(import, key, path, block_of_file, page, complaint);
	import->newest_page = Max(import->newest_page, PageGetLSN(page));
	return page;
}

void
bb_import_check_torn_pages(const BbReqCtx *ctx, const BbImport *import,
						   BbTimeline *timeline, XLogRecPtr lsn)
{
	ListCell   *cell;

	foreach(cell, import->torn_pages)
	{
		const TornPage *torn = lfirst(cell);
		BbKeyFields f = bb_key_fields(&torn->key);
		BbKey		size_key = bb_key_rel_size(f.spc, f.db, f.rel,
											   (ForkNumber) f.fork);
		BbEntry		entry;

		if (!bb_timeline_get(ctx, timeline, &size_key, lsn, &entry) ||
			entry.length != sizeof(uint32) ||
			f.block >= bb_get_le32(entry.value))
			continue; /* dropped or truncated since */
		if (!bb_timeline_get(ctx, timeline, &torn->key, lsn, &entry))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("%s is corrupted in base backup \"%s\"",
							bb_key_text(&torn->key), import->path),
					 errdetail("%s Its WAL has no image of the page.",
							   torn->complaint)));
	}
}
