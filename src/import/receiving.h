/*-------------------------------------------------------------------------
 *
 * receiving.h
 *	  The archives of a base backup, on their way into an import.
 *
 *	  archive ──► streaming/tarreader.h ──┬─► receivedtree.h
 *										   └─► directlayers.h, large files
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RECEIVING_H
#define BB_RECEIVING_H

#include "import/import_internal.h"
#include "import/receivedtree.h"
#include "streaming/tarreader.h"

/* The archives that are being received: the argument of the events. */
typedef struct BbReceiving
{
	const BbReqCtx *ctx;
	BbImport   *import; /* without import->direct, no file is direct */
	BbReceivedTree *tree;
	const char *prefix;	   /* of the archive's paths, such as "pg_wal/"; "" */
	bool		is_direct; /* the member goes to layers at once */
	bool		complete;  /* an archive of the data directory has ended */
} BbReceiving;

extern const BbTarEvents bb_receiving_events;

#endif /* BB_RECEIVING_H */
