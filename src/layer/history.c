/*-------------------------------------------------------------------------
 *
 * history.c
 *	  Gathering the history of a page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "layer/history.h"
#include "utils/memutils.h"

#define CONTEXT_BYTES (64 * 1024)

void
bb_history_init(BbPageHistory *history, MemoryContext parent)
{
	memset(history, 0, sizeof(*history));
	/* a reset keeps the first block, which is enough for most pages */
	history->context = AllocSetContextCreate(parent, "bbackup page history", 0,
											 CONTEXT_BYTES,
											 ALLOCSET_DEFAULT_MAXSIZE);
	history->allocated = 16;
	history->changes = MemoryContextAlloc(parent,
										  history->allocated *
											  sizeof(BbChange));
}

void
bb_history_free(BbPageHistory *history)
{
	MemoryContextDelete(history->context);
	pfree(history->changes);
}

/* Forget base and changes. */
static void
forget(BbPageHistory *history)
{
	history->complete = false;
	history->deleted = false;
	history->base = NULL;
	history->base_length = 0;
	history->base_lsn = InvalidXLogRecPtr;
	history->base_imported = false;
	history->bytes = 0;
	history->nchanges = 0;
	MemoryContextReset(history->context);
}

void
bb_history_reset(BbPageHistory *history, const BbKey *key)
{
	forget(history);
	history->key = *key;
}

static void
append_change(BbPageHistory *history, const BbEntry *entry)
{
	uint8	   *copy;

	if (history->nchanges == history->allocated)
	{
		history->changes = repalloc_huge(history->changes,
										 history->allocated * 2 *
											 sizeof(BbChange));
		history->allocated *= 2;
	}
	copy = MemoryContextAlloc(history->context, entry->length);
	memcpy(copy, entry->value, entry->length);

	history->changes[history->nchanges++] = (BbChange){entry->lsn, entry->type,
													   copy, entry->length};
	history->bytes += entry->length;
}

static void
set_base(BbPageHistory *history, const BbEntry *entry)
{
	history->base = entry->value;
	history->base_length = entry->length;
	history->base_lsn = entry->lsn;
}

/* An entry is out of order, so two layers have the same part of the history. */
static void
report_disorder(const BbPageHistory *history, const BbEntry *entry,
				XLogRecPtr other)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("page store gave the history of %s out of order",
					bb_key_text(&history->key)),
			 errdetail("An entry of " BB_LSN_FORMAT " came beside one of " BB_LSN_FORMAT ".",
					   LSN_FORMAT_ARGS(entry->lsn), LSN_FORMAT_ARGS(other))));
}

/* Add an entry to a history that is gathered in either direction. */
static void
take(BbPageHistory *history, const BbEntry *entry)
{
	switch (entry->type)
	{
		case BB_ENTRY_IMAGE:
			set_base(history, entry);
			history->complete = true;
			return;
		case BB_ENTRY_DELETED:
			history->deleted = true;
			history->complete = true;
			return;
		case BB_ENTRY_RECORD_INIT:
			append_change(history, entry);
			history->complete = true;
			return;
		case BB_ENTRY_RECORD:
		case BB_ENTRY_NATIVE:
			append_change(history, entry);
			return;
		case BB_ENTRY_INDEX:
			break;
	}
	elog(ERROR, "unexpected entry of type %d", (int) entry->type);
}

void
bb_history_add_older(BbPageHistory *history, const BbEntry *entry)
{
	Assert(!history->complete);

	if (history->nchanges > 0)
	{
		XLogRecPtr	newer = history->changes[history->nchanges - 1].lsn;

		if (entry->lsn > newer)
			report_disorder(history, entry, newer);
	}

	take(history, entry);
}

void
bb_history_add_newer(BbPageHistory *history, const BbEntry *entry)
{
	XLogRecPtr	older = history->base_lsn;

	if (history->nchanges > 0)
		older = history->changes[history->nchanges - 1].lsn;
	if (entry->lsn < older)
		report_disorder(history, entry, older);

	/* a whole value replaces everything older */
	if (entry->type == BB_ENTRY_IMAGE || entry->type == BB_ENTRY_DELETED ||
		entry->type == BB_ENTRY_RECORD_INIT)
		forget(history);
	take(history, entry);
	if (entry->type == BB_ENTRY_IMAGE)
		bb_history_keep_base(history);
}

void
bb_history_set_base(BbPageHistory *history, const BbEntry *entry)
{
	set_base(history, entry);
	history->base_imported = true;
	history->complete = true;
}

void
bb_history_rebase(BbPageHistory *history, const uint8 *page)
{
	XLogRecPtr	lsn = history->changes[history->nchanges - 1].lsn;

	forget(history);
	history->base = page;
	history->base_length = BLCKSZ;
	history->base_lsn = lsn;
	bb_history_keep_base(history);
	history->complete = true;
}

void
bb_history_reverse(BbPageHistory *history)
{
	int			last = history->nchanges - 1;

	for (int i = 0; i < last - i; i++)
	{
		BbChange	change = history->changes[i];

		history->changes[i] = history->changes[last - i];
		history->changes[last - i] = change;
	}
}

void
bb_history_keep_base(BbPageHistory *history)
{
	uint8	   *copy;

	if (history->base == NULL)
		return;
	copy = MemoryContextAlloc(history->context, history->base_length);
	memcpy(copy, history->base, history->base_length);
	history->base = copy;
}
