/*-------------------------------------------------------------------------
 *
 * store_access.h
 *	  Opening page stores by the name of their foreign server.
 *
 *	  name -> foreign server of the wrapper "bbackup" -> USAGE? -> URL, options
 *
 * Reading a store and writing to it require USAGE on the server, and nothing
 * else but EXECUTE on the function.  The role that set the URL of a local
 * directory had the privilege to read and write files of the server
 * (store_options.h).  USAGE passes on a part of that: writing files there that
 * have the names and the format of a store's objects.
 *
 * Errors: UNDEFINED_OBJECT (no such server); WRONG_OBJECT_TYPE (a server of
 * another wrapper); INSUFFICIENT_PRIVILEGE; those of bb_storeoptions_of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STORE_ACCESS_H
#define BB_STORE_ACCESS_H

#include "pagestore/pagestore.h"

/* A store that the current user may use now. */
typedef struct BbStoreAccess
{
	const char *url;
	BbObjectStoreOptions options;
	const char *identity;	  /* bb_storeoptions_identity */
	uint64		options_hash; /* a hash of that, to be passed to workers */
} BbStoreAccess;

/*
 * bb_store_access - check the permission of the current user.
 *
 * Statistics show the store and the timeline (NULL: none), even if the user has
 * no permission.
 */
extern BbStoreAccess bb_store_access(const BbReqCtx *ctx, const char *server,
									 const char *timeline);

/*
 * bb_store_open - open a store, for reading and writing objects, of a timeline
 * or (NULL) of all.
 */
extern BbObjectStore *bb_store_open(const BbReqCtx *ctx, const char *server,
									const char *timeline);

/*
 * bb_store_timeline - open a timeline of a store, for reading pages.
 *
 * bb_store_timeline_same - the same in a background worker.  The store's URL,
 * options and keys must be those that its starter saw.
 *
 * Errors: those of bb_pagestore_open; OBJECT_NOT_IN_PREREQUISITE_STATE
 * (the options have changed).
 */
extern BbPageStore *bb_store_timeline(const BbReqCtx *ctx, const char *server,
									  const char *timeline);
extern BbPageStore *bb_store_timeline_same(const BbReqCtx *ctx,
										   const char *server,
										   const char *timeline,
										   uint64 options_hash);

/* bb_store_timeline_of - the same for a store that was accessed before. */
extern BbPageStore *bb_store_timeline_of(const BbReqCtx *ctx,
										 const BbStoreAccess *access,
										 const char *timeline);

/* A page store that stays open between calls, with all that it has read. */
typedef struct BbKeptStore BbKeptStore;

/*
 * bb_keptstore_open - return *kept's page store, or open a new one.
 *
 * *kept is NULL at first.  It is allocated in "context", and so is the store.
 * Each call checks the user's permission again, and that the options, the keys
 * and the timeline are still the same.  If a call raises an error before it
 * releases the store, the next call opens a new one.
 */
extern BbPageStore *bb_keptstore_open(const BbReqCtx *ctx, BbKeptStore **kept,
									  MemoryContext context,
									  const char *server,
									  const char *timeline);

/*
 * bb_keptstore_open_for - the same for a caller that doesn't need the newest state:
 * whether the timeline is still the same is only looked up if that was done more
 * than max_age_ms ago.
 *
 * *opened says that a new store was opened; what refers to the old one is void.
 */
extern BbPageStore *bb_keptstore_open_for(
	const BbReqCtx *ctx, BbKeptStore **kept, MemoryContext context,
	const char *server, const char *timeline, int max_age_ms, bool *opened);

/* bb_keptstore_release - the call has ended without an error. */
extern void bb_keptstore_release(BbKeptStore *kept);

#endif /* BB_STORE_ACCESS_H */
