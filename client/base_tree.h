/*-------------------------------------------------------------------------
 *
 * base_tree.h
 *	  A base backup in a directory, as one tar.
 *
 *	  plain:  backup_label, global/pg_control, then all files; tablespaces behind
 *			  their links in pg_tblspc
 *	  tar:	  base.tar, OID.tar, pg_wal.tar, backup_manifest
 *
 * Which files a backup has is left to the server, but what it needs first comes
 * first (stream_import.h of the server).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_BASE_TREE_H
#define BB_CLIENT_BASE_TREE_H

#include "tar_writer.h"

/*
 * bb_base_check - check that a directory has a base backup; returns true if it
 * has it in the tar format.  Ends the program if it has none.
 */
extern bool bb_base_check(const char *directory);

/* bb_base_size - return the bytes of its files. */
extern uint64 bb_base_size(const char *directory, bool tars);

/* bb_base_write - write the backup as a tar. */
extern void bb_base_write(const BbTarWriter *writer, const char *directory,
						  bool tars);

#endif /* BB_CLIENT_BASE_TREE_H */
