/*-------------------------------------------------------------------------
 *
 * tliswitch.c
 *	  A tli switch: WAL goes on under another tli.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/compat.h"
#include "ingest/tliswitch.h"
#include "pagestore/catalog.h"
#include "utils/memutils.h"

/*
 * Return the ordinal of the captured file with that path, or the first free one.
 *
 * Import may have captured the history file of a tli to which WAL switches
 * only now, and a backup has each path once.  Files that were captured since
 * the last flush are history files of earlier tlis.
 */
static uint32
ordinal_of(BbIngest *ingest, const char *path)
{
	BbKeyRange	range = bb_key_range_kind(BB_KEY_FILE_ENTRY);
	uint32		last = 0;
	ListCell   *cell;

	foreach(cell, bb_knownkeys_list(ingest->ctx, ingest->known, &range))
	{
		const BbKey *key = lfirst(cell);
		uint32		ordinal = bb_key_fields(key).rel;
		BbEntry		entry;

		if (bb_knownkeys_stored(ingest->ctx, ingest->known, key, &entry) &&
			bb_catalog_is_file(entry.value, entry.length, path))
			return ordinal;
		last = Max(last, ordinal);
	}
	return last + 1;
}

/* Capture the tli's history file as import would have (capture.c). */
static void
capture_history(BbIngest *ingest, TimeLineID tli, const char *text)
{
	BbCapturedFile file = {0};
	char		path[MAXPGPATH];
	StringInfoData value;
	BbKey		key;

	TLHistoryFilePath(path, tli);
	file.path = path;
	file.size = strlen(text);
	file.mode = ingest->manifest->directory_mode & 0666;
	file.ordinal = ordinal_of(ingest, path);

	initStringInfo(&value);
	bb_catalog_encode_file(&file, &value);
	key = bb_key_make(BB_KEY_FILE_ENTRY, 0, 0, file.ordinal, 0, 0);
	bb_knownkeys_put(ingest->known, &key, ingest->lsn, value.data, value.len);
	for (uint64 at = 0; at < file.size; at += BLCKSZ)
	{
		key = bb_key_make(BB_KEY_FILE_BLOCK, 0, 0, file.ordinal, 0,
						  (uint32) (at / BLCKSZ));
		bb_openlayer_put(ingest->layer, &key, ingest->lsn, BB_ENTRY_IMAGE,
						 text + at, Min(BLCKSZ, file.size - at));
	}
}

/* (checkTimeLineSwitch in PostgreSQL's xlogrecovery.c) */
void
bb_tliswitch_check(BbIngest *ingest, TimeLineID tli, TimeLineID prev_tli)
{
	const BbTliRange *entry;
	const char *history;

	if (tli == ingest->tli)
		return;
	if (prev_tli != ingest->tli)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("WAL changes from timeline ID %u to %u at " BB_LSN_FORMAT ", but it is of timeline ID %u",
						prev_tli, tli, LSN_FORMAT_ARGS(ingest->done_lsn),
						ingest->tli)));
	entry = bb_tlipath_find(ingest->source->path, tli);
	if (entry == NULL || entry->begin != ingest->done_lsn)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("WAL changes from timeline ID %u to %u at " BB_LSN_FORMAT ", which its history files don't say",
						ingest->tli, tli,
						LSN_FORMAT_ARGS(ingest->done_lsn))));

	history = bb_walsource_history(ingest->ctx, ingest->source, tli);
	if (history != NULL)
		capture_history(ingest, tli, history);
	ingest->next_tli = tli;
}

/* (xlog_redo in PostgreSQL's xlog.c) */
void
bb_tliswitch_same(BbIngest *ingest, TimeLineID tli)
{
	if (tli != ingest->tli)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("checkpoint record at " BB_LSN_FORMAT " is of timeline ID %u, but WAL is of timeline ID %u",
						LSN_FORMAT_ARGS(ingest->record->ReadRecPtr), tli,
						ingest->tli)));
}

void
bb_tliswitch_apply(BbIngest *ingest)
{
	int			n = ingest->nswitches;
	BbTliSwitch *switches;

	if (ingest->next_tli == ingest->tli)
		return;

	switches = MemoryContextAlloc(ingest->context,
								  (n + 1) * sizeof(BbTliSwitch));
	if (n > 0)
		memcpy(switches, ingest->switches, n * sizeof(BbTliSwitch));
	switches[n].tli = ingest->tli;
	switches[n].until = ingest->done_lsn;
	ingest->switches = switches;
	ingest->nswitches = n + 1;

	ereport(NOTICE,
			(errmsg("timeline \"%s\" goes on with WAL of timeline ID %u at " BB_LSN_FORMAT,
					ingest->manifest->timeline, ingest->next_tli,
					LSN_FORMAT_ARGS(ingest->done_lsn)),
			 errdetail("Before that it is of timeline ID %u.", ingest->tli)));
	ingest->tli = ingest->next_tli;
}
