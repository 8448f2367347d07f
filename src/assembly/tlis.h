/*-------------------------------------------------------------------------
 *
 * tlis.h
 *	  The timeline ID of a backup: one that nobody else of its cluster has.
 *
 * A clone may run beside its source, and both may archive WAL in one place.
 * So its tli is above all that are known: those of all timelines of the
 * cluster in the page store, at any LSN, and those of which there is a history
 * file, also where the store's WAL hasn't come to them yet.  What isn't in the
 * store, such as a switch in WAL that wasn't ingested, isn't known.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TLIS_H
#define BB_TLIS_H

#include "assembly/configfiles.h"
#include "nodes/pg_list.h"

/*
 * bb_tlis_known - the tlis (a list of OIDs) that are known of the cluster.
 *
 * Of captured history files, those at the LSN of the backup are enough: what
 * was captured later is of a tli to which WAL switched, which is in the
 * timeline's manifest.  So no layers above the LSN are read.
 *
 * Errors: those of the page store, and of configfiles.h.
 */
extern List *bb_tlis_known(const BbReqCtx *ctx, BbPageStore *store,
						   BbConfigFiles *files);

/*
 * bb_tlis_choose - the tli of a backup of a cluster that is on source_tli;
 * wanted 0: the first that is above all.
 *
 * Errors: INVALID_PARAMETER_VALUE (one that is known, or is below the
 * source's); PROGRAM_LIMIT_EXCEEDED (there is none above all).
 */
extern TimeLineID bb_tlis_choose(const List *known, TimeLineID source_tli,
								 TimeLineID wanted);

#endif /* BB_TLIS_H */
