/*-------------------------------------------------------------------------
 *
 * scratch.h
 *	  The data directory that a redo helper starts in.
 *
 * It is needed for the few milliseconds of a start only: once the helper has
 * opened its files and locked itself down, the backend removes them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_SCRATCH_H
#define BB_REDO_SCRATCH_H

#include "redo/process.h"

/*
 * bb_redo_scratch_new - make one; its absolute path, palloc'd.
 *
 * Errors: errcode_for_file_access().
 */
extern char *bb_redo_scratch_new(const BbRedoSetup *setup);

/*
 * bb_redo_scratch_remove - remove it, and the System V shared memory of a
 * helper that died in it.
 *
 * Complains by WARNING only.
 */
extern void bb_redo_scratch_remove(const char *path);

/*
 * bb_redo_scratch_sweep - remove those of backends that are no more.
 */
extern void bb_redo_scratch_sweep(void);

#endif /* BB_REDO_SCRATCH_H */
