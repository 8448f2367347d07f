/*-------------------------------------------------------------------------
 *
 * blocks.h
 *	  The block references of a decoded WAL record, checked.
 *
 * A record's CRC shows that the record hasn't changed since the CRC was computed.
 * It doesn't show that a server wrote the record, so a record of an archive or a
 * store is checked before it is used.  DecodeXLogRecord (xlogreader.c)
 * checks that all parts lie within the record.  It doesn't check what they
 * say: that a fork or a block can exist, or that the hole of a full-page image
 * lies within the page.  RestoreBlockImage copies to where the hole says, and
 * takes a decompressed image that is too short for a whole one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WAL_BLOCKS_H
#define BB_WAL_BLOCKS_H

#include "access/xlogreader.h"
#include "base/compat.h"

/*
 * bb_walblocks_error - return what is wrong with the record's block
 * references, as a palloc'd sentence for an errdetail; NULL if nothing is.
 */
extern const char *bb_walblocks_error(XLogReaderState *record);

/*
 * bb_walblocks_restore - write the full-page image of a block reference into
 * "page", of BLCKSZ bytes.
 *
 * Returns NULL, or a sentence that says why that is not possible.
 *
 * REQUIRES: bb_walblocks_error() found nothing; the reference has an image.
 */
extern const char *bb_walblocks_restore(XLogReaderState *record, uint8 id,
										char *page);

/*
 * bb_walblocks_locator_valid - can a relation have these numbers?
 *
 * The shared relations, and no others, are of database 0 in pg_global.
 */
extern bool bb_walblocks_locator_valid(Oid spc, Oid db, Oid rel);

#endif /* BB_WAL_BLOCKS_H */
