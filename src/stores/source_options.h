/*-------------------------------------------------------------------------
 *
 * source_options.h
 *	  The options of sources: servers that are imported and followed.
 *
 *	  foreign server   where the source is, how the connection is secured,
 *					   confirm, wal_directory, restore_command
 *	  user mapping	   who connects, and by which secret
 *
 * Nearly all are libpq's, and are passed on to it.  What this room decides
 * itself (dbname, replication, options, client_encoding), what names files or
 * services that hold other options (service), and what has no meaning here are
 * not options of a source.
 *
 * Options that let libpq read files of this server need the privilege to read
 * them.  Those by which the connection gets an identity that isn't in the
 * mapping, such as the client certificate or the password file of the operating
 * system user, need a superuser.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SOURCE_OPTIONS_H
#define BB_SOURCE_OPTIONS_H

#include "foreign/foreign.h"
#include "nodes/pg_list.h"
#include "stores/source_access.h"

#define BB_SOURCE_WRAPPER_NAME "bbackup_source"

/*
 * bb_sourceoptions_check - check options (DefElem *) of an object in a catalog:
 * pg_foreign_server, pg_user_mapping, or one whose objects can't have options.
 *
 * Errors: FDW_INVALID_OPTION_NAME; INVALID_PARAMETER_VALUE;
 * INSUFFICIENT_PRIVILEGE.
 */
extern void bb_sourceoptions_check(List *options, Oid catalog);

/*
 * bb_sourceoptions_of - set what the options of a server and of the current
 * user's mapping say, except name and server.
 *
 * A superuser needs no mapping for a server of a superuser.  Other servers say
 * which host would get what the operating system user has.
 *
 * Errors: INSUFFICIENT_PRIVILEGE (no mapping; one without a password, of a user
 * who isn't a superuser).
 */
extern void bb_sourceoptions_of(const ForeignServer *server, BbSource *source);

#endif /* BB_SOURCE_OPTIONS_H */
