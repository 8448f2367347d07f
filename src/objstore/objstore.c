/*-------------------------------------------------------------------------
 *
 * objstore.c
 *	  Object stores: calls of the driver or the cache, the checks that all
 *	  drivers share, and stores without a cache.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "common/hashfn.h"
#include "objstore/objstore_driver.h"

/*
 * Names come from our own code, from checked timeline names and from
 * manifests, which are untrusted.  No name may lead out of the store.
 */
static void
check_name(const char *name)
{
	bool		start = true;

	for (const char *p = name; *p; p++)
	{
		if (*p == '/' && !start)
			start = true;
		else if (bb_is_name_character(*p) && !(*p == '.' && start))
			start = false;
		else
			elog(ERROR, "invalid object name \"%s\"", name);
	}
	if (start)
		elog(ERROR, "invalid object name \"%s\"", name);
}

/* Odd numbers with about as many ones as zeros (those of xxHash). */
#define TAG_FACTOR_1 UINT64CONST(0x9e3779b185ebca87)
#define TAG_FACTOR_2 UINT64CONST(0xc2b2ae3d27d4eb4f)

void
bb_object_tag_begin(BbTagState *state, size_t length)
{
	state->lanes[0] = length;
	state->lanes[1] = TAG_FACTOR_1;
	state->lanes[2] = TAG_FACTOR_2;
	state->lanes[3] = 0;
}

void
bb_object_tag_add(BbTagState *state, const void *data, size_t length)
{
	const uint8 *at = data;
	uint64		words[BB_TAG_LANES];

	Assert(length % BB_TAG_STRIPE == 0);
	for (; length > 0; at += BB_TAG_STRIPE, length -= BB_TAG_STRIPE)
	{
		memcpy(words, at, BB_TAG_STRIPE);
		for (int i = 0; i < BB_TAG_LANES; i++)
		{
			uint64		lane = state->lanes[i] + words[i] * TAG_FACTOR_2;

			state->lanes[i] = (lane << 31 | lane >> 33) * TAG_FACTOR_1;
		}
	}
}

BbObjectTag
bb_object_tag_end(BbTagState *state, const void *data, size_t length)
{
	size_t		stripes = length - length % BB_TAG_STRIPE;
	BbObjectTag tag;

	bb_object_tag_add(state, data, stripes);
	tag = hash_bytes_extended((const uint8 *) data + stripes,
							  (int) (length - stripes), 0);
	tag = hash_bytes_extended((const uint8 *) state->lanes,
							  sizeof(state->lanes), tag);
	return tag != BB_OBJECT_ABSENT ? tag : 1;
}

BbObjectTag
bb_object_tag(const void *data, size_t length)
{
	BbTagState	state;

	bb_object_tag_begin(&state, length);
	return bb_object_tag_end(&state, data, length);
}

const char *
bb_objstore_url(const BbObjectStore *objects)
{
	return objects->url;
}

const char *
bb_objstore_local_directory(const BbObjectStore *objects)
{
	return objects->directory;
}

/* ---- a store that isn't opened as an encrypted one ---- */

static bool
is_encrypted(const BbObjectStore *objects)
{
	return objects->ops->encryption != NULL;
}

static void
report_encrypted(const BbObjectStore *objects)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("page store \"%s\" is encrypted", objects->url),
			 errhint("Give its key: ALTER SERVER ... OPTIONS "
					 "(ADD encryption_key_file '/file').")));
}

/*
 * No object is added to an encrypted store without encrypting it.  Its manifests
 * can't be read, but nothing need be read to make the first layer of a timeline.
 */
static void
need_plain(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbObjectReader *ring;

	if (is_encrypted(objects) || objects->add_checked)
		return;
	ring = objects->ops->open_object(ctx, objects, BB_RING_OBJECT);
	if (ring != NULL)
	{
		objects->ops->close(ring);
		report_encrypted(objects);
	}
	objects->add_checked = true;
}

BbEncryption
bb_objstore_encryption(const BbReqCtx *ctx, BbObjectStore *objects)
{
	if (is_encrypted(objects))
		return objects->ops->encryption(ctx, objects, false, false);
	need_plain(ctx, objects);
	return (BbEncryption){.encrypted = false};
}

BbEncryption
bb_objstore_rotate_key(const BbReqCtx *ctx, BbObjectStore *objects,
					   bool data_key)
{
	if (!is_encrypted(objects))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("page store \"%s\" is not encrypted", objects->url),
				 errhint("An existing page store can't become encrypted: copy "
						 "its timelines to an empty encrypted store by "
						 "bb_replicate() or bb_move().")));
	return objects->ops->encryption(ctx, objects, true, data_key);
}

bool
bb_objstore_get(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
				size_t max_length, char **data, size_t *length,
				BbObjectTag *tag)
{
	check_name(name);
	if (!objects->ops->get(ctx, objects, name, max_length, data, length, tag))
		return false;
	if (!is_encrypted(objects) && *length >= BB_CRYPT_MAGIC_BYTES &&
		memcmp(*data, BB_CRYPT_MAGIC, BB_CRYPT_MAGIC_BYTES) == 0)
		report_encrypted(objects);
	return true;
}

bool
bb_objstore_put_if(const BbReqCtx *ctx, BbObjectStore *objects,
				   const char *name, const void *data, size_t length,
				   BbObjectTag expected, BbObjectTag *tag)
{
	check_name(name);
	return objects->ops->put_if(ctx, objects, name, data, length, expected,
								tag);
}

static int
compare_infos(const ListCell *a, const ListCell *b)
{
	return strcmp(((BbObjectInfo *) lfirst(a))->name,
				  ((BbObjectInfo *) lfirst(b))->name);
}

List *
bb_objstore_list(const BbReqCtx *ctx, BbObjectStore *objects,
				 const char *prefix)
{
	List	   *list;

	check_name(prefix);
	list = objects->ops->list(ctx, objects, prefix);
	list_sort(list, compare_infos);
	return list;
}

List *
bb_objstore_list_parts(const BbReqCtx *ctx, BbObjectStore *objects,
					   const char *prefix)
{
	check_name(prefix);
	return objects->ops->list_parts(ctx, objects, prefix);
}

static const char *const refused_hint =
	"Is there a retention, or have the keys no right to delete? What is not "
	"needed is removed later.";

void
bb_objstore_remove(const BbReqCtx *ctx, BbObjectStore *objects,
				   const char *name)
{
	check_name(name);
	if (objects->ops->remove(ctx, objects,
							 list_make1(unconstify(char *, name))) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("page store \"%s\" refuses to remove object \"%s\"",
						objects->url, name),
				 errhint("%s", refused_hint)));
}

List *
bb_objstore_remove_all(const BbReqCtx *ctx, BbObjectStore *objects,
					   List *names)
{
	ListCell   *cell;
	List	   *kept;

	foreach(cell, names)
		check_name(lfirst(cell));
	kept = objects->ops->remove(ctx, objects, names);
	if (kept != NIL)
		ereport(WARNING,
				(errmsg_plural("page store \"%s\" refuses to remove %d object",
							   "page store \"%s\" refuses to remove %d objects",
							   list_length(kept), objects->url,
							   list_length(kept)),
				 errdetail("The first is \"%s\".", (char *) linitial(kept)),
				 errhint("%s", refused_hint)));
	return kept;
}

bool
bb_objstore_keys_state(const BbReqCtx *ctx, BbObjectStore *objects,
					   BbKeysState *state)
{
	memset(state, 0, sizeof(BbKeysState));
	if (objects->residency == BB_RESIDENT_ALL)
		return false;
	objects->ops->keys_state(ctx, objects, state);
	return true;
}

int
bb_objstore_retention_days(const BbObjectStore *objects)
{
	return objects->retention_days;
}

void
bb_objstore_retain(const BbReqCtx *ctx, BbObjectStore *objects,
				   const char *name)
{
	check_name(name);
	objects->ops->retain(ctx, objects, name);
}

void
bb_objstore_retain_keys(const BbReqCtx *ctx, BbObjectStore *objects)
{
	bb_objstore_retain(ctx, objects, BB_RING_OBJECT);
}

static void
need_versions(const BbObjectStore *objects)
{
	if (objects->residency == BB_RESIDENT_ALL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("page store \"%s\" has no versions of objects",
						objects->url),
				 errdetail("It is a local directory.")));
}

List *
bb_objstore_versions(const BbReqCtx *ctx, BbObjectStore *objects)
{
	need_versions(objects);
	return objects->ops->versions(ctx, objects);
}

void
bb_objstore_put_back(const BbReqCtx *ctx, BbObjectStore *objects,
					 const BbObjectVersion *version)
{
	check_name(version->name);
	need_versions(objects);
	objects->ops->put_back(ctx, objects, version);
}

void
bb_objstore_sweep(const BbReqCtx *ctx, BbObjectStore *objects,
				  const char *prefix)
{
	check_name(prefix);
	objects->ops->sweep(ctx, objects, prefix);
}

bool
bb_objstore_lock(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	check_name(name);
	return objects->ops->lock(ctx, objects, name);
}

BbObjectWriter *
bb_object_create(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	BbObjectWriter *writer;

	check_name(name);
	need_plain(ctx, objects);
	writer = objects->ops->create(ctx, objects, name);
	writer->objects = objects;
	writer->name = pstrdup(name);
	return writer;
}

void
bb_object_write(const BbReqCtx *ctx, BbObjectWriter *writer, const void *data,
				size_t length)
{
	writer->objects->ops->write(ctx, writer, data, length);
}

void
bb_object_finish(const BbReqCtx *ctx, BbObjectWriter *writer)
{
	writer->objects->ops->finish(ctx, writer);
}

void
bb_object_missing(const BbObjectStore *objects, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("object \"%s\" is missing from page store \"%s\"", name,
					objects->url)));
}

BbObjectReader *
bb_object_open(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	BbObjectReader *reader;

	check_name(name);
	reader = objects->ops->open_object(ctx, objects, name);
	if (reader == NULL)
		bb_object_missing(objects, name);
	reader->objects = objects;
	reader->name = pstrdup(name);
	reader->copy = false;
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
	reader->objects->ops->read(ctx, reader, offset, data, length);
	BB_COUNT(ctx, bytes_read, length);
}

void
bb_object_close(BbObjectReader *reader)
{
	reader->objects->ops->close(reader);
}

BbObjectPart *
bb_object_begin_part(const BbReqCtx *ctx, BbObjectStore *objects,
					 const BbWholeObject *object, uint64 offset, void *data,
					 size_t length)
{
	BbObjectPart *part;

	check_name(object->name);
	part = objects->ops->begin_part(ctx, objects, object, offset, data,
									length);
	part->objects = objects;
	part->length = length;
	return part;
}

bool
bb_object_end_part(const BbReqCtx *ctx, BbObjectPart *part)
{
	size_t		length = part->length;

	if (!part->objects->ops->end_part(ctx, part))
		return false;
	BB_COUNT(ctx, bytes_read, length);
	return true;
}

/* ---- residency: the cache's operations, or what holds without one ---- */

void
bb_download_check(const BbReqCtx *ctx, const BbWholeObject *object)
{
	BbDownloadBehavior behavior = ctx->download_behavior;

	if (behavior == BB_DOWNLOAD_ERROR && bb_setting_download_error_as_warn)
		behavior = BB_DOWNLOAD_WARN;
	switch (behavior)
	{
		case BB_DOWNLOAD_ALLOW:
			break;
		case BB_DOWNLOAD_WARN:
			BB_COUNT(ctx, downloads_warned, 1);
			ereport(WARNING,
					(errmsg("%s needs to download layer \"%s\"",
							bb_task_kind_name(ctx->task_kind),
							object->name),
					 errdetail("It has " UINT64_FORMAT " bytes.",
							   object->size)));
			break;
		case BB_DOWNLOAD_ERROR:
			BB_COUNT(ctx, downloads_refused, 1);
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("%s would have to download layer \"%s\"",
							bb_task_kind_name(ctx->task_kind),
							object->name),
					 errdetail("It has " UINT64_FORMAT " bytes and is not "
							   "resident.",
							   object->size),
					 errhint("Set bbackup.download_behavior to \"download\" "
							 "or \"warn\", or call bb_prefetch() first.")));
	}
}

BbResidency
bb_objstore_residency(const BbObjectStore *objects)
{
	return objects->cache_ops != NULL ? BB_RESIDENT_IN_CACHE
									  : objects->residency;
}

bool
bb_object_is_resident(const BbObjectStore *objects,
					  const BbWholeObject *object)
{
	if (objects->cache_ops != NULL)
		return objects->cache_ops->is_resident(objects, object);
	return objects->residency == BB_RESIDENT_ALL;
}

uint64
bb_objstore_cache_size(const BbObjectStore *objects)
{
	return objects->cache_ops != NULL ? objects->cache_ops->size(objects) : 0;
}

void
bb_object_permit_download(const BbReqCtx *ctx, BbObjectStore *objects,
						  const BbWholeObject *object)
{
	if (objects->cache_ops != NULL)
		objects->cache_ops->permit_download(ctx, objects, object);
	else if (!bb_object_is_resident(objects, object))
		bb_download_check(ctx, object);
}

BbObjectReader *
bb_object_open_resident(const BbReqCtx *ctx, BbObjectStore *objects,
						const BbWholeObject *object)
{
	if (objects->cache_ops != NULL)
		return objects->cache_ops->open_resident(ctx, objects, object);
	bb_object_permit_download(ctx, objects, object);
	return bb_object_open(ctx, objects, object->name);
}

const BbWholeObject *
bb_objects_hold(const BbReqCtx *ctx, BbObjectStore *objects, List *wanted,
				BbFetched fetched, void *arg)
{
	if (objects->cache_ops != NULL)
		return objects->cache_ops->hold(ctx, objects, wanted, fetched, arg);
	return objects->residency == BB_RESIDENT_ALL || wanted == NIL
		? NULL
		: linitial(wanted);
}

BbEviction
bb_object_evict(BbObjectStore *objects, const BbWholeObject *object)
{
	return objects->cache_ops != NULL
		? objects->cache_ops->evict(objects, object)
		: BB_EVICTION_NOT_RESIDENT;
}

BbEvicted
bb_objstore_evict_idle(const BbReqCtx *ctx, BbObjectStore *objects,
					   TimestampTz before)
{
	return objects->cache_ops != NULL
		? objects->cache_ops->evict_idle(ctx, objects, before)
		: (BbEvicted){0};
}

BbEvicted
bb_objstore_relieve(const BbReqCtx *ctx, BbObjectStore *objects,
					uint64 min_free)
{
	return objects->cache_ops != NULL
		? objects->cache_ops->relieve(ctx, objects, min_free)
		: (BbEvicted){0};
}

void
bb_object_cool(BbObjectStore *objects, const BbWholeObject *object)
{
	if (objects->cache_ops != NULL)
		objects->cache_ops->cool(objects, object);
}
