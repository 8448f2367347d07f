/*-------------------------------------------------------------------------
 *
 * environment.h
 *	  The environment of a server that a backend starts.
 *
 * The environment of this server may contain the keys of an object store, and
 * PGDATA and the like would lead another one astray.  So a server that we start
 * gets no variable but those that are needed to find and start its libraries,
 * those of checking tools, and bbackup's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_ENVIRONMENT_H
#define BB_ENVIRONMENT_H

#include "nodes/pg_list.h"

/*
 * bb_environment_new - return these variables, and "more" (char *, "NAME=value"),
 * as an array that ends with NULL, in CurrentMemoryContext.
 */
extern char **bb_environment_new(const List *more);

#endif /* BB_ENVIRONMENT_H */
