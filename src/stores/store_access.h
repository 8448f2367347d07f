/*-------------------------------------------------------------------------
 *
 * store_access.h
 *	  Page stores by the name of their foreign server, for those who may.
 *
 *	  name -> foreign server of the wrapper "bbackup" -> USAGE? -> URL
 *
 * USAGE on the server and EXECUTE on the function are all that a store takes,
 * to read it and to write to it.  The role that set the URL of a local
 * directory had the privilege to read and write files of the server
 * (fdw_validator.c).  USAGE passes on a part of that: to write files with the
 * names and the form of a store's objects there.
 *
 * The keys of a store in object storage are in the mapping of the user, or of
 * PUBLIC.  Those in the server's environment (AWS_ACCESS_KEY_ID, ...) are used
 * for foreign servers of superusers only: they are the operating system
 * user's, and a foreign server says where to go with them.
 *
 * Errors: UNDEFINED_OBJECT (no such server); WRONG_OBJECT_TYPE (a server of
 * another wrapper); INSUFFICIENT_PRIVILEGE; FEATURE_NOT_SUPPORTED (options of
 * the extension's own server).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STORE_ACCESS_H
#define BB_STORE_ACCESS_H

#include "fmgr.h"
#include "layer/manifest.h"
#include "objstore/objstore.h"
#include "pagestore/pagestore.h"

/*
 * The wrapper, and the extension; its own server, of whatever name, is the one
 * whose directory is bbackup.store_directory.
 */
#define BB_WRAPPER_NAME "bbackup"
#define BB_EXTENSION_NAME "bbackup"

/* The options of servers, and of user mappings. */
#define BB_OPTION_URL "url"
#define BB_OPTION_ENDPOINT "endpoint"
#define BB_OPTION_REGION "region"
#define BB_OPTION_PATH_STYLE "path_style"
#define BB_OPTION_CACHE_DIRECTORY "cache_directory"
#define BB_OPTION_CACHE_SIZE "cache_size"
#define BB_OPTION_ACCESS_KEY_ID "access_key_id"
#define BB_OPTION_SECRET_ACCESS_KEY "secret_access_key"
#define BB_OPTION_SESSION_TOKEN "session_token"

/* The default of cache_size, in megabytes. */
#define BB_DEFAULT_CACHE_SIZE_MB 10240

extern BbObjectStore *bb_store_open(const BbReqCtx *ctx, const char *server);

/*
 * bb_store_open_told, bb_store_timeline_told, bb_store_timeline_same - open a
 * store, or a timeline of it, for reading, and the same timeline in a
 * background worker: with the same URL, options and keys, which a hash stands
 * for.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (the options have changed); as
 * bb_pagestore_open.
 */
extern BbObjectStore *bb_store_open_told(const BbReqCtx *ctx,
										 const char *server,
										 uint64 *options_hash);
extern BbPageStore *bb_store_timeline_told(const BbReqCtx *ctx,
										   const char *server,
										   const char *timeline,
										   uint64 *options_hash);
extern BbPageStore *bb_store_timeline_same(const BbReqCtx *ctx,
										   const char *server,
										   const char *timeline,
										   uint64 options_hash);

/*
 * bb_store_need_cache - has it a cache?  Only a store elsewhere can have one.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE.
 */
extern void bb_store_need_cache(const BbObjectStore *store,
								const char *server);

/*
 * bb_store_timeline - a timeline of a store, for reading.
 *
 * Errors: as bb_pagestore_open too.
 */
extern BbPageStore *bb_store_timeline(const BbReqCtx *ctx, const char *server,
									  const char *timeline);

/*
 * bb_store_timeline_kept - the same, kept for the function's next call in the
 * same query, with all that it has read.
 *
 * That the user may, and that the timeline is still as it was, is looked at
 * in each call.  The call has to end with bb_store_keep, or the next one opens
 * it anew.
 */
extern BbPageStore *bb_store_timeline_kept(const BbReqCtx *ctx,
										   FmgrInfo *function,
										   const char *server,
										   const char *timeline);
extern void bb_store_keep(FmgrInfo *function);

/*
 * bb_store_timelines - the names of a store's timelines, for a listing.
 *
 * A NOTICE says that there are none, or that a local store's directory isn't
 * there: a URL with another prefix is a store as well, and the data directory
 * that the default store was beside may have another name now.
 */
extern List *bb_store_timelines(const BbReqCtx *ctx, BbObjectStore *store,
								const char *server);

/*
 * bb_store_listed_timeline - the manifest of one of a store's timelines, for a
 * listing; NULL when it was dropped meanwhile, or can't be read, which a
 * WARNING then tells: one bad timeline must not hide the others.
 */
extern BbManifest *bb_store_listed_timeline(const BbReqCtx *ctx,
											BbObjectStore *store,
											const char *timeline);

/*
 * bb_store_lsn - the LSN to read at for one that a user gave (Invalid: the
 * end).  Inside a record that is the end of the one before, and a NOTICE says
 * so.
 *
 * Errors: as bb_pagestore_check_lsn.
 */
extern XLogRecPtr bb_store_lsn(const BbReqCtx *ctx, BbPageStore *store,
							   XLogRecPtr lsn);

/*
 * bb_store_need_role - is the user a member of a predefined role, or a
 * superuser?  "what" says what for: "import a data directory".
 *
 * Errors: INSUFFICIENT_PRIVILEGE.
 */
extern void bb_store_need_role(Oid role, const char *role_name,
							   const char *what);

#endif /* BB_STORE_ACCESS_H */
