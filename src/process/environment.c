/*-------------------------------------------------------------------------
 *
 * environment.c
 *	  The environment of a server that a backend starts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "process/environment.h"

extern char **environ;

/* A name that ends with "_" stands for all names that begin with it. */
static const char *const kept[] = {"LD_LIBRARY_PATH",
								   "ICU_DATA",
								   "GLIBC_TUNABLES",
								   "MALLOC_",
								   "LANG",
								   "LANGUAGE",
								   "LC_",
								   "TZ",
								   "TZDIR",
								   "ASAN_OPTIONS",
								   "LSAN_OPTIONS",
								   "UBSAN_OPTIONS",
								   "GCOV_PREFIX",
								   "GCOV_PREFIX_STRIP",
								   "LLVM_PROFILE_FILE",
								   "BB_REDO_"};

static bool
is_kept(const char *variable)
{
	for (int i = 0; i < lengthof(kept); i++)
	{
		size_t		length = strlen(kept[i]);

		if (strncmp(variable, kept[i], length) == 0 &&
			(kept[i][length - 1] == '_' || variable[length] == '='))
			return true;
	}
	return false;
}

char **
bb_environment_new(const List *more)
{
	const ListCell *cell;
	char	  **result;
	int			n = 0;

	while (environ[n] != NULL)
		n++;
	result = palloc((n + list_length(more) + 1) * sizeof(char *));
	n = 0;
	for (char **variable = environ; *variable != NULL; variable++)
		if (is_kept(*variable))
			result[n++] = *variable;
	foreach(cell, more)
		result[n++] = lfirst(cell);
	result[n] = NULL;
	return result;
}
