/*-------------------------------------------------------------------------
 *
 * excluded.c
 *	  Files that an import leaves out although nothing says that it may.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "import/excluded.h"

void
bb_leftout_warn(const char *path, const char *name, const char *detail)
{
	ereport(WARNING,
			(errmsg("file \"%s/%s\" is left out of the import", path, name),
			 errdetail("%s", detail)));
}
