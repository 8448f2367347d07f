/*-------------------------------------------------------------------------
 *
 * leftout.c
 *	  Files that an import leaves out although nothing says that it may.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ingest/leftout.h"
#include "mb/pg_wchar.h"

void
bb_leftout_warn(const char *path, const char *name, const char *detail)
{
	/* a message that isn't valid text would be an error */
	if (!pg_verifymbstr(name, strlen(name), true))
		name = "?";
	ereport(WARNING,
			(errmsg("file \"%s/%s\" is left out of the import", path, name),
			 errdetail("%s", detail)));
}
