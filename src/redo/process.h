/*-------------------------------------------------------------------------
 *
 * process.h
 *	  The process of a redo helper, as its backend starts and ends it.
 *
 *	  bb_redo_process_start (bb_redo_process_ready)? bb_redo_process_end
 *	  bb_redo_process_end_text? bb_redo_process_free
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_PROCESS_H
#define BB_REDO_PROCESS_H

#include "base/clusterfile.h"
#include "redo/installation.h"
#include "redo/protocol.h"

/* What a helper is started with. */
typedef struct BbRedoSetup
{
	BbControl	control; /* of the cluster whose pages it gets */
	BbRedoInstallation installation;
	char	   *preload_libraries; /* to load before it */
	bool		seccomp;
} BbRedoSetup;

typedef struct BbRedoProcess
{
	const BbMajor *major; /* of the cluster */
	pid_t		pid;	  /* 0: ended */
	int			socket;	  /* non-blocking; -1: closed */
	int			log;	  /* its stderr; -1: closed */
	BbRedoSlate *slate;
	char	   *scratch; /* its data directory; NULL: removed */
	int			external_fds;
	int			exit_status;	  /* as of waitpid(2), once ended */
	char		last_words[1024]; /* the end of the log, once ended */
} BbRedoProcess;

/*
 * bb_redo_process_affordable - are there enough descriptors for one more helper
 * and the rest of the session?
 */
extern bool bb_redo_process_affordable(void);

/*
 * bb_redo_process_start - start a helper without waiting for it.  The result is
 * allocated in "context".
 *
 * Errors: INSUFFICIENT_RESOURCES (descriptors); those of making a scratch
 * directory; SYSTEM_ERROR (socketpair, fork, ...).
 */
extern BbRedoProcess *bb_redo_process_start(const BbRedoSetup *setup,
											MemoryContext context);

/*
 * bb_redo_process_ready - remove the directory of a helper that has sent its
 * hello.
 */
extern void bb_redo_process_ready(BbRedoProcess *process);

/*
 * bb_redo_process_end - kill the helper if it lives, and release everything except
 * the slate.  Never throws.  Can be called repeatedly.
 */
extern void bb_redo_process_end(BbRedoProcess *process);

/*
 * bb_redo_process_end_text - return how the helper ended and what it wrote last,
 * palloc'd, for the end of an errdetail.
 *
 * REQUIRES: bb_redo_process_end() was called.
 */
extern char *bb_redo_process_end_text(const BbRedoProcess *process);

extern void bb_redo_process_free(BbRedoProcess *process);

/*
 * The data directory in which a helper starts; scratch.c.
 *
 * It is needed only for the few milliseconds of the start: when the helper has
 * opened its files and locked itself down, the backend removes it.
 */
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

#endif /* BB_REDO_PROCESS_H */
