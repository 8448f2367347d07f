/*-------------------------------------------------------------------------
 *
 * scratch.h
 *	  The data directory in which a redo helper starts.
 *
 * It is needed only for the few milliseconds of the start: when the helper has
 * opened its files and locked itself down, the backend removes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_SCRATCH_H
#define BB_REDO_SCRATCH_H

#include "redo/process.h"

/*
 * bb_redo_scratch_new - create a directory, and return its absolute path,
 * palloc'd.
 *
 * Errors: errcode_for_file_access().
 */
extern char *bb_redo_scratch_new(const BbRedoSetup *setup);

/*
 * bb_redo_scratch_remove - remove a directory, and the System V shared memory of
 * a helper that died in it.
 *
 * Failures are reported as WARNING.
 */
extern void bb_redo_scratch_remove(const char *path);

/*
 * bb_redo_scratch_sweep - remove the directories of backends that have ended.
 */
extern void bb_redo_scratch_sweep(void);

#endif /* BB_REDO_SCRATCH_H */
