/*-------------------------------------------------------------------------
 *
 * bindirs.h
 *	  The setting bbackup.redo_bindir: installations of other major versions.
 *
 *	  18=/usr/lib/postgresql/18/bin, 16=/usr/lib/postgresql/16/bin
 *
 * A directory can't contain a comma, nor begin or end with white space.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BINDIRS_H
#define BB_BINDIRS_H

#include "utils/guc.h"

/*
 * bb_bindirs_find - return the directory of a major version in a valid value of
 * the setting, palloc'd; NULL: it has none.
 */
extern char *bb_bindirs_find(const char *value, int major);

/*
 * bb_bindirs_check - check a new value of the setting.
 *
 * Its form is checked always.  That the programs are of these major versions is
 * checked when a user sets it, by running them.  The configuration file is read
 * by each process, and may be older than an upgrade; there, a redo helper that
 * doesn't start says what is wrong.
 */
extern bool bb_bindirs_check(char **newval, void **extra, GucSource source);

#endif /* BB_BINDIRS_H */
