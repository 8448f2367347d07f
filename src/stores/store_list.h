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
 * bb_store_each - read a store; NULL: all of bb_store_list, each in a memory
 * context of its own.
 *
 * Errors: those of read_store.  With NULL, an error of a store becomes a WARNING
 * that it is skipped, except QUERY_CANCELED, OUT_OF_MEMORY and the like.
 */
extern void bb_store_each(const char *server,
						  void (*read_store) (const char *server, void *arg),
						  void *arg);

#endif /* BB_STORE_LIST_H */
