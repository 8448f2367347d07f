/*-------------------------------------------------------------------------
 *
 * excluded.c
 *	  Warnings of files that an import omits although no rule excludes them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "import/excluded.h"

void
bb_excluded_warn(const char *path, const char *name, const char *detail)
{
	ereport(WARNING,
			(errmsg("file \"%s/%s\" is omitted from the import", path, name),
			 errdetail("%s", detail)));
}
