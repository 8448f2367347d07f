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
 * into a value: natively (redo/native.h) or by the redo helper (redo/redo.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HISTORY_H
#define BB_HISTORY_H

#include "access/xlogdefs.h"
#include "base/key.h"
#include "layer/format.h"

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

	int			nchanges; /* newest first while it is gathered */
	int			allocated;
	BbChange   *changes;
} BbPageHistory;

#endif /* BB_HISTORY_H */
