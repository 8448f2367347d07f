/*-------------------------------------------------------------------------
 *
 * store_options.h
 *	  The options of page stores: of foreign servers and their user mappings.
 *
 * The keys of a store in object storage are in the mapping of the user, or of
 * PUBLIC.  Without a mapping, a foreign server that belongs to a superuser uses
 * the keys in the server's environment (AWS_ACCESS_KEY_ID, ...).  Other foreign
 * servers don't: these keys are the operating system user's, and a foreign
 * server says which host gets them.
 *
 * The key of an encrypted store is in the mapping, too, or the foreign server
 * says which file has it, or which command prints it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STORE_OPTIONS_H
#define BB_STORE_OPTIONS_H

#include "foreign/foreign.h"
#include "objstore/objstore.h"

#define BB_OPTION_CACHE_DIRECTORY "cache_directory"

/*
 * bb_storeoptions_check - check options (DefElem *) of an object in a catalog:
 * pg_foreign_server, pg_user_mapping, or one whose objects can't have options.
 *
 * Setting a URL of a local directory, or a cache directory, lets the server
 * process read and write there, so it requires the privilege to read and to
 * write files of the server (as file_fdw does with its file name).  A key file
 * requires the privilege to read them, and a key command that to execute
 * programs.  So does a role of the machine, with which a user could reach any
 * bucket that the machine may reach; the check covers each later change of the
 * foreign server, because all its options are checked.
 *
 * Errors: FDW_INVALID_OPTION_NAME; INVALID_PARAMETER_VALUE;
 * INSUFFICIENT_PRIVILEGE; those of bb_objstore_check_url and
 * bb_objstore_check_cache_directory.
 */
extern void bb_storeoptions_check(List *options, Oid catalog);

/*
 * bb_storeoptions_of - return the URL of a foreign server, and set *options to
 * its options and the keys of the current user.
 *
 * Errors: FDW_OPTION_NAME_NOT_FOUND (it has no URL); FEATURE_NOT_SUPPORTED (it
 * is the extension's own server, but has options).
 */
extern const char *bb_storeoptions_of(ForeignServer *server,
									  BbObjectStoreOptions *options);

/*
 * bb_storeoptions_upkeep - may the background worker take care of this store?
 */
extern bool bb_storeoptions_upkeep(const ForeignServer *server);

/*
 * bb_storeoptions_identity - return a text that differs if the URL, an option
 * or a key differs.
 */
extern char *bb_storeoptions_identity(const char *url,
									  const BbObjectStoreOptions *options);

#endif /* BB_STORE_OPTIONS_H */
