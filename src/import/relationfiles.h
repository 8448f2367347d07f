/*-------------------------------------------------------------------------
 *
 * relationfiles.h
 *	  The relation forks in one directory of a database.
 *
 * A fork has a file for each RELSEG_SIZE blocks: 16385, 16385.1, …; 16385_vm.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RELATIONFILES_H
#define BB_RELATIONFILES_H

#include "import/inventory.h"

/*
 * bb_relationfiles_add - add the forks in the directory of a database to an
 * inventory, except temporary relations and the forks that unlogged relations
 * lose after a crash.
 *
 * Segments after a missing or empty first one are omitted, since the server
 * never reads them; a WARNING names them.
 *
 * Errors: DATA_CORRUPTED (a segment is missing, or its size is impossible);
 * errcode_for_file_access().
 */
extern void bb_relationfiles_add(const BbReqCtx *ctx, const BbDataDir *dir,
								 const BbDatabase *database,
								 BbInventory *inventory);

/*
 * bb_relationfiles_parse - find out which segment of which fork a path is.
 *
 * Sets *fork except for the number of its blocks.  Returns false if it isn't the
 * path of a file of a permanent relation.
 */
extern bool bb_relationfiles_parse(const char *path, BbSourceFork *fork,
								   uint32 *segment);

#endif /* BB_RELATIONFILES_H */
