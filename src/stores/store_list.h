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

/*
 * bb_store_try - call function(arg), which reads a store; an error of it becomes
 * a WARNING that the store is skipped: one must not hide the others.
 *
 * Errors: QUERY_CANCELED, OUT_OF_MEMORY and the like.
 */
extern void bb_store_try(const char *server, void (*function) (void *arg),
						 void *arg);

#endif /* BB_STORE_LIST_H */
