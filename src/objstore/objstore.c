/*-------------------------------------------------------------------------
 *
 * objstore.c
 *	  Object stores: the table of drivers, and the checks that all share.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "objstore/cache/cache.h"
#include "objstore/objstore_driver.h"

static const BbObjectStoreOps *const drivers[] = {
	&bb_objstore_local,
	&bb_objstore_s3,
};

static const BbObjectStoreOps *
driver_for(const char *url)
{
	const char *colon = strstr(url, "://");

	if (colon != NULL)
	{
		for (int i = 0; i < lengthof(drivers); i++)
		{
			size_t		length = strlen(drivers[i]->scheme);

			if (length == colon - url &&
				strncmp(url, drivers[i]->scheme, length) == 0)
				return drivers[i];
		}
	}

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid page store URL \"%s\"", url),
			 errhint("A page store is a local directory: "
					 "\"file:///absolute/path\", or in object storage: "
					 "\"s3://bucket/prefix\".")));
}

/*
 * Names come from our own code, from checked timeline names and from
 * manifests, which are untrusted: none may lead out of the store.
 */
static void
check_name(const char *name)
{
	bool		start = true;

	for (const char *p = name; *p; p++)
	{
		if (*p == '/' && !start)
			start = true;
		else if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
				 (*p >= '0' && *p <= '9') || *p == '_' || *p == '-' ||
				 (*p == '.' && !start))
			start = false;
		else
			elog(ERROR, "invalid object name \"%s\"", name);
	}
	if (start)
		elog(ERROR, "invalid object name \"%s\"", name);
}

BbObjectTag
bb_object_tag(const void *data, size_t length)
{
	BbObjectTag tag;

	/*
	 * Not a CRC: bytes that end with their own CRC, as manifests do, all have
	 * the same one.
	 */
	tag = hash_bytes_extended(data, (int) length, 0);
	return tag != BB_OBJECT_ABSENT ? tag : 1;
}

void
bb_objstore_check_url(const char *url)
{
	driver_for(url)->check_url(url);
}

BbObjectStore *
bb_objstore_open(const BbReqCtx *ctx, const char *url,
				 const BbObjectStoreOptions *options)
{
	static const BbObjectStoreOptions none = {0};
	const BbObjectStoreOps *ops = driver_for(url);
	BbObjectStore *store;

	ops->check_url(url);
	store = ops->open(ctx, url, options ? options : &none);
	store->ops = ops;
	store->url = pstrdup(url);
	if (options != NULL && options->cache_directory != NULL &&
		ops->local_directory(store) == NULL)
		store->cache = bb_cache_new(ctx, options->cache_directory,
									psprintf("%s %s", url,
											 options->endpoint
												 ? options->endpoint
												 : ""),
									options->cache_size_mb);
	return store;
}

const char *
bb_objstore_url(const BbObjectStore *store)
{
	return store->url;
}

const char *
bb_objstore_local_directory(const BbObjectStore *store)
{
	return store->ops->local_directory(store);
}

bool
bb_objstore_get(const BbReqCtx *ctx, BbObjectStore *store, const char *name,
				size_t max_length, char **data, size_t *length,
				BbObjectTag *tag)
{
	check_name(name);
	return store->ops->get(ctx, store, name, max_length, data, length, tag);
}

bool
bb_objstore_put_if(const BbReqCtx *ctx, BbObjectStore *store, const char *name,
				   const void *data, size_t length, BbObjectTag expected,
				   BbObjectTag *tag)
{
	check_name(name);
	return store->ops->put_if(ctx, store, name, data, length, expected, tag);
}

List *
bb_objstore_list(const BbReqCtx *ctx, BbObjectStore *store, const char *prefix)
{
	check_name(prefix);
	return store->ops->list(ctx, store, prefix);
}

List *
bb_objstore_list_parts(const BbReqCtx *ctx, BbObjectStore *store,
					   const char *prefix)
{
	check_name(prefix);
	return store->ops->list_parts(ctx, store, prefix);
}

void
bb_objstore_remove(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	bb_objstore_remove_all(ctx, store, list_make1(unconstify(char *, name)));
}

void
bb_objstore_remove_all(const BbReqCtx *ctx, BbObjectStore *store, List *names)
{
	ListCell   *cell;

	foreach(cell, names)
		check_name(lfirst(cell));
	store->ops->remove(ctx, store, names);
}

void
bb_objstore_sweep(const BbReqCtx *ctx, BbObjectStore *store,
				  const char *prefix)
{
	check_name(prefix);
	store->ops->sweep(ctx, store, prefix);
}

bool
bb_objstore_lock(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	check_name(name);
	return store->ops->lock(ctx, store, name);
}

BbObjectWriter *
bb_object_create(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	BbObjectWriter *writer;

	check_name(name);
	writer = store->ops->create(ctx, store, name);
	writer->store = store;
	writer->name = pstrdup(name);
	return writer;
}

void
bb_object_write(const BbReqCtx *ctx, BbObjectWriter *writer, const void *data,
				size_t length)
{
	writer->store->ops->write(ctx, writer, data, length);
}

void
bb_object_finish(const BbReqCtx *ctx, BbObjectWriter *writer)
{
	writer->store->ops->finish(ctx, writer);
}

BbObjectReader *
bb_object_open(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	BbObjectReader *reader;

	check_name(name);
	reader = store->ops->open_object(ctx, store, name);
	reader->store = store;
	reader->name = pstrdup(name);
	reader->copy = false;
	return reader;
}

BbObjectReader *
bb_object_open_resident(const BbReqCtx *ctx, BbObjectStore *store,
						const BbWholeObject *object)
{
	BbObjectReader *reader;

	if (bb_objstore_local_directory(store) != NULL)
		return bb_object_open(ctx, store, object->name);
	reader = bb_cache_open(ctx, store->cache, store, object);
	reader->copy = reader->store != store;
	return reader;
}

uint64
bb_object_size(const BbObjectReader *reader)
{
	return reader->size;
}

bool
bb_object_is_copy(const BbObjectReader *reader)
{
	return reader->copy;
}

void
bb_object_read(const BbReqCtx *ctx, BbObjectReader *reader, uint64 offset,
			   void *data, size_t length)
{
	if (offset > reader->size || length > reader->size - offset)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("object \"%s\" is too short", reader->name),
				 errdetail("%zu bytes are needed at offset " UINT64_FORMAT
						   ", but its size is " UINT64_FORMAT ".",
						   length, offset, reader->size)));
	reader->store->ops->read(ctx, reader, offset, data, length);
	BB_COUNT(ctx, bytes_read, length);
}

void
bb_object_close(BbObjectReader *reader)
{
	reader->store->ops->close(reader);
}

BbObjectPart *
bb_object_begin_part(const BbReqCtx *ctx, BbObjectStore *store,
					 const BbWholeObject *object, uint64 offset, void *data,
					 size_t length)
{
	BbObjectPart *part;

	check_name(object->name);
	part = store->ops->begin_part(ctx, store, object, offset, data, length);
	part->store = store;
	part->length = length;
	return part;
}

bool
bb_object_end_part(const BbReqCtx *ctx, BbObjectPart *part)
{
	size_t		length = part->length;

	if (!part->store->ops->end_part(ctx, part))
		return false;
	BB_COUNT(ctx, bytes_read, length);
	return true;
}

bool
bb_object_is_resident(const BbObjectStore *store, const BbWholeObject *object)
{
	if (bb_objstore_local_directory(store) != NULL)
		return true;
	return store->cache != NULL && bb_cache_has(store->cache, object);
}

uint64
bb_objstore_cache_size(const BbObjectStore *store)
{
	return store->cache != NULL ? bb_cache_size(store->cache) : 0;
}

const BbWholeObject *
bb_objects_hold(const BbReqCtx *ctx, BbObjectStore *store, List *objects,
				BbFetched tell, void *arg)
{
	return bb_cache_hold_all(ctx, store->cache, store, objects, tell, arg);
}

void
bb_object_ask_leave(const BbReqCtx *ctx, BbObjectStore *store,
					const BbWholeObject *object)
{
	bb_cache_ask_leave(ctx, store->cache, object);
}

BbEviction
bb_object_evict(BbObjectStore *store, const BbWholeObject *object)
{
	return bb_cache_evict(store->cache, object);
}

BbEvicted
bb_objstore_evict_idle(const BbReqCtx *ctx, BbObjectStore *store,
					   TimestampTz before)
{
	BbEvicted	evicted = {0};

	bb_cache_evict_idle(ctx, store->cache, before, &evicted);
	return evicted;
}
