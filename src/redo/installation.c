/*-------------------------------------------------------------------------
 *
 * installation.c
 *	  The installation that redo helpers are started from.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dlfcn.h>
#include <unistd.h>

#include "base/bindirs.h"
#include "base/settings.h"
#include "miscadmin.h"
#include "redo/helper.h"
#include "redo/installation.h"

BbRedoInstallation
bb_redo_installation_own(void)
{
	BbRedoInstallation own = {.major = bb_major_own(),
							  .postgres = pstrdup(my_exec_path)};
	Dl_info		info;
	char	   *path = NULL;

	if (dladdr((void *) bb_redo_helper_init, &info) != 0)
		path = make_absolute_path(info.dli_fname);
	if (path == NULL || access(path, R_OK) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("could not find the library of bbackup, which redo "
						"helpers load")));
	own.library = pstrdup(path);
	free(path);
	return own;
}

/* An example of the setting with a directory for that version. */
static char *
example(const BbMajor *major)
{
	return psprintf("bbackup.redo_bindir = '%d=/usr/lib/postgresql/%d/bin'",
					major->number, major->number);
}

/*
 * The library in the installation with that directory.
 *
 * A distribution lays out all major versions alike, so it is where this
 * server's is, seen from its programs.  An installation from source has it in
 * one of two places (Makefile.global.in).
 */
static char *
find_library(const char *bindir, char *const *places, int nplaces)
{
	for (int i = 0; i < nplaces; i++)
	{
		char	   *path = psprintf("%s/%s/bbackup" DLSUFFIX, bindir,
									places[i]);

		canonicalize_path(path);
		if (access(path, R_OK) == 0)
			return path;
	}
	return NULL;
}

/* The way from this server's programs to its libraries. */
static char *
own_way(void)
{
	char		bindir[MAXPGPATH];
	size_t		shared = 0;
	StringInfoData way;

	strlcpy(bindir, my_exec_path, sizeof(bindir));
	get_parent_directory(bindir);
	for (size_t i = 0; bindir[i] != '\0' && bindir[i] == pkglib_path[i]; i++)
		if (bindir[i] == '/')
			shared = i + 1;
	initStringInfo(&way);
	for (const char *c = bindir + shared; *c != '\0'; c++)
		if (c == bindir + shared || *c == '/')
			appendStringInfoString(&way, "../");
	appendStringInfoString(&way, pkglib_path + shared);
	return way.data;
}

BbRedoInstallation
bb_redo_installation_find(const BbMajor *major)
{
	BbRedoInstallation found = {.major = major};
	char	   *bindir;
	char	   *places[] = {own_way(), "../lib", "../lib/postgresql"};

	if (major == bb_major_own())
		return bb_redo_installation_own();
	bindir = bb_bindirs_find(bb_setting_redo_bindir, major->number);
	if (bindir == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this page takes a redo helper of PostgreSQL %d, and bbackup.redo_bindir has no directory for it",
						major->number),
				 errdetail("Its WAL records can be applied only by a server of the major version that wrote them. This server is PostgreSQL %d.",
						   bb_major_own()->number),
				 errhint("Install PostgreSQL %d, and bbackup for it, and let a superuser set %s.",
						 major->number, example(major))));

	found.postgres = psprintf("%s/postgres", bindir);
	if (access(found.postgres, X_OK) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("could not run program \"%s\", which redo of PostgreSQL %d takes: %m",
						found.postgres, major->number),
				 errhint("Correct bbackup.redo_bindir, as in %s.",
						 example(major))));
	found.library = find_library(bindir, places, lengthof(places));
	if (found.library == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("PostgreSQL %d in \"%s\" has no library of bbackup, which redo helpers load",
						major->number, bindir),
				 errdetail("There is no file \"%s/%s/bbackup" DLSUFFIX "\".",
						   bindir, places[0]),
				 errhint("Install bbackup for PostgreSQL %d, of the same version as here.",
						 major->number)));
	return found;
}

bool
bb_redo_installation_exists(const BbMajor *major)
{
	return major == bb_major_own() ||
		bb_bindirs_find(bb_setting_redo_bindir, major->number) != NULL;
}

char *
bb_redo_installation_hint(const BbMajor *major)
{
	if (major == bb_major_own())
		return NULL;
	return psprintf(
		"It is of PostgreSQL %d, from the directory in bbackup.redo_bindir. That has to be an installation of this major version, with the same version of bbackup as here.",
		major->number);
}
