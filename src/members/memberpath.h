/*-------------------------------------------------------------------------
 *
 * memberpath.h
 *	  The member that a path names, found without a walk over the file list.
 *
 * Relation and SLRU segments, nearly all bytes of a backup, have paths that say
 * which keys of the page store they are made of.  All other members depend on
 * what a backup has beside them, and are found in the file list alone.
 *
 * Errors: those of the page store.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MEMBERPATH_H
#define BB_MEMBERPATH_H

#include "members/member.h"

/*
 * bb_memberpath_find - find the relation or SLRU segment that a full backup of a
 * snapshot has at a path.
 *
 * Fills in *member as the file list would, but for its mode, which is that of
 * files in the data directory.  Returns false if the path isn't one of such a file,
 * or if the backup has no file there.
 */
extern bool bb_memberpath_find(const BbReqCtx *ctx, const BbSnapshot *snapshot,
							   const char *path, BbMember *member);

#endif /* BB_MEMBERPATH_H */
