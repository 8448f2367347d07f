/*-------------------------------------------------------------------------
 *
 * serverwal.h
 *	  The WAL of a base backup, received beside it.
 *
 * For the import of a server by a session, a receiver runs in a session worker
 * with a temporary slot and a spool of its own, and both end with the import.
 * A follower's import uses its receiver and its slot, and then goes on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_INTAKE_SERVERWAL_H
#define BB_INTAKE_SERVERWAL_H

#include "import/server_import.h"
#include "intake/receiver.h"

/*
 * bb_serverwal_session - start a receiver for one import of a source.
 *
 * It belongs to CurrentMemoryContext, which also removes the spool.  What a
 * killed session left is removed by the next one.
 *
 * Errors: those of bb_sessionworker_start.
 */
extern BbServerWal *bb_serverwal_session(const BbReqCtx *ctx,
										 const char *source);

/* bb_serverwal_follower - the WAL that a follower's receiver receives. */
extern BbServerWal *bb_serverwal_follower(BbFollowControl *control,
										  const char *directory);

#endif /* BB_INTAKE_SERVERWAL_H */
