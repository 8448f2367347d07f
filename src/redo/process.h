/*-------------------------------------------------------------------------
 *
 * process.h
 *	  A redo helper as its backend sees it: a process, started and ended.
 *
 *	  bb_redo_process_start (bb_redo_process_ready)? bb_redo_process_end
 *	  bb_redo_process_end_text? bb_redo_process_free
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_PROCESS_H
#define BB_REDO_PROCESS_H

#include "catalog/pg_control.h"
#include "redo/protocol.h"

/* What a helper is started with. */
typedef struct BbRedoSetup
{
	ControlFileData control;	   /* of the cluster that it plays */
	char	   *library;		   /* our own, by its full path */
	char	   *preload_libraries; /* to be loaded before it */
	bool		seccomp;
} BbRedoSetup;

typedef struct BbRedoProcess
{
	pid_t		pid;	/* 0: ended */
	int			socket; /* non-blocking; -1: closed */
	int			log;	/* what it writes to stderr; -1: closed */
	BbRedoSlate *slate;
	char	   *scratch; /* its data directory; NULL: removed */
	int			external_fds;
	int			exit_status;	  /* as of waitpid(2), once ended */
	char		last_words[1024]; /* the end of the log, once ended */
} BbRedoProcess;

/*
 * bb_redo_setup_library - the full path of the library that this is in.
 *
 * Errors: UNDEFINED_FILE.
 */
extern char *bb_redo_setup_library(void);

/*
 * bb_redo_process_affordable - are there descriptors for one more helper, and
 * then still some for what else a session does?
 */
extern bool bb_redo_process_affordable(void);

/*
 * bb_redo_process_start - start a helper, and don't wait for it.
 *
 * Allocated in "context".
 *
 * Errors: INSUFFICIENT_RESOURCES (descriptors); those of making a scratch
 * directory; SYSTEM_ERROR (socketpair, fork, ...).
 */
extern BbRedoProcess *bb_redo_process_start(const BbRedoSetup *setup,
											MemoryContext context);

/*
 * bb_redo_process_ready - it has said hello: its directory can go.
 */
extern void bb_redo_process_ready(BbRedoProcess *process);

/*
 * bb_redo_process_end - kill it, if it lives, and release all that it has.
 *
 * The slate is still there.  Never throws.  Calling it again does no harm.
 */
extern void bb_redo_process_end(BbRedoProcess *process);

/*
 * bb_redo_process_end_text - how it ended and what it wrote last, palloc'd,
 * for the end of an errdetail.
 *
 * REQUIRES: bb_redo_process_end() was called.
 */
extern char *bb_redo_process_end_text(const BbRedoProcess *process);

extern void bb_redo_process_free(BbRedoProcess *process);

#endif /* BB_REDO_PROCESS_H */
