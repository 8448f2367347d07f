/*-------------------------------------------------------------------------
 *
 * clonetli.h
 *	  The timeline ID of a backup: one that is new to its cluster.
 *
 * A clone may run beside its source, and both may archive WAL in one place.
 * So its tli is above all that are known: those of all timelines of the
 * cluster in the page store, at any LSN, and those of captured history files,
 * even if the store's WAL hasn't reached them yet.  A switch in WAL that wasn't
 * ingested isn't known.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLONETLI_H
#define BB_CLONETLI_H

#include "members/smallfiles.h"

/*
 * bb_clonetli_known - return the tlis (a list of OIDs) that are known of the
 * cluster.
 *
 * The history files that were captured up to the LSN of the backup are enough:
 * a later one belongs to a tli to which WAL switched, and the timeline's
 * manifest has that tli.  So no layers above the LSN are read.
 *
 * Errors: those of the page store, and of smallfiles.h.
 */
extern List *bb_clonetli_known(const BbReqCtx *ctx, BbPageStore *store,
							   const BbSmallFiles *files);

/*
 * bb_clonetli_choose - return the tli of a backup of a cluster that is on
 * source_tli: "wanted", or for 0 the first one above all that are known.
 *
 * Errors: INVALID_PARAMETER_VALUE ("wanted" is known, or is below the
 * source's); PROGRAM_LIMIT_EXCEEDED (no tli is above all that are known).
 */
extern TimeLineID bb_clonetli_choose(const List *known, TimeLineID source_tli,
									 TimeLineID wanted);

#endif /* BB_CLONETLI_H */
