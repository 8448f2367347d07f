/*-------------------------------------------------------------------------
 *
 * source_access.h
 *	  Connecting to sources: servers that are followed, by the name of their
 *	  foreign server.
 *
 *	  name -> foreign server of the wrapper "bbackup_source" -> USAGE?
 *		   -> libpq's options, the user mapping's user and password
 *
 * A role that isn't a superuser must use a password, given in its user mapping
 * and demanded by the source, as with postgres_fdw: otherwise it would act
 * with the credentials of the server's operating system user.  A superuser may
 * set password_required 'false' in the mapping.
 *
 * Errors: UNDEFINED_OBJECT (no such server); WRONG_OBJECT_TYPE (a server of
 * another wrapper); INSUFFICIENT_PRIVILEGE; those of connection.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SOURCE_ACCESS_H
#define BB_SOURCE_ACCESS_H

#include "streaming/connection.h"

/* What is confirmed to the source, and so may be removed there. */
typedef enum BbConfirm
{
	BB_CONFIRM_STORE, /* what is committed to the page store */
	BB_CONFIRM_SPOOL  /* what is synced in the spool */
} BbConfirm;

/* Options of a source that aren't libpq's. */
typedef struct BbSource
{
	Oid			server;
	const char *name;
	BbConfirm	confirm;
	const char *wal_directory;	  /* an archive of its WAL, or NULL */
	const char *restore_command;  /* that fetches from one, or NULL */
	const char *application_name; /* by which the source knows us */
	BbReplTarget target;
} BbSource;

/*
 * bb_source_access - check the permission of the current user, and read the
 * options, in CurrentMemoryContext.
 *
 * REQUIRES: a transaction.
 */
extern BbSource *bb_source_access(const char *server);

#endif /* BB_SOURCE_ACCESS_H */
