/*-------------------------------------------------------------------------
 *
 * username.c
 *	  A name for the user of a redo helper.
 *
 * "postgres --single" first looks up the name of its effective user, and exits if
 * there is none (get_user_name_or_exit() in main.c, PostgreSQL 15 to 18).  In
 * containers, servers run with user IDs that have no entry in the password
 * file, which a postmaster accepts.  A helper doesn't need the name: it is only
 * the default for the database and the role, and neither is ever used.
 *
 * So a helper has this library in LD_PRELOAD, and there the function below
 * replaces libc's.  In all other processes dlopen() loads the library, after the
 * executable and libc, so that libc's function is found first;
 * t/371_no_user_name.pl and test_redo.c test both.  Since the system isn't asked,
 * a helper's start doesn't depend on LDAP and the like either.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <pwd.h>
#include <unistd.h>

#include "base/compat.h"

extern PGDLLEXPORT struct passwd *getpwuid(uid_t uid);

struct passwd *
getpwuid(uid_t uid)
{
	static struct passwd entry = {.pw_name = "bbackup",
								  .pw_passwd = "x",
								  .pw_gecos = "",
								  .pw_dir = "/",
								  .pw_shell = "/bin/false"};

	entry.pw_uid = uid;
	entry.pw_gid = getegid();
	return &entry;
}
