/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  The progress line, in the words of pg_basebackup.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_PROGRESS_H
#define BB_CLIENT_PROGRESS_H

/*
 * bb_progress_init - show progress from here on.
 *
 * verbose: with the file; size: how many bytes there will be, 0: not known.
 * pg_basebackup counts archives as tablespaces, and so do we.
 */
extern void bb_progress_init(bool verbose, uint64 size, int archives);

/* Without bb_progress_init these do nothing. */
extern void bb_progress_add(size_t bytes);
extern void bb_progress_file(const char *path); /* is copied */
extern void bb_progress_archive_done(void);
extern void bb_progress_end(void);

#endif /* BB_CLIENT_PROGRESS_H */
