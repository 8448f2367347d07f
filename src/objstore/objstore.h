/*-------------------------------------------------------------------------
 *
 * objstore.h
 *	  Object stores: bytes by name.  This is what callers see of them.
 *
 * An object is a sequence of bytes under a name such as
 * "timelines/main/layers/image-…".  It is written once, front to back, and
 * appears under its name whole and durable, or not at all.  Only manifests
 * are ever replaced, by bb_objstore_put_if().
 *
 * Names are relative, with '/' between parts of [A-Za-z0-9._-] that don't
 * start with a dot; drivers may rely on it.
 *
 * An object store is a local directory, or it is elsewhere: in object storage
 * that is reached through the network.  A store elsewhere may have a cache, a
 * local directory with whole copies of some of its objects:
 *
 *	  objstore.c ─ read, write, list, lock ──────────► driver: local/, s3/
 *		 └─ open_resident, hold, evict, … ─► cache/ ─► driver
 *
 * If it is encrypted, crypt/ is over both: drivers and caches have ciphertext.
 * Names aren't encrypted, and sizes differ by less than 0.2%.  An encrypted
 * store refuses objects that aren't encrypted, and others refuse to read or
 * add objects where there are encrypted ones.
 *
 * What the functions return is allocated in CurrentMemoryContext.  Readers,
 * writers, parts and locks release their descriptors and connections when
 * that context is reset.  Resetting it before bb_object_finish() leaves no
 * object.
 *
 * Errors, of every function: errcode_for_file_access() for local I/O;
 * DATA_CORRUPTED if the file of an object is a directory, a FIFO or
 * another special file; CONNECTION_FAILURE for a store elsewhere;
 * QUERY_CANCELED.  Other errors are listed with the functions.
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
 * An object whose size and checksum are known before it is read, so that a
 * cache can keep and verify a copy of it.
 */
typedef struct BbWholeObject
{
	const char *name;
	uint64		size; /* bytes */
	uint32		crc;  /* CRC-32C of the bytes */
	uint64		id;	  /* in the statistics (stats/layerstats.h) */
} BbWholeObject;

/*
 * The state of a small object when it was read, which bb_objstore_put_if
 * compares.  Zero stands for "no such object".
 */
typedef uint64 BbObjectTag;
#define BB_OBJECT_ABSENT ((BbObjectTag) 0)

/* Where the keys of a store elsewhere come from. */
typedef enum BbCredentialKind
{
	BB_CREDENTIALS_KEYS, /* the options have them */
	BB_CREDENTIALS_INSTANCE,
	BB_CREDENTIALS_CONTAINER,
	BB_CREDENTIALS_WEB_IDENTITY
} BbCredentialKind;

/*
 * What opening an object store takes in addition to its URL.  A local store
 * ignores all but the last ones.
 */
typedef struct BbObjectStoreOptions
{
	const char *endpoint;	/* "https://host:port"; NULL: Amazon's */
	const char *region;		/* NULL: "us-east-1" */
	bool		path_style; /* the bucket is in the path, not in the host */
	const char *access_key_id;
	const char *secret_access_key;
	const char *session_token; /* NULL: none */
	BbCredentialKind credentials;
	const char *credentials_endpoint;	/* NULL: the usual one */
	const char *credentials_token_file; /* NULL: the environment names it */
	const char *role_arn;				/* NULL: the environment names it */

	/* how object storage keeps objects; NULL: as is usual for the bucket */
	const char *encryption; /* "AES256", "aws:kms", ... */
	const char *kms_key_id;
	bool		bucket_key;
	const char *storage_class; /* of layers */
	const char *lock_mode;	   /* "GOVERNANCE" or "COMPLIANCE" */
	int			lock_days;

	const char *cache_directory; /* NULL: no cache */
	int			cache_size_mb;

	/* the keys, from one of these, as text; a local store has them, too */
	bool		encrypted;
	const char *encryption_key;
	const char *encryption_key_file;
	const char *encryption_key_command;
} BbObjectStoreOptions;

/*
 * bb_objstore_check_url - check that a store can be opened with this URL.
 * bb_objstore_check_endpoint - check the "endpoint" of a store elsewhere.
 * bb_objstore_check_credentials_endpoint - check the URL of a source of keys: to
 * another machine than those of a cloud's own services, it has to be encrypted.
 * bb_objstore_check_cache_directory - check that this directory, which need
 * not exist yet, is outside the server's data directory, whatever symbolic
 * links lead to it.
 *
 * Errors: INVALID_PARAMETER_VALUE (unknown scheme, path not absolute, …).
 */
extern void bb_objstore_check_url(const char *url);
extern void bb_objstore_check_endpoint(const char *endpoint);
extern void bb_objstore_check_credentials_endpoint(const char *url);
extern void bb_objstore_check_cache_directory(const char *directory);

/*
 * bb_objstore_open - open the store at url ("file:///directory",
 * "s3://bucket/prefix"), with its cache if options name one.
 *
 * A directory need not exist yet: the first write creates it.  A bucket has
 * to exist.  "options" may be NULL for a local store.
 *
 * Errors: those of the four checks; FDW_OPTION_NAME_NOT_FOUND (missing
 * keys); OBJECT_NOT_IN_PREREQUISITE_STATE (a file is in the place of the
 * cache's directory).
 */
extern BbObjectStore *bb_objstore_open(const BbReqCtx *ctx, const char *url,
									   const BbObjectStoreOptions *options);
extern const char *bb_objstore_url(const BbObjectStore *objects);

/*
 * The keys of an encrypted store.  The key ring has the data keys that encrypt
 * objects; a key of the store wraps it.  Keys are named by ids that are made of
 * them and don't disclose them.
 */
typedef struct BbEncryption
{
	bool		encrypted; /* false: the others are zero */
	const char *given_key; /* the first one of the options */
	const char *store_key; /* that wraps the key ring; NULL: there is none */
	uint32		data_keys;
	int64		data_key_created; /* of the newest; seconds since 1970 */
} BbEncryption;

/*
 * bb_objstore_encryption - look at the keys of a store.
 *
 * bb_objstore_rotate_key - wrap the key ring by the first key of the options;
 * with "data_key", also add a data key, which encrypts new objects.
 *
 * Errors, of these and of all functions of an encrypted store that read or write
 * objects: INVALID_PASSWORD (the key is wrong, or its file isn't private);
 * FDW_OPTION_NAME_NOT_FOUND (no key is given); EXTERNAL_ROUTINE_EXCEPTION (the
 * command failed); FEATURE_NOT_SUPPORTED (there is no libcrypto); DATA_CORRUPTED
 * (an object isn't what was written); OBJECT_NOT_IN_PREREQUISITE_STATE (there is
 * no key ring, but there are objects; the store isn't encrypted, but its objects
 * are).  bb_objstore_rotate_key: OBJECT_IN_USE.
 */
extern BbEncryption bb_objstore_encryption(const BbReqCtx *ctx,
										   BbObjectStore *objects);
extern BbEncryption bb_objstore_rotate_key(const BbReqCtx *ctx,
										   BbObjectStore *objects,
										   bool data_key);

/*
 * bb_objstore_local_directory - return the directory of a local store, NULL
 * for a store elsewhere, for messages and to keep other files out of it.
 * bb_objstore_residency says whether objects have to be downloaded.
 */
extern const char *bb_objstore_local_directory(const BbObjectStore *objects);

/* The keys of a store elsewhere. */
typedef struct BbKeysState
{
	const char *source;	   /* "instance"; NULL: options or the environment */
	TimestampTz expires;   /* 0: not known, or never */
	bool		renewable; /* false: there is a session token, which expires */
} BbKeysState;

/*
 * bb_objstore_keys_state - where are the keys from, and are they renewed?
 *
 * Returns false for a local store.  Asks the source for keys if it is time to.
 *
 * Errors: CONNECTION_FAILURE and others (the source has none).
 */
extern bool bb_objstore_keys_state(const BbReqCtx *ctx, BbObjectStore *objects,
								   BbKeysState *state);

/*
 * bb_objstore_get - read a small object whole: *data is palloc'd, *length
 * bytes and a terminating '\0'.
 *
 * Returns false if there is no such object.
 *
 * Errors: DATA_CORRUPTED if it is larger than max_length.
 */
extern bool bb_objstore_get(const BbReqCtx *ctx, BbObjectStore *objects,
							const char *name, size_t max_length, char **data,
							size_t *length, BbObjectTag *tag);

/*
 * bb_objstore_put_if - replace a small object if its state is still
 * "expected".
 *
 * Atomic and durable.  Returns false, and changes nothing, if another session
 * has replaced the object.  On success *tag is the new state.
 *
 * After an error the object has either its old or its new content: it may
 * have been replaced before making that durable failed.
 */
extern bool bb_objstore_put_if(const BbReqCtx *ctx, BbObjectStore *objects,
							   const char *name, const void *data,
							   size_t length, BbObjectTag expected,
							   BbObjectTag *tag);

/*
 * bb_objstore_list - return BbObjectInfos of all objects below "prefix", one
 * or several parts of a name ("timelines/main"), ordered by name.
 *
 * Objects that are still being written are not listed.
 */
extern List *bb_objstore_list(const BbReqCtx *ctx, BbObjectStore *objects,
							  const char *prefix);

/*
 * bb_objstore_list_parts - return the name parts (char *) that follow
 * "prefix" in the names of objects below it, in order: "main" of
 * "timelines/main/manifest".
 *
 * Looks no deeper than that.  So there may be no object below a part that is
 * returned, and the part need not be valid in a name of an object.
 */
extern List *bb_objstore_list_parts(const BbReqCtx *ctx,
									BbObjectStore *objects,
									const char *prefix);

/*
 * bb_objstore_remove, bb_objstore_remove_all - remove objects durably; objects
 * that don't exist are ignored.
 *
 * Object storage may refuse to remove an object, because of a retention or
 * because the keys have no right to.  bb_objstore_remove_all then removes the
 * others, raises a WARNING, and returns the names (char *) of those that are
 * still there; bb_objstore_remove raises an error.
 *
 * When bb_objstore_remove_all fails, some of the objects may be gone.
 */
extern void bb_objstore_remove(const BbReqCtx *ctx, BbObjectStore *objects,
							   const char *name);
extern List *bb_objstore_remove_all(const BbReqCtx *ctx,
									BbObjectStore *objects, List *names);

/*
 * bb_objstore_retention_days - for how many days are layers and manifests
 * retained after they were written?  0: they aren't.
 *
 * bb_objstore_retain - retain an object for so many days from now on; it need not
 * exist.
 *
 * bb_objstore_retain_keys - the same for the key ring of an encrypted store.
 *
 * REQUIRES of the two: the store has a retention.
 */
extern int bb_objstore_retention_days(const BbObjectStore *objects);
extern void bb_objstore_retain(const BbReqCtx *ctx, BbObjectStore *objects,
							   const char *name);
extern void bb_objstore_retain_keys(const BbReqCtx *ctx,
									BbObjectStore *objects);

/* A version of an object, in a bucket that keeps them. */
typedef struct BbObjectVersion
{
	char	   *name;
	char	   *id;
	char	   *etag; /* that differs if the content does; NULL: not known */
	uint64		size;
	int64		modified; /* time_t */
	int			number;	  /* in the order of the server's listing */
	bool		deleted;  /* no version but a mark: the object was deleted */
} BbObjectVersion;

/*
 * bb_objstore_versions - return BbObjectVersions of all objects of the store,
 * those of an object from the newest to the oldest.
 *
 * bb_objstore_put_back - make a version of an object the present one again.
 *
 * Errors: FEATURE_NOT_SUPPORTED (a local store).
 */
extern List *bb_objstore_versions(const BbReqCtx *ctx, BbObjectStore *objects);
extern void bb_objstore_put_back(const BbReqCtx *ctx, BbObjectStore *objects,
								 const BbObjectVersion *version);

/*
 * bb_objstore_sweep - remove what unfinished writers left below "prefix", and
 * empty directories.
 *
 * What a live process is writing in a local store is left alone.
 *
 * REQUIRES: the lock that writers of large objects below "prefix" take.
 */
extern void bb_objstore_sweep(const BbReqCtx *ctx, BbObjectStore *objects,
							  const char *prefix);

/*
 * bb_objstore_lock - take the lock "name", which one session can hold.
 *
 * Returns false, without waiting, if another session holds it.  The lock is
 * held until CurrentMemoryContext is reset or the process dies (for a store
 * elsewhere: up to a minute longer), and leaves nothing in the store.  Call
 * this in a memory context that is reset when the work is done.
 *
 * Errors: any later call may raise OBJECT_IN_USE: the lock on a store
 * elsewhere was lost.
 */
extern bool bb_objstore_lock(const BbReqCtx *ctx, BbObjectStore *objects,
							 const char *name);

/*
 * Writing an object: create write* finish.  finish makes the object durable
 * and gives it its name.
 */
extern BbObjectWriter *bb_object_create(const BbReqCtx *ctx,
										BbObjectStore *objects,
										const char *name);
extern void bb_object_write(const BbReqCtx *ctx, BbObjectWriter *writer,
							const void *data, size_t length);
extern void bb_object_finish(const BbReqCtx *ctx, BbObjectWriter *writer);

/*
 * bb_object_open - open an object for reading.
 *
 * Errors: UNDEFINED_FILE (names the store and the object).
 */
extern BbObjectReader *bb_object_open(const BbReqCtx *ctx,
									  BbObjectStore *objects,
									  const char *name);

/*
 * bb_object_open_resident - open an object that will be read here and there.
 *
 * If the store has a cache, downloads the whole object into it first and
 * reads the copy, unless there is no room for it.  Other stores are read
 * directly.  So are objects that aren't resident by contexts whose use doesn't
 * count and that read every object once (BB_TASK_UPKEEP, BB_TASK_VERIFY,
 * BB_TASK_COPY): what they download would push out what others need.
 *
 * Errors: those of bb_object_open; OBJECT_NOT_IN_PREREQUISITE_STATE (not
 * resident, and ctx may not download); DATA_CORRUPTED (what was downloaded
 * has another size or CRC).
 */
extern BbObjectReader *bb_object_open_resident(const BbReqCtx *ctx,
											   BbObjectStore *objects,
											   const BbWholeObject *object);
extern uint64 bb_object_size(const BbObjectReader *reader);

/* Does the reader read a copy in a cache rather than the object itself? */
extern bool bb_object_is_copy(const BbObjectReader *reader);

/*
 * bb_object_read - read exactly "length" bytes from "offset" on.
 *
 * Errors: DATA_CORRUPTED if the object ends before that.
 */
extern void bb_object_read(const BbReqCtx *ctx, BbObjectReader *reader,
						   uint64 offset, void *data, size_t length);
extern void bb_object_close(BbObjectReader *reader);

/*
 * bb_object_begin_part - ask for a part of an object that isn't open.
 *
 * Several parts may be under way at once, each until bb_object_end_part, or
 * until CurrentMemoryContext is reset; "data" is in use until then.
 *
 * bb_object_end_part - wait for a part.  Returns false if the size of the
 * object isn't object->size.
 *
 * REQUIRES: the store is elsewhere; length > 0; the part is within the object.
 *
 * Errors: those of bb_object_open.
 */
extern BbObjectPart *bb_object_begin_part(const BbReqCtx *ctx,
										  BbObjectStore *objects,
										  const BbWholeObject *object,
										  uint64 offset, void *data,
										  size_t length);
extern bool bb_object_end_part(const BbReqCtx *ctx, BbObjectPart *part);

/* An object is resident if reading it takes no download. */
typedef enum BbResidency
{
	BB_RESIDENT_ALL,	 /* a local store: all objects are */
	BB_RESIDENT_NONE,	 /* a store elsewhere: none is */
	BB_RESIDENT_IN_CACHE /* a store elsewhere with a cache: those in it */
} BbResidency;

extern BbResidency bb_objstore_residency(const BbObjectStore *objects);
extern bool bb_object_is_resident(const BbObjectStore *objects,
								  const BbWholeObject *object);

/* The size limit of a store's cache, bytes; 0 if it has none. */
extern uint64 bb_objstore_cache_size(const BbObjectStore *objects);

/*
 * bb_objects_hold - make the BbWholeObjects of "wanted" resident until
 * CurrentMemoryContext is reset.
 *
 * Objects are downloaded in the order of the list, several at once.  Those
 * that are resident already are in use from the beginning, so that they
 * aren't evicted to make room for the others.
 *
 * Calls "fetched" (may be NULL) for each object that was downloaded.  Returns
 * the first object for which there is no room, NULL if all are resident.
 *
 * Errors: those of bb_object_open_resident.
 */
typedef void (*BbFetched) (const BbReqCtx *ctx, const BbWholeObject *object,
						   void *arg);

extern const BbWholeObject *bb_objects_hold(const BbReqCtx *ctx,
											BbObjectStore *objects,
											List *wanted, BbFetched fetched,
											void *arg);

/*
 * bb_object_permit_download - check now that ctx may download an object, and
 * raise the warning or error that ctx->download_behavior asks for.
 *
 * If the store has a cache, this isn't done again the next time that the object
 * is opened through "objects".  Use it if another process does the download.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (ctx may not download).
 */
extern void bb_object_permit_download(const BbReqCtx *ctx,
									  BbObjectStore *objects,
									  const BbWholeObject *object);

/* bb_object_evict - remove an object from the cache, unless it is in use. */
typedef enum BbEviction
{
	BB_EVICTED,
	BB_EVICTION_NOT_RESIDENT, /* or the store has no cache */
	BB_EVICTION_IN_USE
} BbEviction;

extern BbEviction bb_object_evict(BbObjectStore *objects,
								  const BbWholeObject *object);

/*
 * bb_objstore_evict_idle - remove from the cache, and count, the objects that
 * were last used before a time and aren't in use now.
 */
typedef struct BbEvicted
{
	uint64		objects;
	uint64		bytes; /* also those of abandoned downloads */
} BbEvicted;

extern BbEvicted bb_objstore_evict_idle(const BbReqCtx *ctx,
										BbObjectStore *objects,
										TimestampTz before);

/*
 * bb_objstore_relieve - evict objects, those first that were used longest ago,
 * until the file system of the cache has so many bytes free.
 *
 * Objects in use stay.  Does nothing for a store without a cache.
 */
extern BbEvicted bb_objstore_relieve(const BbReqCtx *ctx,
									 BbObjectStore *objects, uint64 min_free);

/*
 * bb_object_cool - make an object, if it is resident, the next one to be evicted.
 *
 * For an object that has been replaced.  Those who still use it may go on.
 */
extern void bb_object_cool(BbObjectStore *objects,
						   const BbWholeObject *object);

#endif /* BB_OBJSTORE_H */
