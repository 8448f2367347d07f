/*-------------------------------------------------------------------------
 *
 * hosts_internal.h
 *	  The hosts of a target, and their addresses.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STREAMING_HOSTS_INTERNAL_H
#define BB_STREAMING_HOSTS_INTERNAL_H

#include "nodes/pg_list.h"
#include "streaming/connection.h"

/* One place to connect to, in libpq's words. */
typedef struct BbReplHost
{
	const char *host;	  /* a name, or the directory of a socket; or NULL */
	const char *hostaddr; /* its address; NULL: not looked up, or a socket */
	const char *port;
} BbReplHost;

/* bb_replhost_option - returns a value of a target, or "otherwise". */
extern const char *bb_replhost_option(const BbReplTarget *target,
									  const char *keyword,
									  const char *otherwise);

/*
 * bb_replhosts_of - returns the hosts of a target (BbReplHost *).
 *
 * Errors: FDW_OPTION_NAME_NOT_FOUND (it has none); INVALID_PARAMETER_VALUE
 * (the number of names, addresses and ports differ).
 */
extern List *bb_replhosts_of(const BbReplTarget *target);

/*
 * bb_replhosts_look_up - returns the host once for each of its addresses; NIL,
 * with *failure set, if there is none, or it isn't known within timeout_ms (-1:
 * no limit).
 *
 * Errors: QUERY_CANCELED; INSUFFICIENT_RESOURCES.
 */
extern List *bb_replhosts_look_up(const BbReqCtx *ctx, const BbReplHost *host,
								  long timeout_ms, const char **failure);

#endif /* BB_STREAMING_HOSTS_INTERNAL_H */
