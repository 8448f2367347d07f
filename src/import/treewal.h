/*-------------------------------------------------------------------------
 *
 * treewal.h
 *	  The files of WAL in the pg_wal of a tree that is imported.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TREEWAL_H
#define BB_TREEWAL_H

#include "import/sourcetree.h"
#include "wal/files.h"

/*
 * bb_treewal_files - the files in a tree's pg_wal, then those of "rest", which
 * may be NULL and only has files that are fetched.
 */
extern BbWalFiles *bb_treewal_files(const BbSourceTree *tree,
									BbWalFiles *rest);

#endif /* BB_TREEWAL_H */
