/*-------------------------------------------------------------------------
 *
 * objstore_driver.h
 *	  The object store as its drivers see it.
 *
 * A driver is one file, or a few, with structs that begin with BbObjectStore,
 * BbObjectReader and BbObjectWriter, and one operations table, which has a
 * row in objstore.c.	Each operation does what the function of the same name
 * in objstore.h promises.
 *
 * Names that reach a driver have been checked.  An operation that makes
 * something allocates it, and whatever has to be released, in
 * CurrentMemoryContext.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_OBJSTORE_DRIVER_H
#define BB_OBJSTORE_DRIVER_H

#include "objstore/objstore.h"

typedef struct BbObjectStoreOps
{
	const char *scheme; /* of the URLs: "file" */

	void		(*check_url) (const char *url);
	BbObjectStore *(*open) (const BbReqCtx *ctx, const char *url,
							const BbObjectStoreOptions *options);
	const char *(*local_directory) (const BbObjectStore *store);
	bool		(*get) (const BbReqCtx *ctx, BbObjectStore *store,
						const char *name, size_t max_length, char **data,
						size_t *length, BbObjectTag *tag);
	bool		(*put_if) (const BbReqCtx *ctx, BbObjectStore *store,
						   const char *name, const void *data, size_t length,
						   BbObjectTag expected, BbObjectTag *tag);
	List *(*list) (const BbReqCtx *ctx, BbObjectStore *store,
				   const char *prefix);
	List *(*list_parts) (const BbReqCtx *ctx, BbObjectStore *store,
						 const char *prefix);
	void		(*remove) (const BbReqCtx *ctx, BbObjectStore *store,
						   List *names);
	void		(*sweep) (const BbReqCtx *ctx, BbObjectStore *store,
						  const char *prefix);
	bool		(*lock) (const BbReqCtx *ctx, BbObjectStore *store,
						 const char *name);

	BbObjectWriter *(*create) (const BbReqCtx *ctx, BbObjectStore *store,
							   const char *name);
	void		(*write) (const BbReqCtx *ctx, BbObjectWriter *writer,
						  const void *data, size_t length);
	void		(*finish) (const BbReqCtx *ctx, BbObjectWriter *writer);

	BbObjectReader *(*open_object) (const BbReqCtx *ctx, BbObjectStore *store,
									const char *name);
	void		(*read) (const BbReqCtx *ctx, BbObjectReader *reader,
						 uint64 offset, void *data, size_t length);
	void		(*close) (BbObjectReader *reader);

	/* NULL in a driver whose stores have no cache */
	BbObjectPart *(*begin_part) (const BbReqCtx *ctx, BbObjectStore *store,
								 const BbWholeObject *object, uint64 offset,
								 void *data, size_t length);
	bool		(*end_part) (const BbReqCtx *ctx, BbObjectPart *part);
} BbObjectStoreOps;

struct BbObjectStore
{
	const BbObjectStoreOps *ops;
	const char *url;
	struct BbCache *cache; /* NULL: none */
};

struct BbObjectReader
{
	BbObjectStore *store;
	const char *name;
	uint64		size;
	bool		copy; /* in a cache */
};

struct BbObjectPart
{
	BbObjectStore *store;
	size_t		length;
};

struct BbObjectWriter
{
	BbObjectStore *store;
	const char *name;
};

/*
 * bb_object_tag - the tag of these bytes; never BB_OBJECT_ABSENT.
 */
extern BbObjectTag bb_object_tag(const void *data, size_t length);

/* The drivers. */
extern const BbObjectStoreOps bb_objstore_local;
extern const BbObjectStoreOps bb_objstore_s3;

#endif /* BB_OBJSTORE_DRIVER_H */
