/*-------------------------------------------------------------------------
 *
 * own_server.h
 *	  The extension's own foreign server, which is the default page store.
 *
 * Its directory is bbackup.store_directory, or a directory beside the data
 * directory.  The server is a member of the extension, so pg_dump omits its
 * options and user mappings: after a restore, the server would be a different,
 * empty store, without an error.  Therefore it can't have options or user
 * mappings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_OWN_SERVER_H
#define BB_OWN_SERVER_H

#define BB_WRAPPER_NAME "bbackup"
#define BB_EXTENSION_NAME "bbackup"

/*
 * bb_own_server_is - is this the server that the extension created?
 *
 * A server can be renamed, so its name doesn't matter.
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
 * The validator of the wrapper isn't told which server the options are for.
 * But calling it loads this library, and after that the statement calls the
 * object access hook.
 */
extern void bb_own_server_init(void);

#endif /* BB_OWN_SERVER_H */
