/*-------------------------------------------------------------------------
 *
 * cleanup.h
 *	  Removal of the files that the program created, unless it succeeds.
 *
 * The program calls exit() wherever it fails, and a function of atexit() removes
 * the files.  A signal only sets a flag, so code that waits calls
 * bb_interrupted(), bb_wait_readable() or bb_wait_server().
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_CLEANUP_H
#define BB_CLIENT_CLEANUP_H

/* bb_cleanup_init - start to handle signals; if "clean", remove on failure. */
extern void bb_cleanup_init(bool clean);

/* bb_cleanup_default_signals - let signals end the program again. */
extern void bb_cleanup_default_signals(void);

/* bb_cleanup_success - keep all files at exit. */
extern void bb_cleanup_success(void);

/*
 * bb_cleanup_directory - create a directory, or check that it is empty.
 *
 * "what" ("data directory") names it in messages.  On failure its contents are
 * removed, and the directory itself if it was created here.
 */
extern void bb_cleanup_directory(const char *path, const char *what);

/* bb_cleanup_file - remove a file on failure, unless it is forgotten before. */
extern void bb_cleanup_file(const char *path);
extern void bb_cleanup_forget_file(const char *path);

/* bb_interrupted - end the program if there was a signal. */
extern void bb_interrupted(void);

/* bb_wait_readable - wait for a descriptor, named "what" in messages, or a signal. */
extern void bb_wait_readable(int fd, const char *what);

/*
 * bb_wait_server - wait until the server has sent something, or, with "write",
 * takes something.
 *
 * With "give_up", returns false when there was a signal.  A second signal always
 * ends the program.
 */
extern bool bb_wait_server(int fd, bool write, bool give_up);

/* bb_fatal_hint - as pg_fatal, with a hint. */
#define bb_fatal_hint(hint, ...)       \
	do                                 \
	{                                  \
		pg_log_error(__VA_ARGS__);     \
		pg_log_error_hint("%s", hint); \
		exit(1);                       \
	} while (0)

#endif /* BB_CLIENT_CLEANUP_H */
