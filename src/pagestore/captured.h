/*-------------------------------------------------------------------------
 *
 * captured.h
 *	  Which files of a data directory are captured as they are.
 *
 * Import applies these rules, and so do readers of a store, since the store
 * isn't trusted.  A captured file never replaces a file that a backup makes
 * from other data, and never turns a clone into a standby.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CAPTURED_H
#define BB_CAPTURED_H

/* Larger files are not captured; bytes. */
#define BB_CAPTURED_MAX_SIZE (16 * 1024 * 1024)

/* The permission bits that a captured file keeps: only the owner may write. */
#define BB_CAPTURED_MODE_MASK 0755

/* Is this a directory that the server uses, or logs to? */
extern bool bb_captured_is_known_directory(const char *name);

/* Is this the name of a file in the data directory that is never captured? */
extern bool bb_captured_is_excluded(const char *name);

/* Is this the path of a timeline history file in pg_wal? */
extern bool bb_captured_is_history(const char *path);

/*
 * bb_captured_error - return why there can be no captured file with this
 * path, as an errdetail; NULL if there can.
 */
extern const char *bb_captured_error(const char *path);

#endif /* BB_CAPTURED_H */
