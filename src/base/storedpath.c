/*-------------------------------------------------------------------------
 *
 * storedpath.c
 *	  Checks paths that are read from a store.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/storedpath.h"

const char *
bb_storedpath_error(const char *path)
{
	if (path[0] == '\0')
		return "The path is empty.";
	if (path[0] == '/')
		return "The path is absolute.";
	if (strlen(path) >= MAXPGPATH)
		return "The path is too long.";

	for (const char *part = path; part != NULL;)
	{
		const char *slash = strchr(part, '/');
		size_t		length = slash != NULL ? slash - part : strlen(part);

		if (length == 0)
			return "The path has an empty part.";
		if (length > BB_STOREDPATH_PART_MAX)
			return "A part of the path is too long.";
		if ((length == 1 && part[0] == '.') ||
			(length == 2 && part[0] == '.' && part[1] == '.'))
			return "The path has a part \".\" or \"..\".";
		part = slash != NULL ? slash + 1 : NULL;
	}
	return NULL;
}
