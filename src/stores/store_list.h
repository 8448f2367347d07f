/*-------------------------------------------------------------------------
 *
 * store_list.h
 *	  All page stores of a database that a user may use.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STORE_LIST_H
#define BB_STORE_LIST_H

#include "nodes/pg_list.h"

/*
 * bb_store_list - return the names (char *) of the foreign servers of the
 * wrapper "bbackup" on which the current user has USAGE, in order.
 */
extern List *bb_store_list(void);

#endif /* BB_STORE_LIST_H */
