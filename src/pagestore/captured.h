/*-------------------------------------------------------------------------
 *
 * captured.h
 *	  Which files of a data directory are captured as they are.
 *
 * Import applies these rules, and so do readers of a store, which somebody else
 * may have written.  A captured file never takes the place of a file that a
 * backup makes otherwise, and never turns a clone into a standby.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CAPTURED_H
#define BB_CAPTURED_H

/* Larger ones are no configuration; bytes. */
#define BB_CAPTURED_MAX_SIZE (16 * 1024 * 1024)

/* The permission bits that a captured file keeps: only its owner may write. */
#define BB_CAPTURED_MODE_MASK 0755

/* A directory that the server knows, or that it logs to? */
extern bool bb_captured_is_known_directory(const char *name);

/* A file, right in the data directory, that is left out? */
extern bool bb_captured_is_excluded(const char *name);

/* A timeline history file in pg_wal? */
extern bool bb_captured_is_history(const char *path);

/*
 * bb_captured_complaint - why there can be no captured file of that path, as
 * an errdetail; NULL: there can.
 */
extern const char *bb_captured_complaint(const char *path);

#endif /* BB_CAPTURED_H */
