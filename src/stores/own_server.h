/*-------------------------------------------------------------------------
 *
 * own_server.h
 *	  The foreign server that the extension itself has.
 *
 * It is the default page store; its directory is bbackup.store_directory, or
 * beside the data directory.  As a
 * member of the extension it isn't dumped by pg_dump, and neither are its
 * options and user mappings.  After a restore, the server would be another,
 * empty store, without an error.  So it can't have options or user mappings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_OWN_SERVER_H
#define BB_OWN_SERVER_H

/*
 * bb_own_server_is - is this the server that the extension made?  Servers can
 * be renamed, so its name says nothing.
 */
extern bool bb_own_server_is(Oid server);

/*
 * bb_own_server_refuse - raise the error about options or user mappings of
 * that server; "what" names them.
 *
 * Errors: FEATURE_NOT_SUPPORTED.
 */
extern void bb_own_server_refuse(Oid server, const char *what);

/*
 * bb_own_server_init - watch ALTER SERVER, CREATE and ALTER USER MAPPING.
 *
 * The validator isn't told which server options are for.  But it loads this
 * library, and after it the statement calls the hook for its object.
 */
extern void bb_own_server_init(void);

#endif /* BB_OWN_SERVER_H */
