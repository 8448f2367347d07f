/*-------------------------------------------------------------------------
 *
 * pagecheck.c
 *	  Check of pages of relations, and what becomes of bad ones.
 *
 *	  source				  page of a map		   any other page
 *	  base backup			  zeros				   torn: WAL must have its image
 *	  clean shutdown		  WARNING, zeros	   ERROR
 *
 * While it is unknown whether pages have checksums (stream_import.h), a page with
 * a wrong one is bad, and one without a checksum good.
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

/* Remember the first page of its kind. */
static void
remember_first(BbImport *import, const char **first, const char *path,
			   BlockNumber block_of_file)
{
	MemoryContext old;

	if (*first != NULL)
		return;
	old = MemoryContextSwitchTo(import->context);
	*first = psprintf("block %u of file \"%s/%s\"", block_of_file,
					  import->path, path);
	MemoryContextSwitchTo(old);
}

/* As bb_pagecheck, of a page that may have a checksum. */
static char *
check_either(BbImport *import, const char *path, BlockNumber block_of_file,
			 BlockNumber block, Page page)
{
	char	   *complaint = bb_pagecheck(page, block, false, PG_UINT64_MAX);

	if (complaint != NULL || PageIsNew(page))
		return complaint;
	if (((PageHeader) page)->pd_checksum == 0)
	{
		remember_first(import, &import->without_checksum, path, block_of_file);
		return NULL;
	}
	complaint = bb_pagecheck(page, block, true, PG_UINT64_MAX);
	if (complaint != NULL)
		remember_first(import, &import->with_wrong_checksum, path,
					   block_of_file);
	return complaint;
}

void
bb_import_checksums_known(BbImport *import, bool checksums)
{
	if (checksums && import->without_checksum != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%s has no checksum", import->without_checksum),
				 errdetail("The cluster has data checksums.")));
	if (!checksums && import->with_wrong_checksum != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s has a wrong checksum",
						import->with_wrong_checksum),
				 errdetail("The cluster has no data checksums any more, which its control file tells only at the end of the stream."),
				 errhint("Send the backup as a directory (pg_basebackup -Fp, or an extracted tar).")));
	import->checksums = checksums;
	import->checksums_unknown = false;
}

const void *
bb_import_check_page(BbImport *import, const BbKey *key, const char *path,
					 BlockNumber block_of_file, Page page)
{
	/* pages of a base backup may be newer than the start of its WAL */
	XLogRecPtr	end_lsn = import->fuzzy ? PG_UINT64_MAX : import->lsn;
	BlockNumber block = bb_key_fields(key).block;
	char	   *complaint = import->checksums_unknown
		? check_either(import, path, block_of_file, block, page)
		: bb_pagecheck(page, block, import->checksums, end_lsn);

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
