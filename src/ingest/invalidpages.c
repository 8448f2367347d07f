/*-------------------------------------------------------------------------
 *
 * invalidpages.c
 *	  Records that refer to pages which do not exist.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ingest/invalidpages.h"
#include "ingest/relsizes.h"
#include "utils/memutils.h"

static void
refuse(const BbKey *key, XLogRecPtr lsn)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("WAL refers to a page that does not exist"),
			 errdetail("The %s is not there at %X/%X.", bb_key_text(key),
					   LSN_FORMAT_ARGS(lsn)),
			 errhint("The WAL is not that of the cluster that was imported, "
					 "or the cluster was damaged.")));
}

void
bb_invalidpages_add(BbIngest *ingest, const BbFork *fork, BlockNumber block)
{
	BbKey		key = bb_fork_block_key(fork, block);
	MemoryContext old;
	BbKey	   *kept;

	if (ingest->done_lsn >= ingest->manifest->start_lsn)
		refuse(&key, ingest->lsn);

	old = MemoryContextSwitchTo(ingest->context);
	kept = palloc(sizeof(BbKey));
	*kept = key;
	ingest->invalid_pages = lappend(ingest->invalid_pages, kept);
	MemoryContextSwitchTo(old);
}

void
bb_invalidpages_forget(BbIngest *ingest, const BbFork *fork, BlockNumber from)
{
	ListCell   *cell;

	foreach(cell, ingest->invalid_pages)
	{
		BbKeyFields key = bb_key_fields(lfirst(cell));

		if (key.spc == fork->spc && key.db == fork->db &&
			key.rel == fork->rel && key.fork == fork->fork &&
			key.block >= from)
			ingest
				->invalid_pages = foreach_delete_current(ingest->invalid_pages,
														 cell);
	}
}

void
bb_invalidpages_forget_database(BbIngest *ingest, Oid db)
{
	ListCell   *cell;

	foreach(cell, ingest->invalid_pages)
	{
		if (bb_key_fields(lfirst(cell)).db == db)
			ingest
				->invalid_pages = foreach_delete_current(ingest->invalid_pages,
														 cell);
	}
}

void
bb_invalidpages_check(BbIngest *ingest)
{
	if (ingest->invalid_pages != NIL)
		refuse(linitial(ingest->invalid_pages), ingest->lsn);
}
