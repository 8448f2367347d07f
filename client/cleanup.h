/*-------------------------------------------------------------------------
 *
 * cleanup.h
 *	  What has to go if the program doesn't succeed.
 *
 * The program ends by exit() wherever it fails, so this is a function of
 * atexit().  A signal ends it the same way: who waits looks at
 * bb_interrupted(), or waits for bb_interrupt_descriptor() too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_CLEANUP_H
#define BB_CLIENT_CLEANUP_H

/* bb_cleanup_init - from here on; clean: unless everything is to be left. */
extern void bb_cleanup_init(bool clean);

/* bb_cleanup_success - nothing has to go. */
extern void bb_cleanup_success(void);

/*
 * bb_cleanup_directory - an empty directory, which is made if it isn't there;
 * "what" ("data directory") is for messages.
 *
 * On failure goes what is in it, and itself if it was made here.
 */
extern void bb_cleanup_directory(const char *path, const char *what);

/* bb_cleanup_file - a file that goes on failure, until it's forgotten. */
extern void bb_cleanup_file(const char *path);
extern void bb_cleanup_forget_file(const char *path);

/* bb_interrupted - end the program if a signal asks for that. */
extern void bb_interrupted(void);

/* bb_interrupt_descriptor - can be read once there was such a signal. */
extern int bb_interrupt_descriptor(void);

#endif /* BB_CLIENT_CLEANUP_H */
