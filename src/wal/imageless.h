/*-------------------------------------------------------------------------
 *
 * imageless.h
 *	  WAL records without full-page images that nothing reads.
 *
 * A record that is kept for a block may have images of its other blocks.  They
 * are stored as values of these, so in the record they would be there twice, or
 * more often: once with each block that the record is kept for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WAL_IMAGELESS_H
#define BB_WAL_IMAGELESS_H

#include "access/rmgr.h"

/*
 * bb_wal_images_unread - does redo of one block by a record of the resource
 * manager do without the images of its other blocks?
 *
 * It does if it handles these as missing: see redo/helper_record.c.
 */
extern bool bb_wal_images_unread(RmgrId rmid);

/*
 * bb_wal_without_images - write a copy of a record into "copy", without images.
 *
 * The copy is as if the record's server had written no image of these blocks: only
 * their images, and the headers of these, are missing.  Its length and CRC are
 * right.  Images of blocks that the record makes anew stay; no server writes such.
 *
 * Returns the length of the copy.  Returns 0 if the record has no such image, or if
 * its headers aren't as a server writes them; what is in "copy" is undefined then.
 *
 * REQUIRES: "record" has "length" bytes, and "copy" has room for as many.  The
 * bytes may be anything.
 */
extern uint32 bb_wal_without_images(const uint8 *record, uint32 length,
									uint8 *copy);

#endif /* BB_WAL_IMAGELESS_H */
