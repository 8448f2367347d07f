/*-------------------------------------------------------------------------
 *
 * installation.h
 *	  The installation that redo helpers are started from.
 *
 * Helpers for pages of this server's major version are of its own installation.
 * Pages of another major version take the server of that version, with bbackup
 * built for it, which bbackup.redo_bindir names:
 *
 *	  DIRECTORY/postgres --single, preloads PKGLIBDIR/bbackup.so of that version
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INSTALLATION_H
#define BB_INSTALLATION_H

#include "base/major.h"

typedef struct BbRedoInstallation
{
	const BbMajor *major;
	char	   *postgres; /* full path of the program */
	char	   *library;  /* full path of bbackup's library */
} BbRedoInstallation;

/*
 * bb_redo_installation_own - return this server's.
 *
 * Errors: UNDEFINED_FILE.
 */
extern BbRedoInstallation bb_redo_installation_own(void);

/*
 * bb_redo_installation_find - return that of a major version.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (the setting has no directory for it);
 * UNDEFINED_FILE (the program or the library is not there).
 */
extern BbRedoInstallation bb_redo_installation_find(const BbMajor *major);

/*
 * bb_redo_installation_exists - is there a directory for it?  Whether a helper
 * can be started there isn't known.
 */
extern bool bb_redo_installation_exists(const BbMajor *major);

/*
 * bb_redo_installation_hint - return an errhint for a helper that doesn't
 * start, or is of another version of bbackup, palloc'd.
 */
extern char *bb_redo_installation_hint(const BbMajor *major);

#endif /* BB_INSTALLATION_H */
