/*-------------------------------------------------------------------------
 *
 * history.h
 *	  The history of a page: a base and the changes to apply on it.
 *
 * What layers know of one key up to an LSN, gathered from the newest layer
 * to the oldest, until something is found that needs nothing older:
 *
 *	  newest							 oldest
 *	  record  record  native  record  | image
 *	  \_________ changes ___________/	\_ base
 *
 * The timeline gathers it, layer by layer (bb_layer_collect), and turns it
 * into a value: natively (layer/native.h) or by the redo helper (redo/redo.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HISTORY_H
#define BB_HISTORY_H

#include "access/xlogdefs.h"
#include "base/key.h"
#include "layer/format.h"

/* An entry of a layer.  The value points into the reader's memory. */
typedef struct BbEntry
{
	BbKey		key;
	XLogRecPtr	lsn;
	BbEntryType type;
	const uint8 *value;
	uint32		length;
} BbEntry;

/* One change of a key: a RECORD, RECORD_INIT or NATIVE entry. */
typedef struct BbChange
{
	XLogRecPtr	lsn; /* end of the record that made it */
	BbEntryType type;
	const uint8 *data;
	uint32		length;
} BbChange;

typedef struct BbPageHistory
{
	MemoryContext context; /* what is gathered is allocated here */
	BbKey		key;

	bool		complete; /* nothing older is needed */
	bool		deleted;  /* complete, and what was found is a DELETED entry;
						   * changes may follow it (a key that came again) */
	const uint8 *base;	  /* NULL: none (changes begin with RECORD_INIT, or
						   * the key does not exist) */
	uint32		base_length;
	XLogRecPtr	base_lsn;
	bool		base_imported; /* it is an image layer's, as it came in */

	uint64		bytes;	  /* of changes */
	int			nchanges; /* newest first while it is gathered */
	int			allocated;
	BbChange   *changes; /* lives as long as the history */
} BbPageHistory;

/* The history and what it gathers live in "parent". */
extern void bb_history_init(BbPageHistory *history, MemoryContext parent);

extern void bb_history_free(BbPageHistory *history);

/* Forget what was gathered; the next is of "key". */
extern void bb_history_reset(BbPageHistory *history, const BbKey *key);

/*
 * bb_history_add_older - add an entry, when they come newest first.
 *
 * Changes are copied; a base is not, since nothing is read after it.
 *
 * REQUIRES: not complete.
 *
 * Errors: DATA_CORRUPTED (an entry that isn't older: layers overlap).
 */
extern void bb_history_add_older(BbPageHistory *history, const BbEntry *entry);

/*
 * bb_history_add_newer - add an entry, when they come oldest first.
 *
 * A whole value (IMAGE, DELETED, RECORD_INIT) takes the place of all that was
 * there.  Everything is copied.
 *
 * Errors: as bb_history_add_older.
 */
extern void bb_history_add_newer(BbPageHistory *history, const BbEntry *entry);

/*
 * bb_history_set_base - begin with the value that an image layer has; it is
 * not copied.
 */
extern void bb_history_set_base(BbPageHistory *history, const BbEntry *entry);

/*
 * bb_history_rebase - what was gathered, oldest first, makes this page: it
 * becomes the base, copied, and the changes are forgotten.
 */
extern void bb_history_rebase(BbPageHistory *history, const uint8 *page);

/* Turn newest first into oldest first. */
extern void bb_history_reverse(BbPageHistory *history);

/* Copy the base, so that it no longer depends on its layer. */
extern void bb_history_keep_base(BbPageHistory *history);

#endif /* BB_HISTORY_H */
