/*-------------------------------------------------------------------------
 *
 * option_value.c
 *	  The value of an option of a foreign server, table, column or user mapping.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "stores/option_value.h"

char *
bb_option_value(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem	   *option = lfirst(cell);

		if (strcmp(option->defname, name) == 0)
			return defGetString(option);
	}
	return NULL;
}
