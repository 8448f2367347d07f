/*-------------------------------------------------------------------------
 *
 * objstore.h
 *	  Bytes by name: what callers see of an object store.
 *
 * An object is a sequence of bytes under a name such as
 * "timelines/main/layers/image-…".  It is written once, front to back, and
 * appears under its name whole and durable, or not at all.  The one thing
 * that is ever replaced is a manifest, by bb_objstore_put_if().
 *
 * Names are relative, with '/' between parts of [A-Za-z0-9._-] that don't
 * start with a dot; drivers may rely on it.
 *
 * All objects here belong to the memory context that they were made in and
 * release their descriptors with it.  A writer that goes away unfinished
 * leaves no object.
 *
 * Errors, of every function: errcode_for_file_access() for local I/O;
 * DATA_CORRUPTED for what lies in the place of an object and is none (a
 * directory, a FIFO); CONNECTION_FAILURE for a store elsewhere;
 * QUERY_CANCELED.  Others are named where they occur.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_OBJSTORE_H
#define BB_OBJSTORE_H

#include "base/reqctx.h"
#include "nodes/pg_list.h"

typedef struct BbObjectStore BbObjectStore;
typedef struct BbObjectReader BbObjectReader;
typedef struct BbObjectPart BbObjectPart;
typedef struct BbObjectWriter BbObjectWriter;

/* One object in a listing. */
typedef struct BbObjectInfo
{
	char	   *name;
	uint64		size; /* bytes */
} BbObjectInfo;

/*
 * An object of which all is known before it is read: it may be kept as a
 * whole, in a cache.
 */
typedef struct BbWholeObject
{
	const char *name;
	uint64		size; /* bytes */
	uint32		crc;  /* CRC-32C of them */
	uint64		id;	  /* as statistics know it (stats/layerstats.h) */
} BbWholeObject;

/*
 * The state of a small object as it was read: what bb_objstore_put_if
 * compares.  Zero stands for "no such object".
 */
typedef uint64 BbObjectTag;
#define BB_OBJECT_ABSENT ((BbObjectTag) 0)

/*
 * What is to be known of a store besides its URL.  A local one needs nothing
 * of it.
 */
typedef struct BbObjectStoreOptions
{
	const char *endpoint;	/* "https://host:port"; NULL: Amazon's */
	const char *region;		/* NULL: "us-east-1" */
	bool		path_style; /* the bucket is in the path, not in the host */
	const char *access_key_id;
	const char *secret_access_key;
	const char *session_token;	 /* NULL: none */
	const char *cache_directory; /* for resident layers; NULL: none are */
	int			cache_size_mb;
} BbObjectStoreOptions;

/*
 * bb_objstore_check_url - is this a URL that a store could be opened with?
 * bb_objstore_check_endpoint - and this an endpoint?
 *
 * Errors: INVALID_PARAMETER_VALUE (scheme unknown, path not absolute, …).
 */
extern void bb_objstore_check_url(const char *url);
extern void bb_objstore_check_endpoint(const char *endpoint);

/*
 * bb_objstore_check_cache_directory - may a cache be there?  Not in the
 * server's data directory, by whatever path, also one that isn't there yet.
 *
 * Errors: INVALID_PARAMETER_VALUE.
 */
extern void bb_objstore_check_cache_directory(const char *directory);

/*
 * bb_objstore_open - the store at url ("file:///directory",
 * "s3://bucket/prefix"); options may be NULL for a local one.
 *
 * The store need not exist yet: a directory is made by the first write.  But a
 * bucket has to be there.
 *
 * Errors: as bb_objstore_check_url, bb_objstore_check_cache_directory;
 * FDW_OPTION_NAME_NOT_FOUND (keys).
 */
extern BbObjectStore *bb_objstore_open(const BbReqCtx *ctx, const char *url,
									   const BbObjectStoreOptions *options);
extern const char *bb_objstore_url(const BbObjectStore *store);

/*
 * The directory that a local store is in, or NULL for a store elsewhere.
 */
extern const char *bb_objstore_local_directory(const BbObjectStore *store);

/*
 * bb_objstore_get - a small object whole: *data is palloc'd, *length bytes.
 *
 * Returns false when there is no such object.
 *
 * Errors: DATA_CORRUPTED when it is larger than max_length.
 */
extern bool bb_objstore_get(const BbReqCtx *ctx, BbObjectStore *store,
							const char *name, size_t max_length, char **data,
							size_t *length, BbObjectTag *tag);

/*
 * bb_objstore_put_if - replace a small object, if it is still as "expected".
 *
 * Atomic and durable.  Returns false, with nothing changed, when somebody
 * else was faster.  On success *tag is the new state.
 *
 * After an error the object is either what it was or what it was to be: it may
 * have been replaced before something failed that makes it durable.
 */
extern bool bb_objstore_put_if(const BbReqCtx *ctx, BbObjectStore *store,
							   const char *name, const void *data,
							   size_t length, BbObjectTag expected,
							   BbObjectTag *tag);

/*
 * bb_objstore_list - BbObjectInfos of all objects below "prefix", a name
 * part or several ("timelines/main"), ordered by name.
 *
 * Bytes of unfinished writers are not objects.
 */
extern List *bb_objstore_list(const BbReqCtx *ctx, BbObjectStore *store,
							  const char *prefix);

/*
 * bb_objstore_list_parts - the name parts (char *) that follow "prefix" in the
 * names of objects below it, in order: "main" of "timelines/main/manifest".
 *
 * Looks no deeper than that.  So some may have no object left, and they are
 * as somebody made them: not all need be parts of good names.
 */
extern List *bb_objstore_list_parts(const BbReqCtx *ctx, BbObjectStore *store,
									const char *prefix);

/*
 * bb_objstore_remove - remove an object; none there is no error.
 *
 * Durable, as that of many is once all of them are gone.
 */
extern void bb_objstore_remove(const BbReqCtx *ctx, BbObjectStore *store,
							   const char *name);
extern void bb_objstore_remove_all(const BbReqCtx *ctx, BbObjectStore *store,
								   List *names);

/*
 * bb_objstore_sweep - remove what unfinished writers left below "prefix", and
 * what else holds no object there.
 *
 * REQUIRES: the lock of whoever writes there.
 */
extern void bb_objstore_sweep(const BbReqCtx *ctx, BbObjectStore *store,
							  const char *prefix);

/*
 * bb_objstore_lock - one writer at a time for "name".
 *
 * Held until CurrentMemoryContext is reset, or the process dies (a store
 * elsewhere notices that after a minute); it then leaves nothing in the
 * store.  Who works for a caller takes it in a context of its own, so that it
 * ends with the work.  Doesn't wait: returns false when another holds it.
 *
 * Errors: OBJECT_IN_USE, later, of any function: a lock on a store elsewhere
 * was lost.
 */
extern bool bb_objstore_lock(const BbReqCtx *ctx, BbObjectStore *store,
							 const char *name);

/*
 * Writing: create, write*, then finish (durable under its name).
 */
extern BbObjectWriter *bb_object_create(const BbReqCtx *ctx,
										BbObjectStore *store,
										const char *name);
extern void bb_object_write(const BbReqCtx *ctx, BbObjectWriter *writer,
							const void *data, size_t length);
extern void bb_object_finish(const BbReqCtx *ctx, BbObjectWriter *writer);

/*
 * bb_object_open - open an object for reading.
 *
 * Errors: UNDEFINED_FILE (the store and the object are named).
 */
extern BbObjectReader *bb_object_open(const BbReqCtx *ctx,
									  BbObjectStore *store, const char *name);

/*
 * bb_object_open_resident - open an object which will be read here and there.
 *
 * Of a store elsewhere it is downloaded as a whole, if there is room in the
 * cache, and if ctx may; see cache.h.  Nothing is compared for a local store.
 *
 * Errors: as bb_object_open; OBJECT_NOT_IN_PREREQUISITE_STATE (not resident,
 * and ctx may not download); DATA_CORRUPTED.
 */
extern BbObjectReader *bb_object_open_resident(const BbReqCtx *ctx,
											   BbObjectStore *store,
											   const BbWholeObject *object);
extern uint64 bb_object_size(const BbObjectReader *reader);

/* Is it a copy in a cache that is read, rather than the object itself? */
extern bool bb_object_is_copy(const BbObjectReader *reader);

/*
 * bb_object_read - exactly "length" bytes from "offset".
 *
 * Errors: DATA_CORRUPTED when the object ends before that.
 */
extern void bb_object_read(const BbReqCtx *ctx, BbObjectReader *reader,
						   uint64 offset, void *data, size_t length);
extern void bb_object_close(BbObjectReader *reader);

/*
 * bb_object_begin_part - ask for a part of an object, without a look at it
 * first.  Several may be under way, each until bb_object_end_part, or until
 * CurrentMemoryContext is reset; until then its "data" is in use.
 *
 * bb_object_end_part - wait for it.  Returns false when the object has another
 * size than was told.
 *
 * REQUIRES: the store is one elsewhere; 0 < length, up to the object's end.
 *
 * Errors: as bb_object_open.
 */
extern BbObjectPart *bb_object_begin_part(const BbReqCtx *ctx,
										  BbObjectStore *store,
										  const BbWholeObject *object,
										  uint64 offset, void *data,
										  size_t length);
extern bool bb_object_end_part(const BbReqCtx *ctx, BbObjectPart *part);

/*
 * Resident objects: those that can be read without a download.  Of a local
 * store all are; of one elsewhere those in its cache, if it has one.
 */
extern bool bb_object_is_resident(const BbObjectStore *store,
								  const BbWholeObject *object);

/* How much a store's cache may hold, bytes; 0: it has none. */
extern uint64 bb_objstore_cache_size(const BbObjectStore *store);

/*
 * bb_objects_hold - make objects resident, which they then are for as long as
 * CurrentMemoryContext lives.  They come in their order, with some requests
 * under way at once; what is resident already is in use from the beginning, so
 * it doesn't make room for the others.
 *
 * "tell" (NULL: nobody) is called for each that had to come, once it is there.
 * Returns the first one for which there is no room; NULL: all are there.
 *
 * REQUIRES, as the rest: the store has a cache.
 *
 * Errors: as bb_object_open_resident.
 */
typedef void (*BbFetched) (const BbReqCtx *ctx, const BbWholeObject *object,
						   void *arg);

extern const BbWholeObject *bb_objects_hold(const BbReqCtx *ctx,
											BbObjectStore *store,
											List *objects, BbFetched tell,
											void *arg);

/*
 * bb_object_ask_leave - may ctx download it?  That is asked here, and so not
 * when it's opened, or held, the next time by the same BbObjectStore: for who
 * has it fetched by others.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (it may not).
 */
extern void bb_object_ask_leave(const BbReqCtx *ctx, BbObjectStore *store,
								const BbWholeObject *object);

/*
 * bb_object_evict - remove it from the cache, unless somebody uses it.
 */
typedef enum BbEviction
{
	BB_EVICTED,
	BB_EVICTION_NOT_RESIDENT,
	BB_EVICTION_IN_USE
} BbEviction;

extern BbEviction bb_object_evict(BbObjectStore *store,
								  const BbWholeObject *object);

/*
 * bb_objstore_evict_idle - remove from the cache what was last used before a
 * time, but for what is in use now, and count it.
 */
typedef struct BbEvicted
{
	uint64		objects;
	uint64		bytes; /* of downloads that nobody went on with, too */
} BbEvicted;

extern BbEvicted bb_objstore_evict_idle(const BbReqCtx *ctx,
										BbObjectStore *store,
										TimestampTz before);

#endif /* BB_OBJSTORE_H */
