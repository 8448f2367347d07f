/*-------------------------------------------------------------------------
 *
 * username.c
 *	  The name of a redo helper's user, whether it has one or not.
 *
 * "postgres --single" looks up the name of its effective user before it does
 * anything else, and exits if there is none (main.c, get_user_name_or_exit();
 * so in PostgreSQL 15 to 18).  In containers servers run as user IDs without
 * an entry in the password file, which a postmaster doesn't mind.  A helper
 * doesn't need the name: it is only the default for the database and the
 * role, and neither is ever used.
 *
 * So a helper has this library in LD_PRELOAD, and the function below takes the
 * place of libc's there.  In all other processes the library is loaded by
 * dlopen(), behind the executable and libc, where libc's is found first;
 * t/371_no_user_name.pl and test_redo.c look at both.  As nobody asks the
 * system, a helper's start doesn't depend on LDAP and the like either.
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
