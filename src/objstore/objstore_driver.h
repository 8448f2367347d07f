/*-------------------------------------------------------------------------
 *
 * objstore_driver.h
 *	  The object store as its drivers and its cache see it.
 *
 * A driver is one file, or a few, with structs that begin with BbObjectStore,
 * BbObjectReader and BbObjectWriter, and one table of operations, which has a
 * row in open.c.  Each operation does what the function of the same name in
 * objstore.h promises.
 *
 * Names that reach a driver have been checked.  An operation allocates what
 * it returns, and whatever has to be released, in CurrentMemoryContext.
 *
 *	  open.c		the drivers; what a store is opened with
 *	  objstore.c	calls of the operations, and the checks they share; stores
 *					without a cache
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_OBJSTORE_DRIVER_H
#define BB_OBJSTORE_DRIVER_H

#include "base/compat.h"
#include "objstore/objstore.h"

/* The operations of a cache that is put over a store elsewhere. */
typedef struct BbCacheOps
{
	BbObjectReader *(*open_resident) (const BbReqCtx *ctx,
									  BbObjectStore *objects,
									  const BbWholeObject *object);
	bool		(*is_resident) (const BbObjectStore *objects,
								const BbWholeObject *object);
	uint64		(*size) (const BbObjectStore *objects);
	const BbWholeObject *(*hold) (const BbReqCtx *ctx, BbObjectStore *objects,
								  List *wanted, BbFetched fetched, void *arg);
	void		(*permit_download) (const BbReqCtx *ctx,
									BbObjectStore *objects,
									const BbWholeObject *object);
	BbEviction	(*evict) (BbObjectStore *objects, const BbWholeObject *object);
	BbEvicted	(*evict_idle) (const BbReqCtx *ctx, BbObjectStore *objects,
							   TimestampTz before);
	BbEvicted	(*relieve) (const BbReqCtx *ctx, BbObjectStore *objects,
							uint64 min_free);
	void		(*cool) (BbObjectStore *objects, const BbWholeObject *object);
} BbCacheOps;

typedef struct BbObjectStoreOps
{
	const char *scheme;	   /* of the URLs: "file" */
	BbResidency residency; /* of the stores that it opens */

	void		(*check_url) (const char *url);
	BbObjectStore *(*open) (const BbReqCtx *ctx, const char *url,
							const BbObjectStoreOptions *options);
	bool		(*get) (const BbReqCtx *ctx, BbObjectStore *objects,
						const char *name, size_t max_length, char **data,
						size_t *length, BbObjectTag *tag);
	bool		(*put_if) (const BbReqCtx *ctx, BbObjectStore *objects,
						   const char *name, const void *data, size_t length,
						   BbObjectTag expected, BbObjectTag *tag);
	/* in any order */
	List *(*list) (const BbReqCtx *ctx, BbObjectStore *objects,
				   const char *prefix);
	List *(*list_parts) (const BbReqCtx *ctx, BbObjectStore *objects,
						 const char *prefix);
	/* returns the names of those that may not be removed */
	List *(*remove) (const BbReqCtx *ctx, BbObjectStore *objects, List *names);
	void		(*sweep) (const BbReqCtx *ctx, BbObjectStore *objects,
						  const char *prefix);
	bool		(*lock) (const BbReqCtx *ctx, BbObjectStore *objects,
						 const char *name);

	BbObjectWriter *(*create) (const BbReqCtx *ctx, BbObjectStore *objects,
							   const char *name);
	void		(*write) (const BbReqCtx *ctx, BbObjectWriter *writer,
						  const void *data, size_t length);
	void		(*finish) (const BbReqCtx *ctx, BbObjectWriter *writer);

	/* returns NULL if there is no such object */
	BbObjectReader *(*open_object) (const BbReqCtx *ctx,
									BbObjectStore *objects, const char *name);
	void		(*read) (const BbReqCtx *ctx, BbObjectReader *reader,
						 uint64 offset, void *data, size_t length);
	void		(*close) (BbObjectReader *reader);

	/* what a cache downloads by; NULL in a driver of local stores */
	BbObjectPart *(*begin_part) (const BbReqCtx *ctx, BbObjectStore *objects,
								 const BbWholeObject *object, uint64 offset,
								 void *data, size_t length);
	bool		(*end_part) (const BbReqCtx *ctx, BbObjectPart *part);

	/* of a store elsewhere; NULL in a driver of local stores */
	void		(*keys_state) (const BbReqCtx *ctx, BbObjectStore *objects,
							   BbKeysState *state);
	void		(*retain) (const BbReqCtx *ctx, BbObjectStore *objects,
						   const char *name);
	List *(*versions) (const BbReqCtx *ctx, BbObjectStore *objects);
	void		(*put_back) (const BbReqCtx *ctx, BbObjectStore *objects,
							 const BbObjectVersion *version);

	/*
	 * look at the keys; first, with "rotate", change the store's key, and with
	 * "data_key" add a data key; NULL: the store isn't encrypted
	 */
	BbEncryption (*encryption) (const BbReqCtx *ctx, BbObjectStore *objects,
								bool rotate, bool data_key);
} BbObjectStoreOps;

/*
 * Verifies an object that is downloaded into a cache: begin add* end.  The bytes
 * come in order.  "end" says whether they are the object.
 *
 * What begin allocates is in CurrentMemoryContext, which outlives the check.
 */
typedef struct BbContentCheckOps
{
	void *(*begin)(const BbReqCtx *ctx, void *arg,
				   const BbWholeObject *object);
	void		(*add) (const BbReqCtx *ctx, void *check, const void *data,
						size_t length);
	bool		(*end) (void *check);
} BbContentCheckOps;

struct BbObjectStore
{
	const BbObjectStoreOps *ops;
	const BbCacheOps *cache_ops; /* NULL: no cache */
	struct BbCache *cache;
	const char *url;
	char	   *directory;		/* of a local store; NULL: it is elsewhere */
	BbResidency residency;		/* without a cache: of all objects, or none */
	int			retention_days; /* 0: objects aren't retained */
	bool		encrypted;		/* it is one of crypt/ */
	bool		add_checked;	/* objects may be added: see need_plain() */
	const BbContentCheckOps *check_ops; /* NULL: size and CRC */
	void	   *check_arg;
};

struct BbObjectReader
{
	BbObjectStore *objects;
	const char *name;
	uint64		size;
	bool		copy; /* in a cache */
};

struct BbObjectPart
{
	BbObjectStore *objects;
	size_t		length;
};

struct BbObjectWriter
{
	BbObjectStore *objects;
	const char *name;
};

/* Is this a character of the parts of an object's name? */
static inline bool
bb_is_name_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

/*
 * bb_object_tag - return the tag of these bytes; never BB_OBJECT_ABSENT.
 *
 * A manifest may have megabytes, and its tag is computed several times for a
 * commit.  So this is a hash with independent lanes, several times as fast as
 * the server's.  It isn't a CRC, because all byte sequences that end with their
 * own CRC, as manifests do, have the same one.
 *
 * bb_object_tag_begin, add, end - the same of a stream: begin add* end.
 *
 * "length" of begin is that of all bytes; that of add is a multiple of
 * BB_TAG_STRIPE.  end takes the last bytes.
 */
#define BB_TAG_LANES 4
#define BB_TAG_STRIPE (BB_TAG_LANES * 8)

typedef struct BbTagState
{
	uint64		lanes[BB_TAG_LANES];
} BbTagState;

extern BbObjectTag bb_object_tag(const void *data, size_t length);
extern void bb_object_tag_begin(BbTagState *state, size_t length);
extern void bb_object_tag_add(BbTagState *state, const void *data,
							  size_t length);
extern BbObjectTag bb_object_tag_end(BbTagState *state, const void *data,
									 size_t length);

/* bb_object_missing - report that there is no such object (UNDEFINED_FILE). */
pg_noreturn extern void bb_object_missing(const BbObjectStore *objects,
										  const char *name);

/*
 * bb_download_check - raise the warning or error that ctx->download_behavior
 * asks for before an object is downloaded, and count it.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (ctx may not download).
 */
extern void bb_download_check(const BbReqCtx *ctx,
							  const BbWholeObject *object);

/* The drivers. */
extern const BbObjectStoreOps bb_objstore_local;
extern const BbObjectStoreOps bb_objstore_s3;

/*
 * bb_cache_attach - put a cache over a store elsewhere, in the directory of
 * the local store "files", which it creates if necessary.
 *
 * The cache never takes more than size_mb megabytes of that directory.  Each
 * store that is cached has its own; all sessions of all servers that cache
 * the store there share it.
 *
 * Errors: those of local I/O; OBJECT_NOT_IN_PREREQUISITE_STATE (there is a
 * file in the place of the directory).
 */
extern void bb_cache_attach(BbObjectStore *objects, BbObjectStore *files,
							int size_mb);

/*
 * bb_crypt_open - put an encrypted store over another one, with its cache.
 */
extern BbObjectStore *bb_crypt_open(BbObjectStore *below,
									const BbObjectStoreOptions *options);

/* What encrypted objects begin with, and the object that has their keys. */
#define BB_CRYPT_MAGIC "bbcrypt\n"
#define BB_CRYPT_MAGIC_BYTES 8
#define BB_RING_OBJECT "keyring"

#endif /* BB_OBJSTORE_DRIVER_H */
