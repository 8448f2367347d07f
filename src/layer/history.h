/*-------------------------------------------------------------------------
 *
 * history.h
 *	  The history of a page: a base and the changes to apply to it.
 *
 * A history is what layers hold of one key up to an LSN.  It is gathered from
 * the newest layer to the oldest, until an entry is found that needs nothing
 * older:
 *
 *	  newest							 oldest
 *	  record  record  native  record  | image
 *	  \_________ changes ___________/	\_ base
 *
 * The timeline gathers it layer by layer (bb_layer_collect) and turns it into
 * a value, natively (layer/native.h) or by the redo helper (redo/redo.h).
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
	MemoryContext context; /* owns everything that is gathered */
	BbKey		key;

	bool		complete; /* nothing older is needed */
	bool		deleted;  /* complete, by a DELETED entry; changes may follow
						   * it (the key was created again) */
	const uint8 *base;	  /* NULL: none (changes begin with RECORD_INIT, or
						   * the key does not exist) */
	uint32		base_length;
	XLogRecPtr	base_lsn;
	bool		base_imported; /* it is from an image layer, as imported */

	uint64		bytes;	  /* of changes */
	int			nchanges; /* newest first while it is gathered */
	int			allocated;
	BbChange   *changes; /* lives as long as the history */
} BbPageHistory;

/* bb_history_init - prepare a history; "parent" will own what it gathers. */
extern void bb_history_init(BbPageHistory *history, MemoryContext parent);

extern void bb_history_free(BbPageHistory *history);

/* bb_history_reset - forget what was gathered, and begin with "key". */
extern void bb_history_reset(BbPageHistory *history, const BbKey *key);

/*
 * bb_history_add_older - add the next entry, when gathering newest first.
 *
 * Changes are copied.  A base is not copied, since nothing is read after it.
 *
 * REQUIRES: not complete.
 *
 * Errors: DATA_CORRUPTED (the entry isn't older, so layers overlap).
 */
extern void bb_history_add_older(BbPageHistory *history, const BbEntry *entry);

/*
 * bb_history_add_newer - add the next entry, when gathering oldest first.
 *
 * A whole value (IMAGE, DELETED, RECORD_INIT) replaces everything before it.
 * Everything is copied.
 *
 * Errors: as bb_history_add_older.
 */
extern void bb_history_add_newer(BbPageHistory *history, const BbEntry *entry);

/*
 * bb_history_set_base - begin with a value of an image layer, which is not
 * copied.
 */
extern void bb_history_set_base(BbPageHistory *history, const BbEntry *entry);

/*
 * bb_history_rebase - make a copy of "page" the base, and forget the changes
 * that led to it.
 */
extern void bb_history_rebase(BbPageHistory *history, const uint8 *page);

/* bb_history_reverse - put the changes, newest first, into oldest first. */
extern void bb_history_reverse(BbPageHistory *history);

/* bb_history_keep_base - copy the base, so that its layer isn't needed. */
extern void bb_history_keep_base(BbPageHistory *history);

#endif /* BB_HISTORY_H */
