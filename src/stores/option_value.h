/*-------------------------------------------------------------------------
 *
 * option_value.h
 *	  The value of an option of a foreign server, table, column or user mapping.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_OPTION_VALUE_H
#define BB_OPTION_VALUE_H

#include "nodes/pg_list.h"

/*
 * bb_option_value - return the value of an option in a list (DefElem *); NULL if it
 * is not set.
 */
extern char *bb_option_value(List *options, const char *name);

#endif /* BB_OPTION_VALUE_H */
