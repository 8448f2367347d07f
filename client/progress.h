/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  The progress line, in pg_basebackup's format.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_PROGRESS_H
#define BB_CLIENT_PROGRESS_H

/*
 * bb_progress_init - show progress from here on.
 *
 * verbose: show the file.  size: the expected bytes; 0: unknown.  Archives are
 * counted as tablespaces, as pg_basebackup does.
 */
extern void bb_progress_init(bool verbose, uint64 size, int archives);

/* These do nothing before bb_progress_init. */
extern void bb_progress_add(size_t bytes);
extern void bb_progress_file(const char *path); /* copied */
extern void bb_progress_archive_done(void);
extern void bb_progress_end(void);

#endif /* BB_CLIENT_PROGRESS_H */
