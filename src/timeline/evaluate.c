/*-------------------------------------------------------------------------
 *
 * evaluate.c
 *	  Turning a history into a value.
 *
 * Most histories are whole values, which are returned unchanged.  The others
 * are pages: those of main and init forks of relations are made by redo, those
 * of SLRUs and of other forks by native changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "layer/native.h"
#include "storage/bufpage.h"
#include "storage/checksum.h"
#include "timeline/timeline_internal.h"

/* Can a page of this key have such a change?  Other keys have no changes. */
static bool
change_belongs(const BbPageHistory *history, const BbChange *change)
{
	BbKeyFields fields = bb_key_fields(&history->key);
	bool		redo_makes = fields.kind == BB_KEY_REL_BLOCK &&
		(fields.fork == MAIN_FORKNUM || fields.fork == INIT_FORKNUM);

	if (change->type != BB_ENTRY_NATIVE)
		return redo_makes;
	return !redo_makes &&
		(fields.kind == BB_KEY_REL_BLOCK || fields.kind == BB_KEY_SLRU_BLOCK);
}

static void
check_history(const BbPageHistory *history)
{
	const BbChange *first = &history->changes[0];

	for (int i = 0; i < history->nchanges; i++)
	{
		const BbChange *change = &history->changes[i];

		if (!change_belongs(history, change))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("history of %s has a change that cannot be "
							"applied to it",
							bb_key_text(&history->key)),
					 errdetail("It is of type %d and ended at " BB_LSN_FORMAT ".",
							   (int) change->type,
							   LSN_FORMAT_ARGS(change->lsn))));
	}

	if (history->base == NULL && first->type != BB_ENTRY_RECORD_INIT)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("history of %s has no base",
						bb_key_text(&history->key)),
				 errdetail("The first of its %d changes ended at " BB_LSN_FORMAT ", and "
						   "nothing was there before it.",
						   history->nchanges, LSN_FORMAT_ARGS(first->lsn))));

	if (history->base != NULL && history->base_length != BLCKSZ)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("history of %s has a base of the wrong length",
						bb_key_text(&history->key)),
				 errdetail("It has %u bytes instead of %d.",
						   history->base_length, BLCKSZ)));
}

/* Does the page of this key have a checksum? */
static bool
has_checksum(const BbTimeline *timeline, const BbKey *key)
{
	return timeline->manifest->data_checksum_version != 0 &&
		key->bytes[0] == BB_KEY_REL_BLOCK;
}

/* Set the checksum of a page that was made, if the cluster has checksums. */
static void
finish_page(const BbTimeline *timeline, const BbKey *key, uint8 *page)
{
	if (!has_checksum(timeline, key) || PageIsNew((Page) page))
		return;
	((PageHeader) page)
		->pd_checksum = pg_checksum_page((char *) page,
										 bb_key_fields(key).block);
}

BbOutcome
bb_history_evaluate(const BbTimeline *timeline, const BbPageHistory *history,
					uint8 *page, BbEntry *entry)
{
	Assert(history->complete);

	entry->key = history->key;
	entry->type = BB_ENTRY_IMAGE;

	if (history->nchanges == 0)
	{
		if (history->base == NULL)
			return BB_OUTCOME_NONE;
		entry->lsn = history->base_lsn;
		entry->value = history->base;
		entry->length = history->base_length;
		if (history->base_imported || !has_checksum(timeline, &history->key) ||
			history->base_length != BLCKSZ)
			return BB_OUTCOME_VALUE;
		memcpy(page, history->base, BLCKSZ);
	}
	else
	{
		check_history(history);
		entry->lsn = history->changes[history->nchanges - 1].lsn;
		entry->value = page;
		entry->length = BLCKSZ;
		if (history->changes[0].type != BB_ENTRY_NATIVE)
			return BB_OUTCOME_REDO;
		memcpy(page, history->base, BLCKSZ);
		for (int i = 0; i < history->nchanges; i++)
			bb_native_apply(&history->key, &history->changes[i], page);
	}

	finish_page(timeline, &history->key, page);
	entry->value = page;
	return BB_OUTCOME_VALUE;
}
